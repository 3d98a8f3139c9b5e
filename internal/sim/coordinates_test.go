package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/size"
)

// Nodes of several zones come to estimate the ways between zones and those inside them, a hundred
// times shorter. On a map with detours, and a link of its own for each host, the median of the
// errors is the paper's (11 %) or less.
func TestCoordinates(t *testing.T) {
	for _, x := range []struct {
		chart        string
		nodes, zones int
		half, most   float64
	}{{"three", 60, 3, 0.08, 0.3}, {"internet", 200, 20, 0.11, 1}} {
		o := Options{Nodes: x.nodes, Zones: x.zones, Seed: 1, Warm: true, Unchecked: true,
			Duration: 3 * time.Minute, Network: LAN()}
		if err := o.Network.Map(x.chart, x.zones); err != nil {
			t.Fatal(err)
		}
		_, d, err := Watch(o, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(d.Estimates)
		if half, most := Percentile(d.Estimates, 0.5), Percentile(d.Estimates,
			0.95); len(d.Estimates) < estimates/2 || half > x.half || most > x.most {
			t.Errorf("%s: %d estimates with relative errors of %.3f in the median, %.3f at 95 "+
				"%%", x.chart, len(d.Estimates), half, most)
		}
	}
}

// A node that is slow for a minute, while messages stream through it, spoils no estimates for long.
// Two minutes after it is well again they are as good as ever. On a LAN its round trips are a
// hundred times the usual ones.
func TestSlowPeerSpoilsNoEstimates(t *testing.T) {
	for seed := range uint64(size.Of(1, 1, 20)) {
		o := Options{
			Nodes: 30, Seed: seed + 1, Warm: true, Unchecked: true, Duration: 185 * time.Second,
			Actions: []Action{
				{At: 5 * time.Second, Do: Slow, Who: Nodes(4), Cost: 20 * time.Millisecond,
					For: time.Minute},
				{At: 10 * time.Second, Do: Publish, Who: Nodes(0), Bytes: 100_000,
					Every: 200 * time.Millisecond, Times: 200},
			},
		}
		_, d, err := Watch(o, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(d.Estimates)
		half, most := Percentile(d.Estimates, 0.5), Percentile(d.Estimates, 0.99)
		if len(d.Estimates) < estimates/2 || half > 0.2 || most > 1 {
			t.Errorf("seed %d: %d estimates with relative errors of %.3f in the median, %.3f at "+
				"99 %%",
				o.Seed, len(d.Estimates), half, most)
		}
	}
}
