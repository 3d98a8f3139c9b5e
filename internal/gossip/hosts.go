package gossip

import (
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/roster"
)

// rosterHost is the node as its roster sees it.
type rosterHost struct{ n *Node }

func (h rosterHost) Changed(before, after member.Member) {
	n := h.n
	for _, p := range n.planes {
		p.Changed(n.now, before, after)
	}
	if n.called.Deafened() {
		n.called.Settle()
	}
	if !after.State.Live() {
		n.freeName(after.ID)
		if n.roster.Table().Live() == 1 {
			n.lonely()
		}
	}
}

func (h rosterHost) Forget(id member.ID) {
	for _, p := range h.n.planes {
		p.Forget(h.n.now, id)
	}
}

func (h rosterHost) Tell(e roster.Event, m member.Member) { h.n.tell(EventKind(e), m) }

// doorHost is the node's way in as its roster sees it.
type doorHost struct{ n *Node }

func (h doorHost) Welcomed() bool { return h.n.entry.welcomed }
func (h doorHost) Leaving() bool  { return h.n.entry.leaving }

func (h doorHost) Outlived(generation uint64, at netip.AddrPort, s member.State, c member.Cause) {
	h.n.tellOutlived(generation, at, s, c)
}

func (h doorHost) AskRival(at netip.AddrPort) { h.n.askRival(at) }
