package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What a juror's cases take in from the rest of the detector.

// drop forgets the case of a member.
func (b *bench) drop(id member.ID) {
	if i := b.of(id); i >= 0 {
		b.dropAt(i)
	}
}

// moved has a member looked for at its new address. If nothing can be sent there its case is
// forgotten.
func (b *bench) moved(is plane.Peer, outOfFamily bool) {
	i := b.of(is.ID)
	if i < 0 {
		return
	}
	b.cases[i].peer = is
	if outOfFamily {
		b.dropAt(i)
	}
}

// heard takes in a datagram of somebody.
func (b *bench) heard(now mono.Time, from plane.Peer) {
	if i := b.of(from.ID); i >= 0 && b.cases[i].is(from) {
		b.hear(now, &b.cases[i])
	}
}

// answers takes in that a member answered a question.
func (b *bench) answers(now mono.Time, from plane.Peer, seq uint32) {
	if i := b.of(from.ID); i >= 0 && b.cases[i].is(from) && b.sent(seq, b.cases[i].first) {
		b.acquit(now, &b.cases[i])
	}
}

// lives takes in that a member raised its incarnation, which it does only while it lives.
func (b *bench) lives(now mono.Time, id member.ID) {
	if i := b.of(id); i >= 0 {
		if c := &b.cases[i]; c.sends(now, &b.cfg) {
			b.hear(now, c)
		} else {
			b.acquit(now, c)
		}
	}
}

// tenant looks for accused at whose address another member lives now.
func (b *bench) tenant(now mono.Time, from plane.Peer) {
	for i := range b.cases {
		if c := &b.cases[i]; c.kernel.usurp(c.peer, from) {
			c.next = min(c.next, now)
			b.soon(now)
		}
	}
}

// connected takes what came of a connection to a member's host.
func (b *bench) connected(now mono.Time, to plane.Peer, o detect.Outcome) {
	i := b.of(to.ID)
	if i < 0 || !b.cases[i].is(to) {
		return
	}
	c := &b.cases[i]
	stalled := c.kernel.stalled()
	c.kernel.take(now, o)
	if !stalled && c.kernel.stalled() && c.word != wire.WordAcquit {
		// a juror that voted already takes it back, and the accusers hear why at once
		b.conclude(now, c, wire.WordOpen)
	}
	c.next = min(c.next, max(now, c.kernel.next)) // the second refusal is a vote
	if c.kernel.gone(refusedFor) {
		c.next = now
	}
	b.soon(c.next)
}

func (b *bench) shift(gap time.Duration) {
	for i := range b.cases {
		b.cases[i].shift(gap)
	}
}
