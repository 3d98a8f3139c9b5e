package sim

import (
	"testing"
	"time"
)

// What docs/promises.md says of whole clusters, where no other test does.

// promised runs options, and fails for violations.
func promised(t *testing.T, o Options, actions ...string) *Report {
	t.Helper()
	for _, text := range actions {
		a, err := ParseAction(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Actions = append(o.Actions, a)
	}
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", o.Seed, v)
	}
	return r
}

// Nine of ten die at once: the tenth that is left finds jurors, and all of it knows within half a
// minute.
func TestATenthSurvives(t *testing.T) {
	for seed := range uint64(2) {
		r := promised(t, Options{Nodes: 60, Warm: true, Seed: seed,
			Duration: 70 * time.Second}, "5s=crash:90%")
		if c := r.Crashes; c.Count != 54 || c.Ratio != 1 || c.Known100.Max > 30 {
			t.Errorf("seed %d: %+v", seed, c)
		}
	}
}

// An idle node sends the same among few and among many.
func TestIdleCostsTheSame(t *testing.T) {
	rate := func(n int) float64 {
		r := promised(t, Options{Nodes: n, Warm: true, Seed: 1, Settle: 3 * time.Minute,
			Duration: 30 * time.Second})
		return float64(r.Traffic.Bytes.Mean)
	}
	few, many := rate(20), rate(300)
	t.Logf("%.0f and %.0f bytes a second", few, many)
	if many > 1.05*few || few > 1.1*many || many > 300 {
		t.Errorf("an idle node of 20 sends %.0f bytes a second, one of 300 sends %.0f", few, many)
	}
}

// To share suspicions costs nothing while nobody is suspected: not a byte is another.
func TestSharingCostsNothingInQuiet(t *testing.T) {
	trace := func(share bool) string {
		o := Options{Nodes: 20, Seed: 1, Duration: 60 * time.Second}
		o.Gossip.ShareSuspicions = share
		return promised(t, o, "5s=publish:1", "10s=leave:1").Trace
	}
	if trace(true) != trace(false) {
		t.Error("a quiet cluster that shares suspicions sends other packets")
	}
}
