package state

import (
	"testing"
	"time"
)

// What came in within Settle may be on its way to others too, and is not fetched.
func TestSettle(t *testing.T) {
	w := newWorld(t, 2, 1, Config{Settle: 10 * time.Second})
	has, lacks := w.nodes[0], w.nodes[1]
	w.probes, w.Cut = false, func(int, int) bool { return true }
	has.set("k", "v", 0)
	w.run(2 * time.Second)
	w.Cut = nil
	has.shows(lacks, true)
	w.run(3 * time.Second)
	if what := w.equal(); what == "" {
		t.Error("it is fetched at once")
	}
	w.run(6 * time.Second)
	has.shows(lacks, true)
	w.run(3 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}
