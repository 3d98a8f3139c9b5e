package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// A stream in which a piece is missing. This file says that there is a gap; repair.go holds which
// members are said to have the piece, and which say that they lack it; lost.go decides when it is
// passed over.
//
//	        a later piece is here, or is claimed
//	 whole ---------------------------------------> waited for   it may come by itself (Wait)
//	 ^ ^ ^                                               |
//	 | | |  it comes                                     v
//	 | | +-------------------------------------------- asked for   of one member after another
//	 | |                                                 |
//	 | |  it was there: passed over, told as lost        v
//	 | +--------------------------------------------- hopeless   enough deny it, or it is too old
//	 |                                                   |
//	 |    nothing shows it: dropped, told to nobody      |
//	 +---------------------------------------------------+
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

// gaps are the streams of this node in which pieces are missing, or the end is.
type gaps struct {
	*env
	known   *catalog
	order   *order
	passing *passing

	ending   []*stream // those whose last message is here in part
	returned mono.Time // when a member returned last: it may have what no other had
}

// core is what the parts stand on that ask others, answer them, take in what they tell, or let go.
type core struct {
	*env
	known *catalog
	order *order
	gaps  *gaps
}

// missing looks whether anything is missing of a stream after something about it changed, and sees
// to its repair. byItself says that a piece came without being asked for: more may come so.
func (g *gaps) missing(now mono.Time, st *stream, byItself bool) {
	if !st.begun {
		return
	}
	if st.solidify(); st.solid > st.head {
		if g.known.mending.end(st); st.fresh {
			g.passing.spread(now, st)
		}
		g.atEnd(now, st)
		return
	}
	r := st.repair
	if r == nil {
		g.stats.Gaps++
		r = &repair{since: now, found: now, known: st.head, ripe: st.solid - 1,
			ripens: mono.Never, missing: st.solid}
		st.repair = r
		g.known.mending.list = append(g.known.mending.list, st)
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
		r.next, r.ripens, r.latest = st.head, now.Add(g.wait()), now.Add(4*g.wait())
	case byItself:
		r.ripens = min(now.Add(g.wait()), r.latest)
	}
	g.at(max(min(r.ripens, now.Add(g.cfg.Patience)), now.Add(time.Millisecond)))
}

// deafTo says whether claims of more of a stream are not believed. That is so if one was made
// lately that no member could show, not even the one that made it. A member that returned since may
// have what no other had.
func (g *gaps) deafTo(now mono.Time, st *stream) bool {
	return now < st.deaf && st.deaf.Add(-deafFor) >= g.returned
}

// atEnd looks at a stream of which all that is known to exist is here or given up. If nothing comes
// of it for some time, what was passed over last is told as lost. If the last message is here in
// part and its origin does not live, the rest is asked for, and is lost too if no member has it. Of
// an origin that lives the rest is still to come; but where hashes differ meanwhile, that is looked
// into at once.
func (g *gaps) atEnd(now mono.Time, st *stream) {
	if st.hole == 0 && len(st.open) == 0 && st.solid == st.next ||
		g.isOwn(st.origin, st.generation) { // of which the rest has not left
		return
	}
	st.stopped = now.Add(g.cfg.Patience)
	// nothing follows it, and later lives wait for it
	if st.hole > 0 && st.next > st.head && !g.originLives(st) {
		st.stopped = now.Add(time.Millisecond)
	}
	if !st.ending {
		st.ending = true
		g.ending = append(g.ending, st)
	}
	g.at(st.stopped)
}

// wake goes on with streams that atEnd looked at. It says whether what differs is to be looked
// into at once.
func (g *gaps) wake(now mono.Time) (hurry bool) {
	list := g.ending
	g.ending = nil
	for _, st := range list {
		st.ending = false
		last, _ := st.shown()
		switch {
		case st.gone || !st.begun || st.repair != nil || st.hole == 0 && last < st.solid:
			// it is not at its end, or whole
		case now < st.stopped:
			st.ending = true
			g.ending = append(g.ending, st)
			g.at(st.stopped)
		case st.hole > 0 && st.next > st.head:
			g.order.tellTail(now, st)
			g.order.deliverLater(now, st)
			g.atEnd(now, st)
		case g.originLives(st):
			// or it is lost: a member that has it says so on a probe, if only by its hash
			hurry = true
			g.atEnd(now, st)
		default:
			g.claimed(now, st, last)
		}
	}
	return hurry
}

// claimed takes in that somebody says that a stream goes up to some piece, and says whether that is
// news.
func (g *gaps) claimed(now mono.Time, st *stream, high uint64) bool {
	high = min(high, st.next+Ahead-1)
	if high <= st.head || g.deafTo(now, st) {
		return false
	}
	st.head = high
	g.missing(now, st, false)
	return true
}

// disprove drops what the origin itself says that it never published.
func (g *gaps) disprove(now mono.Time, st *stream, high uint64) {
	for seq, ok := st.after(max(high+1, st.next)); ok; seq, ok = st.after(seq + 1) {
		g.stats.Unproven++
		g.known.drop(st, seq)
	}
	g.known.hash ^= st.item()
	st.top = max(high, st.next-1)
	g.known.hash ^= st.item()
	st.head, st.solid = st.top, st.next
	g.missing(now, st, false)
	g.order.deliverLater(now, st)
}
