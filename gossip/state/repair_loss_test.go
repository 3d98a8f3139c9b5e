package state

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/gossip/wire"
)

// The answer to a digest is lost, and what is asked again: it is asked for once more, and not left to the next exchange.
func TestAnswerIsLost(t *testing.T) {
	for lost := range 3 { // datagrams of those that follow the sketch
		w := newWorld(t, 2, 1, Config{Interval: time.Minute})
		w.split = func(a, b int) bool { return true }
		w.nodes[0].set("k", "v", 0)
		w.run(2 * time.Second)
		w.probes = false
		answers := 0
		w.split = func(a, b int) bool { return false }
		w.drop = func(t wire.Type) bool {
			if t != wire.TypeDeltas && t != wire.TypeKeyDigest {
				return false
			}
			answers++
			return answers > 1 && answers <= 1+lost // the first digest says that there is more
		}
		x, y := w.nodes[0], w.nodes[1]
		m, _ := y.table.Get(x.id())
		y.store.Compare(w.now, m, x.store.Fingerprint(), true)
		y.store.Flush(w.now)
		w.run(1500 * time.Millisecond)
		if what := w.equal(); what != "" {
			t.Errorf("%d datagrams lost: %s", lost, what)
		}
	}
}

// An exchange that is lost is begun again, with somebody else as a rule, though no fingerprint comes meanwhile; but not
// for ever.
func TestExchangeIsLost(t *testing.T) {
	w := newWorld(t, 6, 1, Config{})
	late := w.nodes[5]
	w.split = func(a, b int) bool { return a == 5 || b == 5 }
	w.nodes[0].set("k", "v", 0)
	w.run(2 * time.Second)
	w.probes = false
	w.split = func(a, b int) bool { return false }
	sketches, lost := 0, 3
	w.drop = func(t wire.Type) bool {
		if t == wire.TypeKeySketch {
			sketches++
		}
		return t == wire.TypeKeySketch && sketches <= lost
	}
	m, _ := late.table.Get(w.nodes[0].id())
	late.store.Compare(w.now, m, w.nodes[0].store.Fingerprint(), true)
	late.store.Flush(w.now)
	w.run(5 * time.Second)
	if what := w.equal(); what != "" {
		t.Errorf("after %d sketches: %s", sketches, what)
	}
	w.run(5 * time.Second)
	sketches, lost = 0, 1000
	late.store.Compare(w.now, m, ^uint64(0), true)
	late.store.Flush(w.now)
	w.run(time.Minute)
	if sketches != 1+beginTries {
		t.Errorf("%d sketches, want %d", sketches, 1+beginTries)
	}
}
