package state

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// A link is a peer that this node passes writes on to, and the owners of these writes. It does not
// hold what was written. What is sent is what the owner's map holds when the datagram leaves. So
// what was overwritten by then is not sent, and a writer that writes faster than the link may send
// costs no more for it.

type link struct {
	peer member.ID
	due  mono.Time // nothing leaves before
	wait []pending
}

// links are the peers that this node passes writes on to.
type links struct {
	*env
	known  *catalog
	packer *packer
	list   []link
}

const (
	maxBurst   = 8                     // datagrams that leave at once over one link
	shortPause = 50 * time.Millisecond // of a link to a zone for which the budget is spent
)

// queue puts an owner among those that wait for a peer; if it does already, what it waits with
// includes this.
func (ls *links) queue(now mono.Time, peer member.ID, o *owner, p pending) {
	free := -1
	for i := range ls.list {
		switch l := &ls.list[i]; {
		case l.peer == peer:
			ls.add(l, i, o, p)
			return
		case free < 0 && len(l.wait) == 0 && l.due <= now:
			free = i
		}
	}
	if free < 0 {
		if len(ls.list) == maxLinks {
			ls.stats.Refused++ // repair finds what is missing
			return
		}
		ls.list = append(ls.list, link{})
		free = len(ls.list) - 1
	}
	ls.list[free].peer, ls.list[free].due = peer, 0
	ls.add(&ls.list[free], free, o, p)
}

func (ls *links) add(l *link, i int, o *owner, p pending) {
	if bit := uint64(1) << i; o.queued&bit == 0 {
		o.queued |= bit
		l.wait = append(l.wait, p)
	}
}

// flush sends what is due over all links.
func (ls *links) flush(now mono.Time) {
	for i := range ls.list {
		if l := &ls.list[i]; len(l.wait) > 0 && l.due <= now && ls.budget.Ready(now) {
			l.due = now.Add(ls.flushLink(now, i))
		}
	}
}

// due returns when something waiting may leave.
func (ls *links) due() mono.Time {
	due := mono.Never
	for i := range ls.list {
		if l := &ls.list[i]; len(l.wait) > 0 {
			due = min(due, l.due)
		}
	}
	if due == mono.Never {
		return due
	}
	return max(due, ls.budget.Next())
}

// flushLink sends what waits for a link, and returns for how long nothing more may leave.
func (ls *links) flushLink(now mono.Time, i int) time.Duration {
	l := &ls.list[i]
	to, ok := ls.host.Table().Get(l.peer)
	if !ok || !to.State.Live() {
		for _, p := range l.wait { // members behind it find out by repair
			ls.known.unqueue(p.owner, i)
		}
		l.wait = l.wait[:0]
		return ls.cfg.Coalesce
	}
	for range maxBurst {
		switch {
		case len(l.wait) == 0 || !ls.budget.Ready(now):
			return ls.cfg.Coalesce
		case ls.host.Short(l.peer):
			return shortPause
		}
		ls.stats.Pushed++
		l.wait = ls.packer.pack(now, l.wait, i)
		ls.send(now, to, ls.buf)
	}
	return ls.cfg.Coalesce
}

// unqueueAll takes an owner out of all queues: what waited is of a life that is over, or of a map
// that goes.
func (ls *links) unqueueAll(o *owner) {
	for i := range ls.list {
		if l := &ls.list[i]; o.queued>>i&1 != 0 {
			l.wait = slices.DeleteFunc(l.wait, func(p pending) bool { return p.owner == o.id })
		}
	}
	o.queued = 0
}
