package gossip

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// twins starts three nodes, has the last write and publish, ends it, and starts its name again in
// the same generation, as a host does whose clock went back.
func twins(t *testing.T, first func(w *world, p *peer)) (w *world, p *peer) {
	t.Helper()
	w = newWorld(t)
	nodes := w.cluster(3, nil)
	first(w, nodes[2])
	w.run(time.Second)
	nodes[2].down = true
	w.run(100 * time.Millisecond)
	p = w.start("n2", 2, 1, nil, 0)
	w.run(3 * time.Second)
	return w, p
}

// A process whose clock shows what it showed when the former process of its name started has that
// one's generation. What it writes must not be taken for what the other wrote.
func TestKeysOfTwins(t *testing.T) {
	w, p := twins(t, func(w *world, p *peer) { w.do(p, Set{Key: "color", Value: []byte("blue")}) })
	if g := p.roster.Record().Generation; g != 2 {
		t.Errorf("the second process is in generation %d, want 2", g)
	}
	w.do(p, Set{Key: "size", Value: []byte("large")})
	w.run(time.Second)
	for _, reader := range w.nodes[:2] {
		if v, ok := reader.Keys().Get(p.id, "size"); !ok || v.Value != "large" {
			t.Errorf("%s holds %q, %t", reader.roster.Record().Name, v.Value, ok)
		}
		if v, ok := reader.Keys().Get(p.id, "color"); ok {
			t.Errorf("%s holds %q of the process that is gone",
				reader.roster.Record().Name, v.Value)
		}
	}
}

// What it publishes must not be taken for what the other published, which all had: that would be
// lost, and nobody told.
func TestMessagesOfTwins(t *testing.T) {
	publish := func(w *world, p *peer, payload string) {
		if err := w.do(p, Publish{Topic: "t", Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	w, p := twins(t, func(w *world, p *peer) { publish(w, p, "first") })
	publish(w, p, "second")
	w.run(time.Second)
	for _, reader := range w.nodes[:2] {
		var got []string
		for _, e := range reader.events {
			if e.Kind == MessageDelivered {
				got = append(got, string(e.Message.Payload))
			}
		}
		if !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("%s got %q", reader.roster.Record().Name, got)
		}
	}
}

// It is at another address, and the former process is held failed, or has left, or is found to have
// failed only then: nobody would call it where it is.
func TestTwinElsewhere(t *testing.T) {
	for _, d := range allDetectors() {
		for _, after := range []time.Duration{0, 20 * time.Second} {
			for _, leaves := range []bool{false, true} {
				w := newWorld(t)
				nodes := w.cluster(3, &Config{Detector: d})
				w.run(time.Second)
				if leaves {
					w.do(nodes[2], Leave{})
					w.run(time.Second)
				}
				nodes[2].down = true
				w.run(after)
				p := w.start("n2", 9, 1, &Config{Detector: d}, 0)
				w.until(time.Minute, "all are where they are", func() bool {
					return w.allSee(3) && w.heldAt("n2", p.addr)
				})
				if g := p.roster.Record().Generation; g != 2 {
					t.Errorf("%v, %v later, left %t: it is in generation %d, want 2", d, after,
						leaves, g)
				}
			}
		}
	}
}

// The same, and it is the others that ask it to let them in.
func TestTwinThatLetsOthersIn(t *testing.T) {
	for _, d := range allDetectors() {
		w := newWorld(t)
		cfg := &Config{Detector: d}
		nodes := w.cluster(3, cfg)
		nodes[2].down = true
		w.until(time.Minute, "n2 failed", func() bool { return w.allHold("n2", member.Failed) })
		p := w.start("n2", 9, 1, cfg)
		w.run(15 * time.Second)
		w.do(nodes[0], Join{Merge: []netip.AddrPort{p.addr}})
		w.until(15*time.Second, "all are where they are", func() bool {
			return w.allSee(3) && w.heldAt("n2", p.addr)
		})
		if g := p.roster.Record().Generation; g != 2 {
			t.Errorf("%v: it is in generation %d, want 2", d, g)
		}
	}
}

// One that has its former life's store knows at once, though it is the first of its cluster.
func TestRestoreOfATwin(t *testing.T) {
	for _, kept := range []uint64{1, 7} { // the clock went back to then, or further
		w := newWorld(t)
		p := w.start("n0", 0, 1, nil)
		marks := []stream.Mark{{Origin: p.id, Generation: kept, Next: 2, Seq: 1}}
		w.do(p, Restore{Marks: slices.Values(marks), Pieces: slices.Values([]wire.Piece(nil))})
		if g := p.roster.Record().Generation; g != kept+1 {
			t.Errorf("with a stream of generation %d kept it is in generation %d", kept, g)
		}
	}
}

// A node alone hears of nothing that it did not publish itself.
func TestNoTwin(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.loss = 0.2
	for i := range 60 {
		p := nodes[i%4]
		w.do(p, Publish{Topic: "t", Payload: make([]byte, 10*i)})
		w.do(p, Set{Key: "k", Value: make([]byte, i)})
		w.run(200 * time.Millisecond)
	}
	for _, p := range nodes {
		if g := p.roster.Record().Generation; g != 1 {
			t.Errorf("%s is in generation %d", p.roster.Record().Name, g)
		}
	}
}
