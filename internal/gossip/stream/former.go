package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

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

// ask asks for the former lives of a stream's origin, if it had any while this node was
// there.
func (f *former) ask(now mono.Time, st *stream) {
	m, ok := f.host.Table().Get(st.origin)
	if !ok || !m.Again || m.Generation() != st.generation || st.met {
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
