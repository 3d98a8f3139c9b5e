package stream

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/gossip/wire"
)

// Full pieces do not pass. Those who lack them ask ever more seldom: with what is asked for at first, a few times the
// message goes to each in a minute, and next to nothing where the ways are known for it. Once they pass, all get it soon.
func TestWhatNeverPassesIsAskedForSeldom(t *testing.T) {
	for _, known := range []bool{false, true} {
		for seed := range uint64(5) {
			w := newWorld(t, seed, 5, Config{})
			w.longest = wire.MinRoom - 200
			for _, n := range w.nodes {
				n.narrow = known
			}
			o := w.nodes[0]
			p := o.publish("t", make([]byte, 100_000))
			pieces, others := int(p.Last-p.First+1), len(w.nodes)-1
			w.run(5*time.Second, nil)
			first := int(o.s.Stats().Served)
			w.run(45*time.Second, nil)
			later := int(o.s.Stats().Served) - first
			most := 2 * pieces * others
			if known {
				most = 4 * others
			}
			if first > 3*pieces*others || later > most {
				t.Errorf("known: %v, seed %d: %d pieces at first and then %d, of %d for %d", known, seed, first, later, pieces, others)
			}
			w.longest = 0
			for _, n := range w.nodes {
				n.narrow = false
			}
			if took, ok := w.run(3*time.Second, w.all(1)); !ok {
				t.Errorf("known: %v, seed %d: not there %v after the way took it", known, seed, took)
			}
		}
	}
}
