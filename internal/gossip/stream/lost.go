package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// losses decides when a missing piece is passed over. It looks at one gap at a time.
type losses struct{ core }

// hopeless says whether the first missing piece is to be passed over, or dropped.
func (l *losses) hopeless(now mono.Time, st *stream) bool {
	r := st.repair
	age, enough := now.Sub(r.since), l.enough(r)
	if now.Sub(l.gaps.returned) < l.cfg.Patience && age < maxReturns*l.cfg.Patience {
		enough = false // members that are back may have it
	}
	switch {
	case len(r.denied) == 0: // no member was reached: that says nothing of what they hold
		return false
	case now >= l.expires(r):
		return true
	case age < l.cfg.Patience:
		return false
	case l.shows(st):
		return enough && !l.said(st)
	case enough && !l.originHas(st):
		return true
	}
	return age >= l.cfg.GiveUp && !l.vouched(now, st) // lose tells nothing then
}

// enough says whether enough members deny to have the first missing piece: enoughDenied, or all
// that live. A member that said so and left, or failed since, does not stand for one that came back
// meanwhile.
func (l *losses) enough(r *repair) bool {
	t := l.host.Table()
	if len(r.denied) >= enoughDenied || len(r.denied) < t.Live()-1 {
		return len(r.denied) >= enoughDenied
	}
	live := 0
	for _, id := range r.denied {
		if m, ok := t.Get(id); ok && m.State.Live() {
			live++
		}
	}
	return live >= t.Served()-1
}

// expires returns when nobody holds the first missing piece any more.
func (l *losses) expires(r *repair) mono.Time { return r.found.Add(max(l.cfg.Age, l.cfg.GiveUp)) }

// shows says whether a piece that is held shows that there was one which is missing.
func (l *losses) shows(st *stream) bool {
	last, _ := st.shown()
	_, later := st.after(st.solid)
	return later || last >= st.solid
}

// said says whether a member that did not deny it is said to have the first missing piece: its
// origin is. One that failed may be on the other side of a cut, and come back.
func (l *losses) said(st *stream) bool {
	r := st.repair
	return l.originHas(st) || slices.ContainsFunc(r.tellers[:], func(c claim) bool {
		return c.low <= r.missing && r.missing <= c.high && l.holds(r, c.id)
	})
}

// originHas says whether a stream's origin is known in the life that the stream is of, did not
// leave, and did not deny the first missing piece.
func (l *losses) originHas(st *stream) bool {
	m, ok := l.host.Table().Get(st.origin)
	if !ok { // nobody may have told of it yet, as within a cut
		return !slices.Contains(st.repair.denied, st.origin)
	}
	return m.ID != l.host.Self() &&
		m.Generation() == st.life() && l.holds(st.repair, st.origin)
}

// holds says whether a member that said to have something may still give it.
func (l *losses) holds(r *repair, id member.ID) bool {
	m, ok := l.host.Table().Get(id)
	return ok && m.State != member.Left && !slices.Contains(r.denied, id)
}

// lose passes over what is missing from the first missing piece on, as far as the members that were
// asked lack it.
func (l *losses) lose(now mono.Time, st *stream) {
	r := st.repair
	since, to := r.since, r.extent+1
	if r.extent == ^uint64(0) {
		to = r.extent
	}
	if now >= l.expires(r) { // what was found missing later may be held yet
		to = min(to, r.known+1)
	}
	for _, c := range r.tellers { // it is asked first
		if c.low > r.missing && c.low < to && now < l.expires(r) && l.holds(r, c.id) {
			to = c.low
		}
	}
	held, ok := st.after(st.solid)
	last, seq := st.shown()
	ends := uint64(0) // the message that the last piece passed over is of, if that is known
	switch {
	case ok:
		to = min(to, held)
	case r.follows() && l.vouched(now, st):
	case last >= st.solid: // a piece that is held says so
		to = min(to, last+1)
		ends = seq
	case l.vouched(now, st):
		to = min(to, r.least+1)
	default: // nothing shows that there is more
		st.head = max(st.top, st.next-1)
		if !l.said(st) {
			st.deaf = now.Add(deafFor)
		}
		l.stats.Unproven++
		l.known.mending.end(st)
		l.order.deliverLater(now, st)
		l.gaps.atEnd(now, st)
		return
	}
	for st.held > 0 && to-st.low > 2*Ahead {
		l.known.drop(st, st.low)
	}
	st.passOver(to, ends)
	for _, c := range r.tellers { // it may have been beyond Ahead
		l.gaps.claimed(now, st, c.high)
	}
	l.order.deliver(now, st, false)
	l.gaps.missing(now, st, false)
	if st.repair != nil && r.missing <= r.ripe { // the next hole was there all the while
		r.since = max(since, now.Add(-l.cfg.Patience))
		l.at(now.Add(time.Millisecond))
	}
}

// vouched says whether the members that lack the first missing piece are believed that it was
// there.
func (l *losses) vouched(now mono.Time, st *stream) bool {
	r := st.repair
	return !l.gaps.deafTo(now, st) && (r.follows() || r.knew > 0 && l.existed(st))
}

// existed says whether the members that lack the first missing piece, and what follows, can be
// believed that it was there. The origin is believed. If it said nothing, half of them are, or two
// where nothing more can come of it.
func (l *losses) existed(st *stream) bool {
	r := st.repair
	return r.sure || !r.never && (2*r.knew >= len(r.denied) || r.knew > 1 && !l.originLives(st))
}
