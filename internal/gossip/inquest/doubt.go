package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// When a node should not believe what it sees.

// manySilent is how many members have to seem silent at once for a juror to doubt that it is they
// who are dead, and not its own network. One member dies by itself; several at once are one switch,
// and it may be this node's.
const manySilent = 3

// braked is the storm brake: it says whether a juror should wait for a little more. In the end it
// votes: a storm may be true.
func (d *Detector) braked(now mono.Time, c *inquest) bool {
	return !d.cfg.NoStormBrake && now < c.start.Add(4*d.cfg.Grace) &&
		d.silent(now, manySilent, c.peer.ID) >= manySilent
}

// silent counts the members that answer neither this node nor, by their kernels, for themselves; it
// counts up to a number. With several zones those count that are of the same as a member: that
// another zone is silent is no reason to doubt what is seen of this one. Those of a zone that is
// silent as a whole are not this node's fault.
func (d *Detector) silent(now mono.Time, most int, like member.ID) (n int) {
	other := func(id member.ID) bool {
		return like != 0 && id != like && d.ring.Mixed() && d.zoneOf(id) != d.zoneOf(like)
	}
	for i := range d.alarms {
		a := &d.alarms[i]
		if n < most && a.barred == 0 && !a.held && !a.sends(now, &d.cfg) &&
			!other(a.peer.ID) && a.pings >= d.way(a.peer.ID).attempts(&d.cfg) && a.kernel.quiet() {
			n++
		}
	}
	for i := range d.cases {
		c := &d.cases[i]
		if n < most && c.word != wire.WordAcquit && !c.sends(now, &d.cfg) &&
			!other(c.peer.ID) && c.pings >= d.way(c.peer.ID).attempts(&d.cfg) &&
			c.kernel.quiet() && d.alarmOf(c.peer.ID) < 0 {
			n++
		}
	}
	return n
}

// unheardFor is how long ago the last datagram of others is at most, while nobody answers, for a
// node to know that it hears and is not heard: they hold it failed, and call it now and then.
const unheardFor = 30 * time.Second

// checkIsolation finds out whether this node is alone: most of the members that it watches have
// long not answered, and of the jurors that it asked about them nobody answers. Then it hears
// nobody, or nobody hears it; it fails nobody and says so. That ends with an answer alone, or once
// no more than two are left, of whom neither can tell: that alarms end, or that others are watched,
// is no sign of anything.
func (d *Detector) checkIsolation(now mono.Time) {
	cut := 0
	for i := range d.watched {
		k := d.alarmOf(d.watched[i].peer.ID)
		if k < 0 {
			continue
		}
		a := &d.alarms[k]
		long := 2 * d.cfg.Grace
		unanswered := now.Sub(a.start) >= long || a.heard != 0 &&
			now.Sub(a.since) >= d.cfg.DeafGrace
		if a.jury.convened() && a.barred == 0 && !a.kernel.denied() && unanswered &&
			(a.jury.heard == 0 || now.Sub(a.jury.heard) >= long) {
			cut++
		}
	}
	isolated := len(d.watched) > 1 && 2*cut > len(d.watched) ||
		d.isolated && d.answer <= d.cutOff && d.host.Table().Live() > 2
	if isolated && !d.isolated {
		d.cutOff = now
	}
	unheard := isolated && d.heardAt.Sub(d.answer) >= d.cfg.Grace && now.Sub(d.heardAt) < unheardFor
	if isolated != d.isolated || unheard != d.unheard {
		d.isolated, d.unheard = isolated, unheard
		d.host.Isolated(now, isolated, unheard)
	}
}

// flap is a member that was failed and came back in the same life: not it has died, but the way to
// it.
type flap struct {
	id    member.ID
	count int
	last  mono.Time
}

// flapMemory is how long it takes for half of a member's returns to be forgiven.
const flapMemory = time.Minute

// returns counts how often a member came back lately.
func (f *flap) returns(now mono.Time) int {
	return f.count >> min(now.Sub(f.last)/flapMemory, 62)
}

func (d *Detector) flapOf(id member.ID) int {
	return slices.IndexFunc(d.flaps, func(f flap) bool { return f.id == id })
}

// flapped notes that a member came back.
func (d *Detector) flapped(now mono.Time, id member.ID) {
	d.flaps = slices.DeleteFunc(d.flaps, func(f flap) bool { return f.returns(now) == 0 })
	i := d.flapOf(id)
	if i < 0 {
		if len(d.flaps) >= maxFlaps {
			d.flaps = slices.Delete(d.flaps, 0, 1)
		}
		i = len(d.flaps)
		d.flaps = append(d.flaps, flap{id: id})
	}
	f := &d.flaps[i]
	f.count, f.last = f.returns(now)+1, now
}

// grace returns how long a member may be silent: a member that comes and goes is granted twice as
// much from its second return on, and up to eight times, so that a link that flaps does not make
// the cluster flap.
func (d *Detector) grace(now mono.Time, id member.ID) time.Duration {
	i := d.flapOf(id)
	if i < 0 {
		return d.cfg.Grace
	}
	return d.cfg.Grace << min(max(d.flaps[i].returns(now)-1, 0), 3)
}

// Damped returns how long a member may be silent, how long others may, and how many of its returns
// are not forgiven.
func (d *Detector) Damped(now mono.Time, id member.ID) (grace, usual time.Duration, returns int) {
	if i := d.flapOf(id); i >= 0 {
		returns = d.flaps[i].returns(now)
	}
	return d.grace(now, id), d.cfg.Grace, returns
}
