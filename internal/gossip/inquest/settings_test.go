package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Each setting that is a number does what it says.
func TestSettings(t *testing.T) {
	pings := func(cfg Config) int {
		w := newWorld(t, 12, 1, cfg)
		clear(w.packets)
		w.Run(6 * time.Second)
		return w.packets[wire.TypePing]
	}
	if usual, often := pings(Config{}), pings(Config{Period: period / 3}); often < usual*5/2 {
		t.Errorf("%d pings with a third of the period, %d without", often, usual)
	}
	w := newWorld(t, 12, 1, Config{Watch: 3, Jury: 3})
	for _, x := range w.nodes {
		if n := len(x.d.watch.watched); n != 3 {
			t.Errorf("m%d watches %d members, not 3", x.i, n)
		}
	}
	w.crash(1)
	if w.knownIn(1, time.Minute) < 0 {
		t.Error("three jurors do not see a crash")
	}
	for _, v := range w.verdicts {
		if v.evidence.Seats != 3 {
			t.Errorf("a jury of %d", v.evidence.Seats)
		}
	}
	c := Config{MinRTO: 300 * time.Millisecond, MaxRTO: 700 * time.Millisecond}.withDefaults()
	for _, round := range []struct{ trip, want time.Duration }{{0, 300 * time.Millisecond},
		{time.Millisecond, 300 * time.Millisecond}, {time.Second, 700 * time.Millisecond}} {
		var p path
		if round.trip > 0 {
			p.sample(round.trip)
		}
		if got := p.timeout(&c); got != round.want {
			t.Errorf("with round trips of %v an answer has %v, not %v", round.trip, got, round.want)
		}
	}
}
