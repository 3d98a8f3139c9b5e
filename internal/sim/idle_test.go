package sim

import (
	"testing"
	"time"
)

// A quiet node wakes for its pings, and hardly ever for what has settled itself meanwhile: a
// wake-up costs more than all else that an idle node does.
func TestIdleNodeSleeps(t *testing.T) {
	w, err := newWorld(Options{Nodes: 50, Warm: true})
	if err != nil {
		t.Fatal(err)
	}
	w.join()
	w.run(w.now.Add(time.Minute), nil)
	const span = time.Minute
	packets, turns, begin := w.total.Packets, w.turns(), w.now
	w.run(begin.Add(span), nil)
	wakes := float64(w.turns()-turns) - float64(w.total.Packets-packets)
	pings := float64(w.total.Packets-packets) / 2
	if pings < 50*60 || wakes > 1.1*pings {
		t.Errorf("%.0f wake-ups for %.0f pings", wakes, pings)
	}
}

// turns counts what came in so far: packets and wake-ups.
func (w *World) turns() (sum uint64) {
	for _, s := range w.shards {
		sum += s.events
	}
	return sum
}
