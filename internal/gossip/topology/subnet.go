package topology

import (
	"math/rand/v2"
	"slices"
)

// This file chooses among members that are numbers from 0 on: for experiments, and for callers that
// keep members in an array.

// Others appends k distinct numbers below n, drawn uniformly, self left out; fewer where there are
// not so many.
func Others(rng *rand.Rand, n, self, k int, dst []int32) []int32 {
	return draw(rng, 0, n, self, k, dst)
}

// draw appends k distinct numbers from lo up to hi, self left out, by Floyd's method (Bentley and
// Floyd 1987): one draw for each, whatever was drawn before.
func draw(rng *rand.Rand, lo, hi, self, k int, dst []int32) []int32 {
	m := hi - lo
	inside := lo <= self && self < hi
	if inside {
		m--
	}
	first := len(dst)
	number := func(i int) int32 {
		if inside && lo+i >= self {
			i++
		}
		return int32(lo + i)
	}
	for j := max(m-k, 0); j < m; j++ {
		c := number(rng.IntN(j + 1))
		if slices.Contains(dst[first:], c) {
			c = number(j)
		}
		dst = append(dst, c)
	}
	return dst
}

// Subnets is members that are numbered subnet by subnet: subnet s is those from Subnets[s] up to
// Subnets[s+1], and the last number is how many there are.
type Subnets []int32

// Split makes s subnets of n members, as equal as can be.
func Split(n, s int) Subnets {
	all := make(Subnets, s+1)
	for i := range all {
		all[i] = int32(i * n / s)
	}
	return all
}

// Of returns the subnet of a member.
func (s Subnets) Of(member int) int {
	i, found := slices.BinarySearch(s, int32(member))
	if !found {
		i--
	}
	return i
}

// Stays says whether a contact of a member stays in its subnet of size members. It does with
// probability 1 − 1/size. So one contact a round leaves each subnet in the mean, however large it
// is (van Renesse, Minsky and Hayden 1998, "A Gossip-Style Failure Detection Service", section 4).
func Stays(rng *rand.Rand, size int) bool { return rng.IntN(size) != 0 }

// Pick appends k distinct members to contact, self left out. For each, Stays draws whether it is of
// self's subnet or of the rest; among these it is drawn uniformly.
func (s Subnets) Pick(rng *rand.Rand, self, k int, dst []int32) []int32 {
	own, n := s.Of(self), int(s[len(s)-1])
	lo, hi := int(s[own]), int(s[own+1])
	stay := 0
	for range k {
		if Stays(rng, hi-lo) {
			stay++
		}
	}
	others := n - (hi - lo)
	stay = max(min(stay, hi-lo-1), k-others) // where one side has too few, the other gives
	dst = draw(rng, lo, hi, self, stay, dst)
	first := len(dst)
	dst = draw(rng, 0, others, -1, k-stay, dst) // numbered as if there were no subnet of one's own
	for i := range dst[first:] {
		if int(dst[first+i]) >= lo {
			dst[first+i] += int32(hi - lo)
		}
	}
	return dst
}
