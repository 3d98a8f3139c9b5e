package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/size"
)

// A cut lasts for longer than the dead are remembered. Meanwhile members of both sides leave, die,
// and die in a life that the other side never knew, and newcomers come. After it no node is told
// that one of the dead joined, or that one that left failed: the checkers see that. In the end all
// see all that live. Halves, two of twenty, one of twenty, and a zone that is cut off.
func TestCutBeyondRetention(t *testing.T) {
	for _, d := range []gossip.Detector{gossip.INQUEST, gossip.SWIM, gossip.HEARTBEAT,
		gossip.ACCRUAL} {
		for _, c := range []struct {
			side  string
			zones int
		}{{"n10-n19", 1}, {"n18-n19", 1}, {"n19", 1}, {"n14-n19", 1}, {"z1", 2}, {"z2",
			3}, {"n17-n19", 3}} {
			for seed := range uint64(size.Of(1, 1, 10)) {
				t.Run(fmt.Sprintf("%s/%s of %d zones/%d", d, c.side, c.zones, seed),
					func(t *testing.T) {
						t.Parallel()
						o := Options{Nodes: 20, Seed: seed + 1, Zones: c.zones,
							Duration: 270 * time.Second, Network: LAN()}
						o.Gossip.Detector, o.Gossip.Retention = d, 30*time.Second
						o.Gossip.Reseed = 15 * time.Second
						o.Gossip.Inquest.ZoneGrace = 10 * time.Second
						for _, text := range []string{
							"2s=cut:" + c.side + "/rest,for=150s",
							"4s=crash:n1", "4s=leave:n2", "5s=crash:n3,for=20s", "45s=crash:n3",
							"46s=leave:n6",
							// of the other side, if that has so many
							"10s=leave:n16", "12s=crash:n15",
							"140s=start:2",
						} {
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
							t.Error(v)
						}
					})
			}
		}
	}
}
