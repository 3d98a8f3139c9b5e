package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Answering members that ask for pieces.

// answer is a Supply that is being written.
type answer struct {
	s    *Streams
	now  mono.Time
	to   member.Member
	m    wire.Supply
	b    []byte
	last uint64 // piece in the datagram
	size int    // of all bodies so far
}

func (s *Streams) receivePull(now mono.Time, from member.Member, body []byte) bool {
	m, runs, ok := wire.ReadPull(body)
	if !ok {
		return false
	}
	run, ok := runs.Next()
	if !ok {
		return false
	}
	a := answer{s: s, now: now, to: from, b: wire.BeginSupply(s.buf[:0])}
	a.m = wire.Supply{Ticket: m.Ticket, Head: wire.Head{Origin: m.Origin,
		Generation: m.Generation, Low: 1}, Range: run}
	st := s.find(m.Origin, m.Generation)
	switch {
	case !s.budget.ready(now, s.cfg.Serve):
		s.stats.Busy++
		a.m.Busy = true
	case st != nil:
		a.m.Head = st.asHead()
		for more := true; ok && more; run, ok = runs.Next() {
			more = a.run(st, run, int(min(m.Limit, pullBytes)))
		}
	default:
		for ; ok; run, ok = runs.Next() {
			a.m.Range.To = run.To
		}
	}
	a.m.Done = true
	a.send()
	s.buf = a.b
	return true
}

// run answers for one range, and says whether it got to its end.
func (a *answer) run(st *stream, run wire.Run, limit int) bool {
	for seq, ok := st.after(run.From); ok && seq <= run.To; seq, ok = st.after(seq + 1) {
		body := st.get(seq)
		// its origin does not keep to wire.MaxPiece: the asker hears that it is not here
		if overhead+len(body) > a.s.host.Room() {
			a.s.stats.TooLarge++
			continue
		}
		if a.size > 0 && a.size+len(body) > limit {
			return false
		}
		if len(a.b)+wire.SupplyPieceSize+len(body) > a.s.host.Room() {
			a.m.Range.To = seq - 1
			a.send()
			a.b, a.last = wire.BeginSupply(a.b[:0]), 0
			a.m.Range.From = seq
		}
		a.b = wire.AppendSupplied(a.b, a.last, seq, body)
		a.last = seq
		st.setAlone(seq, false)
		a.m.Range.To = seq
		a.size += len(body)
		a.s.stats.Served++
	}
	a.m.Range.To = run.To
	return true
}

func (a *answer) send() {
	a.b = wire.EndSupply(a.b, 0, &a.m)
	a.s.budget.take(len(a.b))
	a.s.host.SendStream(a.now, a.to, a.b)
}

// budget is a token bucket of bytes, with a burst of a quarter of a second.
type budget struct {
	tokens  int
	at      mono.Time
	started bool
}

func (b *budget) ready(now mono.Time, rate int) bool {
	if !b.started {
		b.started, b.tokens, b.at = true, rate/4, now
	}
	if gap := min(now.Sub(b.at), time.Second); gap >= time.Millisecond {
		b.tokens, b.at = min(b.tokens+int(int64(rate)*int64(gap/time.Microsecond)/1e6), rate/4), now
	}
	return b.tokens > 0
}

func (b *budget) take(n int) { b.tokens -= n }
