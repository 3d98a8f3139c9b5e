package multicast

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// This file tests what goes over multicast by the network: the routers, SRM and RMTP.

func TestRouters(t *testing.T) {
	w := stage(t, "srm", Options{Nodes: 21, Arity: 4, Loss: 0.19})
	r := w.tree
	for _, c := range []struct{ a, b, hops int }{{0, 0, 0}, {0, 20, 2}, {5, 6, 2}, {5, 20, 4},
		{1, 5, 1}} {
		if got := r.hops(c.a, c.b); got != c.hops || r.hops(c.b, c.a) != c.hops {
			t.Errorf("from %d to %d are %d hops, want %d", c.a, c.b, got, c.hops)
		}
	}
	mean := 36.0 / 20 // four at depth one, sixteen at depth two
	if whole := 1 - math.Pow(1-r.loss, mean); math.Abs(whole-0.19) > 1e-9 {
		t.Errorf("a mean path loses %.4f, want 0.19", whole)
	}
	if whole := time.Duration(mean * float64(r.link.Quantile(0.5))); whole < ms-2 || whole > ms+2 {
		t.Errorf("a mean path takes %s", whole)
	}
}

// A loss on a link is the loss of all below it, and of no others.
func TestRoutersLoseByBranch(t *testing.T) {
	branches := 0
	for seed := range uint64(40) {
		w := stage(t, "rmtp", Options{Nodes: 85, Seed: seed, Loss: 0.2, Status: time.Hour})
		begin(w)
		pass(t, w, 10*ms)
		has := func(i int) bool { return w.members[i].has }
		for i := 1; i < 85; i++ {
			if p := w.tree.parent(i); !has(p) && has(i) {
				t.Fatalf("seed %d: %d has it, its parent %d not", seed, i, p)
			}
		}
		if !has(1) {
			branches++
		}
	}
	if branches == 0 || branches > 15 { // a link loses 0.08 of all
		t.Errorf("the first branch was lost in %d of 40 runs", branches)
	}
}

// One asks for all, one repairs for all: the timers of the others are put off or dropped.
func TestSRMSuppresses(t *testing.T) {
	w := stage(t, "srm", Options{Nodes: 341, Session: time.Hour, Linger: time.Second})
	for i := 1; i < 341; i++ { // the branch below 1 loses the message
		if under(w.tree, i, 1) {
			makeDeaf(w, i, data, 1)
		}
	}
	begin(w)
	pass(t, w, 10*ms)
	missing := w.due - len(w.got)
	if missing != 85 {
		t.Fatalf("%d lack it, want a quarter", missing)
	}
	w.members[0].group(session, wholeGroup, 1)
	pass(t, w, 200*ms)
	if !all(w) {
		t.Fatalf("%d of %d have it", len(w.got), w.due)
	}
	if n := w.counts[nack]; n < 1 || n > 20 {
		t.Errorf("85 that lack it made %d requests", n)
	}
	if n := w.counts[data] - 1; n < 1 || n > 15 {
		t.Errorf("256 that have it made %d repairs", n)
	}
}

func under(t *routers, i, top int) bool {
	for ; i > 0; i = t.parent(i) {
		if i == top {
			return true
		}
	}
	return false
}

// The request's timer is in [C1·d, (C1+C2)·d], doubled at each back-off; one heard early in a
// timer counts no more.
func TestSRMTimers(t *testing.T) {
	w := stage(t, "srm", Options{Nodes: 85, Session: time.Hour})
	for i := range 40 {
		s := w.members[84].node.(*srm)
		d := s.distance(0)
		s.backoffs = -1
		s.receive(0, session, []uint32{1}, false)
		wait := s.request.Sub(s.now())
		if wait < 2*d || wait > 4*d {
			t.Fatalf("draw %d: asks after %s at distance %s", i, wait, d)
		}
		s.receive(3, nack, []uint32{3}, false)
		if s.backoffs != 0 {
			t.Fatal("a request of the same round was a back-off")
		}
		s.ignore = s.now()
		s.receive(3, nack, []uint32{3}, false)
		if wait = s.request.Sub(s.now()); s.backoffs != 1 || wait < 4*d || wait > 8*d {
			t.Fatalf("after a back-off it asks after %s at distance %s", wait, d)
		}
	}
	s := w.members[20].node.(*srm)
	s.has = true
	s.receive(84, nack, []uint32{84}, false)
	d, log := s.distance(84), math.Log10(85)
	if wait := float64(s.repair.Sub(s.now())) / float64(d); wait < log || wait > 2*log {
		t.Errorf("repairs after %.2f distances, want log10 n to twice that", wait)
	}
	s.receive(3, data, []uint32{3}, false)
	if s.repair != gossip.Never {
		t.Error("a repair heard does not cancel one's own")
	}
	s.receive(84, nack, []uint32{84}, false)
	if s.repair != gossip.Never {
		t.Error("a request right after a repair is answered")
	}
}

// The message is alone: only a session message shows that it was lost.
func TestSRMFindsALostTailBySessions(t *testing.T) {
	w := stage(t, "srm", Options{Nodes: 10, Session: 10 * ms})
	makeDeaf(w, 7, data, 1)
	begin(w)
	pass(t, w, 5*time.Second)
	if !all(w) || w.counts[session] == 0 {
		t.Errorf("%d of %d have it", len(w.got), w.due)
	}
}

func TestRMTPRepairsLocally(t *testing.T) {
	w := stage(t, "rmtp", Options{Nodes: 341, Status: 20 * ms})
	makeDeaf(w, 340, data, 1)
	begin(w)
	pass(t, w, 100*ms)
	dr := w.members[340].node.(*rmtp).above[0]
	if dr != 21+(340-85)/4 || w.tree.depth[dr] != designatedEvery {
		t.Errorf("the designated receiver of 340 is %d", dr)
	}
	if !all(w) || w.counts[data] != 2 {
		t.Errorf("%d of %d have it, %d copies were sent", len(w.got), w.due, w.counts[data])
	}
	if w.loads[dr].Sent < 2 { // adverts, statuses and the repair
		t.Error("the repair was not the designated receiver's")
	}
}

// Many members that lack it are repaired by one multicast to those below.
func TestRMTPRepairsManyAtOnce(t *testing.T) {
	w := stage(t, "rmtp", Options{Nodes: 341, Status: 20 * ms})
	for i := 1; i <= 20; i++ { // all whose designated receiver is the origin
		makeDeaf(w, i, data, 1)
	}
	begin(w)
	pass(t, w, 60*ms)
	if !all(w) || w.counts[data] > 1+1+manyMissing { // a period may begin with few reports
		t.Errorf("%d of %d have it after %d copies", len(w.got), w.due, w.counts[data])
	}
}

// A member that does not hear of its designated receiver any more turns to the next above.
func TestRMTPGoesOverToTheNext(t *testing.T) {
	w := stage(t, "rmtp", Options{Nodes: 341, Status: 20 * ms, Advert: 100 * ms})
	makeDeaf(w, 340, data, 1)
	n := w.members[340].node.(*rmtp)
	dr := n.above[0]
	kill(w, dr)
	begin(w)
	pass(t, w, 250*ms)
	if n.to() != dr || n.has {
		t.Errorf("within three periods it turned to %d", n.to())
	}
	pass(t, w, 150*ms)
	if n.to() != 0 || !all(w) {
		t.Errorf("it turned to %d; %d of %d have it", n.to(), len(w.got), w.due)
	}
	if !slices.Contains(n.above, dr) {
		t.Error("it has forgotten who was there")
	}
}
