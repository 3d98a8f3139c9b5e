package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What comes of asking: pieces, which members do not have them, how long it takes.

func (p *pulls) receiveSupply(now mono.Time, from member.Member, body []byte) bool {
	m, pieces, ok := wire.ReadSupply(body)
	if !ok {
		return false
	}
	p.trips.measureLate(now, m.Ticket, from.ID)
	st := p.known.find(m.Origin, m.Generation)
	if st == nil {
		return true
	}
	missing := st.solid
	first := uint64(0) // piece in it from there on
	for seq, body, ok := pieces.Next(); ok; seq, body, ok = pieces.Next() {
		if first == 0 && seq >= missing {
			first = seq
		}
		p.stats.Pulled++
		if !p.intake.take(now, st, seq, body, false) {
			p.stats.Useless++
		}
	}
	if r := st.repair; r != nil {
		r.heard(from.ID)
		i := slices.IndexFunc(r.requests, func(q request) bool {
			return q.ticket == m.Ticket && q.peer == from.ID
		})
		if i >= 0 {
			p.answered(now, st, from, &m, i, missing, first)
		}
		if st.repair != nil {
			p.mendStream(now, st)
		}
	}
	return !pieces.Malformed()
}

// answered notes what a Supply says of its request, the one at i. missing was the first missing
// piece before it came. first is the first piece that it brought from there on, 0 if none.
func (p *pulls) answered(now mono.Time, st *stream, from member.Member, m *wire.Supply,
	i int, missing, first uint64) {
	r := st.repair
	q := &r.requests[i]
	if !q.answered {
		q.answered = true
		p.trips.measure(q.abroad, now.Sub(q.sent))
	}
	q.due = now.Add(p.trips.timeout(q.abroad))
	covers := !m.Busy && m.Range.From <= st.solid && st.solid <= m.Range.To
	top := q.top
	q.cover(m.Range)
	if m.Done { // others of its answer, which it overtook, are still to come or lost
		q.to = min(q.to, m.Range.To)
		q.due = now.Add(p.trips.rtt[kind(q.abroad)] / 2)
	}
	if m.Busy || q.from > q.to {
		r.requests = slices.Delete(r.requests, i, i+1)
		p.known.mending.inFlight--
	}
	switch {
	case m.Busy:
		r.paused = now.Add(10 * time.Millisecond)
	case first > 0:
		r.slow = 0
		r.brought(from.ID)
	case m.Done: // it brought nothing
		r.slow = min(max(2*r.slow, 5*time.Millisecond), p.cfg.Patience/enoughDenied)
		r.paused = now.Add(r.slow)
	}
	if covers && st.solid == missing {
		extent := m.Range.To
		switch {
		case first > 0:
			extent = max(first-1, missing) // what came cannot be read
		case m.Low > m.Range.To:
			extent = m.Low - 1
		case m.High < m.Range.From:
			extent = ^uint64(0)
		}
		origin := from.ID == st.origin && from.Generation() == st.life()
		r.deny(from.ID, extent, m.Low <= m.High && m.High > st.solid && extent < m.High, m.Low,
			m.High, origin)
		if origin && m.High < st.top && top == st.top {
			p.gaps.disprove(now, st, m.High)
			return
		}
	}
	p.gaps.claimed(now, st, m.High)
}
