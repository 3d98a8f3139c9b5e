package topology

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
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
		if len(z) != zones[z[0].Zone()] || z[0].Zone() != z[len(z)-1].Zone() ||
			!slices.Equal(z, w.ring.Zone(z[0].Zone())) {
			t.Fatalf("zone %d has %d places, wants %d", z[0].Zone(), len(z), zones[z[0].Zone()])
		}
		all = append(all, z...)
	}
	if !slices.Equal(all, want) {
		t.Fatal("the zones are not the ring")
	}
}

// Whatever happens to the table, the ring is that of the live members: when it is made late, early,
// or has lost track.
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
				Name: name, Generation: 1 +
					uint64(step/50), Addr: netip.MustParseAddrPort("10.0.0.1:1"),
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

// ringOf makes a ring of zones with so many members each.
func ringOf(t *testing.T, zones ...int) (*Ring, []member.ID) {
	t.Helper()
	w := &world{live: map[string]member.Fact{}}
	w.ring = NewRing(&w.table)
	var all []member.ID
	for z, n := range zones {
		for i := range n {
			name := fmt.Sprintf("z%d-%d", z, i)
			w.merge(t, member.Fact{Record: member.Share(member.Record{
				Name: name, Generation: 1, Addr: netip.MustParseAddrPort("10.0.0.1:1"),
				Zone: fmt.Sprintf("z%d/rack", z),
			})})
			all = append(all, member.IDOf(name))
		}
	}
	return w.ring, all
}

// Of one draw of each member of a zone as many leave it, however large it is; all others are drawn
// alike.
func TestNearLeavesSeldom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	// few: others are drawn in their place
	for own, want := range map[int]float64{1: 1, 2: 60.0 / 61, 3: 0.7, 10: 0.2, 300: 2.0 / 300} {
		g, all := ringOf(t, own, 40, 20)
		drawn := map[member.ID]int{}
		left, total := 0, 0
		for range 6000 {
			self := all[rng.IntN(own)]
			got := g.PickNear(rng, self, 2, 4, nil)
			if len(got) != 4 {
				t.Fatalf("%d drawn in a zone of %d", len(got), own)
			}
			seen := map[member.ID]bool{self: true}
			for _, m := range got {
				if seen[m.ID] {
					t.Fatal("drawn twice")
				}
				seen[m.ID] = true
				drawn[m.ID]++
				total++
				if slices.Index(all, m.ID) >= own {
					left++
				}
			}
		}
		if share := float64(left) / float64(total); share < 0.9*want || share > 1.1*want {
			t.Errorf("a zone of %d: %.4f of its draws leave, not %.4f", own, share, want)
		}
		least, most := total, 0
		for _, id := range all[own:] {
			least, most = min(least, drawn[id]), max(most, drawn[id])
		}
		if mean := float64(left) / 60; mean > 100 &&
			(float64(least) < mean*0.7 || float64(most) > mean*1.3) {
			t.Errorf("a zone of %d: each of the others is drawn %d to %d times, %.0f in the "+
				"mean", own, least, most, mean)
		}
	}
}

// Where there is one zone, PickNear draws as Pick does, so that nothing changes for clusters
// without zones.
func TestNearWithoutZones(t *testing.T) {
	g, all := ringOf(t, 50)
	a, b := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(1, 1))
	for range 100 {
		if x, y := g.PickNear(a, all[0], 2, 4, nil), Pick(b, g.table, 4, nil,
			all[0]); !slices.Equal(x, y) {
			t.Fatal("they differ")
		}
	}
}

// Afar draws from the other zones alone, each member alike.
func TestAfar(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	g, all := ringOf(t, 7, 20, 10)
	for _, self := range []int{0, 10, 30} { // one of each zone
		lo, hi := 0, 7
		if self >= 27 {
			lo, hi = 27, 37
		} else if self >= 7 {
			lo, hi = 7, 27
		}
		drawn := map[member.ID]int{}
		for range 3000 {
			m, own, ok := g.Afar(rng, all[self])
			i := slices.Index(all, m.ID)
			if !ok || own != hi-lo || i >= lo && i < hi {
				t.Fatalf("%d draws %d, %v; its zone of %d has %d to %d", self, i, ok, own, lo, hi)
			}
			drawn[m.ID]++
		}
		for i, id := range all {
			if n := drawn[id]; (i < lo || i >= hi) && n < 3000/(37-(hi-lo))/2 {
				t.Errorf("%d draws %d only %d times", self, i, n)
			}
		}
	}
	g, all = ringOf(t, 5)
	if _, own, ok := g.Afar(rng, all[0]); ok || own != 5 {
		t.Error("of one zone somebody is drawn")
	}
}
