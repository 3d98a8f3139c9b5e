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

// askFormer asks for the former lives of a stream's origin, if it had any while this node was
// there.
func (s *Streams) askFormer(now mono.Time, st *stream) {
	m, ok := s.host.Table().Get(st.origin)
	if !ok || !m.Again || m.Generation() != st.generation || st.met {
		return
	}
	var asked [formerAsks]member.ID
	var buf [16]byte
	for range 2 * formerAsks {
		to, ok := s.anybody()
		if !ok || to.ID == st.origin || to.ID == asked[0] || st.former == formerAsks {
			continue
		}
		asked[st.former] = to.ID
		st.former++
		s.host.SendStream(now, to, wire.AppendAsk(buf[:0], wire.Ask{From: st.origin, All: true}))
	}
	if st.former > 0 {
		st.formerBy = now.Add(formerWait)
		s.former = append(s.former, st)
		s.at(st.formerBy)
	}
}

// hearFormer takes in what a page tells of the lives of the origin that it begins with, if they
// were asked for.
func (s *Streams) hearFormer(now mono.Time, from member.Member, origin member.ID,
	heads wire.HeadReader) {
	var of *stream
	for _, st := range s.former {
		if st.origin == origin && st.former > 0 {
			of = st
		}
	}
	if of == nil {
		return
	}
	for h, ok := heads.Next(); ok && h.Origin == origin; h, ok = heads.Next() {
		s.hear(now, from, h)
	}
	if of.former--; of.former == 0 {
		s.formerWake(now)
	}
}

// formerWake lets those go on that waited for long enough, or have their answers.
func (s *Streams) formerWake(now mono.Time) {
	list := s.former
	s.former = nil
	for _, st := range list {
		if st.former > 0 && now < st.formerBy {
			s.former = append(s.former, st)
			s.at(st.formerBy)
			continue
		}
		st.former = 0
		if !st.gone {
			s.deliver(now, st, false)
			s.deliverLater(now, st)
			s.missing(now, st, false)
		}
	}
}
