package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The juror. It examines the accused by itself: pings at a fast pace, and connections to its port.
// It says "open" at once, so that the accuser knows that it is there; "acquit" as soon as the
// accused answers; and votes when the grace is over, but not before it has looked for half of it
// with its own eyes. All accusers share one case.
//
//	an inquiry --> open ------------- the grace is over, and no storm -------------> guilty
//	                | ^                                                               | |
//	                | +-- the accused sends, or its host takes a connection ----------+ |
//	                +---- an answer --> acquit: kept for a Config.Period <-- an answer -+
//
// Each change is told to the accusers. A case is forgotten when nobody has asked for a while.

// caseLife is how long after the last question a case is kept.
const caseLife = 2 * time.Second

// maxAge bounds how long an accuser may say that a member has been silent: it may have been unable
// to ask for hours.
const maxAge = time.Minute

// inquest is one member under examination.
type inquest struct {
	peer    plane.Peer
	start   mono.Time // of the silence, as the first accuser has it
	opened  mono.Time
	next    mono.Time // step
	resend  mono.Time
	expires mono.Time // unless somebody asks again
	delay   time.Duration
	pings   int
	first   uint32    // the sequence of the case's first ping
	heard   mono.Time // the last datagram of it that was no answer, here or at an accuser; 0: none
	kernel  kernel
	word    wire.Word
	voted   wire.Cause // with WordGuilty
	taken   int        // silent votes that were taken back
	askers  []asker
}

// asker is an accuser that wants to hear at once.
type asker struct {
	peer plane.Peer
	seq  uint32
}

func (c *inquest) shift(gap time.Duration) {
	c.start, c.opened, c.expires = c.start.Add(gap), c.opened.Add(gap), c.expires.Add(gap)
	c.kernel, c.heard = kernel{}, 0
	c.next, c.resend = 0, 0
}

// is says whether it is about a member in the same life.
func (c *inquest) is(p plane.Peer) bool {
	return c.peer.ID == p.ID && c.peer.Instance == p.Instance
}

// maxTaken is how many silent votes a juror takes back in one case: a stranger's datagrams keep no
// dead member alive.
const maxTaken = 2

// sends says whether an accused was heard of late, by this juror or by an accuser, while it
// answered nothing.
func (c *inquest) sends(now mono.Time, cfg *Config) bool {
	return c.heard != 0 && now.Sub(c.heard) < cfg.Grace
}

// storm is what this node sees of others beside its cases.
type storm interface {
	// silent counts the silent members, up to a number; like 0: of all zones, otherwise of a
	// member's.
	silent(now mono.Time, most int, like member.ID) int
	// accuses says whether one of them is a member.
	accuses(id member.ID) bool
}

// bench is this node as a juror: it holds the members that it examines for others.
type bench struct {
	*env
	flaps *flaps
	storm storm
	cases []inquest
}

func (b *bench) of(id member.ID) int {
	return slices.IndexFunc(b.cases, func(c inquest) bool { return c.peer.ID == id })
}

// inquired answers an accuser, and opens a case if there is none.
func (b *bench) inquired(now mono.Time, from plane.Peer, q wire.Inquiry) {
	m, known := b.host.Table().Get(q.Target)
	_, friend := b.current(from)
	unknown := wire.Finding{Seq: q.Seq, Word: wire.WordUnknown}
	switch {
	case !known: // as a newcomer to nodes that cannot reach it, which do not tell of it any more
		b.say(now, from, wire.Finding{Seq: q.Seq, Word: wire.WordStranger})
		return
	case m.Instance() != q.Instance || m.State == member.Left || !friend:
		b.say(now, from, unknown) // views differ, and anti-entropy will see to it
		return
	case m.OutOfFamily:
		b.say(now, from, wire.Finding{Seq: q.Seq, Word: wire.WordCannot})
		return
	case q.Target == b.host.Self():
		b.say(now, from, wire.Finding{Seq: q.Seq, Word: wire.WordAcquit})
		return
	}
	i := b.of(q.Target)
	if i < 0 {
		if len(b.cases) >= maxCases {
			b.say(now, from, unknown)
			return
		}
		i = len(b.cases)
		b.cases = append(b.cases, inquest{peer: plane.PeerOf(&m), start: now, opened: now,
			next: now, resend: now, first: b.seq + 1, word: wire.WordOpen})
		b.soon(now)
	}
	c := &b.cases[i]
	c.start = min(c.start, now.Add(-min(q.Age, maxAge)))
	if q.Heard {
		b.hear(now, c)
	}
	if c.word != wire.WordAcquit {
		c.expires = now.Add(max(caseLife, b.cfg.Grace))
	}
	if k := slices.IndexFunc(c.askers, func(a asker) bool { return a.peer.ID == from.ID }); k >= 0 {
		c.askers[k] = asker{from, q.Seq}
	} else if len(c.askers) < maxAskers {
		c.askers = append(c.askers, asker{from, q.Seq})
	}
	b.say(now, from, b.finding(now, c, q.Seq))
}

func (b *bench) finding(now mono.Time, c *inquest, seq uint32) wire.Finding {
	cause := c.kernel.cause()
	if c.word == wire.WordGuilty {
		cause = c.voted
	}
	return wire.Finding{Seq: seq, Word: c.word, Cause: cause, Pings: uint32(c.pings),
		Span: now.Sub(c.opened)}
}

func (b *bench) say(now mono.Time, to plane.Peer, f wire.Finding) {
	b.send(now, to, wire.AppendFinding(b.scratch[:0], f))
}

// conclude makes up the juror's mind, and tells the accusers.
func (b *bench) conclude(now mono.Time, c *inquest, w wire.Word) {
	c.word = w
	for _, a := range c.askers {
		b.say(now, a.peer, b.finding(now, c, a.seq))
	}
}

// acquit ends a case well. It stays for as long as no new alarm may be raised, for those that
// ask late.
func (b *bench) acquit(now mono.Time, c *inquest) {
	if c.word == wire.WordAcquit {
		return
	}
	c.next, c.expires = now.Add(b.cfg.Period), now.Add(b.cfg.Period)
	b.soon(c.next)
	b.conclude(now, c, wire.WordAcquit)
}

// dropAt forgets a case; the last one takes its place.
func (b *bench) dropAt(i int) {
	last := len(b.cases) - 1
	b.cases[i] = b.cases[last]
	b.cases[last] = inquest{}
	b.cases = b.cases[:last]
	if last == 0 && cap(b.cases) > 16 {
		b.cases = nil // give back what a storm took
	}
}

// turn goes on with all that are due.
func (b *bench) turn(now mono.Time) {
	for i := 0; i < len(b.cases); {
		c := &b.cases[i]
		if c.next <= now {
			if c.expires <= now {
				b.dropAt(i)
				continue
			}
			b.examine(now, c)
		}
		b.soon(c.next)
		i++
	}
}

// examine pings the accused, tries its host, and votes when it is time to. A juror that has voted
// goes on: it may still be wrong.
func (b *bench) examine(now mono.Time, c *inquest) {
	if c.word == wire.WordAcquit {
		c.next = c.expires
		return
	}
	if c.word == wire.WordOpen {
		b.vote(now, c)
	}
	if c.resend <= now {
		pace := max(b.cfg.Grace/16, 60*time.Millisecond)
		if c.kernel.hopeless(now.Sub(c.start), &b.cfg) {
			pace = max(pace, b.cfg.Period)
		}
		c.resend = now.Add(b.jitter(pace, 15))
		c.pings++
		b.probe(now, c.peer)
	}
	c.kernel.try(now, b.env, c.peer)
	c.next = min(c.resend, c.expires)
	if at := b.voteAt(now, c); c.word == wire.WordOpen && at > now { // else it lacks pings yet
		c.next = min(c.next, at)
	}
	if c.kernel.first != 0 {
		c.next = min(c.next, c.kernel.next)
	}
}

// voteAt returns when the juror votes if it has no answer.
func (b *bench) voteAt(now mono.Time, c *inquest) mono.Time {
	if c.sends(now, &b.cfg) {
		return c.opened.Add(b.cfg.DeafGrace / 2)
	}
	grace := b.flaps.grace(now, c.peer.ID)
	at := max(c.start.Add(grace), c.opened.Add(grace/2))
	if c.kernel.stalled() {
		at = max(at, c.start.Add(b.cfg.StallGrace))
	}
	return at.Add(c.delay)
}

// vote votes if it is time to, unless the juror has reason to doubt itself.
func (b *bench) vote(now mono.Time, c *inquest) {
	deaf := c.sends(now, &b.cfg)
	switch {
	case c.kernel.gone(refusedFor):
		deaf = false
	case now < b.voteAt(now, c):
		return
	case deaf:
		if c.pings < b.way(c.peer.ID).attempts(&b.cfg) {
			return
		}
	case b.braked(now, c):
		c.delay += b.cfg.Grace / 4
		return
	}
	if c.voted = c.kernel.cause(); deaf {
		c.voted = wire.CauseDeaf
	}
	b.conclude(now, c, wire.WordGuilty)
}

// hear takes in that the accused lives; a vote for its silence was wrong.
func (b *bench) hear(now mono.Time, c *inquest) {
	if c.word == wire.WordAcquit {
		return
	}
	c.heard, c.kernel.welcome = now, 0
	if c.word == wire.WordGuilty && c.voted == wire.CauseSilent && c.taken < maxTaken {
		c.taken++
		b.conclude(now, c, wire.WordOpen)
		c.next = min(c.next, max(b.voteAt(now, c), now))
		b.soon(c.next)
	}
}

// manySilent is how many members have to seem silent at once for a juror to doubt that they are
// dead: it may be its own network. One member dies by itself; several at once are one switch, and
// it may be this node's.
const manySilent = 3

// braked is the storm brake: it says whether a juror should wait for a little more. In the end it
// votes: a storm may be true.
func (b *bench) braked(now mono.Time, c *inquest) bool {
	return !b.cfg.NoStormBrake && now < c.start.Add(4*b.cfg.Grace) &&
		b.silent(now, manySilent, c.peer.ID) >= manySilent
}

// silent counts the members that seem silent to this node, as accuser and as juror.
func (b *bench) silent(now mono.Time, most int, like member.ID) int {
	n := b.storm.silent(now, most, like)
	for i := range b.cases {
		c := &b.cases[i]
		if n < most && c.word != wire.WordAcquit && !c.sends(now, &b.cfg) &&
			(like == 0 || !b.otherZone(c.peer.ID, like)) &&
			c.pings >= b.way(c.peer.ID).attempts(&b.cfg) &&
			c.kernel.quiet() && !b.storm.accuses(c.peer.ID) {
			n++
		}
	}
	return n
}
