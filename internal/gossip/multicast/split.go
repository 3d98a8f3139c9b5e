package multicast

import (
	"math/bits"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

const (
	direct   = 48 // members that one node serves itself
	maxWidth = 5  // bits: a span is divided in up to 32 parts
	zoneBits = 16 // of a place
)

// divide makes the legs of a span and sends them: one for each member if there are few, else one
// for each part. The part in which this node stands itself is divided further.
func (r *Relay) divide(now mono.Time, j *job, s wire.Span, bare bool) {
	places := r.ring.All()
	lo, hi := within(places, s)
	if lo == hi { // nobody lives there: this node has left, and the others too
		return
	}
	few := hi-lo <= direct
	if few && places[hi-1].Zone() != places[lo].Zone() { // zones are told apart first
		few = false
	}
	if few {
		for i := lo; i < hi; i++ {
			r.single(now, j, places[i], bare)
		}
		return
	}
	width := widthOf(places[lo:hi])
	for i := lo; i < hi; {
		part := wire.Span{Bits: width, Prefix: places[i].Key &^ rest(width)}
		end := i + 1
		for end < hi && holds(part, places[end].Key) {
			end++
		}
		switch {
		case holds(part, r.self().Key) && j.striped && part.Bits == zoneBits && end-i > 4:
			j.striped = false // a fallback to this node divides
			r.delegate(now, j, part, end-i, bare)
		case holds(part, r.self().Key):
			r.divide(now, j, part, bare)
		case r.unheard(part):
			r.postpone(j, part, end-i)
		case end-i == 1 || end-i <= fewHere && r.foreign(part):
			for ; i < end; i++ {
				r.single(now, j, places[i], bare)
			}
		default:
			r.delegate(now, j, part, end-i, bare)
			if !bare && r.foreign(part) {
				r.second(now, j, part)
			}
		}
		i = end
	}
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

// single adds a leg for one member, unless it has the parcel for certain.
func (r *Relay) single(now mono.Time, j *job, p place, bare bool) {
	if p.ID == r.host.Self() || p.ID == j.Origin || j.Given &&
		(j.legFor(p.ID) != nil || j.had(p.ID, nil)) {
		return
	}
	if r.outOfFamily(p.ID) {
		r.singleByOthers(now, j, p, bare)
		return
	}
	j.legs = append(j.legs, leg{span: wire.Span{Bits: wire.SpanSelf}, id: p.ID, zone: p.Zone(),
		bare: bare, of: 1, mute: r.silent(now, p.ID)})
	j.open++
	r.send(now, j, &j.legs[len(j.legs)-1])
}

// delegate adds a leg for a span of n members.
func (r *Relay) delegate(now mono.Time, j *job, s wire.Span, n int, bare bool) {
	// if its zone is this one: look for it
	if holds(s, s.Prefix&^rest(zoneBits)|uint64(j.Origin)>>zoneBits) {
		if p, ok := r.placeOf(j.Origin); ok && holds(s, p.Key) {
			n--
		}
	}
	l := leg{span: s, bare: bare, of: int32(n), digest: r.digest(s, j.Origin)}
	if !r.choose(now, j, &l) { // nobody but the origin stands there that can be sent to
		r.eachByOthers(now, j, s, bare)
		return
	}
	j.legs = append(j.legs, l)
	j.open++
	r.send(now, j, &j.legs[len(j.legs)-1])
}

func (r *Relay) placeOf(id member.ID) (place, bool) {
	m, ok := r.host.Table().Get(id)
	if !ok || !m.State.Live() {
		return place{}, false
	}
	return topology.PlaceOf(&m), true
}

// choose picks the leg's next delegate by a hash, so that each parcel takes another way and a
// silent member's part falls to another member. While many small parcels come, the parcel is not in
// the hash, so that they go the same way for a while.
func (r *Relay) choose(now mono.Time, j *job, l *leg) bool {
	places := r.ring.All()
	lo, hi := within(places, l.span)
	if l.span.Bits < zoneBits && holds(l.span, r.self().Key) { // somebody near divides it as well
		if own := r.zone(r.self().Zone()); len(own) > fewHere {
			places, lo, hi = own, 0, len(own)
		}
	}
	if lo == hi {
		return false
	}
	h := member.Mix(l.span.Prefix + uint64(l.span.Bits) + j.lane)
	if j.small && r.busy() {
		h = member.Mix(h ^ r.host.Epoch(now))
	} else {
		h = hashOf(&j.Branch, l.span)
	}
	n := hi - lo
	start := int(h % uint64(n))
	for _, desperate := range [2]bool{false, true} {
		for k := range n {
			p := places[lo+(start+k)%n]
			if p.ID == r.host.Self() || p.ID == j.Origin || p.ID == l.id ||
				p.ID == l.former[0] || p.ID == l.former[1] ||
				!desperate && r.silent(now, p.ID) || r.outOfFamily(p.ID) {
				continue
			}
			l.former[1], l.former[0], l.id = l.former[0], l.id, p.ID
			l.zone = p.Zone()
			l.state, l.tries, l.hands = asked, 0, l.hands+1
			return true
		}
	}
	return false
}

// hashOf is what chooses among the members of a span for a parcel, the same at all nodes.
func hashOf(b *wire.Branch, s wire.Span) uint64 {
	return member.Mix(member.Mix(s.Prefix+uint64(s.Bits)) ^ uint64(b.Origin) ^ b.First)
}

// send sends a leg's Carry or Offer and sets its clock.
func (r *Relay) send(now mono.Time, j *job, l *leg) {
	m, ok := r.host.Table().Get(l.asked())
	if !ok || !m.State.Live() {
		l.due = now // the next wake finds another member
		j.due = min(j.due, l.due)
		return
	}
	b := j.Branch
	b.Span, b.Attempt, b.Patient = l.span, l.attempt&15, r.busy()
	if p, ok := r.placeOf(l.id); ok && l.via != 0 {
		b.Span = wire.Span{Bits: placeBits, Prefix: p.Key}
	}
	if l.zone != r.self().Zone() {
		b.Loss = r.classTo(l.zone)
	}
	leaves := r.post(now, plane.PeerOf(&m), &b, l.bare)
	if leaves == mono.Never { // the bodies are not held any more: no answer is to be waited for
		l.tries, l.due = unsent, now.Add(minWait)
		j.due = min(j.due, l.due)
		return
	}
	// a hub says at once that it took a duty (joined)
	l.sent[l.attempt&3], l.patient[l.attempt&3] = leaves, b.Patient && !j.shared
	l.due = leaves.Add(r.wait(l))
	j.due = min(j.due, l.due)
}

// again sends a leg another time.
func (r *Relay) again(now mono.Time, j *job, l *leg) {
	l.attempt++
	r.stats.Repeats++
	r.send(now, j, l)
}
