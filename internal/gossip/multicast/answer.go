package multicast

import (
	"encoding/binary"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// carried takes in a parcel, and the duty that came with it.
func (r *Relay) carried(now mono.Time, from plane.Peer, b *wire.Branch, pieces wire.Pieces) {
	r.Heard(from.ID)
	far := r.told(from, b)
	r.learn(b, pieces)
	fresh, size := 0, 0
	for range b.Count {
		p := pieces.Next()
		size += len(p.Body)
		if r.store.Take(now, p) {
			fresh++
		}
	}
	if fresh > 0 {
		parcels := 1
		if b.Mixed {
			parcels = fresh
		}
		r.flow.count(now, parcels, fresh, size)
		r.moved = true
	}
	if !r.holds(b) {
		return // it was refused, or a part of it: a node that asks is not told that it is here
	}
	switch b.Bits {
	case wire.SpanNone:
		switch {
		case fresh > 0 && far:
			r.twin(now, b)
		case fresh > 0:
			r.orphan(now, b)
		}
	case wire.SpanSelf:
		r.found(b)
		r.account(now, parentOf(from, b), b)
	default:
		r.found(b)
		r.duty(now, from, b, false)
		if fresh > 0 && far {
			r.onward(now, b, size)
		}
	}
	if fresh > 0 && !r.pooled(b) {
		r.extras(now, b, size)
	}
}

// offered answers for a parcel that may be here.
func (r *Relay) offered(now mono.Time, from plane.Peer, b *wire.Branch) {
	r.Heard(from.ID)
	if r.far(from) {
		b.Loss = 0 // it means the ways between zones
	}
	switch {
	case !r.holds(b):
		r.confirm(now, parentOf(from, b), b, wire.DutyLacks)
	case b.Bits == wire.SpanSelf:
		r.account(now, parentOf(from, b), b)
	default:
		r.duty(now, from, b, true)
	}
}

func parentOf(p plane.Peer, b *wire.Branch) parent { return parent{p, b.Attempt, b.Patient} }

// holds says whether nothing of a parcel is of use here any more.
func (r *Relay) holds(b *wire.Branch) bool {
	items, ok := r.itemsOf(b)
	for _, x := range items {
		own := x.origin == r.host.Self() && x.generation == r.host.Generation()
		if !own && !r.store.Knows(x.origin, x.generation, x.seq) &&
			!r.store.PassedOver(x.origin, x.generation, x.seq) {
			return false
		}
	}
	return ok
}

// duty begins what a parent asks for, or tells how it stands.
func (r *Relay) duty(now mono.Time, from plane.Peer, b *wire.Branch, bare bool) {
	p := parentOf(from, b)
	i := r.find(b)
	if i >= 0 && r.jobs[i].void() {
		bare = bare || len(r.jobs[i].legs) > 1 // it was sent to the members that lacked it
		r.release(i)                           // its delegate may rely on this node
		i = -1
	}
	if i >= 0 {
		r.jobs[i].adopt(p)
		p.patient = p.patient && !r.jobs[i].pooled
		r.confirm(now, p, b, wire.DutyTaken)
		return
	}
	if c := r.recall(b); c != nil && (c.have == c.of && int(c.of) >= r.count(b, b.Span) ||
		now.Sub(c.at) < stale) {
		r.confirmClosed(now, p, c)
		return
	}
	if !r.room() {
		return
	}
	if i = r.join(now, b, bare); i < 0 {
		i = r.begin(now, b, bare)
	}
	r.jobs[i].parents[0] = p
	if r.jobs[i].open == 0 {
		r.finish(now, i)
		return
	}
	p.patient = p.patient && !r.jobs[i].pooled // a hub that died is missed by many
	r.confirm(now, p, b, wire.DutyTaken)
}

// maxLacks is how often the tries with a member begin anew because it answered: one that refuses
// the parcel would ask for it for ever.
const maxLacks = 4

// stale is the age from which a span that was not complete, or has more members by now, is gone
// through again when somebody asks.
const stale = 100 * time.Millisecond

func (j *job) adopt(p parent) {
	if j.parents[0].peer.ID != p.peer.ID {
		j.parents[1] = j.parents[0]
	}
	j.parents[0] = p
}

// answered finds the leg that a Confirm is about.
func (r *Relay) answered(now mono.Time, from plane.Peer, instance uint32, m *wire.Confirmed) {
	r.Heard(from.ID)
	i, ok := r.at[parcel{instance, m.First}]
	for ok && i >= 0 {
		j := &r.jobs[i]
		for k := range j.legs {
			l := &j.legs[k]
			if l.asks(m.Bits, from.ID) && (l.state != done || l.have < l.of) {
				r.answer(now, i, k, from.ID, m)
				return
			}
		}
		i = j.next
	}
}

// answer is called when a member that was asked for a leg says how it stands.
func (r *Relay) answer(now mono.Time, i int32, k int, from member.ID, m *wire.Confirmed) {
	j := &r.jobs[i]
	l := &j.legs[k]
	if from == l.asked() {
		r.measure(now, l, m)
	}
	switch {
	case m.Verdict == wire.DutyDone && l.single() && m.Bits == placeBits:
		r.vouched(now, j, l, from, m)
	case m.Verdict == wire.DutyDone && l.single():
		r.end(j, l, 1, nil)
	case m.Verdict == wire.DutyDone:
		r.compare(now, j, k, from, m)
	case m.Verdict == wire.DutyVoid && (!l.single() || m.Bits == placeBits):
		// only the member itself can say that
	case m.Verdict == wire.DutyVoid && j.mine.is:
		l.of, l.newer = 0, true
		r.end(j, l, 0, nil)
	case m.Verdict == wire.DutyVoid: // the origin leaves it out, once it is named to it
		r.end(j, l, 0, []member.ID{l.id})
	case from != l.asked() || l.state == done:
		// a member that was given up is at work after all; another is, too
	case m.Verdict == wire.DutyTaken && l.single() && l.state == taken:
		// it was not given it yet: it tells
	case m.Verdict == wire.DutyTaken:
		l.state, l.tries = taken, 0
		l.due = now.Add(r.work(l))
		j.due = min(j.due, l.due)
	case l.bare && l.single() && !j.small && r.host.Narrow(l.asked()):
		// what it lacks does not pass
		if l.via != 0 {
			r.strayed(now, j, l)
		} else {
			r.end(j, l, 0, []member.ID{l.id})
		}
	case l.bare:
		if l.bare = false; l.lacked < maxLacks {
			l.lacked++
			l.tries = 0 // it answers
		}
		r.again(now, j, l)
	}
	r.schedule(i, j.due)
	if j.open == 0 {
		r.finish(now, i)
	} else if j.mine.is {
		r.progress(now, j)
	}
}

// compare closes the leg of a span. If the delegate knows other members there than this node, this
// node offers the parcel to those that the delegate may not know. For a wide span the delegate's
// own delegates see to that, as far as they know better.
func (r *Relay) compare(now mono.Time, j *job, k int, from member.ID, m *wire.Confirmed) {
	l := &j.legs[k]
	places := r.ring.All()
	lo, hi := within(places, l.span)
	wide := hi-lo > direct
	here := r.digest(l.span, j.Origin)
	if wide || m.Digest == here && here != 0 {
		var missing []member.ID
		for i := 0; i+8 <= len(m.Missing); i += 8 {
			missing = append(missing, member.ID(binary.BigEndian.Uint64(m.Missing[i:])))
		}
		if l.digest = here; !wide {
			l.of = int32(r.count(&j.Branch, l.span))
		}
		lack := int32(min(max(m.Of, m.Have)-m.Have, uint32(l.of)))
		r.end(j, l, min(int32(min(m.Have, 1<<30)), l.of-lack), missing)
		if !wide && j.mine.waited && len(missing) == int(lack) {
			r.enlist(j, l, places[lo:hi])
		}
		return
	}
	l.of, l.digest = 1, uint16(from)
	if j.Given || j.twin { // the delegate, too, is asked for itself
		l.of, from = 0, 0
	}
	r.end(j, l, l.of, nil)
	for i := lo; i < hi; i++ {
		if places[i].ID != from {
			r.single(now, j, places[i], true)
		}
	}
}

// measure learns from an answer how long they take, and how many tries were lost: those of before
// the one that is answered, not those of since. A helper's answer says nothing of the way to the
// member that it is to reach, and its last one comes when it has tried for long.
func (r *Relay) measure(now mono.Time, l *leg, m *wire.Confirmed) {
	if l.via != 0 {
		return
	}
	k, since := m.Attempt&3, (l.attempt-m.Attempt)&15
	if since > 3 || l.sent[k] == 0 || l.sent[k] > now {
		return
	}
	rtt := now.Sub(l.sent[k])
	l.sent[k] = 0
	gone := int(l.tries) - int(since)
	if l.state == taken {
		gone-- // the first time it was late it had answered before
	}
	for range min(max(gone, 0), maxPolls) {
		r.lost(l.zone, true)
	}
	r.lost(l.zone, false)
	if m.Verdict != wire.DutyDone || l.single() {
		r.path(l.zone).heard(now, rtt, l.patient[k])
	}
}
