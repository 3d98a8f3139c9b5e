package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

const (
	examined = 3 // members that an accuser examines after a verdict where most are dead
	// members not heard for so long are examined there
	heardRecent = 5 * time.Second
	// alarms with which it examines no more: each costs many inquiries a second
	mostExamined = 48
)

// accuser is this node as the one that accuses: it holds the cases of the members that do not
// answer it, and brings them to an end. A state diagram of a case is in alarm.go.
type accuser struct {
	*env
	rules  rules
	pool   pool
	zones  *silences
	roll   *roll
	alone  *isolation
	lately *lately
	alarms alarms
	spared sparing
}

// of is what a jury has to know of a case.
func (c *accuser) of(now mono.Time, a *alarm) accused {
	return accused{peer: a.peer, start: a.start, sends: a.sends(now, &c.cfg),
		foreign: c.rules.foreign(a), hopeless: a.unreachable || c.alone.on}
}

// accuse raises an alarm, unless there is one.
func (c *accuser) accuse(now mono.Time, p plane.Peer, since mono.Time) bool {
	return c.accuseFor(now, p, since, c.seq+1)
}

func (c *accuser) accuseFor(now mono.Time, p plane.Peer, since mono.Time, first uint32) bool {
	if len(c.alarms) >= maxAlarms || c.alarms.of(p.ID) >= 0 || c.outOfFamily(p.ID) {
		return false
	}
	a := alarm{peer: p, start: since, since: since, first: first, next: now, resend: now}
	if since < now {
		a.pings, a.vain = 1, 1
	}
	c.alarms = append(c.alarms, a)
	c.soon(now)
	return true
}

// accuses says whether there is a case of a member.
func (c *accuser) accuses(id member.ID) bool { return c.alarms.of(id) >= 0 }

// drop forgets the case of a member.
func (c *accuser) drop(id member.ID) {
	if i := c.alarms.of(id); i >= 0 {
		c.alarms.drop(i)
	}
}

// moved has a member looked for at its new address.
func (c *accuser) moved(is plane.Peer) {
	if i := c.alarms.of(is.ID); i >= 0 {
		c.alarms[i].peer = is
	}
}

// heard takes in a datagram of somebody.
func (c *accuser) heard(now mono.Time, from plane.Peer) {
	if i := c.alarms.of(from.ID); i >= 0 && c.alarms[i].is(from) {
		c.alarms[i].hear(now)
	}
}

// tenant looks for accused at whose address another member lives now.
func (c *accuser) tenant(now mono.Time, from plane.Peer) {
	for i := range c.alarms {
		if a := &c.alarms[i]; a.kernel.usurp(a.peer, from) {
			a.next = min(a.next, now)
			c.soon(now)
		}
	}
}

// connected takes what came of a connection to a member's host.
func (c *accuser) connected(now mono.Time, to plane.Peer, o detect.Outcome) {
	if i := c.alarms.of(to.ID); i >= 0 && c.alarms[i].is(to) {
		a := &c.alarms[i]
		a.kernel.take(now, o)
		a.next = min(a.next, now) // a refusal calls the jury at once
		c.soon(a.next)
	}
}

// answers takes in that a member answered a question.
func (c *accuser) answers(now mono.Time, from plane.Peer, seq uint32) {
	if i := c.alarms.of(from.ID); i >= 0 && c.alarms[i].is(from) &&
		c.sent(seq, c.alarms[i].first) {
		c.answered(now, i)
	}
}

// lives takes in that a member raised its incarnation, which it does only while it lives.
func (c *accuser) lives(now mono.Time, id member.ID) {
	if i := c.alarms.of(id); i >= 0 {
		if a := &c.alarms[i]; a.sends(now, &c.cfg) {
			a.hear(now)
		} else {
			c.answered(now, i)
		}
	}
}

// answered ends an alarm well. The pings that got no answer tell how many are lost, but for those
// that a process did not answer because it stood still.
func (c *accuser) answered(now mono.Time, i int) {
	a := c.alarms[i]
	c.alarms.drop(i)
	c.spared.drop(a.peer.ID)
	const most = 8 // one long silence does not make a lossy network
	if a.kernel.welcome == 0 && a.barred == 0 {
		c.way(a.peer.ID).count(min(max(a.vain-1, 0), most), 1)
	}
	if a.unreachable {
		c.seekJurors(now, true)
	}
	c.calm(now, &a)
}

// seekJurors has the juries of all cases drawn anew at once, or of those alone whose members cannot
// be reached: somebody is back, so jurors may be, too. Hopeless cases are held seldom, the more
// seldom the longer they last.
func (c *accuser) seekJurors(now mono.Time, unreachable bool) {
	for i := range c.alarms {
		if a := &c.alarms[i]; a.jury.convened() && (a.unreachable || !unreachable) {
			a.jury.askAnew(now)
			a.next = now
			c.soon(now)
		}
	}
}

// calm takes back what the user was told.
func (c *accuser) calm(now mono.Time, a *alarm) {
	if a.shown {
		c.host.RaiseAlarm(now, a.peer.ID, false)
	}
	if a.unreachable {
		c.host.Unreachable(now, a.peer.ID, false)
	}
	if len(c.roll.absent) > 0 {
		c.roll.present(now, a.peer.ID)
	}
	a.shown, a.unreachable = false, false
}

// turn goes on with all cases that are due. A verdict and a closed alarm leave the list.
func (c *accuser) turn(now mono.Time) {
	for i := 0; i < len(c.alarms); {
		a := &c.alarms[i]
		if a.next > now {
			c.soon(a.next)
			i++
			continue
		}
		m, ok := c.current(a.peer)
		if ok && m.OutOfFamily { // it moved there
			c.calm(now, a)
		}
		if !ok || a.barred != 0 || m.OutOfFamily {
			c.alarms.drop(i)
			continue
		}
		c.step(now, a)
		if c.judge(now, i) {
			continue
		}
		c.soon(c.alarms[i].next)
		i++
	}
}

// step pings, asks the kernel, and asks the jury.
func (c *accuser) step(now mono.Time, a *alarm) {
	a.start, a.since = min(a.start, now), min(a.since, now)
	age := now.Sub(a.start)
	waits := !a.kernel.denied() && c.zones.waits(now, a.peer.ID)
	a.held = a.held && (waits || c.rules.mute(now, a)) // or somebody of its zone is heard again
	if !c.cfg.NoJury && !a.jury.convened() && !waits &&
		(a.kernel.denied() || a.resend <= now && c.doubtful(now, a, age)) {
		c.convene(now, a)
	}
	if a.resend <= now {
		pace := a.pace(now, &c.cfg, c.way(a.peer.ID).timeout(&c.cfg),
			c.spared.has(now, a.peer.ID))
		if waits {
			// several members are pinged, so the end of the silence is heard soon
			pace = 2 * c.cfg.Period
		}
		a.resend = now.Add(c.jitter(pace, 10))
		a.pings++
		a.vain++
		c.probe(now, a.peer)
		if !waits {
			a.kernel.try(now, c.env, a.peer)
		}
	}
	a.next = a.resend
	if a.jury.convened() {
		if a.jury.next <= now {
			a.jury.poll(now, &c.pool, c.of(now, a))
		}
		a.next = min(a.next, a.jury.next)
	}
	c.show(now, a, age)
}

// convene calls the jury.
func (c *accuser) convene(now mono.Time, a *alarm) { a.jury.convene(now, &c.pool, c.of(now, a)) }

// electors returns how many jurors a case has, and how many of them have to vote against the
// member.
func (c *accuser) electors(now mono.Time, a *alarm) (jurors, votes int) {
	return a.jury.electors(now, c.env, a.start)
}

// doubtful says whether so many pings failed that it is time for a jury.
func (c *accuser) doubtful(now mono.Time, a *alarm, age time.Duration) bool {
	attempts := c.way(a.peer.ID).attempts(&c.cfg)
	if a.sends(now, &c.cfg) {
		return now.Sub(a.since) >= c.cfg.DeafGrace/2 && a.vain >= attempts &&
			!c.spared.has(now, a.peer.ID)
	}
	return a.pings >= attempts || a.pings >= 3 && age >= c.cfg.Grace/2
}

// show tells the user of a member that may be gone: early, but not of what a single lost packet
// explains.
func (c *accuser) show(now mono.Time, a *alarm, age time.Duration) {
	late := age >= c.cfg.Grace/2
	switch {
	case a.heard != 0 && age >= c.cfg.Grace:
		// it was heard meanwhile, so more than that was lost already
	case a.heard != 0:
		late = a.jury.convened() && now.Sub(a.since) >= c.cfg.DeafGrace/2
	}
	if !a.shown && (a.kernel.denied() || late) {
		a.shown = true
		c.host.RaiseAlarm(now, a.peer.ID, true)
	}
	if !a.unreachable && a.jury.convened() && now.Sub(a.jury.quorum) >= c.cfg.patience() {
		a.unreachable = true
		c.host.Unreachable(now, a.peer.ID, true)
	}
	if a.unreachable && c.rules.mute(now, a) {
		c.hold(now, a)
	}
}

// asked says whether a member was asked as a juror under a sequence.
func (c *accuser) asked(id member.ID, seq uint32) bool {
	i := c.alarms.byJury(seq)
	return i >= 0 && c.alarms[i].jury.askedOf(id)
}

// found takes the word of a juror that was asked.
func (c *accuser) found(now mono.Time, from member.ID, m wire.Finding) {
	i := c.alarms.byJury(m.Seq)
	if i < 0 {
		return // it was about the juror itself, which answers
	}
	a := &c.alarms[i]
	a.jury.heard = now
	if m.Word == wire.WordAcquit {
		c.calm(now, a)
		c.spared.add(now, a.peer.ID)
		a.acquit(now, &c.cfg)
		return
	}
	a.jury.found(from, m)
	if m.Word != wire.WordUnknown {
		c.judge(now, i)
	}
}

// judge reaches a verdict if the votes suffice. It says whether it did, and the alarm is gone.
func (c *accuser) judge(now mono.Time, i int) bool {
	a := &c.alarms[i]
	seats, enough := c.electors(now, a)
	if c.alone.on || a.barred != 0 || !c.isLive(c.host.Self()) { // one that leaves judges nobody
		return false
	}
	e, is := c.rules.verdict(now, a, seats, enough)
	if is == mute {
		c.hold(now, a)
	}
	if is != guilty {
		return false
	}
	id := a.peer.ID
	few := a.jury.fewAnswer(len(e.Votes))
	c.alarms.drop(i) // first: the verdict comes back by Changed
	c.host.Fail(now, id, e)
	for range examined {
		if few {
			c.examineOther(now)
		}
	}
	return true
}

// examineOther raises an alarm about a member of which nothing was heard lately. Where most are
// dead an accuser had to ask four members for each vote; then it examines three more. That grows
// where nearly all are dead, and where half are, the members that watch the dead suffice. Where
// there are zones, the witness and the look around add to that; a zone that is silent as a whole is
// left out.
func (c *accuser) examineOther(now mono.Time) {
	if len(c.alarms) >= mostExamined {
		return
	}
	t := c.host.Table()
	for range 8 {
		m := t.At(c.host.Rand().IntN(t.Served()))
		if m.ID != c.host.Self() && !c.lately.within(now, m.ID, heardRecent) &&
			c.alarms.of(m.ID) < 0 && !c.zones.covers(&m) {
			c.accuse(now, plane.PeerOf(&m), now)
			return
		}
	}
}

// silent counts the accused that answer neither this node nor, by their kernels, for themselves; it
// counts up to a number. With several zones those count that are of the same as a member: that
// another zone is silent is no reason to doubt what is seen of this one. Those of a zone that is
// silent as a whole are not this node's fault.
func (c *accuser) silent(now mono.Time, most int, like member.ID) (n int) {
	for i := range c.alarms {
		a := &c.alarms[i]
		if n < most && a.barred == 0 && !a.held && !a.sends(now, &c.cfg) &&
			(like == 0 || !c.otherZone(a.peer.ID, like)) &&
			a.pings >= c.way(a.peer.ID).attempts(&c.cfg) && a.kernel.quiet() {
			n++
		}
	}
	return n
}

// cut counts the watched that are cut off from here.
func (c *accuser) cut(now mono.Time, list []watched) (n int) {
	for i := range list {
		if k := c.alarms.of(list[i].peer.ID); k >= 0 && c.alarms[k].cut(now, &c.cfg) {
			n++
		}
	}
	return n
}

// unjudged counts the members that cannot be reached, and are neither absent from a roll nor of a
// silent zone.
func (c *accuser) unjudged() (n int) {
	for i := range c.alarms {
		if a := &c.alarms[i]; a.unreachable && !c.roll.misses(a.peer.ID) &&
			!c.zones.on(c.zoneOf(a.peer.ID)) {
			n++
		}
	}
	return n
}

// broken returns the live members that do not answer this node, and that others hear.
func (c *accuser) broken(now mono.Time) (ids []member.ID) {
	for _, s := range c.spared {
		if c.isLive(s.id) && s.until > now {
			ids = append(ids, s.id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (c *accuser) restart() {
	for i := range c.alarms {
		c.alarms[i].restart()
	}
}
