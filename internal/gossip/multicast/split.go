package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// tree divides duties among members.
type tree struct {
	core
	copies *copies
	asks   *asks
}

// divide makes the legs of a span and sends them: one for each member if there are few, else one
// for each part. The part in which this node stands itself is divided further.
func (t *tree) divide(now mono.Time, j *job, s wire.Span, offerOnly bool) {
	places := t.ring.All()
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
			t.single(now, j, places[i], offerOnly)
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
		case holds(part, t.self().Key) && j.striped && part.Bits == zoneBits && end-i > 4:
			j.striped = false // a fallback to this node divides
			t.delegate(now, j, part, end-i, offerOnly)
		case holds(part, t.self().Key):
			t.divide(now, j, part, offerOnly)
		case t.unheard(part):
			t.postpone(j, part, end-i)
		case end-i == 1 || end-i <= fewHere && t.foreign(part):
			for ; i < end; i++ {
				t.single(now, j, places[i], offerOnly)
			}
		default:
			t.delegate(now, j, part, end-i, offerOnly)
			if !offerOnly && t.foreign(part) {
				t.copies.second(now, j, part)
			}
		}
		i = end
	}
}

// single adds a leg for one member, unless it has the parcel for certain.
func (t *tree) single(now mono.Time, j *job, p place, offerOnly bool) {
	if p.ID == t.host.Self() || p.ID == j.Origin || j.Given &&
		(j.legFor(p.ID) != nil || j.had(p.ID, nil)) {
		return
	}
	if t.outOfFamily(p.ID) {
		t.singleByOthers(now, j, p, offerOnly)
		return
	}
	j.legs = append(j.legs, leg{span: wire.Span{Bits: wire.SpanSelf}, id: p.ID, zone: p.Zone(),
		offerOnly: offerOnly, of: 1, mute: t.paths.silent(now, p.ID)})
	j.open++
	t.asks.send(now, j, &j.legs[len(j.legs)-1])
}

// singleByOthers adds a leg for a member that this node cannot send to. A member that is asked to
// help, and cannot, says so at once.
func (t *tree) singleByOthers(now mono.Time, j *job, p place, offerOnly bool) {
	l := absent(p)
	if j.Bits == placeBits {
		j.legs = append(j.legs, l)
		return
	}
	l.state, l.offerOnly, l.missing = asked, offerOnly, nil
	j.legs = append(j.legs, l)
	j.open++
	t.asks.helped(now, j, &j.legs[len(j.legs)-1])
}

// delegate adds a leg for a span of n members.
func (t *tree) delegate(now mono.Time, j *job, s wire.Span, n int, offerOnly bool) {
	// if its zone is this one: look for it
	if holds(s, s.Prefix&^rest(zoneBits)|uint64(j.Origin)>>zoneBits) {
		if p, ok := t.placeOf(j.Origin); ok && holds(s, p.Key) {
			n--
		}
	}
	l := leg{span: s, offerOnly: offerOnly, of: int32(n), digest: t.digest(s, j.Origin)}
	if !t.asks.choose(now, j, &l) { // nobody but the origin stands there that can be sent to
		t.eachByOthers(now, j, s, offerOnly)
		return
	}
	j.legs = append(j.legs, l)
	j.open++
	t.asks.send(now, j, &j.legs[len(j.legs)-1])
}

// eachByOthers is singleByOthers for those members of a span.
func (t *tree) eachByOthers(now mono.Time, j *job, s wire.Span, offerOnly bool) {
	places := t.ring.All()
	lo, hi := within(places, s)
	for _, p := range places[lo:hi] {
		if t.outOfFamily(p.ID) {
			t.single(now, j, p, offerOnly)
		}
	}
}

// postpone adds a leg for a silent zone of n members. Nothing is sent: it counts as one whose
// members did not answer, and is offered the parcel once the zone is heard.
func (t *tree) postpone(j *job, s wire.Span, n int) {
	j.legs = append(j.legs, leg{span: s, state: done, offerOnly: true, of: int32(n),
		digest: t.digest(s, j.Origin), due: mono.Never})
}

// scatter asks each member of a span by itself, in place of a delegate that could not name all that
// are missing.
func (t *tree) scatter(now mono.Time, j *job, k int) {
	span := j.legs[k].span
	j.legs[k].of = 0
	j.owing = j.owing && k > 0
	j.end(&j.legs[k], 0, nil)
	places := t.ring.All()
	lo, hi := within(places, span)
	for _, p := range places[lo:hi] {
		t.single(now, j, p, true)
	}
}
