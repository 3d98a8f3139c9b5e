package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A reunion. A member that was given up, or could not be reached, is back in the same life. What it
// published while it was away is not known here, and what was published here is not known there.
// Others may come back with it. A few nodes compare all heads with that member. For one member that
// returns they are as many in a cluster of any size. When half of the cluster returns, nearly every
// node compares once. A comparison serves both sides: the one that asked tells the other what that
// one lacks (see tellBack). A node that learns of a stream in this way passes its head on to a few
// once it has the pieces. A node that hears of the head from it for the first time does the same
// (rumor mongering, Demers et al. 1987). It takes a few round trips, and a stream is passed on once
// by each node. That misses one node in a hundred. So a node that learned something from a passed
// head, and did not compare itself, compares a little later, with any member.

const (
	reunionAsks  = 4                      // nodes that compare with one that returns, in the mean
	reunionFirst = 50 * time.Millisecond  // after the return: the others have to know of it, too
	reunionLast  = 250 * time.Millisecond // drawn between the two
	reunionHold  = 10 * time.Second       // after a return no piece is let go for its age
	reunionTries = 3                      // tries with the member itself before another is asked
	passTo       = 5                      // members that a head is passed on to
	passAfter    = 30 * time.Millisecond  // so that several go together
	checkAfter   = 700 * time.Millisecond // a node that was only told compares then
	// so long after a member is heard again hashes are compared at once
	hurryFor = 2 * time.Second
)

// reunion is what a node does about members that are back.
type reunion struct {
	peer member.ID // the one to compare with, if it can be sent to; 0: any
	due  mono.Time // then; mono.Never: nobody is
	last mono.Time // when this node compared last, for a return
	kept mono.Time // pieces are held until then, however old

	returned mono.Time // when a member returned last

	passing []*stream // whose heads are to be passed on
	pass    mono.Time
}

func (r *reunion) reset() { r.due, r.pass = mono.Never, mono.Never }

// Changed tells that the table changed. A suspect that lives may have been cut off, too. And one
// that was not known before may be the reason of a difference in which an exchange found none.
func (s *Streams) Changed(now mono.Time, before, after member.Member) {
	y := &s.sync
	switch {
	case before.ID == 0 && y.strange:
		y.strange, y.idle = false, idle{}
		y.next, y.pause = min(y.next, now), 0
	case before.ID == 0 || !after.State.Live() || before.Generation() != after.Generation():
	case before.State == member.Failed:
		s.Returned(now, after)
	case before.State == member.Suspect && after.State == member.Alive:
		s.Heard(now)
		s.compare(now, after.ID)
	}
}

// Heard tells that a live member that was silent is heard again. So what differs is looked into at
// once: there may have been a cut too short for a verdict, or in one direction alone.
func (s *Streams) Heard(now mono.Time) {
	y := &s.sync
	y.next, y.pause, y.hurry = min(y.next, now), 0, now.Add(hurryFor)
}

// Returned tells that a member that was failed or unreachable is back in the same life.
func (s *Streams) Returned(now mono.Time, m member.Member) {
	s.reunion.returned = now
	s.Heard(now)
	s.keep(now)
	s.compare(now, m.ID)
}

// compare has this node compare with a member soon, by chance, if it does not with another already.
func (s *Streams) compare(now mono.Time, id member.ID) {
	r, rng := &s.reunion, s.host.Rand()
	if r.due == mono.Never && id != s.host.Self() &&
		rng.IntN(max(s.host.Table().Served(), 1)) < reunionAsks {
		r.peer, r.due = id, now.Add(reunionFirst+
			time.Duration(rng.Int64N(int64(reunionLast-reunionFirst))))
		s.at(r.due)
	}
}

// keep has no piece let go for its age for a while. Members that come back again and again do not
// draw that out.
func (s *Streams) keep(now mono.Time) {
	if r := &s.reunion; now >= r.kept.Add(reunionHold) || r.kept == 0 {
		r.kept = now.Add(reunionHold)
	}
}

// check has this node compare with anybody, if it has not compared with somebody in this reunion.
func (s *Streams) check(now mono.Time) {
	if r := &s.reunion; r.due == mono.Never && (r.last == 0 || now.Sub(r.last) >= reunionHold) {
		r.peer, r.due = 0, now.Add(checkAfter)
		s.at(r.due)
	}
}

func (s *Streams) reunionWake(now mono.Time) {
	r := &s.reunion
	switch y := &s.sync; {
	case now < r.due:
	case y.newcomer: // it asks already
		r.due = mono.Never
	case y.active:
		r.due = now.Add(firstAsk)
	default:
		r.due, r.last = mono.Never, now
		back, _ := s.host.Table().Get(r.peer)
		if m, ok := s.anybody(); ok && (r.peer == 0 || back.OutOfFamily) {
			r.peer = m.ID
		}
		s.startSync(now, r.peer, true)
	}
	if now >= r.pass {
		s.passOn(now)
	}
	s.at(min(r.due, r.pass))
}

// news notes that a stream was heard of in a reunion: it is passed on once its pieces are here.
func (s *Streams) news(now mono.Time, st *stream) {
	if st.repair != nil {
		st.fresh = true
		return
	}
	s.spread(now, st)
}

// spread has a stream's head passed on.
func (s *Streams) spread(now mono.Time, st *stream) {
	r := &s.reunion
	if st.fresh = false; st.passing {
		return
	}
	st.passing = true
	r.passing = append(r.passing, st)
	if r.pass == mono.Never {
		r.pass = now.Add(passAfter)
		s.at(r.pass)
	}
}

// passOn tells a few members of the streams that were news here.
func (s *Streams) passOn(now mono.Time) {
	r := &s.reunion
	list := r.passing
	r.passing, r.pass = nil, mono.Never
	var to [passTo]member.Member
	n := 0
	for range passTo {
		if m, ok := s.anybody(); ok {
			to[n] = m
			n++
		}
	}
	p := s.beginPages(true)
	for _, st := range list {
		if st.passing = false; !st.gone {
			p.add(now, st, to[:n])
		}
	}
	p.end(now, to[:n])
}

// pages are heads that are told to members that did not ask.
type pages struct {
	s  *Streams
	b  []byte
	on bool // they are to be passed on
}

func (s *Streams) beginPages(on bool) pages { return pages{s, wire.BeginPage(s.buf[:0]), on} }

func (p *pages) add(now mono.Time, st *stream, to []member.Member) {
	if len(p.b)+wire.HeadSize > p.s.host.Room() {
		p.end(now, to)
	}
	h := st.asHead()
	p.b = wire.AppendHead(p.b, &h)
}

// end sends what there is.
func (p *pages) end(now mono.Time, to []member.Member) {
	if len(p.b) == wire.PageSize {
		return
	}
	b := wire.EndPage(p.b, 0, &wire.Page{All: p.on, Settled: !p.s.sync.newcomer})
	for _, m := range to {
		p.s.host.SendStream(now, m, b)
	}
	p.s.buf = b
	p.b = wire.BeginPage(b[:0])
}

// tellBack tells the sender of a page what this node has of the streams of it, and that one has
// not.
func (s *Streams) tellBack(now mono.Time, to member.Member, page wire.Page, heads wire.HeadReader) {
	var list [1]member.Member
	list[0] = to
	p := s.beginPages(s.sync.all)
	h, ok := heads.Next()
	i, _ := s.search(page.From, 0)
	for ; i < len(s.list) && s.list[i].origin <= page.To; i++ {
		st := s.list[i]
		for ok && st.compare(h.Origin, h.Generation) > 0 {
			h, ok = heads.Next()
		}
		own := st.asHead()
		theirs := uint64(0)
		if ok && st.compare(h.Origin, h.Generation) == 0 {
			theirs = h.High
		}
		if own.High > theirs && (st.held > 0 || page.All && st.begun) {
			p.add(now, st, list[:])
		}
	}
	p.end(now, list[:])
}
