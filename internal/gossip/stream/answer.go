package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Answering members that ask for pieces.

// answers are what this node tells those that ask.
type answers struct {
	core
	arrival *arrival
	budget  rate.Bucket
}

// answer is a Supply that is being written.
type answer struct {
	*answers
	now  mono.Time
	to   member.Member
	m    wire.Supply
	b    []byte
	last uint64 // piece in the datagram
	size int    // of all bodies so far
}

func (a *answers) receivePull(now mono.Time, from member.Member, body []byte) bool {
	m, runs, ok := wire.ReadPull(body)
	if !ok {
		return false
	}
	run, ok := runs.Next()
	if !ok {
		return false
	}
	w := answer{answers: a, now: now, to: from, b: wire.BeginSupply(a.buf[:0])}
	w.m = wire.Supply{Ticket: m.Ticket, Head: wire.Head{Origin: m.Origin,
		Generation: m.Generation, Low: 1}, Range: run}
	st := a.known.find(m.Origin, m.Generation)
	switch {
	case !a.budget.Ready(now):
		a.stats.Busy++
		w.m.Busy = true
	case st != nil:
		w.m.Head = st.asHead()
		for more := true; ok && more; run, ok = runs.Next() {
			more = w.run(st, run, int(min(m.Limit, pullBytes)))
		}
	default:
		for ; ok; run, ok = runs.Next() {
			w.m.Range.To = run.To
		}
	}
	w.m.Done = true
	w.send()
	a.buf = w.b
	return true
}

// run answers for one range, and says whether it got to its end.
func (w *answer) run(st *stream, run wire.Run, limit int) bool {
	for seq, ok := st.after(run.From); ok && seq <= run.To; seq, ok = st.after(seq + 1) {
		body := st.get(seq)
		// its origin does not keep to wire.MaxPiece: the asker hears that it is not here
		if overhead+len(body) > w.host.Room() {
			w.stats.TooLarge++
			continue
		}
		if w.size > 0 && w.size+len(body) > limit {
			return false
		}
		if len(w.b)+wire.SupplyPieceSize+len(body) > w.host.Room() {
			w.m.Range.To = seq - 1
			w.send()
			w.b, w.last = wire.BeginSupply(w.b[:0]), 0
			w.m.Range.From = seq
		}
		w.b = wire.AppendSupplied(w.b, w.last, seq, body)
		w.last = seq
		st.setAlone(seq, false)
		w.m.Range.To = seq
		w.size += len(body)
		w.stats.Served++
	}
	w.m.Range.To = run.To
	return true
}

func (w *answer) send() {
	w.b = wire.EndSupply(w.b, 0, &w.m)
	w.budget.Take(len(w.b))
	w.host.SendStream(w.now, w.to, w.b)
}

// receiveAsk answers with as many heads as fit a datagram.
func (a *answers) receiveAsk(now mono.Time, from member.Member, body []byte) bool {
	ask, ok := wire.ReadAsk(body)
	if !ok {
		return false
	}
	if !a.budget.Ready(now) {
		a.stats.Busy++
		return true
	}
	a.young(now.Add(-ask.Back), +1)
	defer a.young(now.Add(-ask.Back), -1)
	// what was published before this node came in, and after the one that asks, it never heard of
	settled := !a.arrival.newcomer && a.arrival.in <= now.Add(-ask.Back)
	page := wire.Page{From: ask.From, To: ^member.ID(0), All: ask.All, Settled: settled}
	b := wire.BeginPage(a.buf[:0])
	i, _ := a.known.search(ask.From, 0)
	for ; i < len(a.known.list); i++ {
		st := a.known.list[i]
		if len(b) > a.host.Room()-2*MaxLives*wire.HeadSize &&
			(i == 0 || a.known.list[i-1].origin != st.origin) {
			page.To = st.origin - 1 // all lives of an origin are on one page
			break
		}
		if st.held > 0 || ask.All && st.begun {
			h := st.asHead()
			h.High -= min(st.recent, h.High)
			b = wire.AppendHead(b, &h)
		}
	}
	b = wire.EndPage(b, 0, &page)
	a.budget.Take(len(b))
	a.host.SendStream(now, from, b)
	a.buf = b
	return true
}

// young counts the pieces that came after a moment, for each stream, or takes that back. A newcomer
// that asks later than it was let in begins before them.
func (a *answers) young(since mono.Time, sign int) {
	for i := len(a.known.permits.list) - 1; i >= a.known.permits.head; i-- {
		p := &a.known.permits.list[i]
		if p.at <= since {
			return
		}
		p.st.recent += uint64(sign)
	}
}
