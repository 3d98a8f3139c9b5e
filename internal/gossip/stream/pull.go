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

// pulls are this node's requests for what it lacks.
type pulls struct {
	core
	losses  *losses
	intake  *intake
	holders *holders
	polls   *polls
	trips   trips
	turn    int // which of the streams with gaps comes first
}

// mend goes on with all repairs, each time from another one on, so that all come to their turn.
func (p *pulls) mend(now mono.Time) {
	gaps := p.known.mending.list
	if len(gaps) == 0 {
		return
	}
	p.turn++
	first := p.turn % len(gaps)
	var room [64]*stream
	for _, st := range append(append(room[:0], gaps[first:]...), gaps[:first]...) {
		if st.repair != nil {
			p.mendStream(now, st)
		}
	}
}

// mendStream does what has fallen due of a repair.
func (p *pulls) mendStream(now mono.Time, st *stream) {
	// what was delivered of another life may have changed it
	if p.gaps.missing(now, st, false); st.repair == nil {
		return
	}
	r := st.repair
	r.requests = slices.DeleteFunc(r.requests, func(q request) bool {
		if now < q.due {
			return false
		}
		p.known.mending.inFlight--
		p.stats.TimedOut++
		if q.answered { // in part: it is the network, and not the peer
			return true
		}
		p.trips.tooLate(q)
		p.host.Unanswered(now, q.peer)
		if p.host.Narrow(q.peer) {
			r.spare(now, q.peer)
		}
		r.unanswered(q.peer, q.sent)
		r.slow = min(max(2*r.slow, 50*time.Millisecond), maxPause)
		r.paused = now.Add(r.slow / 2)
		return true
	})
	r.ripen(now, st.head, p.wait())
	if p.losses.hopeless(now, st) {
		p.losses.lose(now, st)
		if r = st.repair; r == nil {
			return
		}
	}
	for p.ask(now, st) {
	}
	due := r.ripens
	for _, t := range [...]mono.Time{r.since.Add(p.cfg.Patience), r.since.Add(p.cfg.GiveUp),
		p.losses.expires(r), r.paused} {
		if t > now {
			due = min(due, t)
		}
	}
	for _, q := range r.requests {
		due = min(due, q.due)
	}
	p.at(max(due, now.Add(time.Millisecond)))
}

// ask sends one request, if one is due.
func (p *pulls) ask(now mono.Time, st *stream) bool {
	r := st.repair
	if len(r.requests) >= perStream || p.known.mending.inFlight >= perNode || now < r.paused {
		return false
	}
	var room [pullRuns]wire.Run
	first := st.solid
	if len(r.denied) > 0 && r.extent < r.ripe { // what somebody may have first
		first = r.extent + 1
	}
	runs := st.wanted(first, p.share(), room[:0])
	if len(runs) == 0 && first > st.solid {
		runs = st.wanted(st.solid, p.share(), room[:0])
	}
	if len(runs) == 0 {
		return false
	}
	about := len(r.denied) > 0 && runs[0].From == st.solid
	if n := len(r.denied); about && n >= firstDenied {
		if t := r.since.Add(p.cfg.Patience * time.Duration(n) / enoughDenied); now < t {
			r.paused = t
			return false
		}
	}
	abroad := p.holders.abroad(now, st, runs[0].From)
	if about && len(r.denied) >= firstDenied && len(p.known.mending.list) >= manyGaps &&
		p.holders.blind(st) && p.polls.ask(now, st, abroad) {
		return false
	}
	peer, ok := p.holders.holder(st, runs[0].From, about, abroad)
	if ok && abroad && !p.isNear(&peer) && p.host.Short(peer.ID) { // it would not be sent
		abroad = false
		peer, ok = p.holders.holder(st, runs[0].From, about, abroad)
	}
	if !ok && !abroad {
		r.paused = now.Add(moreAskers)
		return false
	}
	if !ok {
		r.paused = now.Add(maxPause)
		return false
	}
	if h := r.held(peer.ID); h != nil && h.vain >= fewVain && p.host.Narrow(peer.ID) {
		if now < h.until || len(r.requests) > 0 {
			r.paused = now.Add(heldPause)
			return false
		}
		runs = runs[:1] // what is lost is little, and more is asked for once something comes
		runs[0].To = runs[0].From
	}
	p.pull(now, st, peer, runs)
	return true
}

// share returns how many pieces one request is for: as many as its answer has room for, if they are
// like the others.
func (p *pulls) share() uint64 {
	return uint64(min(max(pullBytes*p.known.held/max(p.known.bytes, 1), 8), pullPieces))
}

func (p *pulls) pull(now mono.Time, st *stream, peer member.Member, runs []wire.Run) {
	abroad := !p.isNear(&peer)
	q := request{
		ticket: p.host.Rand().Uint32(), peer: peer.ID, abroad: abroad, from: runs[0].From,
		to: runs[len(runs)-1].To, top: st.top,
		sent: now, due: now.Add(p.trips.timeout(abroad)),
	}
	st.repair.requests = append(st.repair.requests, q)
	p.known.mending.inFlight++
	p.stats.Pulls++
	b := wire.BeginPull(p.buf[:0], &wire.Pull{Ticket: q.ticket, Origin: st.origin,
		Generation: st.generation, Limit: pullBytes})
	after := uint64(0)
	for _, run := range runs {
		b = wire.AppendRun(b, after, run)
		after = run.To
	}
	b = wire.EndPull(b, 0)
	p.host.SendStream(now, peer, b)
	p.buf = b
}
