package gossip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Those that a node cannot judge are live: one that has left, or is forgotten, is not counted any
// more, not for a moment, and the user hears of no number that once was.
func TestTheUndecidedAreLive(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(6, nil)
	w.run(20 * time.Second)
	a := nodes[0]
	for _, p := range nodes[3:] {
		p.down = true
	}
	w.until(30*time.Second, "it cannot judge three", func() bool { return a.Undecided() == 3 })
	a.events = nil
	if err := w.do(a, Forget{IDs: []member.ID{nodes[3].id, nodes[4].id, nodes[5].id}}); err != nil {
		t.Fatal(err)
	}
	if n := a.Undecided(); n > 0 {
		t.Errorf("%d undecided of %d", n, a.Table().Live())
	}
	w.run(5 * time.Second)
	for _, e := range a.events {
		if e.Kind == Undecided {
			t.Errorf("told: %d of %d are undecided", e.Silent, e.Of)
		}
	}
	if count(a, Decided) != 1 {
		t.Errorf("told %d times that there are none", count(a, Decided))
	}
}

// Of a member it is said that others reach it and this node does not, or that it is unreachable,
// and not both; and of a node that is cut off itself neither is said of the way to one member.
func TestBrokenIsNotUnreachable(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(20 * time.Second)
	a, b := nodes[0], nodes[1]
	w.cut = func(from, to netip.AddrPort) bool { return from == a.addr && to == b.addr }
	w.until(20*time.Second, "the way to one is broken",
		func() bool { return len(a.Broken(w.Now)) == 1 })
	w.cut = func(from, _ netip.AddrPort) bool { return from == a.addr }
	w.until(30*time.Second, "it is unheard", func() bool {
		for _, x := range a.Paths(w.Now) {
			if x.Broken && a.IsUnreachable(x.Member.ID) {
				t.Errorf("%s is broken and unreachable", x.Member.Name())
			}
		}
		return a.Unheard()
	})
	for _, x := range a.Paths(w.Now) {
		if x.Broken {
			t.Errorf("it is cut off, and %s is broken", x.Member.Name())
		}
	}
	if n := len(a.Broken(w.Now)); n > 0 {
		t.Errorf("it is cut off, and %d are broken", n)
	}
}
