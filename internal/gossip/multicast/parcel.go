package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// parcel names one by its origin's instance, which stands for origin and generation.
type parcel struct {
	instance uint32
	first    uint64
}

// item names a piece.
type item struct {
	origin     member.ID
	generation uint64
	seq        uint64
}

const maxMixed = 1024 // mixed parcels whose pieces are remembered

// parcels is which pieces parcels have, what is in them, and how they stand here.
type parcels struct {
	*env
	mixed   mixed
	packed  packed
	scratch []item
}

// mixed is which pieces the latest mixed parcels had.
type mixed struct {
	of   map[parcel]int32
	list []mixture
	next int
}

type mixture struct {
	parcel
	items []item
}

// itemsOf returns the pieces of a parcel; ok is false if they are not known. They are valid until
// the next call. Of a mixed parcel they are as many as its branch counts: another member may have
// forged what is remembered, or the branch.
func (s *parcels) itemsOf(b *wire.Branch) (items []item, ok bool) {
	if b.Mixed {
		i, ok := s.mixed.of[parcel{b.Instance(), b.First}]
		if !ok || len(s.mixed.list[i].items) != int(b.Count) {
			return nil, false
		}
		return s.mixed.list[i].items, true
	}
	items = s.scratch[:0]
	for i := range b.Count {
		items = append(items, item{b.Origin, b.Generation, b.First + uint64(i)})
	}
	s.scratch = items
	return items, true
}

// learn remembers which pieces a mixed parcel has. One of this node itself comes from nobody else:
// it is forged, or a clone's, and would take a number that this node gives next.
func (s *parcels) learn(b *wire.Branch, pieces wire.Pieces) {
	if b.Origin == s.host.Self() {
		return
	}
	x := s.mixture(parcel{b.Instance(), b.First})
	for range b.Count {
		if p := pieces.Next(); x != nil {
			x.items = append(x.items, item{p.Origin, p.Generation, p.Seq})
		}
	}
}

// mixture makes room for a mixed parcel's pieces; nil if they are known.
func (s *parcels) mixture(p parcel) *mixture {
	m := &s.mixed
	if _, ok := m.of[p]; ok {
		return nil
	}
	if m.of == nil {
		m.of = make(map[parcel]int32)
	}
	if len(m.list) < maxMixed {
		m.list = append(m.list, mixture{})
		m.next = len(m.list) - 1
	} else if m.next = (m.next + 1) % maxMixed; m.of[m.list[m.next].parcel] == int32(m.next) {
		delete(m.of, m.list[m.next].parcel)
	}
	x := &m.list[m.next]
	x.parcel, x.items = p, x.items[:0]
	m.of[p] = int32(m.next)
	return x
}

// packed is the bodies of the parcel that is being sent, as a Carry has them.
type packed struct {
	instance uint32
	first    uint64
	count    uint8
	ok       bool
	bytes    []byte
}

// unpack forgets the bodies: the store may change.
func (s *parcels) unpack() { s.packed.ok = false }

func (s *parcels) pack(b *wire.Branch) bool {
	p := &s.packed
	if p.ok && p.first == b.First && p.instance == b.Instance() && p.count == b.Count {
		return true
	}
	items, ok := s.itemsOf(b)
	p.bytes, p.ok = p.bytes[:0], false
	if !ok {
		return false
	}
	for _, x := range items {
		body, ok := s.store.Body(x.origin, x.generation, x.seq)
		switch {
		case !ok:
			return false
		case b.Mixed:
			p.bytes = wire.AppendItem(p.bytes, &wire.Piece{Origin: x.origin,
				Generation: x.generation, Seq: x.seq, Body: body})
		default:
			p.bytes = wire.AppendBody(p.bytes, body)
		}
	}
	if wire.MaxBranch+len(p.bytes) > s.cfg.Size { // no honest origin made it
		return false
	}
	p.instance, p.first, p.count, p.ok = b.Instance(), b.First, b.Count, true
	return true
}

// sizeOf is what the bodies of a parcel take in a Carry; 0 if they are not held.
func (s *parcels) sizeOf(b *wire.Branch) int {
	if !s.pack(b) {
		return 0
	}
	return len(s.packed.bytes)
}

// holds says whether nothing of a parcel is of use here any more.
func (s *parcels) holds(b *wire.Branch) bool {
	items, ok := s.itemsOf(b)
	for _, x := range items {
		own := x.origin == s.host.Self() && wire.LifeOf(x.generation) == s.host.Generation()
		if !own && !s.store.Knows(x.origin, x.generation, x.seq) &&
			!s.store.PassedOver(x.origin, x.generation, x.seq) {
			return false
		}
	}
	return ok
}

// standing says how a parcel stands with this node's programs, as far as its publisher wants to
// know: as its least piece does.
func (s *parcels) standing(b *wire.Branch) wire.Verdict {
	if !b.Given {
		return wire.DutyDone
	}
	least := wire.DutyDone
	items, ok := s.itemsOf(b)
	if !ok {
		return wire.DutyLacks
	}
	for _, x := range items {
		v := s.store.Given(x.origin, x.generation, x.seq)
		if v == wire.DutyLacks {
			return v
		}
		least = max(least, v)
	}
	return least
}
