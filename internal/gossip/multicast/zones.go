package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What is different between zones. A time-out there takes long, and each copy is dear. A node that
// divides the ring gives each other zone as a whole to one of its members, the delegate. It sends a
// copy beside the tree to a second member there, the twin. The twin knows by the same hash which
// member is the delegate. It makes sure, locally, that the delegate has the parcel and is at work.
// So a loss between zones, or a dead delegate, costs a time-out of a local network. A node that
// gets a zone's parcel sends one copy onward to the next zone, in case both were lost on the way
// there. All of them are chosen anew for each parcel, by a hash over the live view. So there is no
// election when one dies.

const fewHere = 2 // members of another zone that are served one by one

// worth says whether a parcel is worth one more copy to another zone: a big one where much is lost.
// While many come, a small one is, and one of small messages, where half a percent is: there each
// loss is a time-out for a whole zone.
func (c *copies) worth(b *wire.Branch, small bool) bool {
	class := c.paths.farClass()
	lossy := class > 0 || c.paths.far.share >= percent/2
	return (small || b.Mixed) && (lossy || !c.paths.busy()) || class > 1
}

// second sends the parcel to the twin of the delegate that another zone was just given to.
func (c *copies) second(now mono.Time, j *job, s wire.Span) {
	if c.worth(&j.Branch, j.small) {
		c.across(now, &j.Branch, s, 1)
	}
}

// onward sends a parcel that came for this node's zone to the next one that is not the origin's.
func (c *copies) onward(now mono.Time, b *wire.Branch, size int) {
	if b.Bits != zoneBits || !c.worth(b, size <= parcelRoom/2) {
		return
	}
	places := c.ring.All()
	origin, _ := c.placeOf(b.Origin)
	at := topology.After(places, b.Prefix) % len(places)
	for range 2 {
		at = topology.After(places, places[at].Key|rest(zoneBits)) % len(places)
		if zone := places[at].Zone(); zone != origin.Zone() {
			if zone != c.self().Zone() {
				c.across(now, b, spanOf(zone), 2)
			}
			return
		}
	}
}

// across sends a copy to another zone, to another member than the first that the tree asks.
func (c *copies) across(now mono.Time, b *wire.Branch, s wire.Span, which uint64) {
	places := c.ring.All()
	lo, hi := within(places, s)
	n := uint64(hi - lo)
	if n <= fewHere || c.unheard(s) || c.host.Tight(uint16(s.Prefix>>(64-zoneBits))) {
		return
	}
	h := hashOf(b, s)
	for k := range min(n, 8) {
		at := (member.Mix(h+which) + k) % n
		p := places[lo+int(at)]
		if at != h%n && p.ID != b.Origin && !c.paths.silent(now, p.ID) && !c.outOfFamily(p.ID) {
			c.beside(now, b, p.ID, c.paths.farClass())
			return
		}
	}
}
