package sim

import (
	"strings"
	"testing"
	"time"
)

// A message of many pieces that no path passes costs its publisher a few times its size, and not
// what the network takes. Members that ask for a piece again and again, and never get it, ask ever
// more seldom. After three seconds it costs next to nothing. The report names those that it did not
// reach, and why.
func TestNarrowPathIsPaced(t *testing.T) {
	const size, nodes = 100_000, 5
	for seed := range uint64(3) {
		o := Options{Nodes: nodes, Seed: seed + 1, Warm: true, Duration: 65 * time.Second,
			Network: LAN()}
		o.Network.Within.MTU = 1100
		o.Actions = []Action{{At: 5 * time.Second, Do: Publish, Who: Nodes(1), Bytes: size}}
		r, err := Run(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Violations {
			if v.Checker != "arrival" || !strings.Contains(v.Text, "drops packets as long") {
				t.Errorf("seed %d: %+v", o.Seed, v)
			}
		}
		if len(r.Missed) != nodes-1 || !r.Missed[0].TooLong {
			t.Errorf("seed %d: missed %+v", o.Seed, r.Missed)
		}
		sum := uint64(0)
		for _, p := range r.Timeline {
			if p.At > 10 {
				sum += p.Bytes
			}
		}
		if most := uint64(3 * size * (nodes - 1)); sum > most {
			t.Errorf("seed %d: %d bytes in a minute, for %d to %d members", o.Seed, sum, size,
				nodes-1)
		}
	}
}
