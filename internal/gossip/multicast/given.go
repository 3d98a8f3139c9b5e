package multicast

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Receipts. Having a parcel is enough for the tree: it need not be sent there again. For a parcel
// that a publisher waits for it is not: a piece behind a gap has been given to nobody yet, and may
// never be. Such a parcel says so (Branch.Given). A member confirms it when its programs were given
// it, or would be at once; one that has it behind a gap says "taken", which ends the sending, and
// owes the confirmation. One that was passed over never pays. One that came later than the parcel
// says "void" and is counted neither here nor there.
//
// The origin asks each member that is missing again, now and then, by turns itself and by way of
// others. The way between just these two may be broken, or the ways of several members to one. It
// remembers which member reached another one. A member that turns out to be live meanwhile is asked
// as well.

// placeBits are those of a span in which one member stands alone.
const placeBits = 64

// debt is a confirmation that a parent waits for, or the leg of a job of this node's own duty.
type debt struct {
	b     wire.Branch
	to    parent // nobody: the job's first leg
	job   int32
	stamp uint32
}

// standing says how a parcel stands with this node's programs, as far as its publisher wants to
// know: as its least piece does.
func (r *Relay) standing(b *wire.Branch) wire.Verdict {
	if !b.Given {
		return wire.DutyDone
	}
	least := wire.DutyDone
	items, ok := r.itemsOf(b)
	if !ok {
		return wire.DutyLacks
	}
	for _, x := range items {
		v := r.store.Given(x.origin, x.generation, x.seq)
		if v == wire.DutyLacks {
			return v
		}
		least = max(least, v)
	}
	return least
}

// account answers for this node alone.
func (r *Relay) account(now mono.Time, p parent, b *wire.Branch) {
	v := r.standing(b)
	if v == wire.DutyTaken {
		r.owe(debt{b: *b, to: p, job: -1})
	}
	r.confirm(now, p, b, v)
}

// owe remembers a confirmation until it can be given. The oldest makes way: its parent asks again.
func (r *Relay) owe(d debt) {
	r.debts = slices.DeleteFunc(r.debts, func(o debt) bool {
		return o.job == d.job && o.to.peer.ID == d.to.peer.ID && o.b.Instance() == d.b.Instance() &&
			o.b.First == d.b.First && o.b.Span == d.b.Span
	})
	if len(r.debts) == maxDebts {
		r.debts = slices.Delete(r.debts, 0, 1)
	}
	r.debts = append(r.debts, d)
}

// Moved tells that this node's programs were given something, or that something was passed over.
func (r *Relay) Moved() { r.moved = true }

// settle pays the debts that can be paid by now.
func (r *Relay) settle(now mono.Time) {
	if !r.moved {
		return
	}
	r.moved = false
	kept := r.debts[:0]
	for i := range r.debts {
		d := &r.debts[i]
		switch v := r.standing(&d.b); {
		case d.job >= 0 && (!r.jobs[d.job].used || r.jobs[d.job].stamp != d.stamp):
			// it was closed without
		case v == wire.DutyTaken:
			kept = append(kept, *d)
		case v == wire.DutyLacks: // the stream is forgotten
		case d.job < 0:
			r.confirm(now, d.to, &d.b, v)
		case v == wire.DutyDone:
			j := &r.jobs[d.job]
			if r.end(j, &j.legs[0], 1, nil); j.open == 0 {
				r.finish(now, d.job)
			}
		}
	}
	clear(r.debts[len(kept):])
	r.debts = kept
}

// selfLeg makes this node a leg of a duty if it was not given the parcel yet.
func (r *Relay) selfLeg(now mono.Time, i int32) {
	j := &r.jobs[i]
	v := r.standing(&j.Branch)
	if v == wire.DutyDone {
		return
	}
	j.owing = true
	self := r.host.Self()
	l := leg{span: wire.Span{Bits: wire.SpanSelf}, id: self, zone: r.self().Zone(),
		state: taken, of: 1}
	if l.due = now.Add(r.work(&l)); v == wire.DutyVoid {
		l.state, l.missing, l.due = done, []member.ID{self}, mono.Never
		j.legs = append(j.legs, l)
		return
	}
	j.legs = append(j.legs, l)
	j.open++
	j.due = min(j.due, l.due)
	r.owe(debt{b: j.Branch, job: i, stamp: j.stamp})
}

// legFor returns a job's leg for a member alone, nil if there is none.
func (j *job) legFor(id member.ID) *leg {
	for k := range j.legs {
		if l := &j.legs[k]; l.single() && l.id == id {
			return l
		}
	}
	return nil
}

// absent is the leg of a member that lacks a parcel for all that is known, and is to be asked.
func absent(p place) leg {
	return leg{
		span: wire.Span{Bits: wire.SpanSelf}, id: p.ID, zone: p.Zone(), state: done, of: 1,
		missing: []member.ID{p.ID}, due: mono.Never,
	}
}

// include asks a member that was not known to live about the parcels that publishers wait for. If
// it joined later, it says so.
func (r *Relay) include(now mono.Time, m *member.Member) {
	at := topology.PlaceOf(m)
	for i := range r.jobs {
		j := &r.jobs[i]
		if !j.used || !j.mine.waited || j.pooled { // what is pooled is counted in the end
			continue
		}
		l := j.legOver(at)
		switch {
		case j.had(m.ID, nil), l != nil && l.single() && l.of > 0:
			continue // it is counted
		case l == nil:
			j.legs = append(j.legs, absent(at))
			l = &j.legs[len(j.legs)-1]
		case !l.single():
			if l.of++; l.state != done || l.due != mono.Never {
				continue // its delegate knows the member, or turns out not to
			}
		default:
			*l = absent(at)
		}
		l.due, j.due = now, now
		r.schedule(int32(i), now)
	}
}

// legOver returns the leg that counts the member at a place, or may count it; nil if none does.
func (j *job) legOver(at place) *leg {
	if l := j.legFor(at.ID); l != nil {
		return l
	}
	for k := range j.legs {
		l := &j.legs[k]
		if !l.single() && holds(l.span, at.Key) && (l.state != done || l.of > 0 && l.had == nil) {
			return l
		}
	}
	return nil
}

// had says whether a leg for a span, other than one, counts a member among those that have the
// parcel.
func (j *job) had(id member.ID, but *leg) bool {
	for k := range j.legs {
		if l := &j.legs[k]; l != but && slices.Contains(l.had, id) {
			return true
		}
	}
	return false
}

// enlist notes the members that a leg for a span counts. This node knows all of them as the leg's
// delegate does. A member that another leg counts is not counted by this one. That happens when the
// member came to another zone meanwhile.
func (r *Relay) enlist(j *job, l *leg, places []place) {
	counted := func(id member.ID) bool {
		single := j.legFor(id)
		return single != nil && single.of > 0 || j.had(id, l)
	}
	l.missing = slices.DeleteFunc(l.missing, counted)
	l.had = make([]member.ID, 0, len(places))
	for _, p := range places {
		if p.ID != j.Origin && !slices.Contains(l.missing, p.ID) && !counted(p.ID) {
			l.had = append(l.had, p.ID)
		}
	}
	l.have = min(l.have, int32(len(l.had)))
	l.of = l.have + int32(len(l.missing))
}

// scatter asks each member of a span by itself, in place of a delegate that could not name all that
// are missing.
func (r *Relay) scatter(now mono.Time, j *job, k int) {
	span := j.legs[k].span
	j.legs[k].of = 0
	j.owing = j.owing && k > 0
	r.end(j, &j.legs[k], 0, nil)
	places := r.ring.All()
	lo, hi := within(places, span)
	for _, p := range places[lo:hi] {
		r.single(now, j, p, true)
	}
}

// way is the helper that is asked first to reach a member: the first on the ring from a key. That
// is the one that reached it last, or the next after one that did not.
type way struct {
	to, by member.ID // by: the helper that reached it last; 0: none that still does
	from   uint64
}

// way returns the one to a member; the oldest makes room for it.
func (r *Relay) way(to member.ID) *way {
	for i := range r.ways {
		if r.ways[i].to == to {
			return &r.ways[i]
		}
	}
	w := way{to: to, from: member.Mix(uint64(to))}
	if len(r.ways) < maxWays {
		r.ways = append(r.ways, w)
		return &r.ways[len(r.ways)-1]
	}
	r.oldWay = (r.oldWay + 1) % maxWays
	r.ways[r.oldWay] = w
	return &r.ways[r.oldWay]
}

// detour begins a round of asking a missing member: this node and others by turns. The first is
// this node's, unless it has asked already.
func (r *Relay) detour(now mono.Time, j *job, l *leg) {
	direct := l.via != 0 || l.attempt == 0
	if l.via = 0; !direct {
		r.nextDetour(now, j, l)
	}
}

// nextDetour chooses the helper that asks in this node's place: one of the member's zone, else any.
// It says whether there is another for this round.
func (r *Relay) nextDetour(now mono.Time, j *job, l *leg) bool {
	if l.hands == maxDetours {
		return false
	}
	w := r.way(l.id)
	for _, places := range [2][]place{r.zone(l.zone), r.ring.All()} {
		at := topology.After(places, w.from)
		for k := range places {
			p := places[(at+k)%len(places)]
			if p.ID == r.host.Self() || p.ID == l.id || p.ID == j.Origin || p.ID == l.via ||
				slices.Contains(l.former[:], p.ID) || r.silent(now, p.ID) || r.outOfFamily(p.ID) {
				continue
			}
			l.former[1], l.former[0], l.via = l.former[0], l.via, p.ID
			l.hands++
			return true
		}
	}
	return false
}

// strayed tells that the helper of a leg did not reach the member: others are asked from now on.
func (r *Relay) strayed(now mono.Time, j *job, l *leg) {
	if r.outOfFamily(l.id) {
		r.helped(now, j, l)
		return
	}
	w := r.way(l.id)
	if p, ok := r.placeOf(l.via); ok && (w.by == 0 || w.by == l.via) {
		w.by, w.from = 0, p.Key+1
	}
	if !r.nextDetour(now, j, l) {
		r.end(j, l, 0, []member.ID{l.id})
		return
	}
	l.state, l.tries, l.bare = asked, 0, true
	r.again(now, j, l)
}

// vouched takes in what a helper says of a member: it counts itself as well.
func (r *Relay) vouched(now mono.Time, j *job, l *leg, from member.ID, m *wire.Confirmed) {
	p, ok := r.placeOf(l.id)
	switch {
	case ok && m.Of == 2 && m.Have == 2 &&
		m.Digest == r.digest(wire.Span{Bits: placeBits, Prefix: p.Key}, j.Origin):
		if h, ok := r.placeOf(from); r.outOfFamily(l.id) {
			r.helper = from
		} else if ok {
			*r.way(l.id) = way{to: l.id, by: from, from: h.Key}
		}
		r.end(j, l, 1, nil)
	case l.state != done && from == l.via:
		r.strayed(now, j, l)
	}
}

// count returns how many live members of a span a parcel is for.
func (r *Relay) count(b *wire.Branch, s wire.Span) int {
	lo, hi := within(r.ring.All(), s)
	n := hi - lo
	if p, ok := r.placeOf(b.Origin); ok && holds(s, p.Key) {
		n--
	}
	return n
}

// Forgo tells that nobody waits any more for a message that ends in a piece of this node's own.
func (r *Relay) Forgo(generation, last uint64) {
	for i := range r.jobs {
		j := &r.jobs[i]
		if j.used && j.mine.waited && j.Generation == generation && j.First <= last &&
			last < j.First+uint64(j.Count) {
			j.mine.waited = r.host.Waited(generation, j.First, j.First+uint64(j.Count)-1)
		}
	}
}
