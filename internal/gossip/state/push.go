package state

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A link is a peer that this node passes writes on to, and the owners of these writes. It does not
// hold what was written. What is sent is what the owner's map holds when the datagram leaves. So
// what was overwritten by then is not sent, and a writer that writes faster than the link may send
// costs no more for it.

// position is from where on an owner's map is to be sent: all above a version. Of the item that
// follows that version, the value is sent from an offset on.
type position struct {
	from   uint64
	floor  uint64 // what was deleted up to here is known there
	part   uint64 // the version that offset is about
	offset int
}

// pending is an owner whose writes wait.
type pending struct {
	owner member.ID
	position
	end uint64 // the peer is to bring them to all up to here
}

type link struct {
	peer member.ID
	due  mono.Time // nothing leaves before
	wait []pending
}

const (
	maxBurst   = 8                     // datagrams that leave at once over one link
	shortPause = 50 * time.Millisecond // of a link to a zone for which the budget is spent
)

// queue puts an owner among those that wait for a peer; if it does already, what it waits with
// includes this.
func (s *Store) queue(now mono.Time, peer member.ID, o *owner, p pending) {
	free := -1
	for i := range s.links {
		switch l := &s.links[i]; {
		case l.peer == peer:
			s.add(l, i, o, p)
			return
		case free < 0 && len(l.wait) == 0 && l.due <= now:
			free = i
		}
	}
	if free < 0 {
		if len(s.links) == maxLinks {
			s.stats.Refused++ // repair finds what is missing
			return
		}
		s.links = append(s.links, link{})
		free = len(s.links) - 1
	}
	s.links[free].peer, s.links[free].due = peer, 0
	s.add(&s.links[free], free, o, p)
}

func (s *Store) add(l *link, i int, o *owner, p pending) {
	if bit := uint64(1) << i; o.queued&bit == 0 {
		o.queued |= bit
		l.wait = append(l.wait, p)
	}
}

// Flush ends a step: what may be sent is sent. It is called after all messages of a datagram were
// taken, and after each Set, Delete or Wake, or several of them.
func (s *Store) Flush(now mono.Time) {
	s.catchUp(now)
	s.takeEarly(now)
	for i := range s.links {
		if l := &s.links[i]; len(l.wait) > 0 && l.due <= now && s.budget.Ready(now) {
			l.due = now.Add(s.flushLink(now, i))
		}
	}
	s.sendAsks(now)
}

// linksDue returns when something waiting may leave.
func (s *Store) linksDue() mono.Time {
	due := mono.Never
	for i := range s.links {
		if l := &s.links[i]; len(l.wait) > 0 {
			due = min(due, l.due)
		}
	}
	if due == mono.Never {
		return due
	}
	return max(due, s.budget.Next())
}

// flushLink sends what waits for a link, and returns for how long nothing more may leave.
func (s *Store) flushLink(now mono.Time, i int) time.Duration {
	l := &s.links[i]
	to, ok := s.host.Table().Get(l.peer)
	if !ok || !to.State.Live() {
		for _, p := range l.wait { // members behind it find out by repair
			s.unqueue(p.owner, i)
		}
		l.wait = l.wait[:0]
		return s.cfg.Coalesce
	}
	for range maxBurst {
		switch {
		case len(l.wait) == 0 || !s.budget.Ready(now):
			return s.cfg.Coalesce
		case s.host.Short(l.peer):
			return shortPause
		}
		s.stats.Pushed++
		l.wait = s.pack(now, l.wait, i)
		s.send(now, to, s.buf)
	}
	return s.cfg.Coalesce
}

// pack makes one datagram of what waits for a link, as far as it is for the same end, and returns
// what still waits. If i is -1 it is for no link. An owner that has more than fits goes to the
// back, so that none starves the others.
func (s *Store) pack(now mono.Time, wait []pending, i int) []pending {
	end := wait[0].end
	s.buf = wire.BeginDeltas(s.buf[:0], end)
	kept, rest := wait[:0], s.rest[:0]
	full := false
	for _, p := range wait {
		if full || p.end != end {
			kept = append(kept, p)
			continue
		}
		o := s.owner(p.owner)
		done := o == nil
		if !done {
			var next position
			s.buf, next, done = s.appendDelta(s.buf, now, o, p.position, s.host.Room()-len(s.buf))
			full = !done
			if next == p.position && !done { // no room at all
				kept = append(kept, p)
				continue
			}
			p.position = next
		}
		if done {
			s.unqueue(p.owner, i)
		} else {
			rest = append(rest, p)
		}
	}
	s.rest = rest
	s.buf = wire.EndDeltas(s.buf, 0)
	return append(kept, rest...)
}

func (s *Store) unqueue(id member.ID, i int) {
	if o := s.owner(id); o != nil && i >= 0 {
		o.queued &^= 1 << i
	}
}

// unqueueAll takes an owner out of all queues: what waited is of a life that is over, or of a map
// that goes.
func (s *Store) unqueueAll(o *owner) {
	for i := range s.links {
		if l := &s.links[i]; o.queued>>i&1 != 0 {
			l.wait = slices.DeleteFunc(l.wait, func(p pending) bool { return p.owner == o.id })
		}
	}
	o.queued = 0
}

// send sends a datagram within the budget, and returns what it costs; 0: it was not sent.
func (s *Store) send(now mono.Time, to member.Member, b []byte) int {
	n := s.host.SendState(now, to, b)
	s.budget.Take(n)
	s.stats.BytesOut += uint64(n)
	return n
}
