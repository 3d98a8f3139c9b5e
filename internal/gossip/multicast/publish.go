package multicast

import (
	"math"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// publisher sends this node's own parcels.
type publisher struct {
	core
	copies *copies
	tree   *tree
	own    *own
	ends   *ends
	starts *starts
	hub    *hub
}

// sendOwn sends own pieces until none is left, the window is full, or it is too early.
func (p *publisher) sendOwn(now mono.Time) {
	p.own.due = mono.Never
	budget := p.host.Budget() // what is launched leaves later
	bounded := budget < math.MaxInt
	for {
		c, ok := p.own.take(now, budget)
		if !ok {
			return
		}
		budget -= c.Size + pieceOverhead
		p.launch(now, &c, bounded)
	}
}

// launch sends an own parcel. Where a budget bounds what other zones are sent, a striped one is
// given to a member for this node's zone only. This node alone waits for budgets, so it gives the
// parcel to the other zones itself.
func (p *publisher) launch(now mono.Time, c *Cut, bounded bool) {
	p.paths.count(now, 1, 0, 0)
	b := &wire.Branch{Origin: p.host.Self(), Generation: c.Generation, First: c.First,
		Count: uint8(c.Count)}
	b.Given = p.host.Waited(b.Generation, b.First, b.First+uint64(b.Count)-1)
	m := ownPart{is: true, out: true, waited: b.Given,
		until: now.Add(max(outFor, 2*p.paths.rto(p.self().Zone(), p.paths.busy()))),
		told:  now, backoff: firstPause, look: mono.Never}
	var i int32
	if i = p.hub.submit(now, b, c.Size, bounded); i >= 0 {
	} else if n := len(p.ring.All()); c.Large && n > 4 {
		b.Bits = wire.SpanNone // no legs yet
		i = p.starts.begin(now, b, false)
		j := &p.duties.jobs[i]
		j.Bits = 0
		if j.striped = bounded; bounded {
			p.tree.divide(now, j, wire.Span{}, false)
		} else {
			p.tree.delegate(now, j, wire.Span{}, n, false)
		}
	} else {
		i = p.starts.begin(now, b, false)
	}
	j := &p.duties.jobs[i]
	j.own = m
	j.due = min(j.due, m.until)
	p.duties.schedule(i, j.due)
	if !j.shared {
		p.copies.redundant(now, b, c.Size)
	}
	if j.open == 0 {
		p.ends.finish(now, i)
	}
}
