package inquest

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The verdict. It takes the votes of more than half of the jury against a member, and that none of
// them has heard from it. It is spread as a member's failure always is; the reasons stay with who
// declared it.

// electors returns how many jurors a case has, and how many of them have to vote against the
// member. It is held as if there were none but those with which this node can speak, and which know
// the accused and can speak with it: the IP version parts the others from one or the other. Those
// that do not know it are no part of the view in which it is a member, so they neither outvote
// those that do nor vote with them (but see judgeAlone). But if no member that has both IP versions
// has spoken since the accused fell silent, this node may be cut off from all of the other version
// with it, and they count as in any cut.
func (d *Detector) electors(now mono.Time, a *alarm) (jurors, votes int) {
	able := d.electorate(now, a)
	for i := range a.jury.list {
		if x := &a.jury.list[i]; x.unable() && d.isLive(x.id) {
			able--
		}
	}
	return d.cfg.seats(able), d.cfg.Quorum(able)
}

// electorate is how many members have a part in a case, the accuser and the accused included.
func (d *Detector) electorate(now mono.Time, a *alarm) int {
	if p, ok := d.host.(detect.Parted); ok && !p.Bridged(now, a.start) {
		return d.host.Table().Live()
	}
	return d.host.Table().Served()
}

// judge reaches a verdict if the votes suffice. It says whether it did, and the alarm is gone.
func (d *Detector) judge(now mono.Time, i int) bool {
	a := &d.alarms[i]
	seats, enough := d.electors(now, a)
	if d.isolated || a.barred != 0 || !d.isLive(d.host.Self()) { // one that leaves judges nobody
		return false
	}
	sends := a.sends(now, &d.cfg)
	if !sends && a.excused(now, &d.cfg) {
		return false
	}
	var votes []detect.Vote
	for k := range a.jury.list {
		if x := &a.jury.list[k]; x.spoken && x.word == wire.WordGuilty && d.isLive(x.id) {
			votes = append(votes, x.vote)
		}
	}
	if (len(votes) < enough || enough == 0 || d.cfg.NoJury) &&
		!d.judgeAlone(now, a, seats, len(votes)) {
		return false
	}
	if d.spared(now, a, votes) {
		return false
	}
	e := detect.Evidence{
		Accuser: d.host.Self(), Cause: a.kernel.cause(), Pings: a.pings, Span: now.Sub(a.start), Votes: votes,
	}
	if len(votes) > 0 {
		e.Seats = seats
		e.Cause = commonest(votes)
	}
	if e.Cause != wire.CauseRefused {
		if sends && d.pending(now, a, seats) {
			return false
		}
		if at := d.hearing(a); a.jury.convened() && now < at {
			a.next = min(a.next, at)
			d.soon(at)
			return false
		}
		if sends || slices.ContainsFunc(votes,
			func(v detect.Vote) bool { return v.Cause == wire.CauseDeaf }) {
			e.Cause, e.Pings, e.Span = wire.CauseDeaf, a.vain, now.Sub(a.since)
		}
	}
	id := a.peer.ID
	few := a.jury.fewAnswer(len(votes))
	d.dropAlarm(i) // first: the verdict comes back by Changed
	d.host.FailWith(now, id, e)
	for range examined {
		if few {
			d.examineOther(now)
		}
	}
	return true
}

// excused says whether the member's process may stand still for longer: whoever saw its host take a
// connection outweighs all who saw nothing, since packets are lost and none is made up; but not
// those to whom the host said that nobody listens.
func (a *alarm) excused(now mono.Time, c *Config) bool {
	if now.Sub(a.start) >= c.StallGrace || a.kernel.denied() {
		return false
	}
	stalled := a.kernel.stalled()
	for i := range a.jury.list {
		if x := &a.jury.list[i]; x.spoken {
			if x.vote.Cause == wire.CauseRefused {
				return false
			}
			stalled = stalled || x.vote.Cause == wire.CauseStalled
		}
	}
	return stalled
}

// judgeAlone says whether the accuser's own evidence suffices. In a cluster of two there is nobody
// to ask: a process whose host refuses for it is gone, and silence has to last for three times the
// grace, since a node alone cannot tell its own death from the other's. In a larger one whose
// jurors do not answer, refusals alone count, and only after long patience. Where nearly all hold
// no such member, as after a pause in which they forgot it, nobody else will ever examine it. So
// strangers count for the accuser's side in the rule of sides, beside the few that did vote, and
// the accuser is as alone as in a cluster of two.
func (d *Detector) judgeAlone(now mono.Time, a *alarm, seats, votes int) bool {
	wait := d.flaps.grace(now, a.peer.ID)
	side := votes
	for i := range a.jury.list {
		if x := &a.jury.list[i]; x.word == wire.WordStranger && d.isLive(x.id) {
			side++
		}
	}
	switch {
	case d.cfg.NoJury:
	case seats == 0, side > votes && side >= d.cfg.Quorum(d.electorate(now, a)):
		wait = LoneGrace * wait
	default:
		return a.jury.convened() && now.Sub(a.jury.quorum) >= d.cfg.patience() &&
			a.kernel.gone(d.cfg.patience()-2*d.cfg.Period)
	}
	if a.sends(now, &d.cfg) {
		return seats == 0 && now.Sub(a.since) >= LoneGrace*d.cfg.DeafGrace || d.cfg.NoJury &&
			now.Sub(a.since) >= d.cfg.DeafGrace
	}
	if a.kernel.stalled() {
		wait = max(wait, d.cfg.StallGrace)
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
