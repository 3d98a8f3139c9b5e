package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// place is where a live member stands on the ring.
type place = topology.Place

// self returns this node's place.
func (r *Relay) self() place {
	if r.me.ID == 0 {
		if m, ok := r.host.Table().Get(r.host.Self()); ok {
			r.me = topology.PlaceOf(&m)
		}
	}
	return r.me
}

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
