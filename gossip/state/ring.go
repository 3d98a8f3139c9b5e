package state

import (
	"cmp"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/mono"
)

// The ring is all live members in the order of their places: by widest zone, and there by ID, so that those of one zone
// stand together. A write is brought around it as in a broadcast over Chord (El-Ansary, Alima, Brand, Haridi, "Efficient
// Broadcast in Structured P2P Networks", 2003): whoever has it and is to bring it to all up to some place gives part of that
// to the members 1, 2, 3, 4, 8, 12, 16, 32, 48, 64 … places on: each brings it to all up to the next of these. So each node
// gets each write once, from one of a few members that it always gets writes from, and all nodes send about as much: what
// many owners write goes in the same datagrams.

// place is where a live member stands.
type place struct {
	key uint64
	id  member.ID
}

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

// ring is made when it is first needed and made anew when the live members have changed. A member costs 16 bytes.
type ring struct {
	places []place
	self   int // this node's position
	made   bool
}

func (g *ring) of(t *member.Table, self member.ID) []place {
	if g.made && len(g.places) == t.Live() {
		return g.places
	}
	g.made, g.places = true, g.places[:0]
	for i := range t.Live() {
		m := t.At(i)
		g.places = append(g.places, placeOf(&m))
	}
	slices.SortFunc(g.places, comparePlaces)
	g.self = slices.IndexFunc(g.places, func(p place) bool { return p.id == self })
	return g.places
}

// changed notes that a member came, went or moved.
func (g *ring) changed(before, after *member.Member) {
	was, is := before.ID != 0 && before.State.Live(), after.State.Live()
	if was != is || is && before.Handle != after.Handle {
		g.made = false
	}
}

const (
	width    = 4  // fingers of one level stand as far apart as width of those below
	maxLinks = 64 // peers to whom this node passes writes on; a level has three, so that 4^21 members would need more
)

// pass puts an owner's writes from a version on into the queues of the links that lead to all members up to, and without,
// the one that stands at end.
func (s *Store) pass(now mono.Time, o *owner, from, floor, end uint64) {
	places := s.ring.of(s.host.Table(), s.host.Self())
	n, me := len(places), s.ring.self
	if me < 0 || n < 2 {
		return
	}
	to, _ := slices.BinarySearchFunc(places, end, func(p place, key uint64) int { return cmp.Compare(p.key, key) })
	of := (to - me - 1 + n) % n // members between this node and end
	if end == places[me].key {
		of = n - 1
	}
	at := func(off int) place { return places[(me+off)%n] }
	for step := 1; step <= of; step *= width {
		for off := step; off <= of && off < width*step; off += step {
			last := end
			if off+step <= of {
				last = at(off + step).key
			}
			s.queue(now, at(off).id, o, pending{owner: o.id, position: position{from: from, floor: floor}, end: last})
		}
	}
}
