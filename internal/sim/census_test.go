package sim

import (
	"slices"
	"testing"
)

// A fault that is never drawn is never survived either: each kind is drawn by some of a day's
// seeds.
func TestEverythingIsDrawn(t *testing.T) {
	drawn := map[string]int{}
	for seed := range uint64(2_000) {
		o := Draw(seed + 1)
		for _, what := range Drawn(&o) {
			drawn[what]++
		}
	}
	for _, what := range Draws() {
		if drawn[what] < 3 {
			t.Errorf("%q is drawn by %d of 2,000 seeds", what, drawn[what])
		}
	}
}

// What breaks the simulator itself is a finding too, not the end of the swarm.
func TestTryCatchesPanics(t *testing.T) {
	o := Options{Nodes: 2, Duration: 1, Gossip: Draw(1).Gossip}
	o.Actions = []Action{{Do: Publish, Who: Nodes(0), Bytes: -1}}
	found := Try(o)
	if !slices.ContainsFunc(found, func(v Violation) bool {
		return v.Checker == "panic" ||
			v.Checker == "error"
	}) {
		t.Errorf("found %v", found)
	}
}
