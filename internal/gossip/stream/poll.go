package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Asking for what nobody is said to have, of many streams at once. A node that comes back after all
// has expired, or whose cluster becomes one with another, lacks something of every stream. 32
// members have to deny each of them. With a request for each stream that would be 32 requests for
// each member that ever published. A page says what its sender holds of fifty streams. So where
// much is missing, members are asked for their pages, one after the other, and each page is a claim
// or a denial for all streams that it is about.

const manyGaps = 4 // streams in which something is missing: pages are asked for from so many on

// polls are requests for pages, and what the answers say of what is missing.
type polls struct {
	core
	holders *holders
	intake  *intake
	next    mono.Time // when the next member may be asked for its page
}

// ask asks a member that has not denied the first missing piece of a stream what it has of all
// streams, one member at a time. It says whether there is one.
func (p *polls) ask(now mono.Time, st *stream, abroad bool) bool {
	r := st.repair
	if now >= p.next {
		m, ok := p.holders.pick(abroad, r.denied, r.mute[:], 0)
		if !ok {
			return false
		}
		p.next = now.Add(p.cfg.Patience / enoughDenied)
		p.askFrom(now, m, 0)
	}
	r.paused = p.next
	return true
}

// askFrom asks a member for the page with the first stream, from one in the list on, that it is to
// say something of.
func (p *polls) askFrom(now mono.Time, to member.Member, i int) {
	for ; i < len(p.known.list); i++ {
		st := p.known.list[i]
		if r := st.repair; r != nil && len(r.denied) >= firstDenied &&
			!slices.Contains(r.denied, to.ID) && p.holders.blind(st) {
			p.askPage(now, to, wire.Ask{From: st.origin, All: true})
			return
		}
	}
}

// take takes in what a page says of what is missing here, and asks its sender for the next page
// that is about more of it.
func (p *polls) take(now mono.Time, from member.Member, page wire.Page,
	heads wire.HeadReader) {
	if !page.Settled || !page.All || len(p.known.mending.list) == 0 {
		return
	}
	h, ok := heads.Next()
	i, _ := p.known.search(page.From, 0)
	for ; i < len(p.known.list) && p.known.list[i].origin <= page.To; i++ {
		st := p.known.list[i]
		for ok && st.compare(h.Origin, h.Generation) > 0 {
			h, ok = heads.Next()
		}
		r := st.repair
		if r == nil || r.missing != st.solid {
			continue
		}
		held := wire.Head{Low: 1} // nothing
		if ok && st.compare(h.Origin, h.Generation) == 0 {
			held = h
		}
		extent := ^uint64(0)
		switch {
		case held.Low > r.missing:
			extent = held.Low - 1
		case held.High >= r.missing: // it claims to have it, and is asked for that
			p.intake.hear(now, from, held)
			continue
		}
		later := held.Low <= held.High && held.High > r.missing && extent < held.High
		origin := from.ID == st.origin && from.Generation() == st.life()
		r.deny(from.ID, extent, later, held.Low, held.High, origin)
		p.at(now.Add(time.Millisecond))
	}
	if len(p.known.mending.list) >= manyGaps {
		p.askFrom(now, from, i)
	}
}
