package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// retries is what happens when no answer comes, or a member dies.
type retries struct {
	core
	asks      *asks
	tree      *tree
	own       *own
	lingering *lingering
	ends      *ends
}

const (
	maxHands     = 3 // delegates that get a span before it is divided here
	foreignHands = 6 // delegates that are tried in another zone
	maxPolls     = 4 // unanswered questions after which a delegate at work is given up
)

// wakeJob sees to the legs that are late.
func (r *retries) wakeJob(now mono.Time, i int32) {
	j := &r.duties.jobs[i]
	if j.due > now {
		r.duties.schedule(i, j.due)
		return
	}
	if j.own.is && j.own.out && j.own.until <= now {
		r.own.leave(now, j)
	}
	if j.own.is && j.own.look <= now {
		j.own.look = mono.Never // a round is under way, which sees to it at its end
		if _, held := r.store.Body(j.Origin, j.Generation, j.First); j.open == 0 && !held {
			r.lingering.abandon(now, i)
			return
		} else if j.open == 0 {
			j.own.look = now.Add(lookEvery)
		}
	}
	moved := false
	for k := 0; k < len(j.legs); k++ {
		if l := &j.legs[k]; l.due <= now {
			r.late(now, j, k)
			moved = true
		}
	}
	j.due = j.own.due()
	for k := range j.legs {
		j.due = min(j.due, j.legs[k].due)
	}
	if moved && j.open == 0 {
		r.ends.finish(now, i)
		return
	}
	r.duties.schedule(i, j.due)
}

// late is called when a leg's time is up.
func (r *retries) late(now mono.Time, j *job, k int) {
	l := &j.legs[k]
	l.due = mono.Never
	m, ok := r.host.Table().Get(l.id)
	gone := !ok || !m.State.Live()
	if !gone && l.state == asked && l.tries < unsent {
		if l.attempt == 0 && !r.paths.silent(now, l.asked()) {
			r.own.congested(now, j)
			r.paths.backOff(now, l.zone, l.mayDelayAck[0])
		}
		r.paths.silence.missed(now, l.asked())
		if !l.offerOnly {
			r.host.Unanswered(now, l.asked())
		}
	}
	l.tries = min(l.tries, unsent-1) + 1
	switch {
	case l.state == done: // an own parcel's that is offered again
		r.reopen(now, j, k)
	case l.single():
		r.lateSingle(now, j, l, gone)
	case l.state == taken && !gone && l.tries <= maxPolls+1 && !r.paths.silent(now, l.asked()):
		l.offerOnly = true
		r.asks.again(now, j, l)
		l.due = min(l.due, now.Add(maxWork))
	case l.state == asked && !gone && (l.tries < r.policy(j, l).hand || r.sparing(j) &&
		l.tries <= 2):
		l.offerOnly = l.offerOnly || r.sparing(j)
		r.asks.again(now, j, l)
	default:
		r.redelegate(now, j, k)
	}
}

// sparing says whether a member that does not answer is first asked whether it has the parcel,
// before the parcel is sent another time. That is so for a big parcel, and where many come and
// nothing gets lost: then the answer is late because all are busy.
func (r *retries) sparing(j *job) bool { return !j.small || r.paths.busy() && r.paths.class() == 0 }

// policy is what the losses on a leg's way ask for; in this node's zone, those that the job was
// begun with, or what was seen since.
func (r *retries) policy(j *job, l *leg) *policy {
	if l.zone != r.self().Zone() {
		return &policies[r.paths.classTo(l.zone)]
	}
	return &policies[max(j.Loss, r.paths.class())]
}

func (r *retries) lateSingle(now mono.Time, j *job, l *leg, gone bool) {
	tries := r.policy(j, l).tries
	switch {
	case j.own.tried: // it is offered again later
		tries = 2 + r.paths.classTo(l.zone)
	case l.mute:
		tries = r.policy(j, l).mute
	}
	switch {
	case gone:
		l.of = 0
		j.end(l, 0, nil)
	case l.via != 0 && (l.state == taken || l.tries >= tries):
		r.asks.strayed(now, j, l)
	case l.state == taken: // it has it behind a gap: the node that wants to know asks again
		j.end(l, 0, []member.ID{l.id})
	case l.tries < tries:
		// that much is not lost: it is dead, or has it
		l.offerOnly = l.offerOnly || r.sparing(j) || l.tries > 1 && r.paths.class() == 0
		r.asks.again(now, j, l)
	default:
		r.stats.Unconfirmed++
		j.end(l, 0, []member.ID{l.id})
	}
}

// redelegate gives a leg's span to somebody else, or divides it here when several have failed.
// Another zone is not divided from here: nobody there seems to be in reach, and it would cost a
// copy for each of its members.
func (r *retries) redelegate(now mono.Time, j *job, k int) {
	l := &j.legs[k]
	r.stats.Redelegated++
	l.offerOnly = l.offerOnly || l.state == taken // most members of the span may have the parcel
	foreign := r.foreign(l.span)
	hands := uint8(maxHands)
	if foreign {
		hands = foreignHands
	}
	if l.hands < hands && r.asks.choose(now, j, l) {
		r.asks.again(now, j, l)
		return
	}
	if foreign {
		r.stats.Unconfirmed++
		j.end(l, 0, nil)
		return
	}
	span, offerOnly := l.span, l.offerOnly
	l.of = 0
	j.end(l, 0, nil)
	r.tree.divide(now, j, span, offerOnly)
}

// reopen offers an own parcel again to the members that lacked it, but not while their zone is
// silent.
func (r *retries) reopen(now mono.Time, j *job, k int) {
	if _, held := r.store.Body(j.Origin, j.Generation, j.First); !held {
		return // no further member is given it: the job ends (finishOwn)
	}
	l := &j.legs[k]
	each := j.own.waited && !l.single() && (!r.foreign(l.span) || l.have > 0)
	if !l.single() && !each {
		l.of = int32(r.count(&j.Branch, l.span)) // a member that died since was perhaps not named
		l.have = min(l.have, l.of)
	}
	if r.unheard(l.span) || l.single() && r.host.Silent(l.zone) || l.have >= l.of {
		return
	}
	if each { // it is not known which members have it
		r.tree.scatter(now, j, k)
		return
	}
	other := l.single() && r.outOfFamily(l.id)
	l.hands, l.former = 0, [2]member.ID{}
	if j.own.waited && l.single() && !other {
		r.asks.detour(now, j, l)
	}
	l.state, l.tries, l.offerOnly = asked, 0, true
	j.open++
	if other {
		r.asks.helped(now, j, l)
		return
	}
	if !l.single() && !r.asks.choose(now, j, l) {
		l.of = l.have
		j.end(l, l.have, nil)
		return
	}
	r.asks.again(now, j, l)
}

// bury ends the legs of a member that died, or finds it a successor.
func (r *retries) bury(now mono.Time, id member.ID) {
	r.paths.Heard(id)
	for i := range r.duties.jobs {
		j := &r.duties.jobs[i]
		if !j.used {
			continue
		}
		over, open := false, j.open
		for k := 0; k < len(j.legs); k++ {
			l := &j.legs[k]
			switch {
			case l.state == done:
				l.bury(id)
				over = over || j.own.is && j.open == 0 && l.have == l.of
			case l.id == id && l.single():
				l.of = 0
				j.end(l, 0, nil)
			case l.id == id:
				r.redelegate(now, j, k)
			}
		}
		r.duties.schedule(int32(i), j.due)
		if over || open > 0 && j.open == 0 {
			r.ends.finish(now, int32(i))
		}
	}
}
