package topology

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/starling-gossip/starling/gossip/member"
)

// world is a table with its ring, and what they should be.
type world struct {
	table member.Table
	ring  *Ring
	live  map[string]member.Fact
}

func (w *world) merge(t *testing.T, f member.Fact) {
	t.Helper()
	before, _, changed, err := w.table.Merge(1, f)
	if err != nil {
		t.Fatal(err)
	}
	if !changed {
		return
	}
	r := f.Record.Value()
	after, _ := w.table.Get(member.IDOf(r.Name))
	w.ring.Changed(before, after)
	delete(w.live, r.Name)
	if f.State.Live() {
		w.live[r.Name] = f
	}
}

// check compares the ring with what is made anew from the live members.
func (w *world) check(t *testing.T) {
	t.Helper()
	var want []Place
	zones := map[uint16]int{}
	for _, f := range w.live {
		r := f.Record.Value()
		m, _ := w.table.Get(member.IDOf(r.Name))
		p := PlaceOf(&m)
		want = append(want, p)
		zones[p.Zone()]++
	}
	slices.SortFunc(want, comparePlaces)
	if got := w.ring.Mixed(); got != (len(zones) > 1) {
		t.Fatalf("mixed is %v in %d zones", got, len(zones))
	}
	if got := w.ring.All(); !slices.Equal(got, want) {
		t.Fatalf("the ring has %d places, wants %d", len(got), len(want))
	}
	var all []Place
	for z := range w.ring.Zones() {
		if len(z) != zones[z[0].Zone()] || z[0].Zone() != z[len(z)-1].Zone() || !slices.Equal(z, w.ring.Zone(z[0].Zone())) {
			t.Fatalf("zone %d has %d places, wants %d", z[0].Zone(), len(z), zones[z[0].Zone()])
		}
		all = append(all, z...)
	}
	if !slices.Equal(all, want) {
		t.Fatal("the zones are not the ring")
	}
}

// Whatever happens to the table, the ring is that of the live members: when it is made late, early, or has lost track.
func TestRingFollowsTable(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := &world{live: map[string]member.Fact{}}
		w.ring = NewRing(&w.table)
		zones := 1 + rng.IntN(4)
		for step := range 400 {
			name := fmt.Sprintf("m%d", rng.IntN(60))
			f := member.Fact{Incarnation: uint32(step), State: member.State(rng.IntN(3))}
			f.Record = member.Share(member.Record{
				Name: name, Generation: 1 + uint64(step/50), Addr: netip.MustParseAddrPort("10.0.0.1:1"),
				Zone: []string{"", "eu/fra", "us", "eu/ams/r1"}[rng.IntN(zones)],
			})
			w.merge(t, f)
			switch rng.IntN(12) {
			case 0:
				w.check(t)
			case 1:
				id := member.IDOf(name)
				w.table.Forget(id)
				w.ring.Forget()
				delete(w.live, name)
			}
		}
		w.check(t)
	}
}
