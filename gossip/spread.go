package gossip

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/gossip/multicast"
	"github.com/starling-gossip/starling/gossip/stream"
)

// spreads follows how far some of this node's messages have come: those whose publisher waits for it.
type spreads struct{ list []spreading }

// maxSpreads is how many messages are followed at once.
const maxSpreads = 1024

// spreading is one message, and the parcels that its pieces travel in.
type spreading struct {
	stream.Published
	parcels []multicast.Progress
	had     int
	done    bool
}

func (s *spreads) full() bool { return len(s.list) >= maxSpreads }

func (s *spreads) watch(p stream.Published) { s.list = append(s.list, spreading{Published: p}) }

// confirmed takes in how far a parcel has come, and tells of the messages that have come further by it.
func (s *spreads) confirmed(out *Outbox, p *multicast.Progress) {
	kept := s.list[:0]
	for i := range s.list {
		m := &s.list[i]
		over := false
		if p.Generation == m.Generation && p.First <= m.Last && p.Last >= m.First {
			m.take(p)
			over = m.tell(out)
		}
		if !over {
			kept = append(kept, *m)
		}
	}
	clear(s.list[len(kept):])
	s.list = kept
}

func (m *spreading) take(p *multicast.Progress) {
	i, ok := slices.BinarySearchFunc(m.parcels, p.First, func(q multicast.Progress, first uint64) int { return cmp.Compare(q.First, first) })
	q := *p
	q.Missing = slices.Clone(p.Missing)
	if ok {
		m.parcels[i] = q
	} else {
		m.parcels = slices.Insert(m.parcels, i, q)
	}
}

// tell makes an event if the message has come further, and says whether all have it. A message has come as far as the
// parcel that has come least far.
func (m *spreading) tell(out *Outbox) (over bool) {
	next, done, least := m.First, true, -1
	for i := range m.parcels {
		p := &m.parcels[i]
		if p.First > next {
			return false // nothing is known of those between
		}
		next, done = p.Last+1, done && p.Done
		if least < 0 || p.Of-p.Have > m.parcels[least].Of-m.parcels[least].Have {
			least = i
		}
	}
	if next <= m.Last {
		return false
	}
	p := &m.parcels[least]
	over = done && p.Have >= p.Of
	if p.Have == m.had && done == m.done && !over {
		return false
	}
	m.had, m.done = p.Have, done
	e := Spread{Seq: m.Seq, Have: p.Have, Of: p.Of, Done: done}
	if done {
		e.Missing = p.Missing
	}
	out.Events = append(out.Events, Event{Kind: MessageSpread, Spread: e})
	return over
}
