package stream

import (
	"time"

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
		a.known.twin(now, h.High)
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
	st.begun, st.middle, st.next, st.solid, st.from = true, true, at, at, at
	a.order.mark(now, st)
	a.order.deliver(now, st, false)
	a.gaps.missing(now, st, true)
}
