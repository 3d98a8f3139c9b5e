package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Members at addresses of the other IP version. This node cannot send to them, so it gives them no
// duty as delegates. They get parcels by way of others. A helper says at once if it cannot send to
// them either. A publisher does not wait for a member that no helper reaches, and does not count
// it. Such a member finds by digests what it lacks.

// maxHelpers is how many are asked, one after the other, to reach a member.
const maxHelpers = 8

// outOfFamily says whether nothing can be sent to a member from here.
func (r *Relay) outOfFamily(id member.ID) bool {
	t := r.host.Table()
	if t.Served() == t.Live() {
		return false
	}
	m, ok := t.Get(id)
	return ok && m.OutOfFamily
}

// singleByOthers adds a leg for a member that this node cannot send to. A member that is asked to
// help, and cannot, says so at once.
func (r *Relay) singleByOthers(now mono.Time, j *job, p place, bare bool) {
	l := absent(p)
	if j.Bits == placeBits {
		j.legs = append(j.legs, l)
		return
	}
	l.state, l.bare, l.missing = asked, bare, nil
	j.legs = append(j.legs, l)
	j.open++
	r.helped(now, j, &j.legs[len(j.legs)-1])
}

// eachByOthers is singleByOthers for those members of a span.
func (r *Relay) eachByOthers(now mono.Time, j *job, s wire.Span, bare bool) {
	places := r.ring.All()
	lo, hi := within(places, s)
	for _, p := range places[lo:hi] {
		if r.outOfFamily(p.ID) {
			r.single(now, j, p, bare)
		}
	}
}

// helped asks the next helper to bring a parcel to the member of a leg. Without one the leg ends:
// an own parcel is then not for that member, and of another the parent is told that it lacks it. A
// node that can send to nobody has no word of others' helpers: all lack what it publishes.
func (r *Relay) helped(now mono.Time, j *job, l *leg) {
	if r.nextHelper(now, j, l) {
		l.state, l.tries = asked, 0
		l.attempt++
		r.send(now, j, l)
		return
	}
	l.via = 0
	if t := r.host.Table(); t.Served() > 1 && (j.mine.is || j.Origin == r.host.Self()) {
		l.of = 0
		r.end(j, l, 0, nil)
		return
	}
	r.end(j, l, 0, []member.ID{l.id})
}

// nextHelper chooses a helper: at first the one that helped last, then others of the member's zone,
// in the end members of any zone.
func (r *Relay) nextHelper(now mono.Time, j *job, l *leg) bool {
	fits := func(id member.ID) bool {
		return id != r.host.Self() && id != l.id && id != l.via && id != j.Origin &&
			!r.silent(now, id) && !r.outOfFamily(id)
	}
	if l.hands >= maxHelpers {
		return false
	}
	first := l.hands == 0
	l.hands++
	if _, lives := r.placeOf(r.helper); first && lives && fits(r.helper) {
		l.via = r.helper
		return true
	}
	places := r.zone(l.zone)
	if l.hands > maxHelpers/2 || len(places) < maxHelpers {
		places = r.ring.All()
	}
	at := int(member.Mix(uint64(l.id)+uint64(l.hands)) % uint64(max(len(places), 1)))
	for k := range places {
		if p := places[(at+k)%len(places)]; fits(p.ID) {
			l.via = p.ID
			return true
		}
	}
	return false
}
