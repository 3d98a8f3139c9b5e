package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Heads ride on probes: a hash over all heads, by which equal views know that they are, and the
// heads that changed lately, each on a few probes. No later piece shows that the tail of a stream
// is lost. A node that lost it hears of it from the next member that it probes, or that probes it.

const (
	tellings = 4 // probes on which a head is told after it changed
	maxTold  = 8 // heads on one probe
)

// telling is the streams whose heads are to be told.
type telling struct{ list []*stream }

// add has a head told on the next probes.
func (t *telling) add(st *stream) {
	st.tell = tellings
	if !st.queued {
		st.queued = true
		t.list = append(t.list, st)
	}
}

// append adds at most so many heads that are to be told.
func (t *telling) append(b []byte, most int) []byte {
	n := min(len(t.list), maxTold, most)
	for _, st := range t.list[:n] {
		h := st.asHead()
		b = wire.AppendHead(b, &h)
		st.tell--
	}
	t.rotate(n)
	return b
}

// rotate puts the first n of those to be told at the end, or takes them out if they were told often
// enough.
func (t *telling) rotate(n int) {
	var again [maxTold]*stream
	k := 0
	for _, st := range t.list[:n] {
		if st.tell > 0 && !st.gone {
			again[k] = st
			k++
		} else {
			st.queued = false
		}
	}
	rest := copy(t.list, t.list[n:])
	copy(t.list[rest:], again[:k])
	clear(t.list[rest+k:])
	t.list = t.list[:rest+k]
	if len(t.list) == 0 {
		t.list = nil
	}
}

// passing is the streams that were heard of in a reunion, and are passed on.
type passing struct {
	*env
	list []*stream
	due  mono.Time
}

// news notes that a stream was heard of in a reunion: it is passed on once its pieces are here.
func (p *passing) news(now mono.Time, st *stream) {
	if st.repair != nil {
		st.fresh = true
		return
	}
	p.spread(now, st)
}

// spread has a stream's head passed on.
func (p *passing) spread(now mono.Time, st *stream) {
	if st.fresh = false; st.passing {
		return
	}
	st.passing = true
	p.list = append(p.list, st)
	if p.due == mono.Never {
		p.due = now.Add(passAfter)
		p.at(p.due)
	}
}

// pages are heads that are told to members that did not ask.
type pages struct {
	*env
	page wire.Page // what each of them says
	to   []member.Member
	b    []byte
}

func (e *env) beginPages(page wire.Page, to []member.Member) pages {
	return pages{e, page, to, wire.BeginPage(e.buf[:0])}
}

func (p *pages) add(now mono.Time, st *stream) {
	if len(p.b)+wire.HeadSize > p.host.Room() {
		p.end(now)
	}
	h := st.asHead()
	p.b = wire.AppendHead(p.b, &h)
}

// end sends what there is.
func (p *pages) end(now mono.Time) {
	if len(p.b) == wire.PageSize {
		return
	}
	p.buf = wire.EndPage(p.b, 0, &p.page)
	for _, m := range p.to {
		p.host.SendStream(now, m, p.buf)
	}
	p.b = wire.BeginPage(p.buf[:0])
}
