package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
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

const (
	fewHere      = 2 // members of another zone that are served one by one
	foreignHands = 6 // delegates that are tried in another zone
)

// zone returns the places of a zone.
func (r *Relay) zone(zone uint16) []place { return r.ring.Zone(zone) }

func spanOf(zone uint16) wire.Span {
	return wire.Span{Bits: zoneBits, Prefix: uint64(zone) << (64 - zoneBits)}
}

// zoneSpan is that of this node's zone: everybody, if there is no other.
func (r *Relay) zoneSpan() wire.Span {
	me := r.self().Zone()
	if len(r.zone(me)) == r.host.Table().Live() {
		return wire.Span{}
	}
	return spanOf(me)
}

// foreign says whether a span is another zone, whole.
func (r *Relay) foreign(s wire.Span) bool { return s.Bits == zoneBits && !holds(s, r.self().Key) }

// told takes in how lossy a sender believes the network to be, and says whether it is of another
// zone: then it means the ways between zones.
func (r *Relay) told(from plane.Peer, b *wire.Branch) (far bool) {
	if far = r.far(from); far {
		r.paths.far.told(b.Loss)
		b.Loss = 0
	} else {
		r.paths.near.told(b.Loss)
	}
	return far
}

// unheard says whether a span is another zone that is silent as a whole.
func (r *Relay) unheard(s wire.Span) bool {
	return r.foreign(s) && r.host.Silent(uint16(s.Prefix>>(64-zoneBits)))
}

// postpone adds a leg for a silent zone of n members. Nothing is sent: it counts as one whose
// members did not answer, and is offered the parcel once the zone is heard.
func (r *Relay) postpone(j *job, s wire.Span, n int) {
	j.legs = append(j.legs, leg{span: s, state: done, bare: true, of: int32(n),
		digest: r.digest(s, j.Origin), due: mono.Never})
}

// far says whether a peer is of another zone.
func (r *Relay) far(p plane.Peer) bool {
	if !r.ring.Mixed() {
		return false
	}
	at, ok := r.placeOf(p.ID)
	return ok && at.Zone() != r.self().Zone()
}

// worth says whether a parcel is worth one more copy to another zone: a big one where much is lost,
// and while many come any where some are.
func (r *Relay) worth(small bool) bool {
	class := r.paths.farClass()
	return small && (class > 0 || !r.busy()) || class > 1
}

// second sends the parcel to the twin of the delegate that another zone was just given to.
func (r *Relay) second(now mono.Time, j *job, s wire.Span) {
	if r.worth(j.small) {
		r.across(now, &j.Branch, s, 1)
	}
}

// onward sends a parcel that came for this node's zone to the next one that is not the origin's.
func (r *Relay) onward(now mono.Time, b *wire.Branch, size int) {
	if b.Bits != zoneBits || !r.worth(size <= parcelRoom/2) {
		return
	}
	places := r.ring.All()
	origin, _ := r.placeOf(b.Origin)
	at := topology.After(places, b.Prefix) % len(places)
	for range 2 {
		at = topology.After(places, places[at].Key|rest(zoneBits)) % len(places)
		if zone := places[at].Zone(); zone != origin.Zone() {
			if zone != r.self().Zone() {
				r.across(now, b, spanOf(zone), 2)
			}
			return
		}
	}
}

// across sends a copy to another zone, to another member than the first that the tree asks.
func (r *Relay) across(now mono.Time, b *wire.Branch, s wire.Span, which uint64) {
	places := r.ring.All()
	lo, hi := within(places, s)
	n := uint64(hi - lo)
	if n <= fewHere || r.unheard(s) || r.host.Tight(uint16(s.Prefix>>(64-zoneBits))) {
		return
	}
	h := hashOf(b, s)
	for k := range min(n, 8) {
		at := (member.Mix(h+which) + k) % n
		p := places[lo+int(at)]
		if at != h%n && p.ID != b.Origin && !r.silent(now, p.ID) && !r.outOfFamily(p.ID) {
			r.beside(now, b, p.ID, r.paths.farClass())
			return
		}
	}
}

// twin is called when a copy came from another zone beside the tree. This node offers the duty for
// its zone to the member that the tree asks for it, and if that does not answer, to others. Each
// member that is asked divides the zone, a twin too. So members that wait for each other wait for
// ever smaller parts of the ring, and never in a circle.
func (r *Relay) twin(now mono.Time, b *wire.Branch) {
	x := *b
	x.Span = r.zoneSpan()
	if x.Bits != zoneBits || r.find(&x) >= 0 || r.recall(&x) != nil || !r.room() {
		return
	}
	i := r.enter(&x)
	j := &r.jobs[i]
	r.delegate(now, j, x.Span, len(r.zone(r.self().Zone())), true)
	j.twin = len(j.legs) > 0
	if j.open == 0 {
		r.finish(now, i)
		return
	}
	r.schedule(i, j.due)
}

// void says whether a twin's job is of no use to a parent that gives it the duty. That is so if the
// twin only asked another member to see to the whole of it, or did not ask whether its own programs
// were given the parcel.
func (j *job) void() bool {
	return j.twin && (j.Given || len(j.legs) == 1 &&
		j.legs[0].state != done)
}
