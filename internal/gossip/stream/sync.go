package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// An exchange of all heads: Ask, Page, Ask from where the page ended, until all are told. It starts
// when hashes differ by more than pieces under way, when this process stood still, when
// a member is back (reunion.go), and when this node is a newcomer (arrival.go).

const (
	// another is asked after this, or two round trips, if nothing came; doubling
	firstAsk = 100 * time.Millisecond
	// without an answer, then an exchange is given up; a newcomer goes on
	maxAsks = 5
	// round trips between two exchanges, at least: what differs may be under way
	syncTrips = 16
	longGap   = time.Second // of a stall after which the others are asked at once
	// without anybody's heads after a probe, others are asked for them
	aloneFor = time.Second
	// after a probe without an answer, any such silence counts, from the last heads on
	missedFor = 10 * time.Second
)

// exchange is how far the exchange of all heads is.
type exchange struct {
	core
	arrival   *arrival
	differ    *differences
	intake    *intake
	former    *former
	polls     *polls
	passing   *passing
	retention *retention

	active bool // an Ask is under way
	peer   member.ID
	from   member.ID // the first origin that is asked about
	due    mono.Time // when another is asked
	asks   int       // since the last answer

	all    bool // it is about streams too of which nothing is held
	pages  int
	taught bool // something
	led    bool // a hash led to it, this one; 0: the other told none
	ledBy  uint64

	start  mono.Time // one is started then, with anybody
	alone  mono.Time // and then, unless heads of somebody are heard before
	missed mono.Time // until then a silence counts without a probe
}

// Joined tells that a member let this node in, and how long its answer took. An Ask may take as
// long, and what is published meanwhile is for this node.
func (x *exchange) Joined(now mono.Time, by member.Member, took time.Duration) {
	if !x.arrival.joined {
		x.arrival.come(now, took)
	} else if x.arrival.newcomer && x.active {
		return // it asks already, and that answer is nearer to its welcome
	}
	x.begin(now, by.ID, true)
}

// Greeted tells that a member welcomed this node that is of its own cluster, in which it was in
// before: it asks what it lacks, and begins nothing anew.
func (x *exchange) Greeted(now mono.Time, by member.Member) {
	if !x.arrival.newcomer || !x.active {
		x.begin(now, by.ID, true)
	}
}

// Headless tells that a member's probe, or its answer to one, came without heads: it holds nothing,
// or is odd. A node that holds something and hears nothing else asks once in a while, and is odd
// itself if that is in vain.
func (x *exchange) Headless(now mono.Time, from member.Member) {
	if x.known.hash != 0 {
		x.compareHash(now, from, 0)
	}
}

// compareHash holds the hash of a member against this node's; 0: it told none.
func (x *exchange) compareHash(now mono.Time, from member.Member, hash uint64) {
	x.heardHeads(now)
	if x.differ.worth(now, from.ID, hash, x.active || x.arrival.newcomer) {
		x.begin(now, from.ID, false)
		x.led, x.ledBy = true, hash
	}
}

// begin begins an exchange. all asks about streams too of which the other holds nothing any
// more.
func (x *exchange) begin(now mono.Time, peer member.ID, all bool) {
	x.stats.Syncs++
	x.differ.begun(now)
	x.start, x.alone = mono.Never, mono.Never
	x.all, x.asks, x.pages, x.taught, x.led = all, 0, 0, false, false
	x.sendAsk(now, peer, 0)
}

// sendAsk asks a member for the page that begins with an origin.
func (x *exchange) sendAsk(now mono.Time, peer, from member.ID) {
	pause := max(firstAsk, 2*x.host.RTT()) << min(x.asks, maxAsks)
	x.active, x.peer, x.from, x.due = true, peer, from, now.Add(pause)
	x.asks++
	x.at(x.due)
	if m, ok := x.host.Table().Get(peer); ok {
		ask := wire.Ask{From: from, All: x.arrival.newcomer || x.all}
		if x.arrival.newcomer {
			ask.Back = now.Sub(x.arrival.in)
		}
		x.askPage(now, m, ask)
	}
}

// takePage takes in a page that somebody was asked for.
func (x *exchange) takePage(now mono.Time, from member.Member, page wire.Page,
	heads wire.HeadReader) bool {
	x.hearFormer(now, from, page.From, heads)
	defer x.polls.take(now, from, page, heads) // once what it shows is known to be missing
	// a newcomer takes the first answer to any Ask
	if !x.active || page.From != x.from || from.ID != x.peer && !x.arrival.newcomer {
		return x.hearAside(now, from, heads)
	}
	x.asks = 0
	if x.arrival.newcomer && !(page.Settled && page.All) {
		return true // it does not know; another is asked in time
	}
	x.pages++
	all := heads
	for h, ok := heads.Next(); ok; h, ok = heads.Next() {
		if x.arrival.newcomer {
			x.arrival.beginAfter(now, h)
		} else if st := x.intake.hear(now, from, h); st != nil {
			if x.taught = true; x.all {
				x.passing.news(now, st)
			}
		}
	}
	if !x.arrival.newcomer {
		x.tellBack(now, from, page, all)
	}
	if page.To != ^member.ID(0) {
		x.sendAsk(now, from.ID, page.To+1)
		return !heads.Malformed()
	}
	x.end(now)
	return !heads.Malformed()
}

// hearFormer takes in what a page tells of the lives of the origin that it begins with, if they
// were asked for.
func (x *exchange) hearFormer(now mono.Time, from member.Member, origin member.ID,
	heads wire.HeadReader) {
	of := x.former.of(origin)
	if of == nil {
		return
	}
	for h, ok := heads.Next(); ok && h.Origin == origin; h, ok = heads.Next() {
		x.intake.hear(now, from, h)
	}
	x.former.told(now, of)
}

// tellBack tells the sender of a page what this node has of the streams of it, and that one has
// not.
func (x *exchange) tellBack(now mono.Time, to member.Member, page wire.Page,
	heads wire.HeadReader) {
	list := [1]member.Member{to}
	p := x.beginPages(wire.Page{All: x.all, Settled: true}, list[:])
	h, ok := heads.Next()
	i, _ := x.known.search(page.From, 0)
	for ; i < len(x.known.list) && x.known.list[i].origin <= page.To; i++ {
		st := x.known.list[i]
		for ok && st.compare(h.Origin, h.Generation) > 0 {
			h, ok = heads.Next()
		}
		own := st.asHead()
		theirs := uint64(0)
		if ok && st.compare(h.Origin, h.Generation) == 0 {
			theirs = h.High
		}
		if own.High > theirs && (st.held > 0 || page.All && st.begun) {
			p.add(now, st)
		}
	}
	p.end(now)
}

// hearAside takes in what a page tells that is not of the exchange under way: it came late, or
// answers about former lives. It says as truly how far a member has what it holds.
func (x *exchange) hearAside(now mono.Time, from member.Member, heads wire.HeadReader) bool {
	for h, ok := heads.Next(); ok; h, ok = heads.Next() {
		if h.Low <= h.High {
			x.intake.hear(now, from, h)
		}
	}
	return !heads.Malformed()
}

// end ends an exchange that told all.
func (x *exchange) end(now mono.Time) {
	x.active, x.due = false, mono.Never
	x.heardHeads(now)
	switch {
	case x.arrival.newcomer:
		x.arrival.settle(now, func(*stream) uint64 { return 1 })
	case x.taught:
		x.differ.pause = 0
	default:
		if x.led {
			x.differ.idle.add(now, x.known.hash, x.ledBy, x.peer)
		}
		x.differ.rest(now, x.pages)
	}
}

// wake does what has fallen due of an exchange.
func (x *exchange) wake(now mono.Time) {
	if now >= x.arrival.decide {
		x.arrival.settle(now, (*stream).firstHeard)
	}
	if x.active && now >= x.due {
		x.active, x.due = false, mono.Never
		switch m, ok := x.anybody(); {
		case x.all && !x.arrival.newcomer && x.asks < reunionTries:
			x.sendAsk(now, x.peer, x.from)
		case !x.arrival.newcomer && x.asks >= maxAsks:
			x.Probed(now)
		case ok: // the last may not have heard yet that this node lives
			x.sendAsk(now, m.ID, x.from)
		case x.arrival.newcomer:
			x.active, x.due = true, now.Add(firstAsk)
		}
	}
	if now >= x.start {
		x.start = mono.Never
		if m, ok := x.anybody(); ok && !x.active {
			x.begin(now, m.ID, true)
		}
	}
	if now >= x.alone {
		x.alone, x.missed = mono.Never, now.Add(missedFor)
		if m, ok := x.anybody(); ok && !x.active && !x.arrival.newcomer {
			x.begin(now, m.ID, false)
		}
	}
	x.at(min(x.due, x.start, x.alone, x.arrival.decide))
}

func (x *exchange) stalled(now mono.Time, gap time.Duration) {
	if x.arrival.decide = x.arrival.decide.Add(gap); !x.arrival.newcomer {
		x.due = x.due.Add(gap)
	}
	if gap >= longGap {
		x.active, x.due = false, mono.Never
		if x.arrival.newcomer {
			x.active, x.due = true, now // the member that it asked may have forgotten it
		}
		x.start, x.differ.next, x.differ.pause = now, now, 0
		x.retention.keep(now)
		x.at(now)
	}
	// it works slowly, and may not come to its timers: it asks the next one
	if x.arrival.newcomer && x.active && now >= x.due {
		x.wake(now)
	}
}

// Probed tells that this node asks somebody for a sign of life, and shows its heads with that. The
// other's come back with the answer. Where most do not answer that is seldom, and a detector that
// misses answers asks ever more seldom: a node that hears nobody's heads for a while asks for them
// by itself.
func (x *exchange) Probed(now mono.Time) {
	switch {
	case x.active || x.arrival.newcomer || x.known.hash == 0:
	case x.alone == mono.Never:
		x.alone = now.Add(aloneFor)
		x.at(x.alone)
	default:
		x.missed = now.Add(missedFor)
	}
}

// heardHeads takes in that heads of somebody came. Those that came with the request to ask somebody
// else, which this node has just done, are no answer of that one.
func (x *exchange) heardHeads(now mono.Time) {
	if x.alone == now.Add(aloneFor) {
		return
	}
	if x.alone = mono.Never; now < x.missed {
		x.alone = now.Add(aloneFor)
		x.at(x.alone)
	}
}

func (x *exchange) receiveHeads(now mono.Time, from member.Member, body []byte) bool {
	hash, heads, ok := wire.ReadHeads(body)
	if !ok {
		return false
	}
	for range maxTold {
		h, ok := heads.Next()
		if !ok {
			break
		}
		x.intake.hear(now, from, h)
	}
	x.compareHash(now, from, hash)
	return !heads.Malformed()
}

// Whether the hash of another node, which differs from this node's, is worth an exchange of all
// heads. Mostly it is not: a piece is under way, or pieces are let go here a little earlier.

const (
	quiet = 500 * time.Millisecond // hashes should agree when nothing came for so long
	// so many differences running are worth an exchange in any case
	streak  = 8
	fewRuns = 3 // and so many, where nothing agreed for as long as longRun
	longRun = 2 * time.Second
	// between two exchanges that teach nothing; so long for each page of the last
	maxSync = 2 * time.Second
	// of so many differences after an agreement one is looked into, once pieces age
	oddOnes = 4
	// a difference of which an exchange found no reason is left alone
	explained = 30 * time.Second
	idleOnes  = 4  // so are those of all with a hash, once so many of them were asked in vain
	maxIdle   = 16 // that were asked in vain are remembered
	// so long after a member is heard again hashes are compared at once
	hurryFor = 2 * time.Second
)

// differences is what a node knows of how the hashes of others differ from its own.
type differences struct {
	core
	streak int       // running
	run    mono.Time // when the first of them was
	odd    bool      // this node differs from all that it hears, and an exchange found no reason
	hurry  mono.Time // until then a difference is looked into at once
	next   mono.Time // no exchange is started before
	pause  time.Duration
	idle   idle
}

// idle are members whose hashes differ from this node's for no reason that an exchange finds: as a
// rule the one holds pieces for longer. What enough of them with one hash do not lack, another one
// may lack: one came in later, and the other was cut off.
type idle struct {
	own   uint64 // they are against this one
	until mono.Time
	asked [maxIdle]differing
	at    int
}

type differing struct {
	hash uint64
	id   member.ID
}

func (d *idle) add(now mono.Time, own, other uint64, id member.ID) {
	if d.own != own {
		*d = idle{own: own}
	}
	d.asked[d.at%maxIdle], d.until = differing{other, id}, now.Add(explained)
	d.at++
}

func (d *idle) has(now mono.Time, own, other uint64, id member.ID) bool {
	same := 0
	for _, x := range d.asked[:min(d.at, maxIdle)] {
		if x.hash == other {
			same++
		}
		if x == (differing{other, id}) || same >= idleOnes {
			return d.own == own && now < d.until
		}
	}
	return false
}

// worth says whether the hash of another node is worth an exchange. busy says that one is under
// way.
func (d *differences) worth(now mono.Time, from member.ID, hash uint64, busy bool) bool {
	own := d.known.hash
	if hash == own {
		d.streak, d.odd = 0, false
		return false
	}
	if d.streak++; d.streak == 1 {
		d.run = now
	}
	d.odd = d.streak >= streak && d.idle.own == own && now < d.idle.until
	settled := hash != 0 && (now.Sub(d.known.changed) >= quiet || now < d.hurry) ||
		d.streak >= streak ||
		// where most are dead, unknown yet, few are heard
		d.streak >= fewRuns && now.Sub(d.run) >= longRun
	if busy || now < d.next || !settled || d.idle.has(now, own, hash, from) {
		return false
	}
	// else the one before agreed: this one is odd, and asks itself
	return d.streak > 1 || !d.known.aged || now < d.hurry || d.host.Rand().IntN(oddOnes) == 0
}

// begun notes that an exchange began.
func (d *differences) begun(now mono.Time) {
	d.streak, d.next = 0, now.Add(max(d.cfg.Sync, syncTrips*d.host.RTT()))
}

// rest has the next exchange wait, and longer each time, since one of some pages taught nothing.
func (d *differences) rest(now mono.Time, pages int) {
	d.pause = min(max(2*d.pause, d.cfg.Sync), maxSync*time.Duration(max(pages, 1)))
	d.next = now.Add(d.pause + time.Duration(d.host.Rand().Int64N(int64(d.pause)/2+1)))
}

// hasten lets an exchange begin at once.
func (d *differences) hasten(now mono.Time) { d.next, d.pause = min(d.next, now), 0 }

// Heard tells that a live member that was silent is heard again. So what differs is looked into at
// once: there may have been a cut too short for a verdict, or in one direction alone.
func (d *differences) Heard(now mono.Time) {
	d.hasten(now)
	d.hurry = now.Add(hurryFor)
}

// AppendHeads adds a Heads message for a probe or its answer, in at most room bytes; nothing if
// nothing is held and nothing changed. A node that is odd tells no hash: each of the others would
// ask for its heads, in vain. It has asked them, and told them what they lack.
func (d *differences) AppendHeads(b []byte, room int) []byte {
	hushed := d.known.hash == 0 || d.odd && d.idle.own == d.known.hash
	if room < wire.HeadsSize || hushed && len(d.known.telling.list) == 0 {
		return b
	}
	start := len(b)
	b = wire.BeginHeads(b, d.known.hash)
	b = d.known.telling.append(b, (room-wire.HeadsSize)/wire.HeadSize)
	return wire.EndHeads(b, start)
}
