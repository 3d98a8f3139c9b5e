package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// A side fails members that it does not hear if it has five members or more than half of all,
// whichever is fewer: in a cluster that has two such sides each fails the other. A smaller side
// fails nobody, and says which it cannot reach; of two members, which have nobody to ask, each
// fails the other.
func TestSidesOfACut(t *testing.T) {
	for _, sides := range [][2]int{
		{1, 1}, {1, 2}, {1, 3}, {2, 2}, {2, 3}, {2, 4}, {3, 3}, {3, 4}, {3, 5}, {4, 4}, {4,
			5}, {4, 6}, {4, 16}, {5, 5}, {5, 15}, {5, 30},
		{1, 19}, {2, 38}, {3, 57}, {4, 96},
	} {
		n := sides[0] + sides[1]
		w := newWorld(t, n, 1, Config{})
		w.Cut = func(a, b int) bool { return (a < sides[0]) != (b < sides[0]) }
		w.Run(40 * time.Second)
		for s, size := range sides {
			judges := size >= 5 || 2*size > n || n == 2
			failed, said := 0, 0
			for i := range n {
				if (i < sides[0]) != (s == 0) {
					continue
				}
				missing := w.nodes[i].isolated
				for k := range n {
					if (k < sides[0]) == (s == 0) {
						continue
					}
					missing = missing || w.nodes[i].unreachable[k]
					if w.holds(i, k) == member.Failed {
						failed++
					}
				}
				if missing {
					said++
				}
			}
			if pairs := sides[0] * sides[1]; judges && failed != pairs {
				t.Errorf("of %d, a side of %d has failed %d of %d", n, size, failed, pairs)
			}
			if !judges && (failed > 0 || said < size) {
				t.Errorf("of %d, a side of %d has failed %d; %d of it say that they cannot "+
					"reach others", n, size, failed, said)
			}
		}
	}
}

// Where too few are left for a jury the word of the hosts decides: processes for which they refuse
// connections are failed.
func TestRefusalsAmongFew(t *testing.T) {
	for _, n := range []int{3, 5, 10, 40} {
		w := newWorld(t, n, 1, Config{})
		for i := 1; i < n; i++ {
			w.kill(i)
		}
		w.Run(time.Minute)
		for i := 1; i < n; i++ {
			if s := w.holds(0, i); s != member.Failed {
				t.Errorf("of %d, the one that is left holds m%d for %s after a minute", n, i, s)
			}
		}
	}
}
