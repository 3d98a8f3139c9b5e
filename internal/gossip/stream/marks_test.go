package stream

import (
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// crowd has so many others publish a message each, which a node takes in.
func (n *node) crowd(first, count int) {
	body := appendPart(nil, &part{seq: 1, topic: []byte("t"), payload: []byte("x")})
	for i := range count {
		n.s.Take(n.w.Now, wire.Piece{Origin: member.ID(first + i), Generation: 1, Seq: 1,
			Body: body})
	}
}

// often says how often each message of a member came.
func (n *node) often(o *node) map[uint64]int {
	seen := map[uint64]int{}
	for _, m := range n.got {
		if m.Origin == o.ID() {
			seen[m.Seq]++
		}
	}
	return seen
}

// once fails unless messages 1 to count of a member came once each and none was told as lost.
func (n *node) once(o *node, count int) {
	n.w.tb.Helper()
	seen := n.often(o)
	for seq, k := range seen {
		if k > 1 {
			n.w.tb.Errorf("message %d came %d times", seq, k)
		}
	}
	if len(seen) != count || len(n.lost) > 0 {
		n.w.tb.Errorf("%d of %d messages came, lost %+v", len(seen), count, n.lost)
	}
}

// More members publish than streams are known: one that made way goes on where it was.
func TestMoreOriginsThanStreams(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Age: time.Hour})
	r, o := w.nodes[0], w.nodes[1]
	o.publish("t", []byte("1"))
	o.publish("t", []byte("2"))
	w.run(2*time.Second, nil)
	r.crowd(1000, 3*MaxStreams)
	if r.s.find(o.ID(), 1) != nil {
		t.Fatal("the stream did not make way")
	}
	o.publish("t", []byte("3"))
	w.run(10*time.Second, nil)
	r.once(o, 3)
	if r.s.Stats().Streams > MaxStreams {
		t.Error("too many streams")
	}
}

// A member that is forgotten and met again in the same life goes on where it was, whether others
// still hold its messages or not.
func TestForgottenAndMetAgain(t *testing.T) {
	for _, age := range []time.Duration{time.Hour, 10 * time.Second} {
		w := newWorld(t, 1, 3, Config{Age: age})
		r, o := w.nodes[0], w.nodes[1]
		for i := range 5 {
			o.publish("t", fmt.Append(nil, i))
		}
		w.run(30*time.Second, nil)
		r.s.Forget(r.w.Now, o.ID())
		w.run(2*time.Second, nil)
		o.publish("t", []byte("after"))
		w.run(20*time.Second, nil)
		r.once(o, 6)
	}
}

// What was passed over and not told when a stream is let go is found again, and told then.
func TestForgetWithAHole(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	r, o := w.nodes[0], w.nodes[1]
	r.take(o, 1, pieces(1, 1, 1, 1), 1)
	st := r.s.find(o.ID(), 1)
	st.passOver(3, 0)
	r.s.Forget(r.w.Now, o.ID())
	if m, ok := r.s.marks.Take(life{o.ID(), 1}); !ok || m.next != 2 || m.seq != 1 {
		t.Errorf("it is remembered up to %+v", m)
	}
}

// What is lost of a stream that was let go and is met again is counted from the message that was
// delivered last.
func TestLostOfWhatIsMetAgain(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	r, o, bodies := w.nodes[0], w.nodes[1], pieces(1, 1, 1, 3, 1)
	r.take(o, 1, bodies, 1, 2, 3)
	r.s.Forget(r.w.Now, o.ID())
	r.take(o, 1, bodies, 7)
	st := r.s.find(o.ID(), 1)
	st.passOver(7, 0)
	r.s.deliver(w.Now, st, false)
	want := []string{"n001/1 1", "n001/1 2", "n001/1 3", "lost n001/1 4-6: 1 to 4", "n001/1 5"}
	if !slices.Equal(r.events, want) {
		t.Errorf("got %q, want %q", r.events, want)
	}
}

// A store has more marks than streams are known: nothing that they cover comes again.
func TestRestoreManyMarks(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	r, o := w.nodes[0], w.nodes[1]
	bodies := pieces(1, 1, 1)
	var all iter.Seq[Mark] = func(yield func(Mark) bool) {
		if !yield(Mark{Origin: o.ID(), Generation: 1, Next: 3, Seq: 2}) {
			return
		}
		for i := range 3 * MaxStreams {
			if !yield(Mark{Origin: member.ID(i + 1), Generation: 1, Next: 2, Seq: 1}) {
				return
			}
		}
	}
	r.s.Restore(w.Now, all, func(func(wire.Piece) bool) {})
	r.take(o, 1, bodies, 1, 2, 3)
	r.crowd(1, 3*MaxStreams)
	if want := []string{"n001/1 3"}; !slices.Equal(r.events, want) {
		t.Errorf("got %d messages, %q first, want %q", len(r.got),
			r.events[:min(3, len(r.events))], want)
	}
}
