package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

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
