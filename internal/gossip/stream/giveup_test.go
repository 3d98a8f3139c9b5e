package stream

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A node is cut off but for one answer, of a member that lacks a message and has what follows. What
// one says is no reason to tell a loss, however long the others are out of reach: they have the
// message.
func TestOneDenialIsNotAll(t *testing.T) {
	for _, state := range []member.State{member.Alive, member.Failed} {
		w := newWorld(t, 3, 12, Config{})
		w.quiet = true
		o, n, y := w.nodes[0], w.nodes[1], w.nodes[2]
		n.asleep, y.asleep = true, true
		for range 3 {
			o.publish("t", nil)
		}
		w.run(time.Second, nil)
		n.asleep, y.asleep = false, false
		bodies := pieces(1, 1, 1)
		n.take(o, 1, bodies, 1)
		y.take(o, 1, bodies, 1, 3)
		n.merge(o, state)
		answered := false
		w.Cut = func(from, to *node) bool {
			first := from == y && to == n && !answered
			answered = answered || first
			return from == n && to != y || to == n && !first || from == y && to != n ||
				to == y && from != n
		}
		n.s.Receive(w.Now, plane.SenderOf(n.from(w.nodes[5])), wire.TypeHeads,
			heads(wire.Head{Origin: o.ID(), Generation: 1, Low: 1, High: 2}))
		n.schedule()
		for range 200 { // until it asks y
			if w.run(100*time.Millisecond, nil); answered {
				break
			}
		}
		w.run(30*time.Second, nil)
		if !answered || len(n.lost) > 0 || len(n.got) != 1 {
			t.Errorf("origin %s, while it is cut off: %t, %q", state, answered, n.events)
		}
		w.Cut = nil
		w.quiet = false
		w.run(5*time.Second, nil)
		if len(n.lost) > 0 || len(n.got) != 3 {
			t.Errorf("origin %s: %q", state, n.events)
		}
	}
}

// What was found missing so long ago that nobody holds it any more takes nothing with it that was
// found missing later, in the same stretch.
func TestOnlyWhatExpiredIsPassedOver(t *testing.T) {
	w, dead, n, x := gapped(t, 12, 1, 4)
	bodies := pieces(4, 1, 1, 1) // the first shows that there are four
	w.run(time.Second, nil)      // so that this piece is let go after the gap has expired
	n.take(dead, 1, bodies, 1)
	n.merge(x, member.Failed)
	n.schedule()
	w.run(45*time.Second, nil)
	x.take(dead, 1, bodies, 5, 6, 7)
	n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
		heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: 1, High: 7}))
	n.take(dead, 1, bodies, 7)
	n.schedule()
	w.run(16*time.Second, nil) // 62 s
	w.Cut = nil
	x.Record.Generation = 2
	n.learn(x)
	n.back(x)
	w.run(5*time.Second, nil)
	want := []string{"lost dead/1 2-4: 1 to 1", "dead/1 2", "dead/1 3", "dead/1 4"}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// Members answer with the missing piece, and it cannot be read: they count as those that lack it.
// What follows does not wait for ever.
func TestUnreadablePieceIsPassedOver(t *testing.T) {
	w := newWorld(t, 1, 3, Config{})
	w.quiet = true
	origin, n := w.nodes[0], w.nodes[1]
	bodies := pieces(1, 1)
	for _, o := range []*node{origin, w.nodes[2]} {
		st := o.s.add(origin.ID(), 1)
		st.resume(3, 2)
		o.s.hold(w.Now, st, 1, []byte{0xff})
		o.s.hold(w.Now, st, 2, bodies[1])
	}
	n.take(origin, 1, bodies, 2)
	n.schedule()
	if took, ok := w.run(10*time.Second, func() bool { return len(n.got) > 0 }); !ok {
		t.Errorf("after %s: %q, %+v", took, n.events, n.s.Stats())
	}
	if len(n.lost) != 1 || n.lost[0].From != 1 || n.lost[0].To != 1 {
		t.Errorf("lost %+v", n.lost)
	}
}
