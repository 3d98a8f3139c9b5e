package gossip

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// spreads follows how far some of this node's messages have come: those whose publisher waits for
// it. Each ends: when all have the message, when its publisher waits no more, or when the relay
// asks no more, which is then told. A member is given things in order, so that the parcel in which
// a message ends tells of all of it.
type spreads struct {
	waits   []spreading // these have not left, or not all of them; by generation and number
	list    []spreading // these have, by stream and last piece
	refused bool        // a Publish was, for want of room
}

// maxSpreads is how many messages are followed at once.
const maxSpreads = 1024

// spreading is one message.
type spreading struct {
	stream.Published
	stream uint64 // its generation, with wire.Bulk; and its last piece, once that leaves
	last   uint64
	had    Spread
}

func (s *spreads) count() int { return len(s.waits) + len(s.list) }

func (s *spreads) full() bool { return s.count() >= maxSpreads }

// waiting says whether some that are followed have not left.
func (s *spreads) waiting() bool { return len(s.waits) > 0 }

func (s *spreads) watch(p stream.Published) { s.waits = append(s.waits, spreading{Published: p}) }

// left notes that the last piece of a message of this node's own leaves.
func (s *spreads) left(m *stream.Message) {
	i, ok := slices.BinarySearchFunc(s.waits, m, func(w spreading, m *stream.Message) int {
		return cmp.Or(cmp.Compare(w.Generation, wire.LifeOf(m.Generation)),
			cmp.Compare(w.Seq, m.Seq))
	})
	if ok {
		w := s.waits[i]
		w.stream, w.last = m.Generation, m.Last
		s.waits = slices.Delete(s.waits, i, i+1)
		s.list = slices.Insert(s.list, s.from(w.stream, w.last), w)
	}
}

// from returns where the messages begin that end in a piece of a stream or after it.
func (s *spreads) from(stream, piece uint64) int {
	i, _ := slices.BinarySearchFunc(s.list, piece, func(m spreading, piece uint64) int {
		return cmp.Or(cmp.Compare(m.stream, stream), cmp.Compare(m.last, piece))
	})
	return i
}

// within says whether a message that is followed ends in one of some pieces.
func (s *spreads) within(stream, first, last uint64) bool {
	i := s.from(stream, first)
	return i < len(s.list) && s.list[i].stream == stream && s.list[i].last <= last
}

// confirmed takes in how far a parcel has come, and tells of the messages that end in it.
func (s *spreads) confirmed(out *Outbox, p *multicast.Progress) {
	lo := s.from(p.Generation, p.First)
	hi := lo
	over := false
	for ; hi < len(s.list) && s.list[hi].stream == p.Generation &&
		s.list[hi].last <= p.Last; hi++ {
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
	s.waits = slices.DeleteFunc(s.waits, func(m spreading) bool {
		over := m.Generation != generation
		if over {
			m.tell(out, &multicast.Progress{Have: 1, Of: max(m.had.Of, 1), Done: true, Ended: true})
		}
		return over
	})
}

// endAll ends what is followed at a node that forgets everybody, of so many that lived: which have
// what is known to nobody from then on.
func (s *spreads) endAll(out *Outbox, relay *multicast.Relay, of int) {
	list := append(s.list, s.waits...)
	s.list, s.waits = nil, nil
	for i := range list {
		m := &list[i]
		have := max(m.had.Have, 1)
		m.tell(out, &multicast.Progress{Have: have, Of: max(m.had.Of, of, have),
			Done: m.had.Done, Ended: true})
		if m.last > 0 {
			relay.Forgo(m.stream, m.last)
		}
	}
	s.tellRoom(out)
}

// forgo ends a message that nobody waits for any more.
func (s *spreads) forgo(relay *multicast.Relay, c Unfollow) {
	named := func(m spreading) bool { return m.Generation == c.Generation && m.Seq == c.Seq }
	s.waits = slices.DeleteFunc(s.waits, named)
	if i := slices.IndexFunc(s.list, named); i >= 0 {
		m := s.list[i]
		s.list = slices.Delete(s.list, i, i+1)
		relay.Forgo(m.stream, m.last)
	}
}

// tellRoom tells a publisher that was refused that one more message can be followed.
func (s *spreads) tellRoom(out *Outbox) {
	if s.refused && !s.full() {
		s.refused = false
		out.Events = append(out.Events, Event{Kind: Writable})
	}
}
