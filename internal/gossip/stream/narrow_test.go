package stream

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Full pieces do not pass, and the ways are known for it. Members that lack them ask ever more
// seldom: next to nothing goes to each. Once they pass, all get it soon.
func TestWhatNeverPassesIsAskedForSeldom(t *testing.T) {
	for seed := range uint64(5) {
		w := newWorld(t, seed, 5, Config{})
		w.longest = wire.MinRoom - 200
		for _, n := range w.nodes {
			n.narrow = true
		}
		o := w.nodes[0]
		p := o.publish("t", make([]byte, 100_000))
		pieces, others := int(p.Last-p.First+1), len(w.nodes)-1
		w.run(5*time.Second, nil)
		first := int(o.s.Stats().Served)
		w.run(45*time.Second, nil)
		later := int(o.s.Stats().Served) - first
		if first > 3*pieces*others || later > 4*others {
			t.Errorf("seed %d: %d pieces at first and then %d, of %d for %d", seed, first,
				later, pieces, others)
		}
		w.longest = 0
		for _, n := range w.nodes {
			n.narrow = false
		}
		if took, ok := w.run(3*time.Second, w.all(1)); !ok {
			t.Errorf("seed %d: not there %v after the way took it", seed, took)
		}
	}
}
