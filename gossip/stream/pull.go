package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/mono"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Asking for what is missing. Each request names up to pullPieces pieces in ranges, and goes to somebody who is said to
// have them, or to anybody; several are under way, for different pieces. An answer is one or more datagrams, each of
// which says for which of the pieces it answers: what it does not bring of those, the sender lacks, and somebody else is
// asked. A datagram that is lost costs a time-out, and what it had is asked for again.

const (
	pullPieces = 256
	pullRuns   = 96       // ranges in one request
	pullBytes  = 32 << 10 // of bodies in its answer
	perStream  = 4        // requests under way for one stream
	perNode    = 16       // and in all
	minTimeout = 20 * time.Millisecond
	maxTimeout = 2 * time.Second
)

// request is a Pull under way.
type request struct {
	ticket   uint32
	peer     member.ID
	from, to uint64 // not answered yet
	top      uint64 // of the stream when it was sent
	sent     mono.Time
	due      mono.Time
	answered bool
}

// mend goes on with all repairs, each time from another one on, so that all come to their turn.
func (s *Streams) mend(now mono.Time) {
	n := len(s.repairs)
	if n == 0 {
		return
	}
	s.turn++
	var room [64]*stream
	list := append(append(room[:0], s.repairs[s.turn%n:]...), s.repairs[:s.turn%n]...)
	for _, st := range list {
		if st.repair != nil {
			s.mendStream(now, st)
		}
	}
}

// mendStream does what has fallen due of a repair.
func (s *Streams) mendStream(now mono.Time, st *stream) {
	if s.missing(now, st, false); st.repair == nil { // what was delivered of another life may have changed it
		return
	}
	r := st.repair
	r.requests = slices.DeleteFunc(r.requests, func(q request) bool {
		if now < q.due {
			return false
		}
		s.inFlight--
		s.stats.TimedOut++
		r.slow = min(max(2*r.slow, 50*time.Millisecond), maxPause)
		r.paused = now.Add(r.slow / 2)
		return true
	})
	r.ripen(now, st.head, s.cfg.Wait)
	if s.hopeless(now, st) {
		s.lose(now, st)
		if r = st.repair; r == nil {
			return
		}
	}
	for s.ask(now, st) {
	}
	due := r.ripens
	for _, t := range [...]mono.Time{r.since.Add(s.cfg.Patience), r.since.Add(s.cfg.GiveUp), r.paused} {
		if t > now {
			due = min(due, t)
		}
	}
	for _, q := range r.requests {
		due = min(due, q.due)
	}
	s.at(max(due, now.Add(time.Millisecond)))
}

// ask sends one request, if one is due.
func (s *Streams) ask(now mono.Time, st *stream) bool {
	r := st.repair
	if len(r.requests) >= perStream || s.inFlight >= perNode || now < r.paused {
		return false
	}
	var room [pullRuns]wire.Run
	first := st.solid
	if len(r.denied) > 0 && r.extent < r.ripe { // what somebody may have first
		first = r.extent + 1
	}
	runs := st.wanted(first, room[:0])
	if len(runs) == 0 && first > st.solid {
		runs = st.wanted(st.solid, room[:0])
	}
	if len(runs) == 0 {
		return false
	}
	about := len(r.denied) > 0 && runs[0].From == st.solid
	if n := len(r.denied); about && n >= firstDenied {
		if t := r.since.Add(s.cfg.Patience * time.Duration(n) / enoughDenied); now < t {
			r.paused = t
			return false
		}
	}
	peer, ok := s.holder(st, runs[0].From, about)
	if !ok {
		r.paused = now.Add(maxPause)
		return false
	}
	s.pull(now, st, peer, runs)
	return true
}

// wanted returns what may be asked for of a stream from some piece on: missing, ripe, and not asked for.
func (st *stream) wanted(from uint64, runs []wire.Run) []wire.Run {
	count := uint64(0)
	for seq := from; seq <= st.repair.ripe && count < pullPieces; {
		if st.get(seq) != nil {
			seq++
			continue
		}
		if q := st.repair.covers(seq); q != nil {
			seq = q.to + 1
			continue
		}
		run := wire.Run{From: seq, To: st.repair.ripe}
		if held, ok := st.after(seq); ok {
			run.To = min(run.To, held-1)
		}
		run.To = min(run.To, seq+pullPieces-1-count)
		for i := range st.repair.requests {
			if q := &st.repair.requests[i]; q.from > seq {
				run.To = min(run.To, q.from-1)
			}
		}
		if n := len(runs); n > 0 && st.repair.between(runs[0].From, run.To) || n == cap(runs) {
			break // one request is one stretch
		}
		runs = append(runs, run)
		count += run.To - run.From + 1
		seq = run.To + 1
	}
	return runs
}

// covers returns the request under way that a piece is in, if any.
func (r *repair) covers(seq uint64) *request {
	for i := range r.requests {
		if q := &r.requests[i]; q.from <= seq && seq <= q.to {
			return q
		}
	}
	return nil
}

// between says whether a request under way is for something between two pieces.
func (r *repair) between(from, to uint64) bool {
	return slices.ContainsFunc(r.requests, func(q request) bool { return q.from > from && q.from <= to })
}

// holder returns whom to ask for a piece. Those who denied to have it are passed over, where it is about that.
func (s *Streams) holder(st *stream, seq uint64, about bool) (member.Member, bool) {
	r, t := st.repair, s.host.Table()
	if about && len(r.denied) >= firstDenied && s.originLives(st) && !slices.Contains(r.denied, st.origin) {
		return t.Get(st.origin)
	}
	at := s.host.Rand().IntN(maxTellers)
	for i := range maxTellers {
		c := r.tellers[(at+i)%maxTellers]
		if c.id == 0 || seq < c.low || seq > c.high || slices.Contains(r.denied, c.id) {
			continue
		}
		if m, ok := t.Get(c.id); ok && m.State.Live() && len(r.requests) < 2 {
			return m, true
		}
	}
	live := t.Live()
	at = s.host.Rand().IntN(max(live, 1))
	for i := range min(live, 2*enoughDenied) {
		if m := t.At((at + i) % live); m.ID != s.host.Self() && !(about && slices.Contains(r.denied, m.ID)) {
			return m, true
		}
	}
	return member.Member{}, false
}

func (s *Streams) pull(now mono.Time, st *stream, peer member.Member, runs []wire.Run) {
	q := request{
		ticket: s.host.Rand().Uint32(), peer: peer.ID, from: runs[0].From, to: runs[len(runs)-1].To, top: st.top,
		sent: now, due: now.Add(s.timeout()),
	}
	st.repair.requests = append(st.repair.requests, q)
	s.inFlight++
	s.stats.Pulls++
	b := wire.BeginPull(s.buf[:0], &wire.Pull{Ticket: q.ticket, Origin: st.origin, Generation: st.generation, Limit: pullBytes})
	after := uint64(0)
	for _, run := range runs {
		b = wire.AppendRun(b, after, run)
		after = run.To
	}
	b = wire.EndPull(b, 0)
	s.host.SendStream(now, peer, b)
	s.buf = b
}

// timeout is how long a request waits for the next datagram of its answer.
func (s *Streams) timeout() time.Duration {
	if s.rtt == 0 {
		return s.cfg.Timeout
	}
	return min(max(3*s.rtt, minTimeout), maxTimeout)
}

// measure takes in the round-trip time of a request: smoothed as TCP does (RFC 6298), but rising at once.
func (s *Streams) measure(d time.Duration) {
	if d > s.rtt {
		s.rtt = d
	} else {
		s.rtt += (d - s.rtt) / 8
	}
}

func (s *Streams) receiveSupply(now mono.Time, from member.Member, body []byte) bool {
	m, pieces, ok := wire.ReadSupply(body)
	if !ok {
		return false
	}
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
		i := slices.IndexFunc(r.requests, func(q request) bool { return q.ticket == m.Ticket && q.peer == from.ID })
		if i >= 0 {
			s.answered(now, st, from, &m, i, missing, first)
		}
		if st.repair != nil {
			s.mendStream(now, st)
		}
	}
	return !pieces.Malformed()
}

// answered notes what a Supply says of its request, the one at i. missing was the first missing piece before it came,
// first is the first one that it brought from there on, 0 if none.
func (s *Streams) answered(now mono.Time, st *stream, from member.Member, m *wire.Supply, i int, missing, first uint64) {
	r := st.repair
	q := &r.requests[i]
	if !q.answered {
		q.answered = true
		s.measure(now.Sub(q.sent))
	}
	q.due = now.Add(s.timeout())
	covers := !m.Busy && m.Range.From <= st.solid && st.solid <= m.Range.To
	top := q.top
	switch {
	case m.Range.From <= q.from:
		q.from = max(q.from, m.Range.To+1)
	case m.Done: // it overtook others of its answer, which are still to come or lost
		q.to, q.due = m.Range.From-1, now.Add(s.rtt/2)
		m.Done = false
	}
	if m.Busy || m.Done || q.from > q.to {
		r.requests = slices.Delete(r.requests, i, i+1)
		s.inFlight--
	}
	switch {
	case m.Busy:
		r.paused = now.Add(10 * time.Millisecond)
	case first > 0:
		r.slow = 0
	case m.Done:
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
		r.deny(from.ID, extent, m.Low <= m.High && m.High > st.solid && extent < m.High)
		if from.ID == st.origin && from.Generation() == st.generation && m.High < st.top && top == st.top {
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
