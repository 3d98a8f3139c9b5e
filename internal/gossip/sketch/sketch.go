// Package sketch tells which items two sets do not share, from a few words of each: an invertible
// Bloom lookup table of 64-bit items without counts (Goodrich and Mitzenmacher, "Invertible Bloom
// Lookup Tables", 2011; Eppstein et al., "What's the Difference?", 2011). Each item is XORed into
// four cells, one in each quarter. The XOR of two tables' sketches is the sketch of what differs,
// and peels apart as long as some cell holds a single item.
//
// The low CheckBits of an item are a hash of the rest, and tell a single item from the XOR of
// several. The rest is made under a Salt that is fresh for each sketch, so that an unlucky meeting
// of hashes does not happen twice.
package sketch

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// CheckBits is how many bits of an item are its check.
const CheckBits = 14

// Salt makes items. It is what both sides know of a sketch, spread to 64 bits.
type Salt uint64

// NewSalt spreads what was drawn for a sketch.
func NewSalt(v uint32) Salt { return Salt(member.Mix(uint64(v) + 0x9e3779b97f4a7c15)) }

// Tag stands for an ID.
func (s Salt) Tag(id member.ID) uint32 { return uint32(member.Mix(uint64(id)^uint64(s)) >> 32) }

// Seal makes an item of the upper bits of a number.
func Seal(v uint64) uint64 {
	v &^= 1<<CheckBits - 1
	return v | member.Mix(v)&(1<<CheckBits-1)
}

// places returns the four cells of an item, and whether its check is right.
func places(item uint64, cells int) (at [4]int, whole bool) {
	h := member.Mix(item &^ (1<<CheckBits - 1))
	whole = (h^item)&(1<<CheckBits-1) == 0
	h >>= CheckBits
	quarter := cells / 4
	for j := range at {
		at[j] = j*quarter + int(h&0xfff)*quarter>>12
		h >>= 12
	}
	return at, whole
}

// Toggle adds an item to a sketch, or takes it out.
func Toggle(cells []uint64, item uint64) {
	at, _ := places(item, len(cells))
	for _, i := range at {
		cells[i] ^= item
	}
}

// Peel appends the items of a sketch to a slice, sorted, and says whether that is all of them. It
// destroys the sketch. What a partial decode yields must not be used: a wrong single item is rare,
// but a partial decode is where it shows.
func Peel(cells, items []uint64) ([]uint64, bool) {
	start := len(items)
	for again := true; again; {
		again = false
		for i, v := range cells {
			if v == 0 {
				continue
			}
			at, whole := places(v, len(cells))
			if !whole || !slices.Contains(at[:], i) {
				continue
			}
			if len(items)-start >= len(cells) { // a wrong single item going round
				return items[:start], false
			}
			for _, j := range at {
				cells[j] ^= v
			}
			items, again = append(items, v), true
		}
	}
	for _, v := range cells {
		if v != 0 {
			return items[:start], false
		}
	}
	found := items[start:]
	slices.Sort(found)
	return items[:start+len(dropPairs(found))], true
}

// dropPairs takes out what stands twice in a sorted slice: a wrong item that was peeled in and out
// again.
func dropPairs(s []uint64) []uint64 {
	n := 0
	for i := 0; i < len(s); i++ {
		if i+1 < len(s) && s[i] == s[i+1] {
			i++
			continue
		}
		s[n] = s[i]
		n++
	}
	return s[:n]
}
