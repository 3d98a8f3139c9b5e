package sim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/size"
)

// TestFewSurvivors where there are zones: nearly all hosts die at once, and so many of each zone
// are left. Within half a minute each survivor holds each of the dead for failed. Or it names it as
// unreachable, where too few are left to judge, or none of a zone of three and more is. Then only
// members that the survivors can judge are failed.
func TestFewSurvivorsInZones(t *testing.T) {
	const all = 1000
	for _, x := range []struct {
		n      int
		left   []int // of each zone
		failed bool  // the dead are failed, or else some are named
	}{
		{100, []int{2, 2, 1}, true}, {100, []int{5, 0, 0}, false}, {100, []int{2, 1, 1},
			false}, {30, []int{2, 1, 1}, false},
		{100, []int{1, 0, 0}, false}, {100, []int{3, 0, 0}, false}, {12, []int{2, 2, 1},
			true}, {100, []int{6, 1, 0}, false},
		{100, []int{5, 1, 1}, true}, {60, []int{all, all, 0}, false}, {60, []int{all, 0, 0}, false},
		{100, []int{3, 2}, true}, {100, []int{1, 1, 1, 1, 1, 1, 0, 0, 0, 0}, false}, {100,
			[]int{4, 3, 3}, true},
		{60, []int{all, all, 1}, true}, {60, []int{all, all, 3}, true}, {9, []int{1, 1, 1},
			false}, {6, []int{2, 1}, false},
		{size.Of(0, 0, 400), []int{3, 3, 3, 3}, true}, {size.Of(0, 0, 1000), []int{5, 5, 5}, true},
	} {
		for seed := range uint64(size.Of(1, 1, 10)) {
			if x.n == 0 {
				continue
			}
			o := Options{Nodes: x.n, Zones: len(x.left), Seed: seed + 1, Unchecked: true,
				Settle: 20 * time.Second, Network: LAN()}
			var dead []int
			for i := range x.n {
				if i/len(x.left) >= x.left[i%len(x.left)] {
					dead = append(dead, i)
				}
			}
			o.Actions = []Action{{Do: Crash, Who: Nodes(dead...)}}
			s := stage(t, o)
			tally := func(p *proc) (failed, named, silent int) { // members
				for _, i := range dead {
					if m, _ := p.node.Table().Get(s.idOf[i]); m.State == member.Failed {
						failed++
					} else if p.node.IsUnreachable(m.ID) {
						named++
					}
				}
				for z := range p.node.SilentZones() {
					silent += z.Members
				}
				return
			}
			took := s.until(30*time.Second, func() bool {
				for _, p := range s.procs {
					if !p.up {
						continue
					}
					if failed, named, _ := tally(p); failed+named != len(dead) || x.failed &&
						named > 0 {
						return false
					}
				}
				return true
			})
			s.after(35 * time.Second)
			for i, p := range s.procs {
				if !p.up {
					continue
				}
				if failed, named, silent := tally(p); took < 0 || failed+named != len(dead) ||
					named != silent+p.node.Undecided() {
					t.Errorf("%d, left %v, seed %d: n%d holds %d of %d failed and names %d, and "+
						"says that of silent zones are %d, and that it cannot judge %d; all are "+
						"known after %s",
						x.n, x.left, seed, i, failed, len(dead), named, silent, p.node.Undecided(),
						took)
				}
			}
			if alive := s.failed(-1); alive > 0 {
				t.Errorf("%d, left %v, seed %d: %d views hold failed who lives", x.n, x.left,
					seed, alive)
			}
		}
	}
}
