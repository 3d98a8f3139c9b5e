package stream

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A node whose probes are not answered hears nobody's heads. It asks for them by itself, again and
// again while that is so, and so gets what it missed; where heads come with the answers it asks
// nobody.
func TestUnansweredProbesAskForHeads(t *testing.T) {
	w := newWorld(t, 3, 6, Config{})
	w.quiet = true // no probe is answered
	n := w.nodes[5]
	w.nodes[0].publish("t", []byte("first"))
	w.run(time.Second, nil)
	got := func() uint64 { return n.s.Stats().Delivered }
	for _, others := range []int{0, 4} { // that are dead, and not known to be
		for _, x := range w.nodes[1 : 1+others] {
			x.asleep = true
		}
		was := got()
		n.asleep = true
		w.nodes[0].publish("t", []byte("missed"))
		w.run(100*time.Millisecond, nil)
		n.asleep = false
		n.s.Probed(w.Now)
		n.schedule()
		if w.run(12*time.Second, nil); got() != was+1 {
			t.Errorf("where %d do not answer: %d messages of %d", others, got(), was+1)
		}
	}
	w = newWorld(t, 4, 2, Config{})
	w.nodes[0].publish("t", []byte("first"))
	for range 10 { // a probe that is answered, in a pair that probes seldom
		w.quiet = false
		w.run(probeEvery, nil)
		w.quiet = true
		for _, x := range w.nodes {
			x.s.Probed(w.Now)
			x.schedule()
		}
		w.deliver(w.nodes[0], w.nodes[1], 0, w.nodes[0].s.AppendHeads(nil, 200))
		w.deliver(w.nodes[1], w.nodes[0], 0, w.nodes[1].s.AppendHeads(nil, 200))
		w.run(5*time.Second, nil)
	}
	for _, x := range w.nodes {
		if st := x.s.Stats(); st.Syncs > 0 {
			t.Errorf("%s asks for heads %d times where all probes are answered",
				x.Record.Name, st.Syncs)
		}
	}
}

// A node is asked to probe one that is dead, and the heads of the one that asks come with that.
// They are no answer: it asks for heads if no others come.
func TestHeadsOfTheOneThatAsksForAProbe(t *testing.T) {
	w := newWorld(t, 3, 3, Config{})
	w.quiet = true
	n := w.nodes[2]
	w.nodes[0].publish("t", []byte("first"))
	w.run(time.Second, nil)
	n.s.Probed(w.Now)
	heads := wire.Body(w.nodes[1].s.AppendHeads(nil, 200))
	m, _ := n.Members.Get(w.nodes[1].ID())
	if !n.s.Receive(w.Now, plane.SenderOf(m), wire.TypeHeads, heads) {
		t.Fatal("the heads are not read")
	}
	n.schedule()
	n.asleep = true
	w.nodes[0].publish("t", []byte("missed"))
	w.run(100*time.Millisecond, nil)
	n.asleep = false
	got := n.s.Stats().Delivered
	if w.run(3*time.Second, nil); n.s.Stats().Delivered != got+1 {
		t.Error("it does not hear of what it missed")
	}
}
