package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A member that sends and does not hear. A firewall that passes one way alone, an address that
// changed under the process, the wrong interface: all give this picture. No message and no key
// reaches such a member, though each of its datagrams shows that it lives. So life and hearing are
// told apart: a datagram begins the silence anew, and only an answer (an Ack or a Finding to
// something that was sent lately) ends an alarm or a juror's case. A member that is heard, and
// answers nobody, is granted more than a silent one: at DeafGrace/2 its accuser calls the jury,
// whose members look for as long, and at DeafGrace it is failed with the cause deaf, unless one of
// them has had an answer.

// sends says whether a member was heard of late while it answered nothing.
func (a *alarm) sends(now mono.Time, c *Config) bool {
	return a.heard != 0 && now.Sub(a.heard) < c.Grace
}

// deafPace is how often a member is pinged that is heard and does not answer.
func (d *Detector) deafPace(now mono.Time, a *alarm, pace time.Duration) time.Duration {
	switch deaf := now.Sub(a.since); {
	case deaf > 2*d.cfg.DeafGrace, d.acquitted.has(now, a.peer.ID):
		return max(pace, d.cfg.Period)
	case deaf > d.cfg.Grace:
		return max(pace, d.cfg.Grace/8)
	}
	return pace
}

// hear begins the silence of a member anew. That its host refused connections is not forgotten: a
// stranger's datagrams keep no dead process alive.
func (a *alarm) hear(now mono.Time) {
	if a.start == mono.Never || a.barred != 0 {
		return
	}
	a.heard, a.start, a.pings, a.held = now, now, 0, false
	a.kernel.welcome = 0 // a process that sends does not stand still
}

// maxTaken is how many silent votes a juror takes back in one case: a stranger's datagrams keep no
// dead member alive.
const maxTaken = 2

// sends says whether an accused was heard of late, by this juror or by an accuser, while it
// answered nothing.
func (c *inquest) sends(now mono.Time, cfg *Config) bool {
	return c.heard != 0 && now.Sub(c.heard) < cfg.Grace
}

// hear takes in that the accused lives; a vote for its silence was wrong.
func (d *Detector) hear(now mono.Time, c *inquest) {
	if c.word == wire.WordAcquit {
		return
	}
	c.heard, c.kernel.welcome = now, 0
	if c.word == wire.WordGuilty && c.voted == wire.CauseSilent && c.taken < maxTaken {
		c.taken++
		d.conclude(now, c, wire.WordOpen)
		c.next = min(c.next, max(d.voteAt(now, c), now))
		d.soon(c.next)
	}
}

// answers takes in that a member answered something that was sent to it lately: it hears.
func (d *Detector) answers(now mono.Time, from detect.Peer, seq uint32) {
	if _, ok := d.current(from); ok && d.sent(seq, d.seq-maxPending) {
		d.answer = now
	}
	if i := d.alarmOf(from.ID); i >= 0 && d.alarms[i].peer.Instance == from.Instance &&
		d.sent(seq, d.alarms[i].first) {
		d.answered(now, i)
	}
	if i := d.caseOf(from.ID); i >= 0 && d.cases[i].peer.Instance == from.Instance &&
		d.sent(seq, d.cases[i].first) {
		d.acquit(now, &d.cases[i])
	}
}

// lives takes in that a member raised its incarnation, which it does only while it lives.
func (d *Detector) lives(now mono.Time, id member.ID) {
	if i := d.alarmOf(id); i >= 0 {
		if a := &d.alarms[i]; a.sends(now, &d.cfg) {
			a.hear(now)
		} else {
			d.answered(now, i)
		}
	}
	if i := d.caseOf(id); i >= 0 {
		if c := &d.cases[i]; c.sends(now, &d.cfg) {
			d.hear(now, c)
		} else {
			d.acquit(now, c)
		}
	}
}

// Broken returns the live members that do not answer this node, and that others hear: the paths
// between them and this node are broken.
func (d *Detector) Broken(now mono.Time) (ids []member.ID) {
	for _, s := range d.acquitted {
		if m, ok := d.host.Table().Get(s.id); ok && m.State.Live() && s.until > now {
			ids = append(ids, s.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// pending says whether a verdict about a member that sends is not ripe: its grace is not over, or a
// juror that answers has not made up its mind, but for one that only sees that the host takes
// connections.
func (d *Detector) pending(now mono.Time, a *alarm, seats int) bool {
	wait := d.cfg.DeafGrace
	if seats == 0 {
		wait *= LoneGrace
	}
	if now.Sub(a.since) < wait {
		return true
	}
	most := d.mostTries()
	return slices.ContainsFunc(a.jury.list[:a.jury.asked], func(x juror) bool {
		return x.answers(most) && x.word == wire.WordOpen && x.vote.Cause != wire.CauseStalled
	})
}

// hearing is how long after a jury was called its members are heard before a verdict: those who can
// acquit need a round trip to the accused first, while old votes come at once.
func (d *Detector) hearing(a *alarm) mono.Time {
	return a.jury.called.Add(max(2*d.way(a.peer.ID).timeout(&d.cfg), 200*time.Millisecond))
}
