package ways

import (
	"math/bits"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file finds out where the longest datagrams do not pass. All that a node sends in quiet is
// short, so a way that drops what is long shows nothing but perfect members, and then a message
// never arrives. So a node sends a member a datagram as long as its longest, and has it come back
// as long: a Pad and a Seen. If none comes back, it sends short ones beside: ten of these that are
// answered while no long one is leave no other reason than the size, whatever else the way loses.
// Then it looks in halves for what does pass, for people to read; nothing that is sent gets shorter
// for it.
//
// Only the end that looks learns what passes. So each of its Pads says what it found, and the other
// end looks for itself. It takes no other's word for it, and where it sends no datagrams as long as
// that it has no such trouble.

const (
	firstChecks = 8                // of a node at its start, or when its address changes
	creditEvery = 20 * time.Minute // between two later ones
	checkedFor  = time.Hour        // a way that took all is not looked at again before
	smallFor    = time.Minute      // one that does not is
	lossyFor    = 10 * time.Minute // one that gave no verdict is
	firstLook   = 4 * time.Second  // after the start, when most joins are over
	lookAfter   = 2 * time.Second  // between two looks for something to check
	lookAgain   = 250 * time.Millisecond
	heardFor    = 10 * time.Second // a member that was not heard for longer is not asked

	// twice that after each try without any answer beyond patience, up to 16 times
	tryEvery = 100 * time.Millisecond
	patience = 3
	maxTries = 40 // of one size, without a verdict; they are told apart by a bit each
	// of them in a row without any answer: it is busy, gone, or next to nothing passes
	maxSilent  = 12
	enoughLong = 10 // short ones that are answered before any long one
	enoughFine = 4  // the same of a size between: an error there is one of a figure
	fineness   = 32 // bytes, to which the search goes

	enoughDoubts = 2                // in doubtsFor, which have a way checked at once
	doubtsFor    = 10 * time.Second // after the last of them
	// after a doubt that had no reason; it doubles with each in a row
	doubtPause = 5 * time.Second
	maxCalm    = 7 // doublings
	// doublings of lookAgain before a check for doubts, of one each in a row without a reason
	maxVain = 4
	vainFor = time.Minute // after which these begin anew

	seenRate = 128 << 10 // bytes a second of answers to Pads
)

// sizes are what is known of the size of datagrams on a way.
type sizes struct {
	checked mono.Time // when the last check ended; 0: there was none
	doubted mono.Time // when something long was not answered last
	calmed  mono.Time // doubts do not count before
	// the longest that passed there and back, the shortest that did not, before sealing; 0: none
	passed, over uint16
	doubts, calm uint8 // in a row, and those that had no reason
}

// care is what a node does about the sizes on all of its ways.
type care struct {
	look     mono.Time // nothing is checked before
	credits  int       // checks without any doubt
	credited mono.Time // when the next credit comes
	check    check
	answers  rate.Bucket

	// Where much is lost, all ways are in doubt at once, and not for their size. So what a node
	// checks for doubts that have no reason is bounded over all ways together.
	vain   int       // checks for doubts in a row that found none
	doubts mono.Time // nothing is checked for doubts before
}

// check is the one under way: of this node's longest datagrams, or a search for what passes where
// these do not.
type check struct {
	due    mono.Time // the next try; mono.Never: none is under way
	peer   plane.Peer
	size   int // that is tried
	passed int // in this search
	over   int // what did not; 0: it is no search
	// number of the first long Pad of this size; a short one's is one more than that of the long
	// one beside
	first  uint32
	number uint32 // of the next
	tries  int
	silent int    // tries since the last answer
	short  uint64 // the tries whose short ones were answered
}

// Renew has all ways checked anew: those from another address are others.
func (w *Ways) Renew(now mono.Time) {
	for i := range w.list {
		w.list[i].sizes = sizes{}
	}
	w.credits, w.credited = firstChecks, now.Add(w.apart(creditEvery))
	w.look, w.check.due = now.Add(w.apart(firstLook)), mono.Never
}

// apart returns a time within a quarter of d.
func (w *Ways) apart(d time.Duration) time.Duration { return plane.Jitter(w.env.Proof(), d) }

// Deadline is when the check under way goes on.
func (w *Ways) Deadline() mono.Time { return w.check.due }

// Ride adds nothing to probes.
func (w *Ways) Ride(_ mono.Time, b []byte, _ plane.Peer, _ wire.Type) []byte { return b }

// Rode begins a check, if there is one to begin. It is called with each probe, so it wakes nobody.
func (w *Ways) Rode(now mono.Time) {
	if w.look > now || w.check.due != mono.Never || w.env.Leaving() {
		return
	}
	if w.credited <= now {
		w.credits = min(w.credits+1, firstChecks)
		w.credited = now.Add(w.apart(creditEvery))
	}
	var best *way
	most, like := 0, 0
	for i := range w.list {
		p := &w.list[i]
		switch u := w.urgency(now, p); {
		case u == 0 || u < most || u == most && p.checked > best.checked:
		case u > most || p.checked < best.checked:
			best, most, like = p, u, 1
		default: // any of them, so that not all that start together ask their seed at once
			if like++; w.env.Proof().IntN(like) == 0 {
				best = p
			}
		}
	}
	w.look = now.Add(lookAfter)
	if best == nil {
		return
	}
	w.look = now.Add(lookAgain)
	if most == dueAgain || most == dueFirst {
		w.credits--
	}
	live := plane.IsLive(w.env.Table(), best.peer)
	if !live || w.env.MustWait(now, best.peer.ID, wire.MinMTU) {
		best.checked = now
		return
	}
	w.check = check{peer: best.peer, size: w.longest, first: uint32(w.env.Proof().Uint64())}
	w.check.number = w.check.first
	if most == dueSearch {
		w.check.over = int(best.over)
		w.nextSize(now, best)
		return
	}
	w.tryPad(now)
}

// How urgent a check is.
const (
	dueAgain  = iota + 1 // it was checked, and long ago
	dueSearch            // it takes no long datagrams, and what it takes is not known
	dueSmall             // it took no long ones a minute ago
	dueFirst             // it was not checked
	dueDoubt             // something long was not answered
)

func (w *Ways) urgency(now mono.Time, p *way) int {
	switch {
	case p.heard == 0 || now.Sub(p.heard) > heardFor:
		return 0
	case p.over > 0 && p.passed == 0:
		return dueSearch
	case p.over > 0 && (p.checked == 0 || now.Sub(p.checked) >= smallFor):
		return dueSmall
	case p.over > 0:
		return 0
	case p.doubts >= enoughDoubts && now.Sub(p.doubted) <= doubtsFor && p.calmed <= now &&
		w.doubts <= now:
		return dueDoubt
	case w.credits == 0:
		return 0
	case p.checked == 0, p.passed == 0 && now.Sub(p.checked) >= lossyFor:
		return dueFirst
	case now.Sub(p.checked) >= checkedFor:
		return dueAgain
	}
	return 0
}

// Narrow says whether the way to a member drops datagrams as long as those that full pieces come
// in.
func (w *Ways) Narrow(id member.ID) bool {
	p := w.find(id)
	return p != nil && p.over > 0 && p.passed > 0 && int(p.passed) < wire.MinRoom
}

// Unanswered takes in that a member did not answer something long, or did not answer with something
// long. It is one of many reasons to look whether such datagrams pass.
func (w *Ways) Unanswered(now mono.Time, id member.ID) { w.doubt(now, id, 1) }

// doubt takes in so many reasons to look whether long datagrams pass between this node and a
// member.
func (w *Ways) doubt(now mono.Time, id member.ID, reasons uint8) {
	m, ok := w.env.Table().Get(id)
	if !ok || !m.State.Live() || id == w.env.ID() {
		return
	}
	p := w.to(plane.PeerOf(&m))
	if now.Sub(p.doubted) > doubtsFor {
		p.doubts = 0
	}
	before := p.doubts
	p.doubts, p.doubted = min(before, 200)+reasons, now
	if before < enoughDoubts && p.doubts >= enoughDoubts {
		w.look = min(w.look, now)
	}
}

// Wake goes on with the check under way.
func (w *Ways) Wake(now mono.Time) { w.tryPad(now) }

// tryPad sends the next Pads of a check.
func (w *Ways) tryPad(now mono.Time) {
	c := &w.check
	p := w.find(c.peer.ID)
	if p == nil || p.peer != c.peer {
		w.endCheck(now, nil)
		return
	}
	m, ok := plane.LiveMember(w.env.Table(), p.peer)
	if !ok || m.OutOfFamily || c.tries == maxTries || c.silent == maxSilent {
		w.stats.Unanswered++
		w.endCheck(now, p)
		return
	}
	w.sendPad(now, p, c.number, c.size)
	if c.tries++; c.tries > 1 {
		w.sendPad(now, p, c.number+1, 0)
	}
	c.number += 2
	c.due = now.Add(max(tryEvery, 2*p.rtt) << min(max(c.silent-patience, 0), 4))
	c.silent++
}

func (w *Ways) sendPad(now mono.Time, p *way, number uint32, size int) {
	w.buf = wire.AppendPad(w.buf[:0], &wire.Pad{Number: number, Over: p.over}, size-wire.HeaderSize)
	w.env.Send(now, p.peer, plane.Own, w.buf)
}

// Receive reads a question for what came, or the answer to one of this node's.
func (w *Ways) Receive(now mono.Time, from plane.Sender, t wire.Type, body []byte) bool {
	if t == wire.TypeSeen {
		m, ok := wire.ReadSeen(body)
		if ok {
			w.padSeen(now, from.Peer, &m)
		}
		return ok
	}
	m, ok := wire.ReadPad(body)
	if over := int(m.Over); ok && over > 0 && over <= w.longest {
		w.doubt(now, from.ID, enoughDoubts)
	}
	if ok && w.answers.Ready(now) {
		size := min(from.Size, w.longest) - wire.HeaderSize
		w.buf = wire.AppendSeen(w.buf[:0], &wire.Seen{Number: m.Number, From: from.Addr}, size)
		w.answers.Take(w.env.Send(now, from.Peer, plane.Own, w.buf))
	}
	return ok
}

// padSeen takes in that a Pad of this node's came there, and its answer here.
func (w *Ways) padSeen(now mono.Time, peer plane.Peer, m *wire.Seen) {
	c := &w.check
	p := w.find(peer.ID)
	k := m.Number - c.first
	if p == nil || c.due == mono.Never || c.peer != p.peer ||
		p.peer.Instance != peer.Instance || k >= c.number-c.first {
		return
	}
	note(&p.seen, m.From)
	c.silent = 0
	if k%2 == 0 {
		w.padPassed(now, p)
		return
	}
	c.short |= 1 << (k / 2)
	switch answered := bits.OnesCount64(c.short); {
	case c.over > 0 && answered >= enoughFine:
		c.over = c.size
		w.nextSize(now, p)
	case c.over == 0 && answered >= enoughLong:
		w.stats.Small++
		w.tellSmall(now, p, uint16(c.size))
		w.endCheck(now, p)
	}
}

// padPassed takes in that a long Pad was answered.
func (w *Ways) padPassed(now mono.Time, p *way) {
	c := &w.check
	c.passed = c.size
	if c.over > 0 {
		w.nextSize(now, p)
		return
	}
	w.stats.Passed++
	w.tellSmall(now, p, 0)
	p.passed = uint16(c.size)
	w.endCheck(now, p)
}

// nextSize goes on with another size in a search, or ends it.
func (w *Ways) nextSize(now mono.Time, p *way) {
	c := &w.check
	c.first, c.tries, c.silent, c.short = c.number, 0, 0, 0
	switch {
	case c.over-c.passed <= fineness:
		w.endCheck(now, p)
	case c.passed == 0 && c.over > wire.MinRoom: // what all paths should take
		c.size = wire.MinRoom
		w.tryPad(now)
	default:
		c.size = (c.passed + c.over) / 2
		w.tryPad(now)
	}
}

// tellSmall takes in that datagrams of a size do not pass on a way; 0: all do. What has changed for
// one way may have changed for others: they are checked as soon as they may be.
func (w *Ways) tellSmall(now mono.Time, p *way, over uint16) {
	was := p.over
	switch {
	case (over > 0) == (was > 0):
		return
	case over > 0:
		p.passed = 0
	}
	for i := range w.list {
		if o := &w.list[i]; (o.over > 0) == (was > 0) {
			o.checked = 0
		}
	}
	if p.over = over; over > 0 {
		w.vain, w.doubts = 0, now
	}
	if m, ok := plane.LiveMember(w.env.Table(), p.peer); ok {
		w.env.Small(m, int(over))
	}
}

// endCheck ends the check under way.
func (w *Ways) endCheck(now mono.Time, p *way) {
	c := &w.check
	c.due = mono.Never
	if p == nil {
		return
	}
	if c.over > 0 { // as far as the search came
		p.passed, p.over = uint16(max(c.passed, wire.HeaderSize+wire.MinPad)), uint16(c.over)
	}
	p.checked = max(now, 1)
	if p.doubts >= enoughDoubts && p.over == 0 {
		p.calmed = now.Add(doubtPause << p.calm)
		p.calm = min(p.calm+1, maxCalm)
		w.doubtsInVain(now)
	}
	p.doubts = 0
}

// doubtsInVain takes in that a check for doubts found no reason for them: the next one waits.
func (w *Ways) doubtsInVain(now mono.Time) {
	if now.Sub(w.doubts) > vainFor {
		w.vain = 0
	}
	w.vain = min(w.vain+1, maxVain)
	w.doubts = now.Add(lookAgain << w.vain)
}
