package state

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Datagrams overtake each other. One whose deltas do not continue what is held yet is kept for a
// moment: mostly what comes before it is on its way.

// maxEarly is how many are kept at once.
const maxEarly = 64

// early is a datagram that overtook others and waits. It is taken in when the owner's map can take
// a delta from one version to another, of a sender with that floor, and holds so many bytes of the
// next value.
type early struct {
	version uint64
	to      uint64
	offset  int
	floor   uint64
	owner   member.ID
	from    member.ID
	until   mono.Time
	met     bool // it is
	body    []byte
}

// missed keeps the datagram that is being taken in, and asks for what is missing before it unless
// that comes soon.
func (s *Store) missed(now mono.Time, o *owner, from member.ID, end uint64, e early) {
	s.stats.Gaps++
	s.ask(now, o, from, end, false)
	if a := s.again; a != nil { // it was kept before, and waits for something else now
		if a.owner == o.id {
			a.version, a.to, a.offset, a.floor, a.met = e.version, e.to, e.offset, e.floor, false
		}
		return
	}
	e.owner, e.from, e.until = o.id, from, now.Add(askAgain)
	if len(s.early) == maxEarly {
		s.dropEarly(0)
	}
	if n := len(s.spare); n > 0 {
		e.body, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	e.body = append(e.body[:0], s.taking...)
	s.early = append(s.early, e)
}

// takeEarly takes in what was kept and continues what is held now.
func (s *Store) takeEarly(now mono.Time) {
	for s.moved {
		s.moved = false
		for i := 0; i < len(s.early); i++ {
			e := &s.early[i]
			o := s.owner(e.owner)
			e.met = false
			if o != nil {
				m := o.takes(e)
				e.met = m != nil && (m.version > e.version || len(m.partial.value) >= e.offset)
			}
			over := o == nil || e.until <= now
			if e.met && !over {
				s.again, s.waited = e, now.Sub(e.until.Add(-askAgain))
				s.takeDeltas(now, e.from, e.body)
				s.again, s.waited = nil, 0
			}
			if e.met || over {
				s.dropEarly(i)
				i--
			}
		}
	}
}

func (s *Store) dropEarly(i int) {
	s.spare = append(s.spare, s.early[i].body)
	s.early = slices.Delete(s.early, i, i+1)
}
