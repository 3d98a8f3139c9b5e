package reconcile

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// A table that changed a while ago is looked into only after Quiet.
func TestQuiet(t *testing.T) {
	w := newWorld(1)
	a, b := pair(w, 100)
	a.repair = New(a, Config{Quiet: 5 * time.Second})
	for _, n := range w.order {
		n.apply(fact(name(1), 1, 4, member.Alive))
	}
	b.apply(fact(name(3), 1, 4, member.Alive))
	a.repair.log, b.repair.log = changeLog{}, changeLog{}
	for _, c := range []struct {
		after time.Duration
		views uint64
	}{{2 * time.Second, 0}, {2 * time.Second, 0}, {2 * time.Second, 1}} {
		w.Run(c.after)
		b.fingerprint(a.ID(), false)
		w.Run(10 * time.Millisecond)
		if got := a.repair.Stats().Started; got != c.views {
			t.Errorf("%d views, not %d", got, c.views)
		}
	}
}

// Between two views that a node starts is at least Interval, however often it sees a difference.
func TestInterval(t *testing.T) {
	views := func(interval time.Duration) uint64 {
		w := newWorld(1)
		a, b := pair(w, 100)
		a.repair, a.refuse = New(a, Config{Interval: interval}), true
		a.repair.log = changeLog{}
		for i := range uint32(120) {
			b.apply(fact(name(3), 1, 4+i, member.Alive)) // another difference each time
			b.fingerprint(a.ID(), false)
			w.Run(time.Second / 2)
		}
		return a.repair.Stats().Started
	}
	if often, seldom := views(time.Second), views(10*time.Second); seldom > 8 || often < 3*seldom {
		t.Errorf("in a minute %d views at least 10 s apart, %d at least one", seldom, often)
	}
}
