package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// A stream in which a piece is missing: how long that waits, which members are said to have the
// piece, which say that they lack it, and when it is passed over.
//
// A piece is missing if a later one is here or a member claims that there is one. It is passed over
// for one of two reasons. Enough members deny it, over Patience, the origin too unless its life is
// over. Or it is so old that no member holds it. A piece that nothing shows, and that none of the
// members that lack it vouches for, is dropped after GiveUp, and nothing is told: it may be forged.
// A piece that is vouched for is not dropped, however few have answered: the others may be out of
// reach, and hold it.
//
// A piece that is held may show that the missing one was there. Then enough members have to be
// asked. A member that is said to have the piece, and did not deny that since, is waited for,
// though it is hard to reach, or failed since a cut, or a budget holds up its answer. The wait ends
// when the piece that shows it is let go (retain.go), Age after it came. It ends at the latest Age
// after the piece was found missing, together with others that were known then, since then no
// member has it. So one member that lies can hold up what other members publish here for Age, for
// twice that where pieces come late as well, and only where something is missing anyway.

const (
	enoughDenied = 32 // members that have to deny a piece before it is given up; all if fewer
	// members that are asked at once; the others over Patience, since pieces spread meanwhile
	firstDenied = 3
	maxTellers  = 4
	maxMute     = 8
	maxVain     = 16               // doublings
	deafFor     = 10 * time.Second // to claims, after one that no member could show
	maxPause    = time.Second      // between two requests that are not answered
	// after a request that came to nothing over a narrow way, doubling with each in a row
	firstHold = 25 * time.Millisecond
	maxHold   = 30 * time.Second // a piece now and then shows whether it passes by now
	// of Patience: so long members that return are waited for, however many follow
	maxReturns = 5
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

// solidify finds the first piece from next on that is not held.
func (st *stream) solidify() {
	for st.get(st.solid) != nil {
		st.solid++
	}
}

// missing looks whether anything is missing of a stream after something about it changed, and sees
// to its repair. byItself says that a piece came without being asked for: more may come so.
func (s *Streams) missing(now mono.Time, st *stream, byItself bool) {
	if !st.begun {
		return
	}
	if st.solidify(); st.solid > st.head {
		if s.endRepair(st); st.fresh {
			s.spread(now, st)
		}
		s.atEnd(now, st)
		return
	}
	r := st.repair
	if r == nil {
		s.stats.Gaps++
		r = &repair{since: now, found: now, known: st.head, ripe: st.solid - 1,
			ripens: mono.Never, missing: st.solid}
		st.repair = r
		s.repairs = append(s.repairs, st)
	}
	if r.missing != st.solid {
		if r.since, r.missing = now, st.solid; st.solid > r.known {
			r.found, r.known = now, st.head
		}
		r.denied, r.behind, r.later, r.knew, r.sure, r.never = r.denied[:0], r.behind[:0], 0, 0,
			false, false
	}
	switch {
	case st.head <= r.ripe:
	case r.ripens == mono.Never:
		r.next, r.ripens, r.latest = st.head, now.Add(s.cfg.Wait), now.Add(4*s.cfg.Wait)
	case byItself:
		r.ripens = min(now.Add(s.cfg.Wait), r.latest)
	}
	s.at(max(min(r.ripens, now.Add(s.cfg.Patience)), now.Add(time.Millisecond)))
}

// endRepair ends the repair of a stream of which nothing is missing any more, or which is let go.
func (s *Streams) endRepair(st *stream) {
	if st.repair == nil {
		return
	}
	s.inFlight -= len(st.repair.requests)
	st.repair = nil
	s.repairs = slices.DeleteFunc(s.repairs, func(o *stream) bool { return o == st })
	if len(s.repairs) == 0 {
		s.repairs = nil
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

// hopeless says whether the first missing piece is to be passed over, or dropped.
func (s *Streams) hopeless(now mono.Time, st *stream) bool {
	r := st.repair
	age, enough := now.Sub(r.since), s.enough(r)
	if now.Sub(s.reunion.returned) < s.cfg.Patience && age < maxReturns*s.cfg.Patience {
		enough = false // members that are back may have it
	}
	switch {
	case len(r.denied) == 0: // no member was reached: that says nothing of what they hold
		return false
	case now >= s.expires(r):
		return true
	case age < s.cfg.Patience:
		return false
	case s.shows(st):
		return enough && !s.said(st)
	case enough && !s.originHas(st):
		return true
	}
	return age >= s.cfg.GiveUp && !s.vouched(now, st) // lose tells nothing then
}

// enough says whether enough members deny to have the first missing piece: enoughDenied, or all
// that live. A member that said so and left, or failed since, does not stand for one that came back
// meanwhile.
func (s *Streams) enough(r *repair) bool {
	t := s.host.Table()
	if len(r.denied) >= enoughDenied || len(r.denied) < t.Live()-1 {
		return len(r.denied) >= enoughDenied
	}
	live := 0
	for _, id := range r.denied {
		if m, ok := t.Get(id); ok && m.State.Live() {
			live++
		}
	}
	return live >= t.Served()-1
}

// expires returns when nobody holds the first missing piece any more.
func (s *Streams) expires(r *repair) mono.Time { return r.found.Add(max(s.cfg.Age, s.cfg.GiveUp)) }

// shows says whether a piece that is held shows that there was one which is missing.
func (s *Streams) shows(st *stream) bool {
	last, _ := st.shown()
	_, later := st.after(st.solid)
	return later || last >= st.solid
}

// said says whether a member that did not deny it is said to have the first missing piece: its
// origin is. One that failed may be on the other side of a cut, and come back.
func (s *Streams) said(st *stream) bool {
	r := st.repair
	return s.originHas(st) || slices.ContainsFunc(r.tellers[:], func(c claim) bool {
		return c.low <= r.missing && r.missing <= c.high && s.holds(r, c.id)
	})
}

// originHas says whether a stream's origin is known in the life that the stream is of, did not
// leave, and did not deny the first missing piece.
func (s *Streams) originHas(st *stream) bool {
	m, ok := s.host.Table().Get(st.origin)
	if !ok { // nobody may have told of it yet, as within a cut
		return !slices.Contains(st.repair.denied, st.origin)
	}
	return m.ID != s.host.Self() &&
		m.Generation() == st.generation && s.holds(st.repair, st.origin)
}

// holds says whether a member that said to have something may still give it.
func (s *Streams) holds(r *repair, id member.ID) bool {
	m, ok := s.host.Table().Get(id)
	return ok && m.State != member.Left && !slices.Contains(r.denied, id)
}

// originLives says whether a stream's origin is a live member, other than this node, in the life
// that the stream is of.
func (s *Streams) originLives(st *stream) bool {
	m, ok := s.host.Table().Get(st.origin)
	return ok && m.State.Live() && m.Generation() == st.generation && m.ID != s.host.Self()
}

// lose passes over what is missing from the first missing piece on, as far as the members that were
// asked lack it.
func (s *Streams) lose(now mono.Time, st *stream) {
	r := st.repair
	since, to := r.since, r.extent+1
	if r.extent == ^uint64(0) {
		to = r.extent
	}
	if now >= s.expires(r) { // what was found missing later may be held yet
		to = min(to, r.known+1)
	}
	for _, c := range r.tellers { // it is asked first
		if c.low > r.missing && c.low < to && now < s.expires(r) && s.holds(r, c.id) {
			to = c.low
		}
	}
	held, ok := st.after(st.solid)
	last, seq := st.shown()
	ends := uint64(0) // the message that the last piece passed over is of, if that is known
	switch {
	case ok:
		to = min(to, held)
	case r.follows() && s.vouched(now, st):
	case last >= st.solid: // a piece that is held says so
		to = min(to, last+1)
		ends = seq
	case s.vouched(now, st):
		to = min(to, r.least+1)
	default: // nothing shows that there is more
		st.head = max(st.top, st.next-1)
		if !s.said(st) {
			st.deaf = now.Add(deafFor)
		}
		s.stats.Unproven++
		s.endRepair(st)
		s.deliverLater(now, st)
		s.atEnd(now, st)
		return
	}
	for st.held > 0 && to-st.low > 2*Ahead {
		s.drop(st, st.low)
	}
	st.passOver(to, ends)
	for _, c := range r.tellers { // it may have been beyond Ahead
		s.claimed(now, st, c.high)
	}
	s.deliver(now, st, false)
	s.missing(now, st, false)
	if st.repair != nil && r.missing <= r.ripe { // the next hole was there all the while
		r.since = max(since, now.Add(-s.cfg.Patience))
		s.at(now.Add(time.Millisecond))
	}
}

// deafTo says whether claims of more of a stream are not believed. That is so if one was made
// lately that no member could show, not even the one that made it. A member that returned since may
// have what no other had.
func (s *Streams) deafTo(now mono.Time, st *stream) bool {
	return now < st.deaf && st.deaf.Add(-deafFor) >= s.reunion.returned
}

// vouched says whether the members that lack the first missing piece are believed that it was
// there.
func (s *Streams) vouched(now mono.Time, st *stream) bool {
	r := st.repair
	return !s.deafTo(now, st) && (r.follows() || r.knew > 0 && s.existed(st))
}

// existed says whether the members that lack the first missing piece, and what follows, can be
// believed that it was there. The origin is believed. If it said nothing, half of them are, or two
// where nothing more can come of it.
func (s *Streams) existed(st *stream) bool {
	r := st.repair
	return r.sure || !r.never && (2*r.knew >= len(r.denied) || r.knew > 1 && !s.originLives(st))
}

// follows says whether half of the members that lack the first missing piece hold something after
// it.
func (r *repair) follows() bool { return 2*r.later >= len(r.denied) && r.later > 0 }

// shown returns up to which piece there must be more, and of which message that is. The last piece
// before the first missing one shows that. It returns 0 if that is the last of its message, or is
// not held.
func (st *stream) shown() (last, seq uint64) {
	body := st.get(st.solid - 1)
	if body == nil || st.solid <= st.next {
		return 0, 0
	}
	p, _ := readPart(body)
	return st.solid - 1 + p.rest, p.seq
}

// atEnd looks at a stream of which all that is known to exist is here or given up. If nothing comes
// of it for some time, what was passed over last is told as lost. If the last message is here in
// part and its origin does not live, the rest is asked for, and is lost too if no member has it. Of
// an origin that lives the rest is still to come; but where hashes differ meanwhile, that is looked
// into at once.
func (s *Streams) atEnd(now mono.Time, st *stream) {
	if st.hole == 0 && st.solid == st.next {
		return
	}
	st.stopped = now.Add(s.cfg.Patience)
	// nothing follows it, and later lives wait for it
	if st.hole > 0 && st.next > st.head && !s.originLives(st) {
		st.stopped = now.Add(time.Millisecond)
	}
	if !st.ending {
		st.ending = true
		s.ending = append(s.ending, st)
	}
	s.at(st.stopped)
}

func (s *Streams) endingWake(now mono.Time) {
	list := s.ending
	s.ending = nil
	for _, st := range list {
		st.ending = false
		last, _ := st.shown()
		switch {
		case st.gone || !st.begun || st.repair != nil || st.hole == 0 && last < st.solid:
			// it is not at its end, or whole
		case now < st.stopped:
			st.ending = true
			s.ending = append(s.ending, st)
			s.at(st.stopped)
		case st.hole > 0 && st.next > st.head:
			s.tellTail(now, st)
			s.deliverLater(now, st)
			s.atEnd(now, st)
		case s.originLives(st):
			// or it is lost: a member that has it says so on a probe, if only by its hash
			s.sync.hurry = now.Add(hurryFor)
			s.atEnd(now, st)
		default:
			s.claimed(now, st, last)
		}
	}
}
