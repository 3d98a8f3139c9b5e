package multicast

import (
	"cmp"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

// place is where a live member stands on the ring: in its zone, and there by its ID.
type place struct {
	key uint64
	id  member.ID
}

func (p place) zone() uint16 { return uint16(p.key >> 48) }

// placeOf returns a member's place; docs/protocol.md says how.
func placeOf(m *member.Member) place {
	zone, _, _ := strings.Cut(m.Handle.Value().Zone, "/")
	key := uint64(m.ID) >> 16
	if zone != "" {
		key |= uint64(member.IDOf(zone)) << 48
	}
	return place{key, m.ID}
}

func comparePlaces(a, b place) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) }

// ring holds the places of all live members in order: made when it is first needed, and kept up from then on. A member
// costs 16 bytes.
type ring struct {
	places []place
	made   bool
}

// of makes the ring, or makes it anew if it has lost track of the table.
func (g *ring) of(t *member.Table) []place {
	if g.made && len(g.places) == t.Live() {
		return g.places
	}
	g.made, g.places = true, g.places[:0]
	for i := range t.Live() {
		m := t.At(i)
		g.places = append(g.places, placeOf(&m))
	}
	slices.SortFunc(g.places, comparePlaces)
	return g.places
}

func (g *ring) changed(before, after member.Member) {
	if !g.made {
		return
	}
	was, is := before.ID != 0 && before.State.Live(), after.State.Live()
	var old, now place
	if was {
		old = placeOf(&before)
	}
	if is {
		now = placeOf(&after)
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
}

// self returns this node's place.
func (r *Relay) self() place {
	if r.me.id == 0 {
		if m, ok := r.host.Table().Get(r.host.Self()); ok {
			r.me = placeOf(&m)
		}
	}
	return r.me
}

// within returns the positions of a span's members in places.
func within(places []place, s wire.Span) (lo, hi int) {
	lo = after(places, s.Prefix)
	if last := s.Prefix | rest(s.Bits); last == ^uint64(0) {
		hi = len(places)
	} else {
		hi = after(places, last+1)
	}
	return lo, hi
}

// after returns the position of the first place at or after a key.
func after(places []place, key uint64) int {
	i, _ := slices.BinarySearchFunc(places, key, func(p place, key uint64) int { return cmp.Compare(p.key, key) })
	return i
}

// rest is all bits behind the first so many.
func rest(bits uint8) uint64 {
	if bits >= 64 {
		return 0
	}
	return ^uint64(0) >> bits
}

func holds(s wire.Span, key uint64) bool { return s.Bits <= 64 && key&^rest(s.Bits) == s.Prefix }
