package gossip

import (
	"math/bits"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/rate"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file finds out where the longest datagrams do not pass. All that a node sends in quiet is short, so a way that drops
// what is long shows nothing but perfect members, and then a message never arrives. So a node sends a member a
// datagram as long as its longest, and has it come back as long: a Pad and a Seen. If none comes back, it sends short
// ones beside: ten of these that are answered while no long one is leave no other reason than the size,
// whatever else the way loses. Then it looks in halves for what does pass, for people to read; nothing that is sent
// gets shorter for it.
//
// Only the end that looks learns what passes. So each of its Pads says what it found, and the other
// end looks for itself: it takes nobody's word for it, and where it sends no datagrams as long it has
// no such trouble.

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

	tryEvery   = 100 * time.Millisecond // twice that after each try without any answer beyond patience, up to 16 times
	patience   = 3
	maxTries   = 40 // of one size, without a verdict; they are told apart by a bit each
	maxSilent  = 12 // of them in a row without any answer: it is busy, gone, or next to nothing passes
	enoughLong = 10 // short ones that are answered before any long one
	enoughFine = 4  // the same of a size between: an error there is one of a figure
	fineness   = 32 // bytes, to which the search goes

	enoughDoubts = 2                // in doubtsFor, which have a way checked at once
	doubtsFor    = 10 * time.Second // after the last of them
	doubtPause   = 5 * time.Second  // after a doubt that had no reason; it doubles with each in a row
	maxCalm      = 7                // doublings
	maxVain      = 4                // doublings of lookAgain before a check for doubts, of one each in a row without a reason
	vainFor      = time.Minute      // after which these begin anew

	seenRate = 128 << 10 // bytes a second of answers to Pads
)

// sizes are what is known of the size of datagrams on a way.
type sizes struct {
	checked      Time   // when the last check ended; 0: there was none
	doubted      Time   // when something long was not answered last
	calmed       Time   // doubts do not count before
	passed, over uint16 // the longest that passed there and back, the shortest that did not, before sealing; 0: none
	doubts, calm uint8  // in a row, and those that had no reason
}

// care is what a node does about the sizes on all of its ways.
type care struct {
	look     Time // nothing is checked before
	credits  int  // checks without any doubt
	credited Time // when the next credit comes
	check    check
	answers  rate.Bucket

	// Where much is lost, all ways are in doubt at once, and not for their size. So what a node
	// checks for doubts that have no reason is bounded over all ways together.
	vain   int  // checks for doubts in a row that found none
	doubts Time // nothing is checked for doubts before
}

// check is the one under way: of this node's longest datagrams, or a search for what passes where these do not.
type check struct {
	due    Time // the next try; Never: none is under way
	peer   detect.Peer
	size   int    // that is tried
	passed int    // in this search
	over   int    // what did not; 0: it is no search
	first  uint32 // number of the first long Pad of this size; a short one's is one more than that of the long one beside
	number uint32 // of the next
	tries  int
	silent int    // tries since the last answer
	short  uint64 // the tries whose short ones were answered
}

func (n *Node) launchPaths() {
	w := &n.paths
	w.check.due = Never
	w.answers = rate.Full(seenRate, 2*seenRate, n.now)
	n.renewPaths()
}

// renewPaths has all ways checked anew: those from another address are others.
func (n *Node) renewPaths() {
	w := &n.paths
	for i := range w.list {
		w.list[i].sizes = sizes{}
	}
	w.credits, w.credited = firstChecks, n.now.Add(n.apart(creditEvery))
	w.look, w.check.due = n.now.Add(n.apart(firstLook)), Never
}

// apart returns a time within a quarter of d. It draws where numbers for checks come from, so that all else that this node draws is
// as it would be without them.
func (n *Node) apart(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(n.proof.Int64N(int64(d)/2+1))
}

// Longest returns how many bytes a datagram of this node has at most, before sealing.
func (n *Node) Longest() int { return wire.RoomOf(n.cfg.MTU) }

// lookAfterPaths begins a check, if there is one to begin. It is called with each probe, so it wakes nobody.
func (n *Node) lookAfterPaths() {
	w := &n.paths
	if w.look > n.now || w.check.due != Never || n.entry.leaving {
		return
	}
	if w.credited <= n.now {
		w.credits = min(w.credits+1, firstChecks)
		w.credited = n.now.Add(n.apart(creditEvery))
	}
	var best *path
	like := 0
	for i := range w.list {
		p := &w.list[i]
		switch u, b := n.urgency(p), n.urgency(best); {
		case u == 0 || u < b || u == b && p.checked > best.checked:
		case u > b || p.checked < best.checked:
			best, like = p, 1
		default: // any of them, so that not all that start together ask their seed at once
			if like++; n.proof.IntN(like) == 0 {
				best = p
			}
		}
	}
	w.look = n.now.Add(lookAfter)
	if best == nil {
		return
	}
	w.look = n.now.Add(lookAgain)
	switch n.urgency(best) {
	case dueAgain, dueFirst:
		w.credits--
	}
	if _, live := n.liveMember(best.peer); !live || n.quota.MustWait(n.now, best.peer.ID, lot) {
		best.checked = n.now
		return
	}
	w.check = check{peer: best.peer, size: n.Longest(), first: uint32(n.proof.Uint64())}
	w.check.number = w.check.first
	if n.urgency(best) == dueSearch {
		w.check.over = int(best.over)
		n.nextSize(best)
		return
	}
	n.tryPad()
}

// How urgent a check is.
const (
	dueAgain  = iota + 1 // it was checked, and long ago
	dueSearch            // it takes no long datagrams, and what it takes is not known
	dueSmall             // it took no long ones a minute ago
	dueFirst             // it was not checked
	dueDoubt             // something long was not answered
)

func (n *Node) urgency(p *path) int {
	w := &n.paths
	switch {
	case p == nil || p.heard == 0 || n.now.Sub(p.heard) > heardFor:
		return 0
	case p.over > 0 && p.passed == 0:
		return dueSearch
	case p.over > 0 && (p.checked == 0 || n.now.Sub(p.checked) >= smallFor):
		return dueSmall
	case p.over > 0:
		return 0
	case p.doubts >= enoughDoubts && n.now.Sub(p.doubted) <= doubtsFor && p.calmed <= n.now && w.doubts <= n.now:
		return dueDoubt
	case w.credits == 0:
		return 0
	case p.checked == 0, p.passed == 0 && n.now.Sub(p.checked) >= lossyFor:
		return dueFirst
	case n.now.Sub(p.checked) >= checkedFor:
		return dueAgain
	}
	return 0
}

// narrow says whether the way to a member drops datagrams as long as those that full pieces come
// in.
func (n *Node) narrow(id member.ID) bool {
	p := n.paths.find(id)
	return p != nil && p.over > 0 && p.passed > 0 && int(p.passed) < wire.MinRoom
}

// unanswered takes in that a member did not answer something long, or did not answer with something long. It is one of
// many reasons to look whether such datagrams pass.
func (n *Node) unanswered(id member.ID) { n.doubtSize(id, 1) }

// doubtSize takes in so many reasons to look whether long datagrams pass between this node and a
// member.
func (n *Node) doubtSize(id member.ID, reasons uint8) {
	m, ok := n.table.Get(id)
	if !ok || !m.State.Live() || id == n.id {
		return
	}
	p := n.paths.to(detect.PeerOf(&m))
	if n.now.Sub(p.doubted) > doubtsFor {
		p.doubts = 0
	}
	before := p.doubts
	p.doubts, p.doubted = min(before, 200)+reasons, n.now
	if before < enoughDoubts && p.doubts >= enoughDoubts {
		n.paths.look = min(n.paths.look, n.now)
	}
}

// wakeChecks goes on with the check under way.
func (n *Node) wakeChecks() {
	if n.paths.check.due <= n.now {
		n.tryPad()
	}
}

// tryPad sends the next Pads of a check.
func (n *Node) tryPad() {
	c := &n.paths.check
	p := n.paths.find(c.peer.ID)
	if p == nil || p.peer != c.peer {
		n.endCheck(nil)
		return
	}
	if m, ok := n.liveMember(p.peer); !ok || m.OutOfFamily || c.tries == maxTries || c.silent == maxSilent {
		n.stats.ChecksUnanswered++
		n.endCheck(p)
		return
	}
	n.sendPad(p, c.number, c.size)
	if c.tries++; c.tries > 1 {
		n.sendPad(p, c.number+1, 0)
	}
	c.number += 2
	c.due = n.now.Add(max(tryEvery, 2*p.rtt) << min(max(c.silent-patience, 0), 4))
	c.silent++
}

func (n *Node) sendPad(p *path, number uint32, size int) {
	start := n.open(p.peer.Instance)
	n.out.arena = wire.AppendPad(n.out.arena, &wire.Pad{Number: number, Over: p.over},
		size-wire.HeaderSize)
	n.closeFree(start, p.peer)
}

// takeWay reads a question for what came or for bridges, or the answer to one of this node's, and
// says whether it could.
func (n *Node) takeWay(peer detect.Peer, t wire.Type, body []byte) bool {
	switch t {
	case wire.TypeSeen:
		m, ok := wire.ReadSeen(body)
		if ok {
			n.padSeen(peer, &m)
		}
		return ok
	case wire.TypeAcross:
		f, ok := wire.ReadAcross(body)
		if ok {
			n.answerAcross(peer, Family(f))
		}
		return ok
	case wire.TypeBridge:
		m, ok := wire.ReadBridge(body)
		if ok {
			n.takeBridge(peer, &m)
		}
		return ok
	}
	m, ok := wire.ReadPad(body)
	if over := int(m.Over); ok && over > 0 && over <= n.Longest() {
		n.doubtSize(peer.ID, enoughDoubts)
	}
	if ok && n.paths.answers.Ready(n.now) {
		start := n.open(peer.Instance)
		n.out.arena = wire.AppendSeen(n.out.arena, &wire.Seen{Number: m.Number, From: peer.Addr},
			min(n.size, n.Longest())-wire.HeaderSize)
		n.paths.answers.Take(n.closeFree(start, peer))
	}
	return ok
}

// padSeen takes in that a Pad of this node's came there, and its answer here.
func (n *Node) padSeen(peer detect.Peer, m *wire.Seen) {
	c := &n.paths.check
	p := n.paths.find(peer.ID)
	k := m.Number - c.first
	if p == nil || c.due == Never || c.peer != p.peer || p.peer.Instance != peer.Instance || k >= c.number-c.first {
		return
	}
	note(&p.seen, m.From)
	c.silent = 0
	if k%2 == 0 {
		n.padPassed(p)
		return
	}
	c.short |= 1 << (k / 2)
	switch answered := bits.OnesCount64(c.short); {
	case c.over > 0 && answered >= enoughFine:
		c.over = c.size
		n.nextSize(p)
	case c.over == 0 && answered >= enoughLong:
		n.stats.ChecksSmall++
		n.tellSmall(p, uint16(c.size))
		n.endCheck(p)
	}
}

// padPassed takes in that a long Pad was answered.
func (n *Node) padPassed(p *path) {
	c := &n.paths.check
	c.passed = c.size
	if c.over > 0 {
		n.nextSize(p)
		return
	}
	n.stats.ChecksPassed++
	n.tellSmall(p, 0)
	p.passed = uint16(c.size)
	n.endCheck(p)
}

// nextSize goes on with another size in a search, or ends it.
func (n *Node) nextSize(p *path) {
	c := &n.paths.check
	c.first, c.tries, c.silent, c.short = c.number, 0, 0, 0
	switch {
	case c.over-c.passed <= fineness:
		n.endCheck(p)
	case c.passed == 0 && c.over > wire.MinRoom: // what all paths should take
		c.size = wire.MinRoom
		n.tryPad()
	default:
		c.size = (c.passed + c.over) / 2
		n.tryPad()
	}
}

// tellSmall takes in that datagrams of a size do not pass on a way; 0: all do. What has changed for one way may have changed for
// others: they are checked as soon as they may be.
func (n *Node) tellSmall(p *path, over uint16) {
	was := p.over
	switch {
	case (over > 0) == (was > 0):
		return
	case over > 0:
		p.passed = 0
	}
	for i := range n.paths.list {
		if o := &n.paths.list[i]; (o.over > 0) == (was > 0) {
			o.checked = 0
		}
	}
	if p.over = over; over > 0 {
		n.paths.vain, n.paths.doubts = 0, n.now
	}
	if m, ok := n.liveMember(p.peer); ok {
		n.out.Events = append(n.out.Events, Event{Kind: pick(over > 0, PathSmall, PathWhole), Member: m, Size: int(over)})
	}
}

// endCheck ends the check under way.
func (n *Node) endCheck(p *path) {
	c := &n.paths.check
	c.due = Never
	if p == nil {
		return
	}
	if c.over > 0 { // as far as the search came
		p.passed, p.over = uint16(max(c.passed, wire.HeaderSize+wire.MinPad)), uint16(c.over)
	}
	p.checked = max(n.now, 1)
	if p.doubts >= enoughDoubts && p.over == 0 {
		p.calmed = n.now.Add(doubtPause << p.calm)
		p.calm = min(p.calm+1, maxCalm)
		n.doubtsInVain()
	}
	p.doubts = 0
}

// doubtsInVain takes in that a check for doubts found no reason for them: the next one waits.
func (n *Node) doubtsInVain() {
	w := &n.paths
	if n.now.Sub(w.doubts) > vainFor {
		w.vain = 0
	}
	w.vain = min(w.vain+1, maxVain)
	w.doubts = n.now.Add(lookAgain << w.vain)
}
