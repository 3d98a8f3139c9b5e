package stream

import (
	"testing"
	"time"
)

// A node takes a new generation since a twin of it lives. What the twin publishes under the old one
// is a stream like that of any other: it is taken in, and no sign of another twin. It was not taken
// and asked for for ever, and each answer cost another generation (the swarm's seed 1065, found by
// the invariants).
func TestFormerOwnStreamIsAnothers(t *testing.T) {
	w := newWorld(t, 1, 3, Config{})
	n, other := w.nodes[0], w.nodes[1]
	bodies := pieces(1, 1)
	n.publish("t", []byte("its own"))
	w.run(time.Second, nil)
	n.Record.Generation = 2
	for _, o := range w.nodes[1:] {
		o.take(n, 1, bodies, 2)
	}
	w.run(10*time.Second, nil)
	if len(n.got) != 2 || n.twins > 0 || n.s.Stats().Gapped > 0 {
		t.Errorf("it got %d of 2 messages, and was told of %d twins: %+v", len(n.got), n.twins,
			n.s.Stats())
	}
	if len(other.got) != 2 {
		t.Errorf("another got %d of 2", len(other.got))
	}
}
