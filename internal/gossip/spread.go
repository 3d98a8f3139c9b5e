package gossip

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/stream"
)

// spreads follows how far some of this node's messages have come: those whose publisher waits for
// it. Each ends: when all have the message, when its publisher waits no more, or when the relay
// asks no more, which is then told. A member is given things in order, so that the parcel in which
// a message ends tells of all of it.
type spreads struct {
	list    []spreading // by generation and sequence
	refused bool        // a Publish was, for want of room
}

// maxSpreads is how many messages are followed at once.
const maxSpreads = 1024

// spreading is one message.
type spreading struct {
	stream.Published
	sent bool // its last piece is on its way
	had  Spread
}

func (s *spreads) full() bool { return len(s.list) >= maxSpreads }

func (s *spreads) watch(p stream.Published) { s.list = append(s.list, spreading{Published: p}) }

// from returns where the messages begin that end in a piece or after it.
func (s *spreads) from(generation, piece uint64) int {
	i, _ := slices.BinarySearchFunc(s.list, piece, func(m spreading, piece uint64) int {
		return cmp.Or(cmp.Compare(m.Generation, generation), cmp.Compare(m.Last, piece))
	})
	return i
}

// within says whether a message that is followed ends in one of some pieces.
func (s *spreads) within(generation, first, last uint64) bool {
	i := s.from(generation, first)
	return i < len(s.list) && s.list[i].Generation == generation && s.list[i].Last <= last
}

// launched notes that pieces up to one are on their way.
func (s *spreads) launched(generation, last uint64) {
	for i := s.from(generation, last+1) - 1; i >= 0 && !s.list[i].sent; i-- {
		s.list[i].sent = s.list[i].Generation == generation
	}
}

// confirmed takes in how far a parcel has come, and tells of the messages that end in it.
func (s *spreads) confirmed(out *Outbox, p *multicast.Progress) {
	lo := s.from(p.Generation, p.First)
	hi := lo
	over := false
	for ; hi < len(s.list) && s.list[hi].Generation == p.Generation &&
		s.list[hi].Last <= p.Last; hi++ {
		over = s.list[hi].tell(out, p)
	}
	if over {
		s.list = slices.Delete(s.list, lo, hi)
	}
}

// tell makes an event if the message has come further, and says whether that was the last word.
func (m *spreading) tell(out *Outbox, p *multicast.Progress) (over bool) {
	over = p.Ended || p.Done && p.Have >= p.Of
	e := Spread{Generation: m.Generation, Seq: m.Seq, Have: p.Have, Of: p.Of, Newer: p.Newer,
		Done: p.Done, Ended: p.Ended}
	if e.Have == m.had.Have && e.Of == m.had.Of && e.Newer == m.had.Newer &&
		e.Done == m.had.Done && !over {
		return false
	}
	m.had = e
	if e.Done {
		e.Missing = slices.Clone(p.Missing)
	}
	out.Events = append(out.Events, Event{Kind: MessageSpread, Spread: e})
	return over
}

// unsent ends what was published in an earlier generation and is not on its way: it goes no more
// along the tree.
func (s *spreads) unsent(out *Outbox, generation uint64) {
	s.list = slices.DeleteFunc(s.list, func(m spreading) bool {
		over := m.Generation != generation && !m.sent
		if over {
			m.tell(out, &multicast.Progress{Have: 1, Of: max(m.had.Of, 1), Done: true, Ended: true})
		}
		return over
	})
}

// endAll ends what is followed at a node that forgets everybody, of so many that lived: which have
// what is known to nobody from then on.
func (s *spreads) endAll(out *Outbox, relay *multicast.Relay, of int) {
	list := s.list
	s.list = nil
	for i := range list {
		m := &list[i]
		have := max(m.had.Have, 1)
		m.tell(out, &multicast.Progress{Have: have, Of: max(m.had.Of, of, have),
			Done: m.had.Done, Ended: true})
		relay.Forgo(m.Generation, m.Last)
	}
	s.tellRoom(out)
}

// forgo ends a message that nobody waits for any more.
func (s *spreads) forgo(relay *multicast.Relay, c Unfollow) {
	i := slices.IndexFunc(s.list,
		func(m spreading) bool { return m.Generation == c.Generation && m.Seq == c.Seq })
	if i < 0 {
		return
	}
	last := s.list[i].Last
	s.list = slices.Delete(s.list, i, i+1)
	relay.Forgo(c.Generation, last)
}

// tellRoom tells a publisher that was refused that one more message can be followed.
func (s *spreads) tellRoom(out *Outbox) {
	if s.refused && !s.full() {
		s.refused = false
		out.Events = append(out.Events, Event{Kind: Writable})
	}
}
