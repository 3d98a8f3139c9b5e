package multicast

import (
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	for _, c := range []struct {
		pubs, rate int
		loss       float64
		crash      float64
		zones      int
	}{{128, 1000, 0, 0, 1}, {128, 1000, .01, 0, 1}, {128, 1000, .1, 0, 1}, {128, 1000, .25, 0, 1}, {64, 1000, 0, 0.1, 1}, {128, 1000, 0, 0, 3}} {
		var z func(int) string
		if c.zones > 1 {
			z = func(i int) string { return string(rune('a' + i%c.zones)) }
		}
		w := newWorld(t, 128, 11, Config{}, z)
		w.loss = c.loss
		for i := 64; i < 64+int(c.crash*128); i++ {
			w.nodes[i].down = true
		}
		p, b, cp, worst := w.stream(c.pubs, c.rate, 116, time.Second)
		busy, miss := 0, 0
		for _, x := range w.nodes {
			busy = max(busy, x.packets)
			for seq := uint64(1); seq <= x.own.last; seq++ {
				miss += w.spreadOf(x, seq).missing
			}
		}
		t.Logf("%+v: %.2f datagrams, %.0f B, %.2f copies, worst %v, busiest %d of mean %.0f, missing %d", c, p, b, cp, worst, busy, p*float64(c.rate), miss)
	}
}
