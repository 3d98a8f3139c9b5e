package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A newcomer gets what is published since it was welcomed. The member that let it in tells how far
// it had seen each stream when it was asked. The newcomer begins every stream after that, or with
// the first message that it heard before the answer came. A stream that this member does not know
// began later, and begins at its first piece. If no member that can know answers, a stream begins
// with the first message that is heard, or at the first piece if that is near. A message that is on
// its way meanwhile comes as a whole, since it may have been published after the welcome: the
// pieces that did not come are pulled.
//
// The first of its cluster is no newcomer. If another cluster lets it in, it begins with what is
// held there, as the members of that cluster get what it holds.

const (
	// a newcomer that nobody told where streams begin decides alone
	decideBy  = 3 * time.Second
	maxTook   = 10 * time.Second // that an Ask is thought to take, as the Join before it did
	nearStart = 64               // pieces from its first, a stream is as good as new
)

// arrival is where streams begin for this node.
type arrival struct {
	core

	joined   bool // this node was let in, or restored what it had
	newcomer bool // and does not know yet where streams begin
	founder  bool // it was the first of its cluster before
	decide   mono.Time
	in       mono.Time // from then on this node gets what is published
}

// Founded tells that this node is the first of its cluster.
func (a *arrival) Founded() { a.founder = !a.joined }

// come makes this node a newcomer. A member let it in, and its answer took so long.
func (a *arrival) come(now mono.Time, took time.Duration) {
	a.joined, a.newcomer, a.decide = true, true, now.Add(decideBy)
	a.in = now.Add(-min(took, maxTook))
	a.at(a.decide)
}

// settle ends being a newcomer: what was heard of and not told of begins where begin says.
func (a *arrival) settle(now mono.Time, begin func(*stream) uint64) {
	a.newcomer, a.decide = false, mono.Never
	for _, st := range a.known.list {
		if !st.begun {
			a.begin(now, st, begin(st))
		}
	}
}

// beginAfter has a stream begin, for a newcomer, after what there was of it.
func (a *arrival) beginAfter(now mono.Time, h wire.Head) {
	if a.isOwn(h.Origin, h.Generation) {
		a.known.twin(now, h.Generation, h.High)
		return
	}
	st := a.known.find(h.Origin, h.Generation)
	if st == nil {
		if st = a.known.add(h.Origin, h.Generation); st == nil {
			return
		}
		st.begun = st.met
	}
	if !st.begun {
		at := h.High + 1
		if a.founder {
			at = min(at, h.Low)
		}
		a.begin(now, st, min(at, st.firstMessage()))
	}
}

// begin decides where a stream begins for this node.
func (a *arrival) begin(now mono.Time, st *stream, at uint64) {
	for st.held > 0 && (st.low < at || st.top-at > 2*Ahead) {
		a.known.drop(st, st.low)
	}
	if st.held == 0 {
		st.top, st.head = at-1, at-1
	}
	st.begun, st.next, st.solid, st.from, st.open = true, at, at, at, nil
	st.floor = at - min(at-1, MaxParts)
	a.order.mark(now, st)
	a.order.deliver(now, st, false)
	a.gaps.missing(now, st, true)
}

// The first message of a member that began a new life. What it published in the life before comes
// first, but this node may not know that there is any: the last of it may be on its way still. So
// two members are asked how far they have the streams of that origin. The new life waits for their
// answers, as a rule for a round trip, once for each life.

const (
	formerAsks = 2
	formerWait = 300 * time.Millisecond // for their answers, at most
)

// former is the streams that wait to hear of former lives.
type former struct {
	core
	list []*stream
}

// ask asks for the former lives of a stream's origin, if it had any while this node was there.
func (f *former) ask(now mono.Time, st *stream) {
	m, ok := f.host.Table().Get(st.origin)
	if !ok || !m.Again || m.Generation() != st.life() || st.met {
		return
	}
	var asked [formerAsks]member.ID
	for range 2 * formerAsks {
		to, ok := f.anybody()
		if !ok || to.ID == st.origin || to.ID == asked[0] || st.former == formerAsks {
			continue
		}
		asked[st.former] = to.ID
		st.former++
		f.askPage(now, to, wire.Ask{From: st.origin, All: true})
	}
	if st.former > 0 {
		st.formerBy = now.Add(formerWait)
		f.list = append(f.list, st)
		f.at(st.formerBy)
	}
}

// of returns a stream of an origin that waits to hear of former lives, nil if none does.
func (f *former) of(origin member.ID) (of *stream) {
	for _, st := range f.list {
		if st.origin == origin && st.former > 0 {
			of = st
		}
	}
	return of
}

// told takes in that one of the members that were asked answered.
func (f *former) told(now mono.Time, st *stream) {
	if st.former--; st.former == 0 {
		f.wake(now)
	}
}

// wake lets those go on that waited for long enough, or have their answers.
func (f *former) wake(now mono.Time) {
	list := f.list
	f.list = nil
	for _, st := range list {
		if st.former > 0 && now < st.formerBy {
			f.list = append(f.list, st)
			f.at(st.formerBy)
			continue
		}
		st.former = 0
		if !st.gone {
			f.order.deliver(now, st, false)
			f.order.deliverLater(now, st)
			f.gaps.missing(now, st, false)
		}
	}
}
