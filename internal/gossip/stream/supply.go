package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What comes of asking: pieces, which members do not have them, how long it takes.

// timeout is how long a request waits for the next datagram of its answer.
func (s *Streams) timeout(abroad bool) time.Duration {
	rtt := s.rtt[kind(abroad)]
	if rtt == 0 {
		return s.cfg.Timeout
	}
	return min(max(3*rtt, minTimeout), maxTimeout)
}

// measure takes in the round-trip time of a request to a member of this node's zone, or of another:
// smoothed as TCP does (RFC 6298), but rising at once.
func (s *Streams) measure(abroad bool, d time.Duration) {
	rtt := &s.rtt[kind(abroad)]
	if d > *rtt {
		*rtt = d
	} else {
		*rtt += (d - *rtt) / 8
	}
}

// tooLate remembers a request that timed out without any answer. If one comes yet, the next request
// waits for longer: without that, an estimate below the true time would stay there for ever, as
// nothing else is measured.
func (s *Streams) tooLate(q request) {
	s.late[s.lateAt] = q
	s.lateAt = (s.lateAt + 1) % maxLate
}

// measureLate measures a request that had timed out.
func (s *Streams) measureLate(now mono.Time, ticket uint32, peer member.ID) {
	for i := range s.late {
		if q := &s.late[i]; q.peer == peer && q.ticket == ticket && q.sent > 0 {
			s.measure(q.abroad, now.Sub(q.sent))
			*q = request{}
		}
	}
}

func kind(abroad bool) int {
	if abroad {
		return 1
	}
	return 0
}

func (s *Streams) receiveSupply(now mono.Time, from member.Member, body []byte) bool {
	m, pieces, ok := wire.ReadSupply(body)
	if !ok {
		return false
	}
	s.measureLate(now, m.Ticket, from.ID)
	st := s.find(m.Origin, m.Generation)
	if st == nil {
		return true
	}
	missing := st.solid
	first := uint64(0) // piece in it from there on
	for {
		seq, body, ok := pieces.Next()
		if !ok {
			break
		}
		if first == 0 && seq >= missing {
			first = seq
		}
		s.stats.Pulled++
		if !s.take(now, st, seq, body, false) {
			s.stats.Useless++
		}
	}
	if r := st.repair; r != nil {
		r.heard(from.ID)
		i := slices.IndexFunc(r.requests, func(q request) bool {
			return q.ticket == m.Ticket &&
				q.peer == from.ID
		})
		if i >= 0 {
			s.answered(now, st, from, &m, i, missing, first)
		}
		if st.repair != nil {
			s.mendStream(now, st)
		}
	}
	return !pieces.Malformed()
}

// answered notes what a Supply says of its request, the one at i. missing was the first missing
// piece before it came. first is the first piece that it brought from there on, 0 if none.
func (s *Streams) answered(now mono.Time, st *stream, from member.Member, m *wire.Supply,
	i int, missing, first uint64) {
	r := st.repair
	q := &r.requests[i]
	if !q.answered {
		q.answered = true
		s.measure(q.abroad, now.Sub(q.sent))
	}
	q.due = now.Add(s.timeout(q.abroad))
	covers := !m.Busy && m.Range.From <= st.solid && st.solid <= m.Range.To
	top := q.top
	q.cover(m.Range)
	if m.Done { // others of its answer, which it overtook, are still to come or lost
		q.to = min(q.to, m.Range.To)
		q.due = now.Add(s.rtt[kind(q.abroad)] / 2)
	}
	if m.Busy || q.from > q.to {
		r.requests = slices.Delete(r.requests, i, i+1)
		s.inFlight--
	}
	switch {
	case m.Busy:
		r.paused = now.Add(10 * time.Millisecond)
	case first > 0:
		r.slow = 0
		r.brought(from.ID)
	case m.Done: // it brought nothing
		r.slow = min(max(2*r.slow, 5*time.Millisecond), s.cfg.Patience/enoughDenied)
		r.paused = now.Add(r.slow)
	}
	if covers && st.solid == missing {
		extent := m.Range.To
		switch {
		case first > 0:
			extent = first - 1
		case m.Low > m.Range.To:
			extent = m.Low - 1
		case m.High < m.Range.From:
			extent = ^uint64(0)
		}
		origin := from.ID == st.origin && from.Generation() == st.generation
		r.deny(from.ID, extent, m.Low <= m.High && m.High > st.solid && extent < m.High, m.Low,
			m.High, origin)
		if origin && m.High < st.top && top == st.top {
			s.disprove(now, st, m.High)
			return
		}
	}
	s.claimed(now, st, m.High)
}

// disprove drops what the origin itself says that it never published.
func (s *Streams) disprove(now mono.Time, st *stream, high uint64) {
	for seq, ok := st.after(max(high+1, st.next)); ok; seq, ok = st.after(seq + 1) {
		s.stats.Unproven++
		s.drop(st, seq)
	}
	s.hash ^= st.item()
	st.top = max(high, st.next-1)
	s.hash ^= st.item()
	st.head, st.solid = st.top, st.next
	s.missing(now, st, false)
	s.deliverLater(now, st)
}
