package inquest

import (
	"slices"
	"testing"
	"time"
)

// Jurors that are dead as well, which nobody knows yet, are replaced while the case is young: the
// verdict comes hardly later, though most of the first jury are dead.
func TestSilentJurorsAreReplaced(t *testing.T) {
	verdict := func(w *world) time.Duration {
		start := w.Now
		for w.Now.Sub(start) < time.Minute {
			if slices.ContainsFunc(w.verdicts, func(v verdict) bool { return v.of == 1 }) {
				return w.Now.Sub(start)
			}
			w.Run(10 * time.Millisecond)
		}
		return time.Hour
	}
	for seed := range uint64(10) {
		w := newWorld(t, 40, seed, Config{})
		w.crash(1)
		w.untilJury(1)
		var jurors []int
		for _, x := range w.nodes {
			if x.d.bench.of(id(1)) >= 0 {
				jurors = append(jurors, x.i)
			}
		}
		usual := verdict(w)

		again := newWorld(t, 40, seed, Config{})
		again.crash(1)
		dead := (len(jurors) + 2) / 2
		for _, i := range jurors[:dead] {
			again.crash(i)
		}
		if took := verdict(again); took > usual+grace*3/5 {
			t.Errorf("seed %d: a verdict after %s, with %d of its %d jurors dead after %s",
				seed, usual, dead, len(jurors), took)
		}
	}
}
