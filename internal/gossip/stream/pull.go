package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Asking for what is missing. Each request names up to pullPieces pieces in ranges, and goes to a
// member that is said to have them, or to any. Several are under way, for different pieces. An
// answer is one or more datagrams, and each of them says for which of the pieces it answers. The
// sender lacks those of them that it does not bring, and another member is asked. A datagram that
// is lost costs a time-out, and what it had is asked for again.

const (
	pullPieces = 256
	pullRuns   = 96       // ranges in one request
	pullBytes  = 32 << 10 // of bodies in its answer
	perStream  = 4        // requests under way for one stream
	perNode    = 16       // and in all
	maxParts   = 64
	// requests in a row that a member let time out, after which it is asked for one piece at a
	// time, if its way is narrow
	fewVain    = 3
	heldPause  = 100 * time.Millisecond // until somebody else is asked
	maxLate    = 8                      // requests that timed out and may be answered yet
	minTimeout = 20 * time.Millisecond
	maxTimeout = 2 * time.Second
)

// request is a Pull under way.
type request struct {
	ticket   uint32
	peer     member.ID
	abroad   bool   // the peer is of another zone
	from, to uint64 // not answered yet
	top      uint64 // of the stream when it was sent
	sent     mono.Time
	due      mono.Time
	answered bool
	parts    []wire.Run // of what is answered beyond from: datagrams that overtook others
}

// cover notes that a range is answered.
func (q *request) cover(run wire.Run) {
	if run.From > q.from {
		if len(q.parts) < maxParts {
			q.parts = append(q.parts, run)
		}
		return
	}
	q.from = max(q.from, run.To+1)
	for i := 0; i < len(q.parts); i++ {
		if p := q.parts[i]; p.From <= q.from {
			q.from = max(q.from, p.To+1)
			q.parts = slices.Delete(q.parts, i, i+1)
			i = -1
		}
	}
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
	// what was delivered of another life may have changed it
	if s.missing(now, st, false); st.repair == nil {
		return
	}
	r := st.repair
	r.requests = slices.DeleteFunc(r.requests, func(q request) bool {
		if now < q.due {
			return false
		}
		s.inFlight--
		s.stats.TimedOut++
		if q.answered { // in part: it is the network, and not the peer
			return true
		}
		s.tooLate(q)
		s.host.Unanswered(now, q.peer)
		if s.host.Narrow(q.peer) {
			r.spare(now, q.peer)
		}
		r.unanswered(q.peer, q.sent)
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
	for _, t := range [...]mono.Time{r.since.Add(s.cfg.Patience), r.since.Add(s.cfg.GiveUp),
		s.expires(r), r.paused} {
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
	runs := st.wanted(first, s.share(), room[:0])
	if len(runs) == 0 && first > st.solid {
		runs = st.wanted(st.solid, s.share(), room[:0])
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
	abroad := s.abroad(now, st, runs[0].From)
	if about && len(r.denied) >= firstDenied && len(s.repairs) >= manyGaps &&
		s.blind(st) && s.poll(now, st, abroad) {
		return false
	}
	peer, ok := s.holder(st, runs[0].From, about, abroad)
	if ok && abroad && !s.isNear(&peer) && s.host.Short(peer.ID) { // it would not be sent
		abroad = false
		peer, ok = s.holder(st, runs[0].From, about, abroad)
	}
	if !ok && !abroad {
		r.paused = now.Add(moreAskers)
		return false
	}
	if !ok {
		r.paused = now.Add(maxPause)
		return false
	}
	if h := r.held(peer.ID); h != nil && h.vain >= fewVain && s.host.Narrow(peer.ID) {
		if now < h.until || len(r.requests) > 0 {
			r.paused = now.Add(heldPause)
			return false
		}
		runs = runs[:1] // what is lost is little, and more is asked for once something comes
		runs[0].To = runs[0].From
	}
	s.pull(now, st, peer, runs)
	return true
}

// share returns how many pieces one request is for: as many as its answer has room for, if they are
// like the others.
func (s *Streams) share() uint64 {
	return uint64(min(max(pullBytes*s.held/max(s.bytes, 1), 8), pullPieces))
}

// wanted returns what may be asked for of a stream from some piece on, at most so many pieces:
// missing, ripe, and not asked for.
func (st *stream) wanted(from, most uint64, runs []wire.Run) []wire.Run {
	count := uint64(0)
	for seq := from; seq <= st.repair.ripe && count < most; {
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
		run.To = min(run.To, seq+most-1-count)
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
	return slices.ContainsFunc(r.requests, func(q request) bool {
		return q.from > from &&
			q.from <= to
	})
}

// holder returns the member to ask for a piece; one of another zone only if abroad is set. If about
// is set, members that denied to have the piece are passed over. Members that let requests time out
// are passed over while there are others, since they may be dead. Once a request brought nothing,
// every second time any other member is asked, also one that denied it. The members that should
// have it may lie, and others may have it by now.
//
// Once a request timed out, members that were heard since it was sent come first. Many others may
// be dead before it is known, and each would cost another time-out.
func (s *Streams) holder(st *stream, seq uint64, about, abroad bool) (member.Member, bool) {
	if st.repair.vain > 0 {
		if m, ok := s.heardHolder(st, seq, abroad); ok {
			return m, true
		}
	}
	m, ok := s.holderNow(st, seq, about, abroad)
	if r := st.repair; !ok && r.mute != [maxMute]member.ID{} {
		r.mute = [maxMute]member.ID{}
		return s.holderNow(st, seq, about, abroad)
	}
	return m, ok
}

func (s *Streams) holderNow(st *stream, seq uint64, about, abroad bool) (member.Member, bool) {
	r, t := st.repair, s.host.Table()
	var not []member.ID
	if about {
		not = r.denied
	}
	if r.slow > 0 && s.host.Rand().IntN(2) == 0 {
		if m, ok := s.pick(abroad, nil, r.mute[:], 0); ok {
			return m, true
		}
	}
	if about && len(r.denied) >= firstDenied && s.originLives(st) &&
		!slices.Contains(r.denied, st.origin) && !slices.Contains(r.mute[:], st.origin) {
		if m, ok := t.Get(st.origin); abroad || s.isNear(&m) {
			return m, ok
		}
	}
	if m, ok := s.teller(st, seq, abroad, r.mute[:], 0); ok {
		return m, true
	}
	return s.pick(abroad, not, r.mute[:], 0)
}

// heardHolder is holderNow among those that were heard since the last request that timed out was
// sent. Members that said nothing of it are asked only for the first missing piece, which they can
// deny. Otherwise they would be asked before those that said that they have it, again and again.
// Where none is left, members that let a request time out before are asked, after every second
// request in vain: the way to them may be back.
func (s *Streams) heardHolder(st *stream, seq uint64, abroad bool) (member.Member, bool) {
	r, first := st.repair, seq == st.solid
	m, ok := s.teller(st, seq, abroad, r.mute[:], r.vain)
	if !ok && first {
		m, ok = s.pick(abroad, r.denied, r.mute[:], r.vain)
	}
	if ok || r.muteAt%2 == 0 {
		return m, ok
	}
	if m, ok = s.teller(st, seq, abroad, nil, r.vain); !ok && first {
		m, ok = s.pick(abroad, r.denied, nil, r.vain)
	}
	return m, ok
}

// teller returns a member that is said to have a piece and was heard since some time. Mute members
// are passed over.
func (s *Streams) teller(st *stream, seq uint64, abroad bool, mute []member.ID,
	since mono.Time) (member.Member, bool) {
	r, t := st.repair, s.host.Table()
	at := s.host.Rand().IntN(maxTellers)
	for i := range maxTellers {
		c := r.tellers[(at+i)%maxTellers]
		if c.id == 0 || seq < c.low || seq > c.high || slices.Contains(r.denied, c.id) ||
			slices.Contains(mute, c.id) ||
			since > 0 && s.host.Heard(c.id) < since {
			continue
		}
		if m, ok := t.Get(c.id); ok && m.State.Live() && len(r.requests) < 2 &&
			(abroad || s.isNear(&m)) {
			return m, true
		}
	}
	return member.Member{}, false
}

func (s *Streams) pull(now mono.Time, st *stream, peer member.Member, runs []wire.Run) {
	abroad := !s.isNear(&peer)
	q := request{
		ticket: s.host.Rand().Uint32(), peer: peer.ID, abroad: abroad, from: runs[0].From,
		to: runs[len(runs)-1].To, top: st.top,
		sent: now, due: now.Add(s.timeout(abroad)),
	}
	st.repair.requests = append(st.repair.requests, q)
	s.inFlight++
	s.stats.Pulls++
	b := wire.BeginPull(s.buf[:0], &wire.Pull{Ticket: q.ticket, Origin: st.origin,
		Generation: st.generation, Limit: pullBytes})
	after := uint64(0)
	for _, run := range runs {
		b = wire.AppendRun(b, after, run)
		after = run.To
	}
	b = wire.EndPull(b, 0)
	s.host.SendStream(now, peer, b)
	s.buf = b
}
