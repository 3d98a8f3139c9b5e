package quota

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// fake is a node that can send to all members and has no messages.
type fake struct{ *planetest.Env }

func (f fake) IsUnreachable(member.ID) bool { return false }
func (f fake) PendingBytes(int) int         { return 0 }
func (f fake) Resume(mono.Time)             {}

// The budget for a zone is that of the pair, if there is one, either way round, else that for each
// zone; there is none within a zone.
func TestBudgets(t *testing.T) {
	zones := []string{"eu/r1", "us/r2", "asia"}
	cfg := Config{Zone: 100 << 10, Budgets: []Budget{{[2]string{"us", "eu"}, 50 << 10}}}
	for own, want := range map[string][3]int{
		"eu/r1": {0, 50 << 10, 100 << 10}, "us/r2": {50 << 10, 0, 100 << 10},
		"asia": {100 << 10, 100 << 10, 0},
	} {
		r := planetest.Record("n0", 0)
		r.Zone = own
		f := fake{&planetest.Env{Node: planetest.Node{Record: r,
			Chance: rand.New(rand.NewPCG(1, 1))}}}
		f.Know(0, &f.Node, member.Alive)
		q := New(f, cfg)
		for i, zone := range zones {
			r := planetest.Record(fmt.Sprintf("n%d", i+1), i+1)
			r.Zone = zone
			_, m, _ := f.Merge(0, member.Fact{Record: member.Share(r)})
			if got := q.Rate(topology.PlaceOf(&m).Zone()); got != want[i] {
				t.Errorf("from %s to %s %d bytes a second, not %d", own, zone, got, want[i])
			}
		}
		if q.Unmetered() || !New(f, Config{}).Unmetered() {
			t.Error("it does not know whether there are budgets")
		}
	}
}
