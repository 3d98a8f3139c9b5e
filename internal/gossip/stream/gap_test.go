package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// gapped is a world of so many nodes. The last one, n, was told by another, x, that it has some
// pieces of a member that left. No node can reach x, and none knows that.
func gapped(t *testing.T, size int, low, high uint64) (w *world, dead, n, x *node) {
	w = newWorld(t, 3, size, Config{})
	w.quiet = true
	dead = w.dead()
	for _, o := range w.nodes {
		o.merge(dead, member.Left)
	}
	n, x = w.nodes[size-1], w.nodes[size-2]
	w.Cut = func(from, to *node) bool { return from == x || to == x }
	n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
		heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: low, High: high}))
	n.schedule()
	return w, dead, n, x
}

// Others lack a piece, and the one that is said to have it is hard to reach: it is waited for.
func TestSaidIsWaitedFor(t *testing.T) {
	for _, size := range []int{3, 12, 60} {
		w, dead, n, x := gapped(t, size, 1, 3)
		bodies := pieces(1, 1, 1)
		n.take(dead, 1, bodies, 1, 3)
		x.take(dead, 1, bodies, 1, 2, 3)
		n.schedule()
		w.run(40*time.Second, nil)
		if len(n.lost) > 0 || len(n.got) != 1 {
			t.Errorf("%d nodes: %q", size, n.events)
		}
		w.Cut = nil
		w.run(3*time.Second, nil)
		if len(n.lost) > 0 || len(n.got) != 3 {
			t.Errorf("%d nodes, in reach: %q", size, n.events)
		}
	}
}

// The members that lacked a piece leave after a cut, as its origin does, and a member is back that
// has it. It is asked before the piece is given up, in a large cluster too.
func TestReturnedIsAskedFirst(t *testing.T) {
	for _, size := range []int{12, 60} {
		w, dead, n, x := gapped(t, size, 1, 1)
		bodies := pieces(1, 1, 1)
		n.merge(x, member.Failed)
		dead.Record.Generation = 2
		for _, o := range w.nodes {
			o.merge(dead, member.Alive)
		}
		n.merge(dead, member.Failed)
		n.take(dead, 2, bodies, 1, 3)
		x.take(dead, 2, bodies, 1, 2, 3)
		n.schedule()
		w.run(8*time.Second, nil)
		if len(n.lost) > 0 || len(n.got) != 1 {
			t.Fatalf("%d nodes, while it is away: %q", size, n.events)
		}
		w.Cut = nil
		x.Record.Generation = 2
		n.learn(x)
		n.back(x)
		for _, o := range w.nodes[:size/2] {
			n.merge(o, member.Left)
		}
		n.merge(dead, member.Left)
		w.run(3*time.Second, nil)
		if len(n.lost) > 0 || len(n.got) != 3 {
			t.Errorf("%d nodes: %q", size, n.events)
		}
	}
}

// Most of the members that denied a piece leave. What they said does not count for one that lives
// and was not reached yet.
func TestDenialOfWhoLeft(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 1, 1)
	bodies := pieces(1, 1, 1)
	n.take(dead, 1, bodies, 1, 3)
	x.take(dead, 1, bodies, 1, 2, 3)
	n.schedule()
	w.run(8*time.Second, nil)
	for _, o := range w.nodes[:6] {
		n.merge(o, member.Left)
	}
	w.run(2*time.Second, nil)
	w.Cut = nil
	w.run(3*time.Second, nil)
	if len(n.lost) > 0 || len(n.got) != 3 {
		t.Errorf("%q", n.events)
	}
}

// Of a stretch that others lack, only what nobody is said to have is passed over.
func TestSaidIsNotPassedOver(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 5, 10)
	bodies := pieces(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	n.take(dead, 1, bodies, 1, 10)
	x.take(dead, 1, bodies, 5, 6, 7, 8, 9, 10)
	n.schedule()
	w.run(40*time.Second, nil)
	w.Cut = nil
	w.run(3*time.Second, nil)
	want := []string{"dead/1 1", "lost dead/1 2-4: 3 to 4"}
	for i := 5; i <= 10; i++ {
		want = append(want, fmt.Sprintf("dead/1 %d", i))
	}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// A member that says that it has a piece, and does not give it, holds up what is missing for as
// long as pieces are held, for all holes together. Where nothing shows that there is a piece, it
// holds it up for no longer than any member.
func TestSaidAndNotGiven(t *testing.T) {
	for _, c := range []struct {
		what        string
		seqs        []uint64
		high        uint64
		least, most time.Duration
	}{
		{"a hole", []uint64{1, 3}, 3, 60 * time.Second, 64 * time.Second},
		{"four holes", []uint64{1, 3, 5, 7, 9}, 9, 60 * time.Second, 64 * time.Second},
		{"a claim", []uint64{1}, 9, 2 * time.Second, 21 * time.Second},
	} {
		w, dead, n, _ := gapped(t, 12, 1, c.high)
		bodies := pieces(1, 1, 1, 1, 1, 1, 1, 1, 1)
		n.take(dead, 1, bodies, c.seqs...)
		n.schedule()
		over := func() bool { return n.s.find(dead.ID(), 1).repair == nil }
		if took, ok := w.run(2*time.Minute, over); !ok || took < c.least || took > c.most {
			t.Errorf("%s: after %v: %q", c.what, took, n.events)
		}
	}
}

// Each hole of a stream is waited for as long as what comes after it is held, however long
// something has been missing.
func TestLaterGapIsWaitedFor(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 1, 3)
	bodies := pieces(1, 1, 1, 1, 1)
	n.take(dead, 1, bodies, 1, 3)
	n.schedule()
	w.run(30*time.Second, nil)
	x.take(dead, 1, bodies, 4, 5)
	n.take(dead, 1, bodies, 5)
	n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
		heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: 4, High: 5}))
	n.schedule()
	w.run(50*time.Second, nil)
	want := []string{"dead/1 1", "lost dead/1 2-2: 1 to 2", "dead/1 3"}
	if !slices.Equal(n.events, want) {
		t.Errorf("50 s after the second hole: %q, want %q", n.events, want)
	}
	w.Cut = nil
	w.run(3*time.Second, nil)
	if want = append(want, "dead/1 4", "dead/1 5"); !slices.Equal(n.events, want) {
		t.Errorf("in reach: %q, want %q", n.events, want)
	}
}

// A claim was given up since the member that made it could not be asked. That it makes it again
// when it can be reached is believed.
func TestUnaskedIsBelieved(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 1, 3)
	bodies := pieces(1, 1, 1)
	n.take(dead, 1, bodies, 1)
	x.take(dead, 1, bodies, 1, 2, 3)
	n.schedule()
	w.run(22*time.Second, nil)
	if n.s.Stats().Unproven == 0 {
		t.Fatal("the claim is not given up")
	}
	w.Cut = nil
	n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
		heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: 1, High: 3}))
	n.schedule()
	w.run(4*time.Second, nil)
	if len(n.lost) > 0 || len(n.got) != 3 {
		t.Errorf("in reach: %q", n.events)
	}
}

// A member that lacked a piece when it was asked has got it since. The one that is said to have it
// does not answer. So the first is asked again.
func TestDeniedIsAskedAgain(t *testing.T) {
	w, dead, n, _ := gapped(t, 5, 1, 3)
	bodies := pieces(1, 1, 1)
	n.take(dead, 1, bodies, 1, 3)
	n.schedule()
	w.run(5*time.Second, nil)
	w.nodes[1].take(dead, 1, bodies, 1, 2, 3)
	w.run(20*time.Second, nil)
	if len(n.lost) > 0 || len(n.got) != 3 {
		t.Errorf("20 s later: %q", n.events)
	}
}

// A later life cannot wait any longer when it is let go: what earlier ones lack is told first.
func TestLaterLifeIsLetGo(t *testing.T) {
	w, dead, n, _ := gapped(t, 12, 1, 9)
	bodies := pieces(1, 1, 1, 1, 1)
	n.take(dead, 1, bodies, 1, 3)
	n.take(dead, 2, bodies, 1)
	n.schedule()
	w.run(30*time.Second, nil)
	n.take(dead, 1, bodies, 5)
	n.schedule()
	w.run(2*time.Minute, nil)
	want := []string{
		"dead/1 1", "lost dead/1 2-2: 1 to 2", "dead/1 3", "lost dead/1 4-4: 1 to " +
			"4", "dead/1 5", "dead/2 1",
	}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// What was delivered of a later life before anybody told of an earlier one is let go; the rest of
// it goes on waiting.
func TestDeliveredIsLetGo(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 1, 1)
	bodies := pieces(1, 1, 1)
	n.take(dead, 2, bodies, 1)
	w.run(30*time.Second, nil)
	n.take(dead, 1, bodies, 1, 3)
	x.take(dead, 1, bodies, 1, 2, 3)
	n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
		heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: 1, High: 3}))
	n.take(dead, 2, bodies, 2)
	n.schedule()
	w.run(40*time.Second, nil)
	w.Cut = nil
	w.run(3*time.Second, nil)
	want := []string{"dead/2 1", "dead/1 1", "dead/1 2", "dead/1 3", "dead/2 2"}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// A piece that was there is not given up before all have denied it, or 32. A member that cannot be
// asked may have it, as over a budget that is spent.
func TestShownIsNotGivenUp(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 3, 3)
	bodies := pieces(1, 1, 1)
	n.take(dead, 1, bodies, 1, 3)
	x.take(dead, 1, bodies, 2, 3)
	n.schedule()
	w.run(40*time.Second, nil)
	if want := []string{"dead/1 1"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
	w.Cut = nil
	w.run(3*time.Second, nil)
	if want := []string{"dead/1 1", "dead/1 2", "dead/1 3"}; !slices.Equal(n.events, want) {
		t.Errorf("in reach: got %q, want %q", n.events, want)
	}
}

// One that had nothing there when it was asked, and says later that it has, is waited for like any
// other.
func TestOutdatedDenial(t *testing.T) {
	for _, c := range []struct {
		what string
		had  []uint64
	}{{"nothing", nil}, {"what comes before", []uint64{1}}, {"what comes after", []uint64{3}}} {
		w, dead, n, x := gapped(t, 12, 3, 3)
		reach := w.Cut
		w.Cut = nil
		bodies := pieces(1, 1, 1)
		n.take(dead, 1, bodies, 1, 3)
		x.take(dead, 1, bodies, c.had...)
		n.schedule()
		r := n.s.find(dead.ID(), 1).repair
		if _, ok := w.run(time.Second, func() bool {
			return slices.Contains(r.denied,
				x.ID())
		}); !ok {
			t.Fatalf("%s: it was not asked", c.what)
		}
		w.Cut = reach
		x.take(dead, 1, bodies, 1, 2, 3)
		n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
			heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: 1, High: 3}))
		n.schedule()
		w.run(40*time.Second, nil)
		if want := []string{"dead/1 1"}; !slices.Equal(n.events, want) {
			t.Errorf("%s: got %q, want %q", c.what, n.events, want)
		}
		w.Cut = nil
		w.run(3*time.Second, nil)
		if want := []string{"dead/1 1", "dead/1 2", "dead/1 3"}; !slices.Equal(n.events, want) {
			t.Errorf("%s, in reach: got %q, want %q", c.what, n.events, want)
		}
	}
}

// Whether what nobody holds was there: the origin's word goes before that of others.
func TestExisted(t *testing.T) {
	for _, c := range []struct {
		origin uint64 // its high; 0: it was not asked
		others []uint64
		lives  bool
		want   bool
	}{
		{3, []uint64{1, 1}, true, true},
		{1, []uint64{3}, true, false}, // one that lies, in a cluster of three
		{1, []uint64{3, 3, 3}, true, false},
		{0, []uint64{3, 1}, true, true},
		{0, []uint64{3, 1, 1}, true, false},
		{0, []uint64{3, 3, 1, 1, 1}, true, false},
		{0, []uint64{3, 3, 1, 1, 1}, false, true},
	} {
		w := newWorld(t, 1, 8, Config{})
		w.quiet = true
		o, n := w.nodes[0], w.nodes[1]
		n.take(o, 1, pieces(1), 1)
		st := n.s.find(o.ID(), 1)
		n.s.gaps.claimed(w.Now, st, 3)
		for i, high := range c.others {
			st.repair.deny(w.nodes[2+i].ID(), 3, false, 1, high, false)
		}
		if c.origin > 0 {
			st.repair.deny(o.ID(), 3, false, 1, c.origin, true)
		}
		if !c.lives {
			n.merge(o, member.Failed)
		}
		if got := n.s.losses.existed(st); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// All others lack what they know of, and the origin cannot be reached for a while, or has failed
// and may come back. Nothing is given up before the origin was asked, however many others there
// are.
func TestOriginIsAskedFirst(t *testing.T) {
	for _, state := range []member.State{member.Alive, member.Failed} {
		w := newWorld(t, 3, enoughDenied+8, Config{})
		w.quiet = true
		o := w.nodes[0]
		o.publish("t", nil)
		w.run(time.Second, nil)
		w.Cut = func(from, to *node) bool { return from == o || to == o }
		o.publish("t", nil)
		h := heads(wire.Head{Origin: o.ID(), Generation: 1, Low: 1, High: 2})
		for _, n := range w.nodes[1:] {
			n.s.Receive(w.Now, plane.SenderOf(n.from(o)), wire.TypeHeads, h)
			n.merge(o, state)
			n.schedule()
		}
		w.run(10*time.Second, nil)
		for _, n := range w.nodes[1:] {
			if n.s.find(o.ID(), 1).repair == nil {
				t.Fatalf("%v: %s gave up: %q", state, n.Record.Name, n.events)
			}
		}
		w.Cut = nil
		w.run(3*time.Second, nil)
		for _, n := range w.nodes[1:] {
			if want := []string{"n000/1 1", "n000/1 2"}; state == member.Alive &&
				!slices.Equal(n.events, want) {
				t.Fatalf("%s got %q, want %q", n.Record.Name, n.events, want)
			}
		}
	}
}
