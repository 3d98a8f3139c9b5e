package stream

import (
	"testing"
	"time"
)

// Where two thirds are dead and nobody knows, a node hears from somebody once in a second or two,
// while its own hash changes all the time. It finds out all the same what it lacks.
func TestLackAmongTheDead(t *testing.T) {
	const all, living = 40, 16
	for seed := range uint64(60) {
		w := newWorld(t, seed, all, Config{})
		for _, n := range w.nodes[living:] {
			n.asleep = true
		}
		x, origin := w.nodes[0], w.nodes[1]
		w.Cut = func(from, to *node) bool { return from == origin && to == x }
		for i := range living - 2 {
			n := w.nodes[2+i]
			var again func()
			again = func() { n.publish("t", []byte("busy")); w.After(time.Second, again) }
			w.After(time.Duration(i)*100*time.Millisecond, again)
		}
		w.run(10*time.Second, nil)
		origin.publish("t", []byte("lost on its way to one"))
		has := func() bool {
			for _, m := range x.got {
				if m.Origin == origin.ID() {
					return true
				}
			}
			return false
		}
		if took, ok := w.run(20*time.Second, has); !ok || took > 9*time.Second {
			t.Errorf("seed %d: after %s: %t", seed, took, ok)
		}
	}
}
