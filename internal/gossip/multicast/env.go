package multicast

import (
	"math/bits"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// env is what all parts of a Relay stand on: the node around them, what they count, and where the
// members stand as seen from this node. It knows none of the parts.
type env struct {
	cfg   Config
	host  Host
	store Store
	ring  *topology.Ring
	me    place // this node's own
	stats Stats
}

// self returns this node's place.
func (e *env) self() place {
	if e.me.ID == 0 {
		if m, ok := e.host.Table().Get(e.host.Self()); ok {
			e.me = topology.PlaceOf(&m)
		}
	}
	return e.me
}

func (e *env) placeOf(id member.ID) (place, bool) {
	m, ok := e.host.Table().Get(id)
	if !ok || !m.State.Live() {
		return place{}, false
	}
	return topology.PlaceOf(&m), true
}

// zone returns the places of a zone.
func (e *env) zone(zone uint16) []place { return e.ring.Zone(zone) }

// zoneSpan is that of this node's zone: everybody, if there is no other.
func (e *env) zoneSpan() wire.Span {
	me := e.self().Zone()
	if len(e.zone(me)) == e.host.Table().Live() {
		return wire.Span{}
	}
	return spanOf(me)
}

// foreign says whether a span is another zone, whole.
func (e *env) foreign(s wire.Span) bool { return s.Bits == zoneBits && !holds(s, e.self().Key) }

// unheard says whether a span is another zone that is silent as a whole.
func (e *env) unheard(s wire.Span) bool {
	return e.foreign(s) && e.host.Silent(uint16(s.Prefix>>(64-zoneBits)))
}

// isFar says whether a peer is of another zone.
func (e *env) isFar(p plane.Peer) bool {
	if !e.ring.Mixed() {
		return false
	}
	at, ok := e.placeOf(p.ID)
	return ok && at.Zone() != e.self().Zone()
}

// outOfFamily says whether nothing can be sent to a member from here.
func (e *env) outOfFamily(id member.ID) bool {
	t := e.host.Table()
	if t.Served() == t.Live() {
		return false
	}
	m, ok := t.Get(id)
	return ok && m.OutOfFamily
}

// count returns how many live members of a span a parcel is for.
func (e *env) count(b *wire.Branch, s wire.Span) int {
	lo, hi := within(e.ring.All(), s)
	n := hi - lo
	if p, ok := e.placeOf(b.Origin); ok && holds(s, p.Key) {
		n--
	}
	return n
}

// digest is what two nodes compare to see whether they know the same members of a span; 0 for a
// wide one.
func (e *env) digest(s wire.Span, origin member.ID) (d uint16) {
	places := e.ring.All()
	lo, hi := within(places, s)
	if hi-lo > direct {
		return 0
	}
	for _, p := range places[lo:hi] {
		if p.ID != origin {
			d ^= uint16(p.ID)
		}
	}
	return d
}

// place is where a live member stands on the ring.
type place = topology.Place

// within returns the positions of a span's members in places.
func within(places []place, s wire.Span) (lo, hi int) {
	lo = topology.After(places, s.Prefix)
	if last := s.Prefix | rest(s.Bits); last == ^uint64(0) {
		hi = len(places)
	} else {
		hi = topology.After(places, last+1)
	}
	return lo, hi
}

// rest is all bits behind the first so many.
func rest(bits uint8) uint64 {
	if bits >= 64 {
		return 0
	}
	return ^uint64(0) >> bits
}

func holds(s wire.Span, key uint64) bool { return s.Bits <= 64 && key&^rest(s.Bits) == s.Prefix }

func spanOf(zone uint16) wire.Span {
	return wire.Span{Bits: zoneBits, Prefix: uint64(zone) << (64 - zoneBits)}
}

// widthOf returns by how many bits the parts of some places are told apart. Zones come first, if
// there are several. Then there are as many parts as each will have members, which makes a shallow
// tree of nodes that have about the same to do.
func widthOf(places []place) uint8 {
	same := bits.LeadingZeros64(places[0].Key ^ places[len(places)-1].Key)
	if same < zoneBits {
		zones := 1
		for i := 1; i < len(places); i++ {
			if places[i].Zone() != places[i-1].Zone() {
				zones++
			}
		}
		if zones <= 1<<maxWidth {
			return zoneBits
		}
		return uint8(same + maxWidth)
	}
	width := min((bits.Len(uint(len(places)))+1)/2, maxWidth)
	return uint8(min(same+width, 64))
}

// hashOf is what chooses among the members of a span for a parcel, the same at all nodes.
func hashOf(b *wire.Branch, s wire.Span) uint64 {
	return member.Mix(member.Mix(s.Prefix+uint64(s.Bits)) ^ uint64(b.Origin) ^ b.First)
}

const (
	direct   = 48 // members that one node serves itself
	maxWidth = 5  // bits: a span is divided in up to 32 parts
	zoneBits = 16 // of a place
)

// placeBits are those of a span in which one member stands alone.
const placeBits = 64
