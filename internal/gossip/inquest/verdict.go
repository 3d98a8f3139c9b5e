package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The verdict. It takes the votes of more than half of the jury against a member, and that none of
// them has heard from it. It is spread as a member's failure always is; the reasons stay with the
// node that declared it.

// rules are what a verdict is measured by, beside the case itself.
type rules struct {
	*env
	flaps *flaps
	zones *silences
}

// outcome is what a look at a case gives.
type outcome uint8

const (
	undecided outcome = iota
	mute              // the votes suffice, but nobody of the member's zone is heard
	guilty
)

// verdict says whether the votes suffice, in a case of so many jurors of which so many have to vote
// against the member.
func (r *rules) verdict(now mono.Time, a *alarm, seats, enough int) (detect.Evidence, outcome) {
	var none detect.Evidence
	sends := a.sends(now, &r.cfg)
	if !sends && a.excused(now, &r.cfg) {
		return none, undecided
	}
	votes := a.jury.votes(r.env)
	if (len(votes) < enough || enough == 0 || r.cfg.NoJury) &&
		!r.alone(now, a, seats, len(votes)) {
		return none, undecided
	}
	switch {
	case !r.lacksWitness(now, a, seats, votes):
	case r.zones.mute(now, a.peer.ID):
		return none, mute
	case !r.cfg.NoJury: // a node that judges alone hears no votes
		return none, undecided
	}
	e := detect.Evidence{
		Accuser: r.host.Self(), Cause: a.kernel.cause(), Pings: a.pings, Span: now.Sub(a.start),
		Votes: votes,
	}
	if len(votes) > 0 {
		e.Seats = seats
		e.Cause = commonest(votes)
	}
	if e.Cause != wire.CauseRefused {
		if sends && r.pending(now, a, seats) {
			return none, undecided
		}
		if at := r.hearing(a); a.jury.convened() && now < at {
			a.next = min(a.next, at)
			r.soon(at)
			return none, undecided
		}
		if sends || slices.ContainsFunc(votes,
			func(v detect.Vote) bool { return v.Cause == wire.CauseDeaf }) {
			e.Cause, e.Pings, e.Span = wire.CauseDeaf, a.vain, now.Sub(a.since)
		}
	}
	return e, guilty
}

// foreign says whether a case is of another zone, one large enough to have a grace. Hosts that
// refuse connections are not silent.
func (r *rules) foreign(a *alarm) bool { return !a.kernel.denied() && r.zones.graced(a.peer.ID) }

// mute says whether a member is of another zone of which nobody is heard.
func (r *rules) mute(now mono.Time, a *alarm) bool {
	return r.foreign(a) && r.zones.mute(now, a.peer.ID)
}

// lacksWitness says whether a verdict needs a vote of the member's zone, and has none. A stranger
// of a zone that is heard answered from there, so the ways to it are open: where strangers count
// for the accuser's side, that is all that the zone can say.
func (r *rules) lacksWitness(now mono.Time, a *alarm, seats int, votes []detect.Vote) bool {
	if !r.foreign(a) {
		return false
	}
	z := r.zoneOf(a.peer.ID)
	for i := range votes {
		if votes[i].Cause == wire.CauseRefused || r.zoneOf(votes[i].Juror) == z {
			return false
		}
	}
	near := func(id member.ID) bool { return r.zoneOf(id) == z }
	if !r.mute(now, a) && a.jury.strangers(r.env, near) > 0 &&
		r.alone(now, a, seats, len(votes)) {
		return false
	}
	return !r.zones.over(now, z)
}

// pending says whether a verdict about a member that sends is not ripe: its grace is not over, or a
// juror has not made up its mind.
func (r *rules) pending(now mono.Time, a *alarm, seats int) bool {
	wait := r.cfg.DeafGrace
	if seats == 0 {
		wait *= LoneGrace
	}
	return now.Sub(a.since) < wait || a.jury.open(r.mostTries())
}

// hearing is how long after a jury was called its members are heard before a verdict: those that
// can acquit need a round trip to the accused first, while old votes come at once.
func (r *rules) hearing(a *alarm) mono.Time {
	return a.jury.called.Add(max(2*r.way(a.peer.ID).timeout(&r.cfg), 200*time.Millisecond))
}

// alone says whether the accuser's own evidence suffices. In a cluster of two there is nobody to
// ask: a process whose host refuses for it is gone, and silence has to last for three times the
// grace, since a node alone cannot tell its own death from the other's. In a larger one whose
// jurors do not answer, refusals alone count, and only after long patience. Where nearly all hold
// no such member, as after a pause in which they forgot it, nobody else will ever examine it. So
// strangers count for the accuser's side in the rule of sides, beside the few that did vote, and
// the accuser is as alone as in a cluster of two.
func (r *rules) alone(now mono.Time, a *alarm, seats, votes int) bool {
	wait := r.flaps.grace(now, a.peer.ID)
	side := votes + a.jury.strangers(r.env, anywhere)
	switch {
	case r.cfg.NoJury:
	case seats == 0, side > votes && side >= r.cfg.Quorum(r.electorate(now, a.start)):
		wait = LoneGrace * wait
	default:
		return a.jury.convened() && now.Sub(a.jury.quorum) >= r.cfg.patience() &&
			a.kernel.gone(r.cfg.patience()-2*r.cfg.Period)
	}
	if a.sends(now, &r.cfg) {
		return seats == 0 && now.Sub(a.since) >= LoneGrace*r.cfg.DeafGrace || r.cfg.NoJury &&
			now.Sub(a.since) >= r.cfg.DeafGrace
	}
	if a.kernel.stalled() {
		wait = max(wait, r.cfg.StallGrace)
	}
	return a.kernel.gone(refusedFor) || now.Sub(a.start) >= wait && a.pings >= 3
}

// commonest returns the cause that most votes give, of equal ones the one that says more.
func commonest(votes []detect.Vote) (best wire.Cause) {
	var n [wire.CauseDeaf + 1]int
	for _, v := range votes {
		n[v.Cause]++
	}
	for c := range n {
		if n[c] >= n[best] {
			best = wire.Cause(c)
		}
	}
	return best
}
