package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLatencyDraws(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		text                string
		min, p50, mean, max time.Duration
	}{
		{"2ms", 2 * ms, 2 * ms, 2 * ms, 2 * ms},
		{"1ms-5ms", ms, 3 * ms, 3 * ms, 5 * ms},
		{"10ms~0.5", 10 * ms / 6, 10 * ms, 11331 * time.Microsecond, 60 * ms},
		{"1ms+2ms-4ms", 3 * ms, 4 * ms, 4 * ms, 5 * ms},
		{"1ms/2ms/9ms", ms, 2 * ms, 3500 * time.Microsecond, 9 * ms},
	} {
		l, err := ParseLatency(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if l.String() != c.text {
			t.Errorf("%s became %s", c.text, l)
		}
		rng := newStream(1)
		all := make([]time.Duration, 100_000)
		sum := 0.0
		for i := range all {
			all[i] = l.draw(rng.Uint64())
			sum += float64(all[i]) / float64(len(all))
		}
		slices.Sort(all)
		near := func(got, want time.Duration) bool {
			return math.Abs(float64(got-want)) <= 0.02*float64(want)
		}
		if all[0] < l.Min() || all[0] < c.min*99/100 || all[len(all)-1] > c.max*101/100 {
			t.Errorf("%s: from %s to %s; Min is %s", c.text, all[0], all[len(all)-1], l.Min())
		}
		if !near(Percentile(all, 0.5), c.p50) || !near(time.Duration(sum), c.mean) {
			t.Errorf("%s: median %s and mean %s, want %s and %s", c.text, Percentile(all, 0.5),
				time.Duration(sum), c.p50, c.mean)
		}
	}
}

func TestBadLatency(t *testing.T) {
	for _, s := range []string{"", "5", "ms", "-1ms", "5ms-1ms", "1ms-2ms-3ms", "1ms~x",
		"1ms~9", "1ms//2ms", "1ms+", "x+1ms", "1ms+1ms+1ms"} {
		if l, err := ParseLatency(s); err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v, %v", s, l, err)
		}
	}
}

// A Gilbert–Elliott chain loses the share of packets and has the lengths of bursts that it says.
func TestBursts(t *testing.T) {
	b := Burst{Good: 900 * time.Millisecond, Bad: 100 * time.Millisecond, Loss: 1}
	h := &host{}
	rng := newStream(7)
	bad, ends, was := 0, 0, false
	const n = 1_000_000
	for i := range n {
		now := h.bursting(goTime(i), &b, -1, 1, &rng)
		if now {
			bad++
		}
		if was && !now {
			ends++
		}
		was = now
	}
	if share := float64(bad) / n; math.Abs(share-0.1) > 0.01 {
		t.Errorf("bad for %.3f of the time, want 0.1", share)
	}
	if length := float64(bad) / float64(ends); math.Abs(length-100.5) > 8 { // in steps of 1 ms
		t.Errorf("bursts last %.1f ms, want 100", length)
	}
}
