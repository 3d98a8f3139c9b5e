package state

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The answer to a digest is lost, and what is asked again: it is asked for once more, and not left
// to the next exchange.
func TestAnswerIsLost(t *testing.T) {
	for lost := range 3 { // datagrams of those that follow the sketch
		w := newWorld(t, 2, 1, Config{Interval: time.Minute})
		w.Cut = func(a, b int) bool { return true }
		w.nodes[0].set("k", "v", 0)
		w.run(2 * time.Second)
		w.probes = false
		answers := 0
		w.Cut = func(a, b int) bool { return false }
		w.drop = func(t wire.Type) bool {
			if t != wire.TypeDeltas && t != wire.TypeKeyDigest {
				return false
			}
			answers++
			return answers > 1 && answers <= 1+lost // the first digest says that there is more
		}
		x, y := w.nodes[0], w.nodes[1]
		m, _ := y.Members.Get(x.ID())
		y.store.Compare(w.Now, m, x.store.Fingerprint(), true)
		y.store.Flush(w.Now)
		w.run(1500 * time.Millisecond)
		if what := w.equal(); what != "" {
			t.Errorf("%d datagrams lost: %s", lost, what)
		}
	}
}

// An exchange that is lost is begun again, with somebody else as a rule, though no fingerprint
// comes meanwhile; but not for ever.
func TestExchangeIsLost(t *testing.T) {
	w := newWorld(t, 6, 1, Config{})
	late := w.nodes[5]
	w.Cut = func(a, b int) bool { return a == 5 || b == 5 }
	w.nodes[0].set("k", "v", 0)
	w.run(2 * time.Second)
	w.probes = false
	w.Cut = func(a, b int) bool { return false }
	sketches, lost := 0, 3
	w.drop = func(t wire.Type) bool {
		if t == wire.TypeKeySketch {
			sketches++
		}
		return t == wire.TypeKeySketch && sketches <= lost
	}
	m, _ := late.Members.Get(w.nodes[0].ID())
	late.store.Compare(w.Now, m, w.nodes[0].store.Fingerprint(), true)
	late.store.Flush(w.Now)
	w.run(5 * time.Second)
	if what := w.equal(); what != "" {
		t.Errorf("after %d sketches: %s", sketches, what)
	}
	w.run(5 * time.Second)
	sketches, lost = 0, 1000
	late.store.Compare(w.Now, m, ^uint64(0), true)
	late.store.Flush(w.Now)
	w.run(time.Minute)
	if sketches != 1+beginTries {
		t.Errorf("%d sketches, want %d", sketches, 1+beginTries)
	}
}

// lacking returns a world of n nodes in which the first has a key that the last lacks, and no node
// shows its fingerprint.
func lacking(t *testing.T, n int) (w *world, has, lacks *node) {
	w = newWorld(t, n, 1, Config{})
	has, lacks = w.nodes[0], w.nodes[n-1]
	w.Cut = func(a, b int) bool { return a == n-1 || b == n-1 }
	has.set("k", "v", 0)
	w.run(2 * time.Second)
	w.probes, w.Cut = false, nil
	return w, has, lacks
}

// shows has a node take in another's fingerprint.
func (x *node) shows(to *node, sameView bool) {
	m, _ := to.Members.Get(x.ID())
	to.store.Compare(x.w.Now, m, x.store.Fingerprint(), sameView)
	to.store.Flush(x.w.Now)
}

// Most members are dead and nobody knows it. An exchange that is lost is begun again with one that
// is known to have more, too, and not with anybody alone.
func TestLostAmongTheDead(t *testing.T) {
	w, has, lacks := lacking(t, 40)
	for _, x := range w.nodes[1:39] {
		x.asleep = true
	}
	sketches := 0
	w.drop = func(t wire.Type) bool {
		if t == wire.TypeKeySketch {
			sketches++
		}
		return t == wire.TypeKeySketch && sketches <= 3
	}
	has.shows(lacks, true)
	w.run(5 * time.Second)
	if lacks.store.Fingerprint() != has.store.Fingerprint() {
		t.Errorf("after %d sketches they differ", sketches)
	}
}

// A fingerprint that differs while the views of the members do so too is looked into, though no
// other comes.
func TestOneFingerprint(t *testing.T) {
	w, has, lacks := lacking(t, 3)
	has.shows(lacks, false)
	w.run(5 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}

// A peer that said what it has and then does not send it is asked a few times; then an exchange is
// begun with another.
func TestAsksAreLost(t *testing.T) {
	w, has, lacks := lacking(t, 3)
	answers := 0
	w.drop = func(t wire.Type) bool {
		if t == wire.TypeDeltas {
			answers++
		}
		return t == wire.TypeDeltas && answers <= 1+askTries
	}
	has.shows(lacks, true)
	w.run(5 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}

// A peer that holds the same says so: what differed is equal by now, and nobody else is asked.
func TestNothingDiffersAnyMore(t *testing.T) {
	w := newWorld(t, 6, 1, Config{})
	w.nodes[0].set("k", "v", 0)
	w.run(10 * time.Second)
	w.probes = false
	sketches := 0
	w.drop = func(t wire.Type) bool {
		if t == wire.TypeKeySketch {
			sketches++
		}
		return false
	}
	x, y := w.nodes[0], w.nodes[1]
	m, _ := x.Members.Get(y.ID())
	x.store.Compare(w.Now, m, ^x.store.Fingerprint(), true)
	x.store.Flush(w.Now)
	w.run(10 * time.Second)
	if sketches != 1 {
		t.Errorf("%d sketches", sketches)
	}
}

// What is asked for is sent if the budget for the zone is enough for it, though not for a whole
// datagram.
func TestLittleOfBudget(t *testing.T) {
	w, has, lacks := lacking(t, 2)
	has.short, has.left = true, 500
	has.shows(lacks, true)
	w.run(5 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}
