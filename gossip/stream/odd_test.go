package stream

import (
	"fmt"
	"testing"
	"time"
)

// One that holds other pieces than all the others, as for a while after a cut, is not asked for its heads by each of them. It
// asks them.
func TestOddOneIsNotAskedByAll(t *testing.T) {
	const others = 40
	w := newWorld(t, 1, others+1, Config{Age: 20 * time.Second})
	odd := w.nodes[0]
	odd.s.cfg.Age = time.Hour
	for i := range 20 {
		w.nodes[1+i].publish("t", fmt.Append(nil, i))
	}
	w.run(18*time.Second, nil)
	w.nodes[30].publish("t", []byte("without it the hash of the others would be 0, which is not told"))
	if _, ok := w.run(2*time.Second, w.all(21)); !ok {
		t.Fatal("not all have all")
	}
	before := odd.s.Stats().Syncs
	w.run(3*time.Second, nil) // until the twenty are let go
	asked := 0
	w.onAsk = func(to *node) {
		if to == odd {
			asked++
		}
	}
	w.run(15*time.Second, nil)
	if asked > others/3 {
		t.Errorf("it was asked for its heads %d times", asked)
	}
	if odd.s.Stats().Syncs == before {
		t.Error("it asks nobody")
	}
}
