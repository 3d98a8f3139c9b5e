package multicast

import (
	"testing"
	"time"
)

// Each setting does what it says.
func TestSettings(t *testing.T) {
	w := newWorld(t, 5, 1, Config{Size: 8000}, nil)
	most := 0
	w.trace = func(_, _ *node, data []byte, _ bool) { most = max(most, len(data)) }
	w.nodes[0].publish(50, 900)
	w.Run(time.Second)
	if most <= parcelRoom || most > 8000 {
		t.Errorf("datagrams of up to %d bytes, where 8,000 pass", most)
	}

	w = newWorld(t, 2, 1, Config{Rate: 1 << 20}, nil)
	last := w.nodes[0].publish(2048, 1024)
	w.Run(10 * time.Second)
	if s := w.spreadOf(w.nodes[0], last); s.missing > 0 || s.t100 < 1800*time.Millisecond ||
		s.t100 > 3*time.Second {
		t.Errorf("two MiB at one a second: %+v", s)
	}

	w = newWorld(t, 2, 1, Config{Window: 2}, nil)
	w.trace = func(_, _ *node, _ []byte, _ bool) {
		if n := w.nodes[0].own.out; n > 2 {
			t.Errorf("%d parcels are under way, where 2 may be", n)
		}
	}
	last = w.nodes[0].publish(100, 1000)
	w.Run(10 * time.Second)
	if s := w.spreadOf(w.nodes[0], last); s.missing > 0 {
		t.Errorf("with two parcels under way: %+v", s)
	}
}
