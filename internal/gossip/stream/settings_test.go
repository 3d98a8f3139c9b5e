package stream

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// gapFor returns how long a node waits for a message of which it saw only the next, where none of
// its requests comes through at first.
func gapFor(t *testing.T, cfg Config, deaf time.Duration) time.Duration {
	w := newWorld(t, 1, 2, cfg)
	w.quiet, w.loss, w.lossAll = true, 1, 1
	w.nodes[0].publish("t", []byte("lost"))
	w.loss = 0
	w.nodes[0].publish("t", []byte("seen"))
	w.run(deaf, nil)
	w.lossAll = 0
	took, ok := w.run(time.Minute, func() bool { return len(w.nodes[1].got) == 2 })
	if !ok {
		t.Fatalf("%+v: it never came", cfg)
	}
	return deaf + took
}

// A missing piece is asked for after Wait, and again after Timeout.
func TestWaitAndTimeout(t *testing.T) {
	if soon, late := gapFor(t, Config{}, 0), gapFor(t, Config{Wait: time.Second}, 0); soon >
		200*time.Millisecond || late < time.Second || late > 1200*time.Millisecond {
		t.Errorf("asked for after %v, and with a wait of a second after %v", soon, late)
	}
	const deaf = 100 * time.Millisecond // so that the first request is lost
	soon, late := gapFor(t, Config{}, deaf), gapFor(t, Config{Timeout: 3 * time.Second}, deaf)
	if soon > time.Second || late < 3*time.Second || late > 4*time.Second {
		t.Errorf("asked for again after %v, and with a timeout of 3 s after %v", soon, late)
	}
}

// What one member claims to be there, and nobody gives, is given up after GiveUp where too few
// others can be asked.
func TestGiveUp(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Second, 15 * time.Second} {
		w := newWorld(t, 3, 3, Config{GiveUp: after})
		n, x, dead := w.nodes[0], w.nodes[1], w.dead()
		w.quiet = true
		w.Cut = func(from, to *node) bool { return from == x || to == x }
		for _, o := range w.nodes {
			o.merge(dead, member.Left)
		}
		n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
			heads(wire.Head{Origin: dead.ID(), Generation: 1, Low: 1, High: 9}))
		n.schedule()
		over := func() bool { return n.s.Stats().Gapped == 0 }
		if took, ok := w.run(time.Minute, over); !ok || took < after || took > after+2*time.Second {
			t.Errorf("given up after %v, not %v", took, after)
		}
	}
}

// Two exchanges of all heads are Sync apart, and more once they teach nothing, however many hashes
// differ.
func TestSync(t *testing.T) {
	asks := func(sync time.Duration) uint64 {
		w := newWorld(t, 1, 2, Config{Sync: sync})
		n, x := w.nodes[0], w.nodes[1]
		x.publish("t", []byte("held by both"))
		w.run(time.Second, nil)
		for hash := range uint64(20) {
			n.s.Receive(w.Now, plane.SenderOf(n.from(x)), wire.TypeHeads,
				wire.Body(wire.EndHeads(wire.BeginHeads(nil, 1+hash), 0)))
			n.schedule()
			w.run(100*time.Millisecond, nil)
		}
		return n.s.Stats().Syncs
	}
	if often, seldom := asks(100*time.Millisecond), asks(2*time.Second); often != 4 || seldom != 1 {
		t.Errorf("in 2 s it asked %d times at least 0.1 s apart, %d times at least 2 s", often,
			seldom)
	}
}
