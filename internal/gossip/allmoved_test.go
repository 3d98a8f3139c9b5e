package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/door"
)

// moveAll gives all nodes other addresses at once, which each notices a few seconds later, as their
// hosts do.
func (w *world) moveAll(nodes []*peer, to func(i int) int) {
	for i, p := range nodes {
		w.moveTo(p, to(i))
	}
	w.run(5 * time.Second)
	for i, p := range nodes {
		if err := w.do(p, Moved{Addr: addrOf(to(i))}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// All members get other addresses at once: none knows where any other is. A user that has one after
// the other join at one of the new addresses has the whole cluster back, in the same lives.
func TestAllMoved(t *testing.T) {
	for _, d := range allDetectors() {
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
						w.until(5*time.Second, p.addr.String()+" is in touch",
							func() bool { return w.meets(p, nodes[0]) && w.meets(nodes[0], p) })
					}
					w.until(time.Minute, "all are where they are",
						func() bool { return w.allSee(size) && w.placed(nodes) })
					for _, p := range nodes {
						if is := p.Self(); is.Generation() != 1 || count(p, Conflicted) > 0 ||
							p.Stopped() {
							t.Errorf("%s is in life %d, stopped: %t", p.addr, is.Generation(),
								p.Stopped())
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
		if !w.heldAt(p.roster.Record().Name, p.addr) {
			return false
		}
	}
	return true
}

// The members of a cluster that all moved look for their seeds again by themselves, and find them
// where the names lead by then; also where they have swapped their addresses, and where much is
// lost.
func TestAllMovedAndTheNamesLeadThere(t *testing.T) {
	anew := func(i int) int { return 1000 + i }
	for _, d := range allDetectors() {
		for _, c := range []struct {
			what string
			size int
			to   func(i int) int
			loss float64
		}{
			{"all anew", 8, anew, 0}, {"lossy", 8, anew,
				0.2}, {"more claims than a seed keeps", door.MaxClaims + 8, anew, 0},
			{"swapped", 8, func(i int) int { return (i + 3) % 8 }, 0},
		} {
			t.Run(fmt.Sprintf("%v, %s", d, c.what), func(t *testing.T) {
				w := newWorld(t)
				nodes := w.cluster(c.size, &Config{Detector: d})
				w.run(5 * time.Second)
				w.moveAll(nodes, c.to)
				w.loss = c.loss
				seeds := []netip.AddrPort{addrOf(c.to(0)), addrOf(c.to(1))}
				w.run(20 * time.Second)
				var wants []*peer
				w.onEvent = func(p *peer, e Event) {
					if e.Kind == SeedsWanted {
						wants = append(wants, p)
					}
				}
				took := w.until(2*time.Minute, "all are where they are", func() bool {
					for _, p := range wants {
						w.do(p, Join{Seeds: seeds})
					}
					wants = wants[:0]
					return w.placed(nodes) && w.allSee(c.size)
				})
				t.Logf("%v after %v", d, took)
			})
		}
	}
}

// A node that lives keeps its name and its address, though another one claims them in the same life
// and above what is known: it is asked.
func TestMovedIsNoTakeover(t *testing.T) {
	for _, d := range allDetectors() {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			nodes := w.cluster(5, &Config{Detector: d})
			w.run(5 * time.Second)
			x := w.start("n3", 60, 1, &Config{Detector: d}, 200)
			w.do(x, Moved{Addr: addrOf(61)})
			w.moveTo(x, 61)
			w.onEvent = func(p *peer, e Event) {
				if e.Kind == MemberUpdated || e.Kind == MemberFailed {
					t.Errorf("%s is told of %s: %d", p.addr, e.Member.Name(), e.Kind)
				}
			}
			for range 20 {
				w.do(x, Join{Seeds: []netip.AddrPort{addrOf(0), addrOf(1)}})
				w.run(500 * time.Millisecond)
			}
			if x.door.Welcomed() || nodes[3].Stopped() ||
				!w.heldAt("n3", addrOf(3)) && x.Stopped() {
				t.Errorf("in: %t\n%s", x.door.Welcomed(), w.views())
			}
		})
	}
}

// A user's Join of a live member is answered by that member, and only then told; never for one that
// is gone, before anybody noticed.
func TestSeedMet(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.run(5 * time.Second)
	for range 2 { // again and again
		met := count(nodes[1], SeedMet)
		w.do(nodes[1], Join{Merge: []netip.AddrPort{addrOf(2)}})
		w.until(100*time.Millisecond, "n1 has met n2",
			func() bool { return count(nodes[1], SeedMet) > met })
	}
	w.run(10 * time.Second)
	if met := count(nodes[1], SeedMet); met != 2 {
		t.Errorf("told %d times", met)
	}
	nodes[3].down = true
	w.do(nodes[1], Join{Merge: []netip.AddrPort{addrOf(3)}})
	w.run(30 * time.Second)
	if met := count(nodes[1], SeedMet); met != 2 {
		t.Error("met one that is gone")
	}
}

// All but one of a small cluster are started anew at other addresses; the one that is left hears
// nobody.
func TestAllOthersAreStartedElsewhere(t *testing.T) {
	for _, d := range allDetectors() {
		for size := 2; size <= 5; size++ {
			t.Run(fmt.Sprintf("%v, %d", d, size), func(t *testing.T) {
				w := newWorld(t)
				nodes := w.cluster(size, &Config{Detector: d})
				w.run(5 * time.Second)
				for i, p := range nodes[1:] {
					p.down = true
					w.start(fmt.Sprintf("n%d", i+1), 101+i, 9, &Config{Detector: d}, 0)
				}
				w.until(time.Minute, "all are in",
					func() bool { return w.allSee(size) && w.agree() })
			})
		}
	}
}
