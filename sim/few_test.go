package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/test/size"
)

// Nearly all hosts die at once. Five survivors and more know all the dead as failed within half a minute. Fewer, in a cluster of
// ten or more, cannot tell: each of them names all the dead as unreachable within 15 s, fails nobody, and says how many it
// cannot judge.
func TestFewSurvivors(t *testing.T) {
	for _, x := range []struct{ n, left int }{
		{3, 1}, {20, 4}, {40, 3}, {100, 4}, {100, 5}, {size.Of(0, 0, 400), 12}, {size.Of(0, 0, 1000), 15},
	} {
		for seed := range uint64(size.Of(1, 2, 10)) {
			if x.n == 0 {
				continue
			}
			dead := x.n - x.left
			o := Options{Nodes: x.n, Seed: seed + 1, Unchecked: true, Settle: 20 * time.Second, Network: LAN()}
			s := stage(t, o, fmt.Sprintf("0s=crash:n%d-n%d", x.left, x.n-1))
			held := func(what func(p *proc, m member.Member) bool) func() bool {
				return func() bool {
					for _, p := range s.procs[:x.left] {
						k := 0
						for m := range p.node.Table().All() {
							if what(p, m) {
								k++
							}
						}
						if k != dead {
							return false
						}
					}
					return true
				}
			}
			failed := held(func(_ *proc, m member.Member) bool { return m.State == member.Failed })
			if x.left >= 5 {
				if took := s.until(30*time.Second, failed); took < 0 {
					t.Errorf("%d → %d, seed %d: not all the dead are known after half a minute", x.n, x.left, seed)
				}
				continue
			}
			took := s.until(15*time.Second, held(func(p *proc, m member.Member) bool {
				return m.State.Live() && p.node.IsUnreachable(m.ID)
			}))
			s.after(20 * time.Second)
			for i, p := range s.procs[:x.left] {
				if took < 0 || p.node.Undecided() != dead || s.failed(-1) > 0 {
					t.Errorf("%d → %d, seed %d: all the dead are named after %s; n%d cannot judge %d; %d views hold somebody failed",
						x.n, x.left, seed, took, i, p.node.Undecided(), s.failed(-1))
				}
			}
		}
	}
}
