package sim

import (
	"slices"
	"testing"
	"time"
)

// Nodes of several zones come to estimate the ways between zones and those inside them, a hundred times shorter. On a map
// with detours, and a link of its own for each host, the median of the errors is the paper's (11 %) or less.
func TestCoordinates(t *testing.T) {
	for _, x := range []struct {
		chart        string
		nodes, zones int
		half, most   float64
	}{{"three", 60, 3, 0.08, 0.3}, {"internet", 200, 20, 0.11, 1}} {
		o := Options{Nodes: x.nodes, Zones: x.zones, Seed: 1, Warm: true, Unchecked: true, Duration: 3 * time.Minute, Network: LAN()}
		if err := o.Network.Map(x.chart, x.zones); err != nil {
			t.Fatal(err)
		}
		_, d, err := Watch(o, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(d.Estimates)
		if half, most := Percentile(d.Estimates, 0.5), Percentile(d.Estimates, 0.95); len(d.Estimates) < estimates/2 || half > x.half || most > x.most {
			t.Errorf("%s: %d estimates with relative errors of %.3f in the median, %.3f at 95 %%", x.chart, len(d.Estimates), half, most)
		}
	}
}
