package starling

// This file tests in which order seeds are asked.

import (
	"net/netip"
	"slices"
	"testing"
)

func TestEachSeedHasItsTurn(t *testing.T) {
	for _, count := range []int{0, 1, seedsAtOnce, seedsAtOnce + 1, 150, MaxSeeds} {
		all := make([]netip.AddrPort, count)
		for i := range all {
			all[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
		}
		var asked []netip.AddrPort
		from := 0
		for range (count + seedsAtOnce - 1) / seedsAtOnce {
			var some []netip.AddrPort
			some, from = nextSeeds(all, from)
			if len(some) != min(count, seedsAtOnce) {
				t.Fatalf("of %d seeds %d are asked at once", count, len(some))
			}
			asked = append(asked, some...)
		}
		for _, a := range all {
			if !slices.Contains(asked, a) {
				t.Errorf("of %d seeds %s had no turn", count, a)
			}
		}
		// Fewer seeds than the position was in: the next lookup found less.
		if some, _ := nextSeeds(all[:min(count, 3)], 77); len(some) != min(count, 3) {
			t.Errorf("of %d seeds %d are asked", min(count, 3), len(some))
		}
	}
}
