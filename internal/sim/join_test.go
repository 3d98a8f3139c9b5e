package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/size"
)

// joinTimes returns how long it takes until all of 128 nodes that start at once know all, for some
// seeds.
func joinTimes(t *testing.T, loss float64) (times []time.Duration) {
	t.Helper()
	for seed := range uint64(size.Of(8, 8, 20)) {
		o := Options{Nodes: 128, Seed: seed, Settle: time.Millisecond,
			Duration: time.Millisecond, Unchecked: true, Network: LAN()}
		o.Network.Within.Loss, o.Network.Between.Loss = loss, loss
		r := run(t, o)
		times = append(times, time.Duration(float64(r.Join)*float64(time.Second)))
	}
	slices.Sort(times)
	return times
}

// A join costs one round trip for the challenge, and little more where a tenth of all packets is
// lost.
func TestJoinTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, c := range []struct {
		loss         float64
		median, most time.Duration
	}{{0, 300 * time.Millisecond, 600 * time.Millisecond}, {0.1, 1300 * time.Millisecond,
		3 * time.Second}} {
		times := joinTimes(t, c.loss)
		median, most := times[len(times)/2], times[len(times)-1]
		t.Logf("%.0f %% lost: median %s, worst %s", 100*c.loss, median, most)
		if times[0] < 0 || median > c.median || most > c.most {
			t.Errorf("%.0f %% lost: median %s, worst %s of %d; at most %s and %s", 100*c.loss,
				median, most, len(times), c.median, c.most)
		}
	}
}
