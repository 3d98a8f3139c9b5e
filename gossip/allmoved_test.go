package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var allDetectors = []Detector{SWIM, INQUEST, HEARTBEAT, ACCRUAL}

// moveAll gives all nodes other addresses at once, which each notices a few seconds later, as their hosts do.
func (w *world) moveAll(nodes []*peer, to func(i int) int) {
	for i, p := range nodes {
		w.moveTo(p, to(i))
	}
	w.run(5 * time.Second)
	for i, p := range nodes {
		if err := w.do(p, Moved{addrOf(to(i))}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// All members get other addresses at once: none knows where any other is. A user who has one after the other join at one of the new
// addresses has the whole cluster back, in the same lives.
func TestAllMoved(t *testing.T) {
	for _, d := range allDetectors {
		for _, size := range []int{2, 3, 8} {
			for _, after := range []time.Duration{0, 30 * time.Second, 10 * time.Minute} {
				t.Run(fmt.Sprintf("%v, %d, %v", d, size, after), func(t *testing.T) {
					w := newWorld(t)
					nodes := w.cluster(size, &Config{Detector: d})
					w.run(5 * time.Second)
					w.moveAll(nodes, func(i int) int { return 100 + i })
					w.run(after)
					for _, p := range nodes[1:] {
						w.do(p, Join{Merge: []netip.AddrPort{addrOf(100)}})
						w.until(5*time.Second, p.addr.String()+" is in touch", func() bool { return w.meets(p, nodes[0]) && w.meets(nodes[0], p) })
					}
					w.until(time.Minute, "all are where they are", func() bool { return w.allSee(size) && w.placed(nodes) })
					for _, p := range nodes {
						if is := p.Self(); is.Generation() != 1 || count(p, Conflicted) > 0 || p.Stopped() {
							t.Errorf("%s is in life %d, stopped: %t", p.addr, is.Generation(), p.Stopped())
						}
					}
				})
			}
		}
	}
}

// meets says whether a node holds another one live at the address where it is.
func (w *world) meets(p, q *peer) bool {
	m, ok := p.Table().Get(q.id)
	return ok && m.State.Live() && m.Addr() == q.addr
}

// placed says whether all hold all where they are.
func (w *world) placed(nodes []*peer) bool {
	for _, p := range nodes {
		if !w.heldAt(p.self.Value().Name, p.addr) {
			return false
		}
	}
	return true
}

// The members of a cluster that all moved look for their seeds again by themselves, and find them where the names lead by then; also
// where they have swapped their addresses.
func TestAllMovedAndTheNamesLeadThere(t *testing.T) {
	for _, d := range allDetectors {
		for what, to := range map[string]func(i int) int{
			"all new": func(i int) int { return 100 + i },
			"swapped": func(i int) int { return (i + 3) % 8 },
		} {
			t.Run(fmt.Sprintf("%v, %s", d, what), func(t *testing.T) {
				w := newWorld(t)
				nodes := w.cluster(8, &Config{Detector: d})
				w.run(5 * time.Second)
				w.moveAll(nodes, to)
				seeds := []netip.AddrPort{addrOf(to(0)), addrOf(to(1))}
				w.run(20 * time.Second)
				var wants []*peer
				w.onEvent = func(p *peer, e Event) {
					if e.Kind == SeedsWanted {
						wants = append(wants, p)
					}
				}
				took := w.until(3*time.Minute, "all are where they are", func() bool {
					for _, p := range wants {
						w.do(p, Join{Seeds: seeds})
					}
					wants = wants[:0]
					return w.allSee(8) && w.placed(nodes)
				})
				t.Logf("%v after %v", d, took)
			})
		}
	}
}
