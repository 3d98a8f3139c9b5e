package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The juror. It examines the accused by itself: pings at a fast pace, and connections to its port.
// It says "open" at once, so that the accuser knows that it is there; "acquit" as soon as the
// accused answers; and votes when the grace is over, but not before it has looked for half of it
// with its own eyes. All accusers share one case.

// caseLife is how long after the last question a case is kept.
const caseLife = 2 * time.Second

// maxAge bounds how long an accuser may say that a member has been silent: it may have been unable
// to ask for hours.
const maxAge = time.Minute

// inquest is one member under examination.
type inquest struct {
	peer    detect.Peer
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

// asker is an accuser, who wants to hear at once.
type asker struct {
	peer detect.Peer
	seq  uint32
}

func (c *inquest) shift(gap time.Duration) {
	c.start, c.opened, c.expires = c.start.Add(gap), c.opened.Add(gap), c.expires.Add(gap)
	c.kernel, c.heard = kernel{}, 0
	c.next, c.resend = 0, 0
}

func (d *Detector) caseOf(id member.ID) int {
	return slices.IndexFunc(d.cases, func(c inquest) bool { return c.peer.ID == id })
}

// inquired answers an accuser, and opens a case if there is none.
func (d *Detector) inquired(now mono.Time, from detect.Peer, q wire.Inquiry) {
	m, known := d.host.Table().Get(q.Target)
	_, friend := d.current(from)
	unknown := wire.Finding{Seq: q.Seq, Word: wire.WordUnknown}
	switch {
	case !known: // as a newcomer to nodes that cannot reach it, which do not tell of it any more
		d.say(now, from, wire.Finding{Seq: q.Seq, Word: wire.WordStranger})
		return
	case m.Instance() != q.Instance || m.State == member.Left || !friend:
		d.say(now, from, unknown) // views differ, and anti-entropy will see to it
		return
	case m.OutOfFamily:
		d.say(now, from, wire.Finding{Seq: q.Seq, Word: wire.WordCannot})
		return
	case q.Target == d.host.Self():
		d.say(now, from, wire.Finding{Seq: q.Seq, Word: wire.WordAcquit})
		return
	}
	i := d.caseOf(q.Target)
	if i < 0 {
		if len(d.cases) >= maxCases {
			d.say(now, from, unknown)
			return
		}
		i = len(d.cases)
		d.cases = append(d.cases, inquest{peer: detect.PeerOf(&m), start: now, opened: now,
			next: now, resend: now, first: d.seq + 1, word: wire.WordOpen})
		d.soon(now)
	}
	c := &d.cases[i]
	c.start = min(c.start, now.Add(-min(q.Age, maxAge)))
	if q.Heard {
		d.hear(now, c)
	}
	if c.word != wire.WordAcquit {
		c.expires = now.Add(max(caseLife, d.cfg.Grace))
	}
	if k := slices.IndexFunc(c.askers, func(a asker) bool { return a.peer.ID == from.ID }); k >= 0 {
		c.askers[k] = asker{from, q.Seq}
	} else if len(c.askers) < maxAskers {
		c.askers = append(c.askers, asker{from, q.Seq})
	}
	d.say(now, from, d.finding(now, c, q.Seq))
}

func (d *Detector) finding(now mono.Time, c *inquest, seq uint32) wire.Finding {
	cause := c.kernel.cause()
	if c.word == wire.WordGuilty {
		cause = c.voted
	}
	return wire.Finding{Seq: seq, Word: c.word, Cause: cause, Pings: uint32(c.pings),
		Span: now.Sub(c.opened)}
}

func (d *Detector) say(now mono.Time, to detect.Peer, f wire.Finding) {
	d.send(now, to, wire.AppendFinding(d.scratch[:0], f))
}

// conclude makes up the juror's mind, and tells the accusers.
func (d *Detector) conclude(now mono.Time, c *inquest, w wire.Word) {
	c.word = w
	for _, a := range c.askers {
		d.say(now, a.peer, d.finding(now, c, a.seq))
	}
}

// acquit ends a case well. It stays for as long as no new alarm may be raised, for those who ask
// late.
func (d *Detector) acquit(now mono.Time, c *inquest) {
	if c.word == wire.WordAcquit {
		return
	}
	c.next, c.expires = now.Add(d.cfg.Period), now.Add(d.cfg.Period)
	d.soon(c.next)
	d.conclude(now, c, wire.WordAcquit)
}

// dropCase forgets a case; the last one takes its place.
func (d *Detector) dropCase(i int) {
	last := len(d.cases) - 1
	d.cases[i] = d.cases[last]
	d.cases[last] = inquest{}
	d.cases = d.cases[:last]
	if last == 0 && cap(d.cases) > 16 {
		d.cases = nil // give back what a storm took
	}
}

// stepCases goes on with all that are due.
func (d *Detector) stepCases(now mono.Time) {
	for i := 0; i < len(d.cases); {
		c := &d.cases[i]
		if c.next <= now {
			if c.expires <= now {
				d.dropCase(i)
				continue
			}
			d.examine(now, c)
		}
		d.soon(c.next)
		i++
	}
}

// examine pings the accused, tries its host, and votes when it is time to. A juror that has voted
// goes on: it may still be wrong.
func (d *Detector) examine(now mono.Time, c *inquest) {
	if c.word == wire.WordAcquit {
		c.next = c.expires
		return
	}
	if c.word == wire.WordOpen {
		d.vote(now, c)
	}
	if c.resend <= now {
		pace := max(d.cfg.Grace/16, 60*time.Millisecond)
		if c.kernel.hopeless(now.Sub(c.start), &d.cfg) {
			pace = max(pace, d.cfg.Period)
		}
		c.resend = now.Add(d.jitter(pace, 15))
		c.pings++
		d.probe(now, c.peer)
	}
	c.kernel.try(now, &d.env, c.peer)
	c.next = min(c.resend, c.expires)
	if at := d.voteAt(now, c); c.word == wire.WordOpen && at > now { // else it lacks pings yet
		c.next = min(c.next, at)
	}
	if c.kernel.first != 0 {
		c.next = min(c.next, c.kernel.next)
	}
}

// voteAt returns when the juror votes if it has no answer.
func (d *Detector) voteAt(now mono.Time, c *inquest) mono.Time {
	if c.sends(now, &d.cfg) {
		return c.opened.Add(d.cfg.DeafGrace / 2)
	}
	grace := d.flaps.grace(now, c.peer.ID)
	at := max(c.start.Add(grace), c.opened.Add(grace/2))
	if c.kernel.stalled() {
		at = max(at, c.start.Add(d.cfg.StallGrace))
	}
	return at.Add(c.delay)
}

// vote votes if it is time to, unless the juror has reason to doubt itself.
func (d *Detector) vote(now mono.Time, c *inquest) {
	deaf := c.sends(now, &d.cfg)
	switch {
	case c.kernel.gone(refusedFor):
		deaf = false
	case now < d.voteAt(now, c):
		return
	case deaf:
		if c.pings < d.way(c.peer.ID).attempts(&d.cfg) {
			return
		}
	case d.braked(now, c):
		c.delay += d.cfg.Grace / 4
		return
	}
	if c.voted = c.kernel.cause(); deaf {
		c.voted = wire.CauseDeaf
	}
	d.conclude(now, c, wire.WordGuilty)
}
