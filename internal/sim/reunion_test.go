package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// After a cut everybody has within 2 s what the other side published: of a hundred nodes 99. Short
// cuts, and those in one direction, in which nobody is failed, too; and with zones, one of which
// was silent.
func TestReunion(t *testing.T) {
	detectors := []gossip.Detector{gossip.INQUEST, gossip.SWIM, gossip.HEARTBEAT, gossip.ACCRUAL}
	for _, c := range []struct {
		name    string
		zones   int
		actions string
	}{
		{"halves", 1, "cut:n0-n14/rest,for=30s"},
		{"30 to 70", 1, "cut:n0-n8/rest,for=30s"},
		{"one way", 1, "cut:n0-n14/rest,oneway,for=30s"},
		{"short", 1, "cut:n0-n14/rest,for=3s"},
		{"short and one way", 1, "cut:n0-n14/rest,oneway,for=1500ms"},
		{"a zone", 2, "cut:z1/rest,for=30s"},
		{"halves of zones", 2, "cut:n0-n14/rest,for=30s"},
	} {
		for i, d := range detectors {
			t.Run(fmt.Sprint(c.name, "/", d), func(t *testing.T) {
				t.Parallel()
				late := reunion(t, d, c.zones, c.actions, uint64(i+1))
				slices.Sort(late)
				if p99 := late[len(late)*99/100]; p99 > 2*time.Second {
					t.Errorf("99 of 100 have all after %v, all after %v", p99, late[len(late)-1])
				}
			})
		}
	}
}

// reunion returns how long after a cut each node had what was published in it.
func reunion(t *testing.T, d gossip.Detector, zones int, cut string, seed uint64) []time.Duration {
	o := Options{Nodes: 30, Zones: zones, Seed: seed, Unchecked: true}
	o.Gossip.Detector = d
	for _, s := range []string{"1s=" + cut, "2s=publish:all", "2100ms=publish:n3+n23"} {
		a, err := ParseAction(s)
		if err != nil {
			t.Fatal(err)
		}
		o.Actions = append(o.Actions, a)
	}
	o.Duration = o.Actions[0].At + o.Actions[0].For + 10*time.Second
	r, detail, err := Watch(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := detail.CaughtUp
	if r.Messages.Count != 32 || r.Messages.Reached100.N != 32 || len(all) == 0 {
		t.Errorf("seed %d: %d of %d messages are at all", seed, r.Messages.Reached100.N,
			r.Messages.Count)
	}
	return all
}

// A cut in the middle of a large message, or of many: all have them within retention, since the
// nodes that may have the rest come back. No node is told meanwhile that they are lost.
func TestCutInMidMessage(t *testing.T) {
	for _, c := range []struct {
		name     string
		lossy    bool
		zones    int
		detector gossip.Detector
		actions  []string
	}{
		{"halves", false, 1, gossip.INQUEST, []string{"1s=publish:n0,bytes=1000000",
			"1.05s=cut:n10-n19/rest,for=30s"}},
		{"halves, swim", false, 1, gossip.SWIM, []string{"1s=publish:n0,bytes=1000000",
			"1.05s=cut:n10-n19/rest,for=30s"}},
		{"a pair", false, 1, gossip.INQUEST, []string{"1s=publish:n0,bytes=1000000",
			"1.03s=cut:n18-n19/rest,for=30s"}},
		{"zones", true, 2, gossip.INQUEST,
			[]string{"1s=publish:n0,bytes=3000,every=10ms,times=100", "1.5s=cut:z0/z1,for=30s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := Options{Nodes: 20, Zones: c.zones, Seed: 1, Duration: 45 * time.Second}
			o.Gossip.Detector = c.detector
			if c.lossy {
				o.Network = WAN(2)
				o.Network.Between.Loss = 0.3
			}
			for _, s := range c.actions {
				a, err := ParseAction(s)
				if err != nil {
					t.Fatal(err)
				}
				o.Actions = append(o.Actions, a)
			}
			r, err := Run(o)
			if err != nil {
				t.Fatal(err)
			}
			if m := r.Messages; m.Count == 0 || m.Ratio < 1 || len(r.Violations) > 0 {
				t.Errorf("%+v, %v", m, r.Violations)
			}
		})
	}
}
