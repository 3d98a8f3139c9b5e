package multicast

import (
	"time"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/mono"
)

const (
	maxHands = 3 // delegates that get a span before it is divided here
	maxPolls = 4 // unanswered questions after which a delegate at work is given up
	minWork  = 10 * time.Millisecond
	maxWork  = time.Second
)

// wait is how long the answer to a leg's next try is waited for: longer than that to the last. Whoever confirmed
// something a moment ago may hold the next back for company.
func (r *Relay) wait(now mono.Time, l *leg) time.Duration {
	t := r.rto(l.zone)
	growth := time.Duration(policies[r.paths.lost.class()].growth)
	for range min(l.tries, 8) {
		t += t / growth
	}
	if r.held(now, l.id) {
		t += r.cfg.AckDelay
	}
	return t
}

// held says whether a member may hold back a confirmation for company.
func (r *Relay) held(now mono.Time, id member.ID) bool {
	k, ok := r.laneOf[id]
	return ok && r.flow.busy() && r.lanes[k].heard != 0 && now.Sub(r.lanes[k].heard) < 2*r.cfg.AckDelay
}

// work is how long a delegate that took a span is left alone: it has its own legs to wait for.
func (r *Relay) work(l *leg) time.Duration {
	return min(max(4*r.rto(l.zone), minWork)+r.cfg.AckDelay, maxWork)
}

// late is called when a leg's time is up.
func (r *Relay) late(now mono.Time, j *job, k int) {
	l := &j.legs[k]
	l.due = mono.Never
	m, ok := r.host.Table().Get(l.id)
	gone := !ok || !m.State.Live()
	if !gone && l.state == asked {
		if l.attempt == 0 && !r.silent(now, l.id) {
			r.paths.lost.add(true)
			r.congested(now, j)
		}
		r.silence.missed(now, l.id)
	}
	l.tries = min(l.tries, 254) + 1
	switch {
	case l.state == done: // an own parcel's that is offered again
		r.reopen(now, j, l)
	case l.single():
		r.lateSingle(now, j, l, gone)
	case l.state == taken && !gone && l.tries <= maxPolls+1:
		l.bare = true
		r.again(now, j, l)
		l.due = min(l.due, now.Add(maxWork))
	case l.state == asked && !gone && (l.tries < r.policy(j).hand || !j.small && l.tries == 1):
		l.bare = l.bare || !j.small
		r.again(now, j, l)
	default:
		r.redelegate(now, j, k)
	}
}

// policy is what the losses ask for: those that the job was begun with, or what was seen since.
func (r *Relay) policy(j *job) *policy { return &policies[max(j.Loss, r.paths.lost.class())] }

func (r *Relay) lateSingle(now mono.Time, j *job, l *leg, gone bool) {
	tries := r.policy(j).tries
	switch {
	case j.mine.tried: // it is offered again later
		tries = 2 + r.paths.lost.class()
	case l.mute:
		tries = r.policy(j).mute
	}
	switch {
	case gone:
		l.of = 0
		r.end(j, l, 0, nil)
	case l.tries < tries:
		l.bare = l.bare || !j.small // a big parcel is not sent twice unless it has to be
		r.again(now, j, l)
	default:
		r.stats.Unconfirmed++
		r.end(j, l, 0, []member.ID{l.id})
	}
}

// redelegate gives a leg's span to somebody else, or divides it here when several have failed.
func (r *Relay) redelegate(now mono.Time, j *job, k int) {
	l := &j.legs[k]
	r.stats.Redelegated++
	l.bare = l.bare || l.state == taken // most members of the span may have the parcel
	if l.hands < maxHands && r.choose(now, j, l) {
		r.again(now, j, l)
		return
	}
	span, bare := l.span, l.bare
	l.of = 0
	r.end(j, l, 0, nil)
	r.divide(now, j, span, bare)
}

// end closes a leg.
func (r *Relay) end(j *job, l *leg, have int32, missing []member.ID) {
	if l.state != done {
		j.open--
	}
	l.state, l.have, l.missing, l.due = done, have, missing, mono.Never
}

// bury ends the legs of a member that died, or finds it a successor.
func (r *Relay) bury(now mono.Time, id member.ID) {
	r.silence.heard(id)
	for i := range r.jobs {
		j := &r.jobs[i]
		if !j.used {
			continue
		}
		over, open := false, j.open
		for k := 0; k < len(j.legs); k++ {
			l := &j.legs[k]
			switch {
			case l.state == done:
				l.bury(id)
				over = over || j.mine.is && j.open == 0 && l.have == l.of
			case l.id == id && l.single():
				l.of = 0
				r.end(j, l, 0, nil)
			case l.id == id:
				r.redelegate(now, j, k)
			}
		}
		r.schedule(int32(i), j.due)
		if over || open > 0 && j.open == 0 {
			r.finish(now, int32(i))
		}
	}
}

// bury takes a dead member from those that a leg misses.
func (l *leg) bury(id member.ID) {
	for i, m := range l.missing {
		if m == id {
			l.missing = append(l.missing[:i:i], l.missing[i+1:]...)
			l.of--
			return
		}
	}
}
