package topology

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/invariants"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Place is where a live member stands on the ring: in its zone, and there by its ID.
type Place struct {
	Key uint64
	ID  member.ID
}

// ZoneBits is how many bits of a key tell zones apart.
const ZoneBits = 16

// Zone returns the part of a key that stands for the zone.
func (p Place) Zone() uint16 { return uint16(p.Key >> (64 - ZoneBits)) }

// PlaceOf returns a member's place; docs/protocol.md says how.
func PlaceOf(m *member.Member) Place {
	zone := ZoneKey(member.Top(m.Handle.Value().Zone))
	return Place{uint64(zone)<<(64-ZoneBits) | uint64(m.ID)>>ZoneBits, m.ID}
}

// ZoneKey returns what stands for a zone on the ring, by the first part of its path.
func ZoneKey(top string) uint16 {
	if top == "" {
		return 0
	}
	return uint16(member.IDOf(top))
}

func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.ID, b.ID))
}

// Ring holds the places of all live members of a table in order. It is made when it is first
// needed, and kept up from then on. A member costs 16 bytes. Where there is but one zone, the
// question whether there are several does not make it. Code that changes the table tells the ring.
// It is not safe for concurrent use.
type Ring struct {
	table  *member.Table
	places []Place
	made   bool
	zone   uint16 // of the first member that was seen
	seen   bool
	mixed  bool // there were members of other zones
}

// NewRing returns the ring of a table.
func NewRing(t *member.Table) *Ring {
	g := &Ring{table: t}
	for i := range t.Live() {
		m := t.At(i)
		g.see(PlaceOf(&m))
	}
	return g
}

// All returns all places in order: it makes the ring, or makes it anew if it has lost track of the
// table. What is returned is valid until the table changes.
func (g *Ring) All() []Place {
	if g.made && len(g.places) == g.table.Live() {
		return g.places
	}
	g.made, g.places = true, g.places[:0]
	for i := range g.table.Live() {
		m := g.table.At(i)
		p := PlaceOf(&m)
		g.see(p)
		g.places = append(g.places, p)
	}
	slices.SortFunc(g.places, comparePlaces)
	return g.places
}

// see notes that there is somebody in a zone.
func (g *Ring) see(p Place) {
	if !g.seen {
		g.zone, g.seen = p.Zone(), true
	}
	g.mixed = g.mixed || p.Zone() != g.zone
}

// Forget tells that the table lost members without a word.
func (g *Ring) Forget() { g.made = false }

// Changed tells that the table changed: before is the zero Member if the member is new.
func (g *Ring) Changed(before, after member.Member) {
	was, is := before.ID != 0 && before.State.Live(), after.State.Live()
	var old, now Place
	if is && (g.made || !g.mixed) {
		now = PlaceOf(&after)
		g.see(now)
	}
	if !g.made {
		return
	}
	if was {
		old = PlaceOf(&before)
	}
	if was == is && old == now {
		return
	}
	if was {
		if i, ok := slices.BinarySearchFunc(g.places, old, comparePlaces); ok {
			g.places = slices.Delete(g.places, i, i+1)
		}
	}
	if is {
		if i, ok := slices.BinarySearchFunc(g.places, now, comparePlaces); !ok {
			g.places = slices.Insert(g.places, i, now)
		}
	}
	if invariants.On {
		invariants.Hold(g.Check())
	}
}

// Check says what contradicts itself in a ring that was told of each change of its table, nil if
// nothing does. It goes through all places.
func (g *Ring) Check() error {
	if !g.made || len(g.places) != g.table.Live() { // it is made anew when it is asked
		return nil
	}
	for i, p := range g.places {
		if i > 0 && comparePlaces(g.places[i-1], p) >= 0 {
			return fmt.Errorf("ring: %v stands behind %v", p, g.places[i-1])
		}
		if m, ok := g.table.Get(p.ID); !ok || !m.State.Live() || PlaceOf(&m) != p {
			return fmt.Errorf("ring: %v is no place of a live member", p)
		}
	}
	return nil
}

// Mixed says whether there are live members in several zones.
func (g *Ring) Mixed() bool {
	if !g.mixed {
		return false
	}
	places := g.All()
	return len(places) > 0 && places[0].Zone() != places[len(places)-1].Zone()
}

// Zone returns the places of a zone's live members, in order.
func (g *Ring) Zone(zone uint16) []Place {
	places := g.All()
	if len(places) == 0 || places[0].Zone() == zone && places[len(places)-1].Zone() == zone {
		return places
	}
	lo, hi := After(places, uint64(zone)<<(64-ZoneBits)), len(places)
	if zone < 1<<ZoneBits-1 {
		hi = After(places, uint64(zone+1)<<(64-ZoneBits))
	}
	return places[lo:hi]
}

// Zones goes through the zones in order: the places of each one's live members.
func (g *Ring) Zones() iter.Seq[[]Place] {
	return func(yield func([]Place) bool) {
		places := g.All()
		for lo := 0; lo < len(places); {
			z := g.Zone(places[lo].Zone())
			if !yield(z) {
				return
			}
			lo += len(z)
		}
	}
}

// After returns the position of the first place at or after a key.
func After(places []Place, key uint64) int {
	i, _ := slices.BinarySearchFunc(places, key, func(p Place,
		key uint64) int {
		return cmp.Compare(p.Key, key)
	})
	return i
}

// PickNear appends up to k distinct live members other than self, mostly of self's zone. When each
// member of a zone draws one, about as many as leaving says are of other zones, however large the
// zone is. They are never more than if there were no zones. With leaving 1 it is the rule of van
// Renesse, Minsky and Hayden (1998, section 4; see Stays). In one zone alone it is Pick.
func (g *Ring) PickNear(rng *rand.Rand, self member.ID, leaving, k int,
	dst []member.Member) []member.Member {
	me, ok := g.table.Get(self)
	if !ok || !g.Mixed() {
		return Pick(rng, g.table, k, dst, self)
	}
	places, first := g.All(), len(dst)
	start := After(places, PlaceOf(&me).Key>>(64-ZoneBits)<<(64-ZoneBits))
	own := len(g.Zone(PlaceOf(&me).Zone()))
	others := len(places) - own
	draw := func(from, n int) bool { // of the n places from one on, round the ring
		at := 0
		if n > 0 {
			at = rng.IntN(n)
		}
		tries := min(n, k+2)
		if g.table.Served() < g.table.Live() {
			tries = n
		}
		for i := range tries {
			id := places[(from+(at+i)%n)%len(places)].ID
			if id != self && !contains(dst[first:], nil, id) {
				if m, _ := g.table.Get(id); !m.OutOfFamily {
					dst = append(dst, m)
					return true
				}
			}
		}
		return false
	}
	for range k {
		if leave(rng, leaving, own, others) {
			_ = draw(start+own, others) || draw(start, own)
		} else {
			_ = draw(start, own) || draw(start+own, others)
		}
	}
	return dst
}

// leave says whether a draw leaves a zone of so many.
func leave(rng *rand.Rand, leaving, own, others int) bool {
	if leaving*(own+others-1) <= others*own {
		return rng.IntN(own) < leaving
	}
	return rng.IntN(own+others-1) < others // as if there were no zones
}

// Afar draws a live member of another zone than self's, each as likely; ok is false if there is
// none. It returns also how many live members self's zone has.
func (g *Ring) Afar(rng *rand.Rand, self member.ID) (m member.Member, own int, ok bool) {
	me, ok := g.table.Get(self)
	if !ok {
		return m, 0, false
	}
	places := g.All()
	zone := PlaceOf(&me).Zone()
	own = len(g.Zone(zone))
	if own == len(places) {
		return m, own, false
	}
	next := After(places, uint64(zone)<<(64-ZoneBits)) + own
	m, ok = g.table.Get(places[(next+rng.IntN(len(places)-own))%len(places)].ID)
	return m, own, ok && !m.OutOfFamily
}
