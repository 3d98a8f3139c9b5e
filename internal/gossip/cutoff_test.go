package gossip

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A node that is cut off, or that hears and is not heard, says which of the two it is, once, within
// ten seconds, and says so for as long as it lasts: nothing becomes better by silence. It holds
// nobody for failed, reaches nobody, and does not say that others hear it. All is well soon after.
func TestCutOffStaysCutOff(t *testing.T) {
	for _, n := range []int{3, 5, 8, 40} {
		for _, mute := range []bool{false, true} {
			w := newWorld(t)
			nodes := w.cluster(n, nil)
			w.run(20 * time.Second)
			p := nodes[n-1]
			p.events = nil
			w.cut = func(from, to netip.AddrPort) bool {
				return from == p.addr ||
					to == p.addr && !mute
			}
			w.until(10*time.Second, "it is isolated", p.Isolated)
			if p.Unheard() != mute {
				t.Errorf("n=%d, mute %t: unheard %t", n, mute, p.Unheard())
			}
			w.run(2 * time.Minute)
			if reachable, of := p.Reach(); reachable != 1 || of != n {
				t.Errorf("n=%d, mute %t: it reaches %d of %d", n, mute, reachable, of)
			}
			if p.Table().Live() != n || p.Unreached() || !p.Isolated() || p.Unheard() != mute {
				t.Errorf("n=%d, mute %t: %d live, unreached %t, isolated %t, unheard %t", n,
					mute, p.Table().Live(), p.Unreached(), p.Isolated(), p.Unheard())
			}
			for _, c := range []struct {
				kind EventKind
				want int
			}{{Isolated, 1}, {Reunited, 0}, {Unreached, 0}, {Reached, 0}, {Unheard,
				pickInt(mute)}, {HeardAgain, 0}} {
				if got := count(p, c.kind); got != c.want {
					t.Errorf("n=%d, mute %t: told %d times of %d", n, mute, got, c.kind)
				}
			}
			w.cut = nil
			w.until(10*time.Second, "it is back", func() bool {
				return !p.Isolated() &&
					w.allSee(n)
			})
			if p.Unheard() || count(p, Reunited) != 1 || count(p, HeardAgain) != pickInt(mute) {
				t.Errorf("n=%d, mute %t: back, and unheard %t", n, mute, p.Unheard())
			}
		}
	}
}

func pickInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A node that is cut off by degrees does not become well by losing sight of members one by one:
// their addresses are of the other family for a while, and then again not.
func TestIsolationOutlastsRoutes(t *testing.T) {
	w, nodes := families(t, "bbbbb", nil)
	p := nodes[4]
	w.cut = func(from, to netip.AddrPort) bool { return from == p.addr || to == p.addr }
	w.until(10*time.Second, "it is isolated", p.Isolated)
	p.events = nil
	for range 3 {
		w.do(p, Routes{IPv6})
		w.run(5 * time.Second)
		w.do(p, Routes{AnyFamily})
		w.run(5 * time.Second)
	}
	if n := count(p, Reunited); n > 0 {
		t.Errorf("it is told %d times that it is isolated no more", n)
	}
}

// A host keeps addresses of one family alone, and all others are at addresses of the other one: its
// node is cut off, says so at once, and counts nobody as reached. With the routes it is back.
func TestNobodyOfItsFamily(t *testing.T) {
	for _, d := range allDetectors() {
		w, nodes := families(t, "bbbbb", &Config{Detector: d})
		p := nodes[4]
		route, gone := w.route, true
		w.route = func(q *peer, to netip.AddrPort) (from, where netip.AddrPort) {
			if gone && to.Addr().Is4() && (to == addrOf(4) || q == p) {
				return q.addr, netip.AddrPort{}
			}
			return route(q, to)
		}
		w.do(p, Moved{Addr: six(4)})
		w.do(p, Routes{IPv6})
		w.run(time.Second)
		if reachable, of := p.Reach(); !p.Isolated() || !p.Unserved() || p.Unheard() ||
			reachable != 1 || of != 5 || count(p, Isolated) != 1 {
			t.Errorf("%s: isolated %t, unserved %t, unheard %t, reaches %d of %d", d,
				p.Isolated(), p.Unserved(), p.Unheard(), reachable, of)
		}
		w.do(p, Publish{Topic: "t", Payload: []byte("x"), Confirm: true})
		w.run(5 * time.Second)
		for _, e := range p.events {
			if e.Kind == MessageSpread && e.Spread.Have >= e.Spread.Of {
				t.Errorf("%s: of its message it is told that %d of %d have it", d,
					e.Spread.Have, e.Spread.Of)
			}
		}
		w.run(30 * time.Second)
		// The other detectors fail all that they do not hear, so that nobody is left to be cut off
		// from.
		if d == INQUEST && (!p.Isolated() || count(p, Reunited) > 0) {
			t.Errorf("%s: later it is not isolated", d)
		}
		gone = false
		w.do(p, Moved{Addr: addrOf(4)})
		w.do(p, Routes{AnyFamily})
		w.until(30*time.Second, "it is back", func() bool {
			return !p.Isolated() && w.allSee(5) &&
				!slices.ContainsFunc(nodes, func(q *peer) bool {
					return count(q,
						MessageDelivered) == 0
				})
		})
	}
}

// A node whose own seed is dead is in once another one comes to it and proves its address: it was
// let in by nobody, and yet they are one cluster. A Join that proves nothing is no such sign.
func TestInByLettingIn(t *testing.T) {
	w := newWorld(t)
	n1 := w.start("n1", 1, 1, nil, 99)
	w.run(10 * time.Second)
	w.cut = func(from, _ netip.AddrPort) bool { return from == n1.addr } // no Challenge comes
	n3 := w.start("n3", 3, 1, nil, 1)
	w.run(10 * time.Second)
	if n1.Complete() || count(n1, Welcomed) > 0 || n1.ClusterID() != 0 {
		t.Fatal("it is in by a Join without a proof")
	}
	w.cut = nil
	w.until(10*time.Second, "both are in", func() bool { return n1.Complete() && n3.Complete() })
	if n1.ClusterID() == 0 || n1.ClusterID() != n3.ClusterID() {
		t.Errorf("they are of clusters %x and %x", n1.ClusterID(), n3.ClusterID())
	}
}

// Two seeds do not hear each other as they start, and each lets in another one. They are in, and
// ask on.
func TestSeedsApartLetOthersIn(t *testing.T) {
	w := newWorld(t)
	w.cut = func(from, to netip.AddrPort) bool {
		return from == addrOf(1) && to == addrOf(2) || from == addrOf(2) && to == addrOf(1)
	}
	w.start("n1", 1, 1, nil, 1, 2)
	w.start("n2", 2, 1, nil, 1, 2)
	w.start("n3", 3, 1, nil, 1)
	w.start("n4", 4, 1, nil, 2)
	w.run(10 * time.Second)
	for _, p := range w.nodes {
		if !p.Complete() || p.Table().Live() != 2 {
			t.Fatalf("%s: complete %t, %d members", p.addr, p.Complete(), p.Table().Live())
		}
	}
	w.cut = nil
	w.until(3*time.Second, "all see all", func() bool { return w.allSee(4) })
}

// The whole of a cluster restarts, and the seeds are gone: its nodes are in the cluster that it
// was. One of another grown cluster that dials an address that it remembers is not let in, and lets
// nobody in.
func TestInByLettingInAfterRestart(t *testing.T) {
	w := newWorld(t)
	id := uint64(8)
	w.self = func(_ int, s *Self) { s.ClusterID = id }
	n3 := w.start("n3", 3, 2, nil)
	w.start("n4", 4, 2, nil, 3)
	w.until(10*time.Second, "the other cluster is there", func() bool { return w.allSee(2) })
	id = 7
	n1 := w.start("n1", 1, 2, nil, 99)
	w.do(n3, Join{Peers: []netip.AddrPort{addrOf(1)}})
	w.run(20 * time.Second)
	if n1.Complete() || n1.ClusterID() != 7 || n1.Table().Len() != 1 || n3.Table().Len() != 2 {
		t.Fatalf("two clusters met: complete %t, cluster %x, %d members", n1.Complete(),
			n1.ClusterID(), n1.Table().Len())
	}
	n2 := w.start("n2", 2, 2, nil, 1)
	w.until(10*time.Second, "both are in", func() bool { return n1.Complete() && n2.Complete() })
	w.run(20 * time.Second)
	if n1.ClusterID() != 7 || n2.ClusterID() != 7 || n3.ClusterID() != 8 || n1.Table().Len() != 2 {
		t.Errorf("clusters %x, %x and %x, %d members", n1.ClusterID(), n2.ClusterID(),
			n3.ClusterID(), n1.Table().Len())
	}
}
