package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// repair is what a node knows of a gap.
type repair struct {
	// when the first missing piece was found missing; later, if it was asked for only then
	since mono.Time
	found mono.Time // when all up to known were, at the latest: nobody holds those Config.Age after
	known uint64

	ripe   uint64    // pieces up to this one may be asked for
	next   uint64    // and up to this one when ripens has come
	ripens mono.Time // mono.Never while there is no more
	latest mono.Time // it is not put off beyond

	tellers  [maxTellers]claim
	tellerAt int

	requests []request
	// members that let requests time out, and sent nothing since: others are asked first
	mute   [maxMute]member.ID
	muteAt int
	vain   mono.Time // when the last of those requests was sent; 0: there was none
	holds  [maxMute]hold
	slow   time.Duration // pause after a request that was not answered
	paused mono.Time     // no member is asked before

	missing uint64      // the first missing piece, that the rest is about
	denied  []member.ID // the members that do not hold it
	behind  []denial    // of them, those that may get it yet: it was outside of what they had
	extent  uint64      // none of them has anything from missing to this one
	later   int         // how many of them have something after it
	knew    int         // how many of them had it once
	least   uint64      // each of those knows the stream up to this piece, at least
	sure    bool        // the origin is one of those
	never   bool        // the origin says that there was none
}

// hold is a member at the end of a narrow way that let requests time out, and brought no piece
// since.
type hold struct {
	id    member.ID
	vain  uint8     // requests in a row
	until mono.Time // it is not asked before
}

// claim is what a member says to hold.
type claim struct {
	id        member.ID
	low, high uint64
}

// denial is what a member that does not hold the first missing piece counted for.
type denial struct {
	id          member.ID
	later, knew int
}

// hear notes what a member says to hold. One that had nothing there when it was asked may have got
// it since.
func (r *repair) hear(id member.ID, low, high uint64) {
	i := slices.IndexFunc(r.behind, func(d denial) bool { return d.id == id })
	if i >= 0 && low <= r.missing && r.missing <= high {
		r.later, r.knew = r.later-r.behind[i].later, r.knew-r.behind[i].knew
		r.behind = slices.Delete(r.behind, i, i+1)
		r.denied = slices.DeleteFunc(r.denied, func(d member.ID) bool { return d == id })
	}
	for i := range r.tellers {
		if r.tellers[i].id == id {
			r.tellers[i] = claim{id, low, high}
			return
		}
	}
	r.tellers[r.tellerAt] = claim{id, low, high}
	r.tellerAt = (r.tellerAt + 1) % maxTellers
}

// unanswered notes that a member let a request time out, heard that one sent something.
func (r *repair) unanswered(id member.ID, sent mono.Time) {
	r.vain = max(r.vain, sent)
	r.mute[r.muteAt] = id
	r.muteAt = (r.muteAt + 1) % maxMute
}

// spare has a member asked less, whose way is known to drop what is as long as a piece.
func (r *repair) spare(now mono.Time, id member.ID) {
	h := r.held(id)
	if h == nil {
		h = &r.holds[r.muteAt]
		*h = hold{id: id}
	}
	h.until = now.Add(min(firstHold<<h.vain, maxHold))
	h.vain = min(h.vain+1, maxVain)
}

// held returns what is noted of a member that is spared, nil if nothing is.
func (r *repair) held(id member.ID) *hold {
	for i := range r.holds {
		if r.holds[i].id == id {
			return &r.holds[i]
		}
	}
	return nil
}

// brought notes that a member brought a piece that was missing.
func (r *repair) brought(id member.ID) {
	if h := r.held(id); h != nil {
		*h = hold{}
	}
}

func (r *repair) heard(id member.ID) {
	for i := range r.mute {
		if r.mute[i] == id {
			r.mute[i] = 0
		}
	}
}

func (r *repair) stalled(gap time.Duration) {
	r.found = r.found.Add(gap)
	r.since, r.ripens, r.latest, r.paused = r.since.Add(gap), r.ripens.Add(gap), r.latest.Add(gap),
		r.paused.Add(gap)
	for i := range r.requests {
		r.requests[i].due = r.requests[i].due.Add(gap)
	}
	for i := range r.holds {
		r.holds[i].until = r.holds[i].until.Add(gap)
	}
}

// ripen lets pieces be asked for that were waited for long enough.
func (r *repair) ripen(now mono.Time, head uint64, wait time.Duration) {
	if now < r.ripens {
		return
	}
	r.ripe, r.ripens = r.next, mono.Never
	if head > r.ripe {
		r.next, r.ripens, r.latest = head, now.Add(wait), now.Add(4*wait)
	}
}

// deny notes that a member does not hold the first missing piece, nor any up to extent, and whether
// it holds later ones. high is the last piece that it knows of, low the first that it holds.
func (r *repair) deny(id member.ID, extent uint64, later bool, low, high uint64, origin bool) {
	if slices.Contains(r.denied, id) {
		return
	}
	d := denial{id: id}
	if high >= r.missing {
		d.knew = 1
		if r.knew == 0 || high < r.least {
			r.least = high
		}
		r.knew++
		r.sure = r.sure || origin
	} else {
		r.never = r.never || origin
	}
	if len(r.denied) == 0 || extent < r.extent {
		r.extent = extent
	}
	if later {
		d.later = 1
		r.later++
	}
	if low > r.missing || high < r.missing {
		r.behind = append(r.behind, d)
	}
	r.denied = append(r.denied, id)
}

// follows says whether half of the members that lack the first missing piece hold something after
// it.
func (r *repair) follows() bool { return 2*r.later >= len(r.denied) && r.later > 0 }

// mending is the streams of which something is missing.
type mending struct {
	list     []*stream
	inFlight int // requests of all of them
}

// end ends the repair of a stream of which nothing is missing any more, or which is let go.
func (g *mending) end(st *stream) {
	if st.repair == nil {
		return
	}
	g.inFlight -= len(st.repair.requests)
	st.repair = nil
	g.list = slices.DeleteFunc(g.list, func(o *stream) bool { return o == st })
	if len(g.list) == 0 {
		g.list = nil
	}
}

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
		return q.from > from && q.from <= to
	})
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

// trips is how long requests take.
type trips struct {
	*env
	rtt    [2]time.Duration // of requests within this node's zone, and to others
	late   [maxLate]request // that timed out unanswered lately
	lateAt int
}

// timeout is how long a request waits for the next datagram of its answer.
func (t *trips) timeout(abroad bool) time.Duration {
	rtt := t.rtt[kind(abroad)]
	if rtt == 0 {
		return t.cfg.Timeout
	}
	return min(max(3*rtt, minTimeout), maxTimeout)
}

// measure takes in the round-trip time of a request to a member of this node's zone, or of another:
// smoothed as TCP does (RFC 6298), but rising at once. It counts as maxTimeout at most, since no
// request waits longer: a member may have stood still.
func (t *trips) measure(abroad bool, d time.Duration) {
	rtt := &t.rtt[kind(abroad)]
	d = min(d, maxTimeout)
	if d > *rtt {
		*rtt = d
	} else {
		*rtt += (d - *rtt) / 8
	}
}

// tooLate remembers a request that timed out without any answer. If one comes yet, the next request
// waits for longer: without that, an estimate below the true time would stay there for ever, as
// nothing else is measured.
func (t *trips) tooLate(q request) {
	t.late[t.lateAt] = q
	t.lateAt = (t.lateAt + 1) % maxLate
}

// measureLate measures a request that had timed out.
func (t *trips) measureLate(now mono.Time, ticket uint32, peer member.ID) {
	for i := range t.late {
		if q := &t.late[i]; q.peer == peer && q.ticket == ticket && q.sent > 0 {
			t.measure(q.abroad, now.Sub(q.sent))
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
