package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Kernel evidence. A host answers an attempt to connect even when the process does not: "nobody
// listens there", if the process is gone; "welcome", if it only stands still; nothing, if the host
// is gone too. So a dead process is known long before silence would prove it, and a process that
// stalls is given far more time than a dead host needs.

const (
	connectEvery = 300 * time.Millisecond // after one attempt to connect the next is made

	// refusedFor is how far apart two refusals have to be: a firewall that is loading its rules
	// refuses too, but only for a moment. It is less than connectEvery, since one answer may come
	// faster than the other.
	refusedFor = 250 * time.Millisecond
)

// kernel is what one node learned of one member's host.
type kernel struct {
	next        mono.Time // when to try again
	first, last mono.Time // refusals, without a welcome since; 0: none
	welcome     mono.Time // the last; 0: none, or a refusal since
	// another member sends from the address: whoever takes connections there, it is not this one
	usurped bool
}

// try opens a connection if it is time to.
func (k *kernel) try(now mono.Time, e *env, to detect.Peer) {
	if now >= k.next && !e.cfg.NoKernel {
		k.next = now.Add(connectEvery)
		e.host.Connect(now, to)
	}
}

func (k *kernel) take(now mono.Time, o detect.Outcome) {
	switch o {
	case detect.Refused:
		if k.first == 0 {
			k.first = now
		}
		k.last, k.welcome = now, 0
	case detect.Accepted:
		k.first, k.last, k.welcome = 0, 0, now
	}
}

// denied says whether the host has said that the process is not there.
func (k *kernel) denied() bool { return k.first != 0 || k.usurped }

// gone says whether it has said so for so long that the process is gone for good.
func (k *kernel) gone(atLeast time.Duration) bool {
	return k.usurped || k.first != 0 && k.last.Sub(k.first) >= atLeast
}

// stalled says whether the host has taken a connection, and refused none since. That later ones got
// no answer tells nothing: packets are lost.
func (k *kernel) stalled() bool { return !k.usurped && k.welcome != 0 }

// hopeless says whether a silence has lasted for so long that it will not end soon: not one that
// may be a stall, whose end is to be heard before it is taken for a death.
func (k *kernel) hopeless(age time.Duration, c *Config) bool {
	return age > 4*c.Grace && (!k.stalled() || age > c.StallGrace)
}

// quiet says whether the host has said nothing either.
func (k *kernel) quiet() bool { return !k.denied() && !k.stalled() }

func (k *kernel) cause() wire.Cause {
	switch {
	case k.denied():
		return wire.CauseRefused
	case k.stalled():
		return wire.CauseStalled
	}
	return wire.CauseSilent
}

// tenant looks for members under examination at whose address another member lives now.
func (d *Detector) tenant(now mono.Time, from detect.Peer) {
	if d.cfg.NoKernel {
		return
	}
	for i := range d.alarms {
		if a := &d.alarms[i]; a.peer.ID != from.ID && a.peer.Addr == from.Addr &&
			!a.kernel.usurped {
			a.kernel.usurped, a.next = true, min(a.next, now)
			d.soon(now)
		}
	}
	for i := range d.cases {
		if c := &d.cases[i]; c.peer.ID != from.ID && c.peer.Addr == from.Addr && !c.kernel.usurped {
			c.kernel.usurped, c.next = true, min(c.next, now)
			d.soon(now)
		}
	}
}

// Connected takes what came of a Connect.
func (d *Detector) Connected(now mono.Time, to detect.Peer, o detect.Outcome) {
	d.ports.answered(d.watch.watched, to, o)
	if i := d.alarmOf(to.ID); i >= 0 && d.alarms[i].peer.Instance == to.Instance {
		a := &d.alarms[i]
		a.kernel.take(now, o)
		a.next = min(a.next, now) // a refusal calls the jury at once
		d.soon(a.next)
	}
	if i := d.caseOf(to.ID); i >= 0 && d.cases[i].peer.Instance == to.Instance {
		c := &d.cases[i]
		stalled := c.kernel.stalled()
		c.kernel.take(now, o)
		if !stalled && c.kernel.stalled() && c.word != wire.WordAcquit {
			// who voted already takes it back, and the accusers hear why at once
			d.conclude(now, c, wire.WordOpen)
		}
		c.next = min(c.next, max(now, c.kernel.next)) // the second refusal is a vote
		if c.kernel.gone(refusedFor) {
			c.next = now
		}
		d.soon(c.next)
	}
}
