// Package topology chooses peers to tell and peers to ask.
package topology

import (
	"math/rand/v2"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Pick appends to dst up to k distinct live members drawn uniformly, none of which is among the
// excluded. It draws without looking at the others, so its cost does not grow with the cluster;
// only where few members are left to choose from does it go through them.
func Pick(rng *rand.Rand, t *member.Table, k int, dst []member.Member,
	exclude ...member.ID) []member.Member {
	live := t.Served()
	if k <= 0 || live == 0 {
		return dst
	}
	first := len(dst)
	if live <= 2*k+len(exclude) {
		return pickFew(rng, t, k, dst, exclude)
	}
	// At most half of the draws miss, so a bound of 8 tries for each leaves out a peer once in
	// 2⁸ᵏ.
	for range 8 * k {
		if len(dst)-first == k {
			break
		}
		i := rng.IntN(live)
		if id := t.IDAt(i); !contains(dst[first:], exclude, id) {
			dst = append(dst, t.At(i))
		}
	}
	return dst
}

// pickFew goes through all live members, and puts those that it chose in a random order.
func pickFew(rng *rand.Rand, t *member.Table, k int, dst []member.Member,
	exclude []member.ID) []member.Member {
	first, live := len(dst), t.Served()
	seen := 0
	for i := range live {
		if contains(nil, exclude, t.IDAt(i)) {
			continue
		}
		// Reservoir sampling (Vitter 1985, algorithm R): every candidate stays with the same
		// probability.
		seen++
		if len(dst)-first < k {
			dst = append(dst, t.At(i))
		} else if j := rng.IntN(seen); j < k {
			dst[first+j] = t.At(i)
		}
	}
	chosen := dst[first:]
	rng.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	return dst
}

func contains(chosen []member.Member, exclude []member.ID, id member.ID) bool {
	for i := range chosen {
		if chosen[i].ID == id {
			return true
		}
	}
	for _, x := range exclude {
		if x == id {
			return true
		}
	}
	return false
}
