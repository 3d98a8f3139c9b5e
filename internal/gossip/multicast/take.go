package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// intake takes what others send down the tree: parcels, and duties.
type intake struct {
	core
	copies    *copies
	tree      *tree
	ends      *ends
	debts     *debts
	starts    *starts
	hub       *hub
	unclaimed *unclaimedParcels
}

// stale is the age from which a span that was not complete, or has more members by now, is gone
// through again when somebody asks.
const stale = 100 * time.Millisecond

// carried takes in a parcel, and the duty that came with it.
func (t *intake) carried(now mono.Time, from plane.Peer, b *wire.Branch, pieces *wire.Pieces) {
	t.paths.Heard(from.ID)
	far := t.paths.toldBy(from, b)
	if b.Mixed {
		t.parcels.learn(b, *pieces)
	}
	fresh, size := 0, 0
	for range b.Count {
		p := pieces.Next()
		size += len(p.Body)
		if t.store.Take(now, p) {
			fresh++
		}
	}
	if fresh > 0 {
		parcels := 1
		if b.Mixed {
			parcels = fresh
		}
		t.paths.count(now, parcels, fresh, size)
		t.debts.Moved()
	}
	if !t.parcels.holds(b) {
		return // it was refused, or a part of it: a node that asks is not told that it is here
	}
	switch b.Bits {
	case wire.SpanNone:
		switch {
		case fresh > 0 && far:
			t.twin(now, b)
		case fresh > 0:
			t.unclaimed.await(now, b)
		}
	case wire.SpanSelf:
		t.unclaimed.found(b)
		t.debts.account(now, parentOf(from, b), b)
	default:
		t.unclaimed.found(b)
		t.duty(now, from, b, false)
		if fresh > 0 && far {
			t.copies.onward(now, b, size)
		}
	}
	if fresh > 0 && !t.hub.pooled(b) {
		t.copies.redundant(now, b, size)
	}
}

// offered answers for a parcel that may be here.
func (t *intake) offered(now mono.Time, from plane.Peer, b *wire.Branch) {
	t.paths.Heard(from.ID)
	if t.isFar(from) {
		b.Loss = 0 // it means the ways between zones
	}
	switch {
	case !t.parcels.holds(b):
		t.outbox.confirm(now, parentOf(from, b), b, wire.DutyLacks)
	case b.Bits == wire.SpanSelf:
		t.debts.account(now, parentOf(from, b), b)
	default:
		t.duty(now, from, b, true)
	}
}

func parentOf(p plane.Peer, b *wire.Branch) parent { return parent{p, b.Attempt, b.MayDelayAck} }

// duty begins what a parent asks for, or tells how it stands.
func (t *intake) duty(now mono.Time, from plane.Peer, b *wire.Branch, offerOnly bool) {
	p := parentOf(from, b)
	i := t.duties.find(b)
	if i >= 0 && t.duties.jobs[i].void() {
		// it was sent to the members that lacked it
		offerOnly = offerOnly || len(t.duties.jobs[i].legs) > 1
		t.duties.release(i) // its delegate may rely on this node
		i = -1
	}
	if i >= 0 {
		t.duties.jobs[i].adopt(p)
		p.mayDelayAck = p.mayDelayAck && !t.duties.jobs[i].pooled
		t.outbox.confirm(now, p, b, wire.DutyTaken)
		return
	}
	if c := t.duties.recall(b); c != nil && (c.have == c.of && int(c.of) >= t.count(b, b.Span) ||
		now.Sub(c.at) < stale) {
		t.outbox.confirmClosed(now, p, c)
		return
	}
	if !t.duties.another() {
		return
	}
	if i = t.hub.join(now, b, offerOnly); i < 0 {
		i = t.starts.begin(now, b, offerOnly)
	}
	t.duties.jobs[i].parents[0] = p
	if t.duties.jobs[i].open == 0 {
		t.ends.finish(now, i)
		return
	}
	p.mayDelayAck = p.mayDelayAck && !t.duties.jobs[i].pooled // a hub that died is missed by many
	t.outbox.confirm(now, p, b, wire.DutyTaken)
}

// twin is called when a copy came from another zone beside the tree. This node offers the duty for
// its zone to the member that the tree asks for it, and if that does not answer, to others. Each
// member that is asked divides the zone, a twin too. So members that wait for each other wait for
// ever smaller parts of the ring, and never in a circle.
func (t *intake) twin(now mono.Time, b *wire.Branch) {
	x := *b
	x.Span = t.zoneSpan()
	if x.Bits != zoneBits || t.duties.find(&x) >= 0 || t.duties.recall(&x) != nil ||
		!t.duties.another() {
		return
	}
	i := t.duties.enter(&x)
	j := &t.duties.jobs[i]
	t.tree.delegate(now, j, x.Span, len(t.zone(t.self().Zone())), true)
	j.twin = len(j.legs) > 0
	if j.open == 0 {
		t.ends.finish(now, i)
		return
	}
	t.duties.schedule(i, j.due)
}
