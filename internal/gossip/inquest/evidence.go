package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
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
	// another member sends from the address: what takes connections there is not this one
	usurped bool
}

// try opens a connection if it is time to.
func (k *kernel) try(now mono.Time, e *env, to plane.Peer) {
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

// usurp takes in a datagram of somebody, and says whether that shows that another member lives at
// the accused's address now.
func (k *kernel) usurp(accused, from plane.Peer) bool {
	if k.usurped || accused.ID == from.ID || accused.Addr != from.Addr {
		return false
	}
	k.usurped = true
	return true
}
