package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

const (
	maxHands = 3 // delegates that get a span before it is divided here
	maxPolls = 4 // unanswered questions after which a delegate at work is given up
	minWork  = 10 * time.Millisecond
	maxWork  = time.Second

	unsent = 255 // tries of a leg that there is nothing to send for
)

// wait is how long the answer to a leg's next try is waited for: longer than that to the last.
func (r *Relay) wait(l *leg) time.Duration {
	t := r.rto(l.zone, l.patient[l.attempt&3])
	class := r.classTo(l.zone)
	growth := time.Duration(policies[class].growth)
	if l.patient[l.attempt&3] && class == 0 {
		growth = 1 // it is not lost, but late
	}
	for range min(l.tries, 8) {
		t += t / growth
	}
	return t
}

// work is how long a delegate that took a span is left alone: it has its own legs to wait for.
func (r *Relay) work(l *leg) time.Duration {
	return min(max(4*r.rto(l.zone, l.patient[l.attempt&3]), minWork)+ackDelay, maxWork)
}

// late is called when a leg's time is up.
func (r *Relay) late(now mono.Time, j *job, k int) {
	l := &j.legs[k]
	l.due = mono.Never
	m, ok := r.host.Table().Get(l.id)
	gone := !ok || !m.State.Live()
	if !gone && l.state == asked && l.tries < unsent {
		if l.attempt == 0 && !r.silent(now, l.asked()) {
			r.congested(now, j)
			r.backOff(now, l.zone, l.patient[0])
		}
		r.silence.missed(now, l.asked())
		if !l.bare {
			r.host.Unanswered(now, l.asked())
		}
	}
	l.tries = min(l.tries, unsent-1) + 1
	switch {
	case l.state == done: // an own parcel's that is offered again
		r.reopen(now, j, k)
	case l.single():
		r.lateSingle(now, j, l, gone)
	case l.state == taken && !gone && l.tries <= maxPolls+1 && !r.silent(now, l.asked()):
		l.bare = true
		r.again(now, j, l)
		l.due = min(l.due, now.Add(maxWork))
	case l.state == asked && !gone && (l.tries < r.policy(j, l).hand || r.sparing(j) &&
		l.tries <= 2):
		l.bare = l.bare || r.sparing(j)
		r.again(now, j, l)
	default:
		r.redelegate(now, j, k)
	}
}

// sparing says whether a member that does not answer is first asked whether it has the parcel,
// before the parcel is sent another time. That is so for a big parcel, and where many come and
// nothing gets lost: then the answer is late because all are busy.
func (r *Relay) sparing(j *job) bool { return !j.small || r.busy() && r.class() == 0 }

// policy is what the losses on a leg's way ask for; in this node's zone, those that the job was
// begun with, or what was seen since.
func (r *Relay) policy(j *job, l *leg) *policy {
	if l.zone != r.self().Zone() {
		return &policies[r.classTo(l.zone)]
	}
	return &policies[max(j.Loss, r.class())]
}

func (r *Relay) lateSingle(now mono.Time, j *job, l *leg, gone bool) {
	tries := r.policy(j, l).tries
	switch {
	case j.mine.tried: // it is offered again later
		tries = 2 + r.classTo(l.zone)
	case l.mute:
		tries = r.policy(j, l).mute
	}
	switch {
	case gone:
		l.of = 0
		r.end(j, l, 0, nil)
	case l.via != 0 && (l.state == taken || l.tries >= tries):
		r.strayed(now, j, l)
	case l.state == taken: // it has it behind a gap: the node that wants to know asks again
		r.end(j, l, 0, []member.ID{l.id})
	case l.tries < tries:
		// that much is not lost: it is dead, or has it
		l.bare = l.bare || r.sparing(j) || l.tries > 1 && r.class() == 0
		r.again(now, j, l)
	default:
		r.stats.Unconfirmed++
		r.end(j, l, 0, []member.ID{l.id})
	}
}

// redelegate gives a leg's span to somebody else, or divides it here when several have failed.
// Another zone is not divided from here: nobody there seems to be in reach, and it would cost a
// copy for each of its members.
func (r *Relay) redelegate(now mono.Time, j *job, k int) {
	l := &j.legs[k]
	r.stats.Redelegated++
	l.bare = l.bare || l.state == taken // most members of the span may have the parcel
	foreign := r.foreign(l.span)
	hands := uint8(maxHands)
	if foreign {
		hands = foreignHands
	}
	if l.hands < hands && r.choose(now, j, l) {
		r.again(now, j, l)
		return
	}
	if foreign {
		r.stats.Unconfirmed++
		r.end(j, l, 0, nil)
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
	l.state, l.have, l.missing, l.had, l.due = done, have, missing, nil, mono.Never
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
	l.newer = l.newer && l.id != id
	for i, m := range l.missing {
		if m == id {
			l.missing = append(l.missing[:i:i], l.missing[i+1:]...)
			l.of--
			if !l.single() && l.digest != 0 {
				l.digest ^= uint16(id)
			}
			return
		}
	}
}
