package gossip

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A forged record that leaves its owner no room above it, sent to a member or to the owner, changes
// nothing. A restart with a usual clock is known, and another forgery after it changes nothing
// either.
func TestForgedHeights(t *testing.T) {
	for _, g := range []uint64{member.MaxGeneration, member.MaxGeneration - 1, roster.MaxFirst,
		roster.MaxFirst + 1} {
		for _, inc := range []uint32{0, math.MaxUint32} {
			for _, to := range []int{1, 3} {
				t.Run(fmt.Sprint(g, inc, to), func(t *testing.T) {
					w := newWorld(t)
					nodes := w.cluster(5, nil)
					w.run(5 * time.Second)
					for _, at := range []int{3, 77} {
						rec := wire.AppendRecord(nil, recordOf("n3", g, addrOf(at)),
							&wire.Claim{Generation: g, Incarnation: inc})
						w.inject(nodes[to], forge("evil", 5, rec))
						w.run(5 * time.Second)
					}
					for _, p := range nodes {
						if m, _ := p.Table().Get(nodes[3].id); m.Generation() != 1 ||
							m.Addr() != addrOf(3) {
							t.Errorf("%s has n3 at generation %d", p.addr, m.Generation())
						}
					}
					nodes[3].down = true
					w.run(100 * time.Millisecond)
					again := w.start("n3", 3, 2, nil, 0)
					w.until(20*time.Second, "all see all",
						func() bool { return again.door.Welcomed() && w.allSee(5) })
					if n := count(nodes[3], HeldFailed); n > 0 {
						t.Errorf("it was told %d times that it failed", n)
					}
				})
			}
		}
	}
}

// The incarnation does not wrap where there is no generation above.
func TestNoWrap(t *testing.T) {
	w := newWorld(t)
	n := w.cluster(2, nil)[0]
	w.step(n, func(out *Outbox) {
		n.begin(w.Now, out)
		n.roster.GoAbove(member.MaxGeneration, math.MaxUint32)
		n.finish()
	})
	if n.roster.Incarnation() != math.MaxUint32 {
		t.Errorf("the incarnation is %d", n.roster.Incarnation())
	}
}
