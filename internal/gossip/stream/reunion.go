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
)

// reunion is what a node does about members that are back.
type reunion struct {
	core
	arrival   *arrival
	differ    *differences
	exchange  *exchange
	intake    *intake
	passing   *passing
	retention *retention

	with member.ID // the one to compare with, if it can be sent to; 0: any
	due  mono.Time // then; mono.Never: nobody is
	last mono.Time // when this node compared last, for a return
}

// Changed tells that the table changed. A suspect that lives may have been cut off, too. And one
// that was not known before may be the reason of a difference in which an exchange found none.
func (r *reunion) Changed(now mono.Time, before, after member.Member) {
	switch {
	case before.ID == 0 && r.intake.strange:
		r.intake.strange, r.differ.idle = false, idle{}
		r.differ.hasten(now)
	case before.ID == 0 || !after.State.Live() || before.Generation() != after.Generation():
	case before.State == member.Failed:
		r.Returned(now, after)
	case before.State == member.Suspect && after.State == member.Alive:
		r.differ.Heard(now)
		r.compare(now, after.ID)
	}
}

// Returned tells that a member that was failed or unreachable is back in the same life.
func (r *reunion) Returned(now mono.Time, m member.Member) {
	r.gaps.returned = now
	r.differ.Heard(now)
	r.retention.keep(now)
	r.compare(now, m.ID)
}

// compare has this node compare with a member soon, by chance, if it does not with another already.
func (r *reunion) compare(now mono.Time, id member.ID) {
	rng := r.host.Rand()
	if r.due == mono.Never && id != r.host.Self() &&
		rng.IntN(max(r.host.Table().Served(), 1)) < reunionAsks {
		r.with, r.due = id, now.Add(reunionFirst+
			time.Duration(rng.Int64N(int64(reunionLast-reunionFirst))))
		r.at(r.due)
	}
}

// check has this node compare with anybody, if it has not compared with somebody in this reunion.
func (r *reunion) check(now mono.Time) {
	if r.due == mono.Never && (r.last == 0 || now.Sub(r.last) >= reunionHold) {
		r.with, r.due = 0, now.Add(checkAfter)
		r.at(r.due)
	}
}

func (r *reunion) wake(now mono.Time) {
	switch {
	case now < r.due:
	case r.arrival.newcomer: // it asks already
		r.due = mono.Never
	case r.exchange.active:
		r.due = now.Add(firstAsk)
	default:
		r.due, r.last = mono.Never, now
		back, _ := r.host.Table().Get(r.with)
		if m, ok := r.anybody(); ok && (r.with == 0 || back.OutOfFamily) {
			r.with = m.ID
		}
		r.exchange.begin(now, r.with, true)
	}
	if now >= r.passing.due {
		r.passOn(now)
	}
	r.at(min(r.due, r.passing.due))
}

// passOn tells a few members of the streams that were news here.
func (r *reunion) passOn(now mono.Time) {
	list := r.passing.list
	r.passing.list, r.passing.due = nil, mono.Never
	var to [passTo]member.Member
	n := 0
	for range passTo {
		if m, ok := r.anybody(); ok {
			to[n] = m
			n++
		}
	}
	p := r.beginPages(wire.Page{All: true, Settled: !r.arrival.newcomer}, to[:n])
	for _, st := range list {
		if st.passing = false; !st.gone {
			p.add(now, st)
		}
	}
	p.end(now)
}

func (r *reunion) receivePage(now mono.Time, from member.Member, body []byte) bool {
	page, heads, ok := wire.ReadPage(body)
	switch {
	case !ok:
		return false
	case page.From == 0 && page.To == 0:
		return r.receiveTold(now, from, page.All, heads)
	}
	return r.exchange.takePage(now, from, page, heads)
}

// receiveTold takes in heads that nobody asked for: what this node lacked when it showed its own,
// or what is passed on in a reunion.
func (r *reunion) receiveTold(now mono.Time, from member.Member, on bool,
	heads wire.HeadReader) bool {
	for h, ok := heads.Next(); ok; h, ok = heads.Next() {
		if st := r.intake.hear(now, from, h); st != nil && on {
			r.passing.news(now, st)
			r.check(now)
		}
	}
	return !heads.Malformed()
}
