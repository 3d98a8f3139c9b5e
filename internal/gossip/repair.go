package gossip

import (
	"cmp"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// How the node takes part in anti-entropy (package reconcile).

// Agreement is how far the others see what this node sees: of the Heard live members whose
// fingerprints came lately, at most 16 and no longer than 30 s ago, Same showed this node's own
// when they were heard last.
type Agreement struct{ Same, Heard int }

// Agreement returns how many of the members heard of lately share this node's view.
func (v View) Agreement() (a Agreement) {
	if v.n.repair != nil {
		a.Same, a.Heard = v.n.repair.Agreement(v.n.now)
	}
	return a
}

// repairHost is the node as anti-entropy sees it.
type repairHost struct{ env }

func (h repairHost) Self() member.ID { return h.n.id }
func (h repairHost) Room() int       { return h.n.quota.Datagram(h.n.cfg.room()) }

// SendRepair does not send views and records while the budget for the peer's zone is spent: they
// are shown again.
func (h repairHost) SendRepair(_ Time, to member.Member, messages []byte) {
	if h.n.quota.MustWait(h.n.now, to.ID, len(messages)) {
		return
	}
	h.n.flow.Send(plane.PeerOf(&to), plane.Control, messages)
}

func (h repairHost) Unanswered(now Time, id member.ID) { h.n.ways.Unanswered(now, id) }

// AppendRecord adds nothing of a member that others may have forgotten.
func (h repairHost) AppendRecord(b []byte, _ Time, m member.Member) []byte {
	if h.n.reach.IsStale(h.n.now, m.ID) {
		return b
	}
	r, c := m.Record(), h.n.roster.News.Claim(&m, h.n.id)
	return wire.AppendRecord(b, &r, &c)
}

// Learn weighs what came in a repair. It is not spread: each that lacks it finds out the same
// way, and a newcomer that is told the whole table would flood the others with it.
func (h repairHost) Learn(_ Time, from member.Member, t wire.Type,
	body []byte) (held member.Member, newer bool) {
	n, peer := h.n, plane.PeerOf(&from)
	var id member.ID
	var c wire.Claim
	switch t {
	case wire.TypeRecord:
		r, ok := wire.ReadRecord(body)
		if !ok {
			n.stats.Malformed++
			return held, false
		}
		id, c = member.IDOf(string(r.Name)), r.Claim
		n.roster.Quiet(func() { n.roster.Learn(peer, id, 0, &c, &r) })
	case wire.TypeUpdate:
		u, ok := wire.ReadUpdate(body)
		if !ok {
			n.stats.Malformed++
			return held, false
		}
		id, c = u.ID, u.Claim
		n.roster.Quiet(func() { n.roster.Learn(peer, id, u.Check, &c, nil) })
	}
	held, ok := n.roster.Table().Get(id)
	if !ok {
		return held, false
	}
	return held, cmp.Or(cmp.Compare(held.Generation(), c.Generation),
		cmp.Compare(held.Incarnation, c.Incarnation), cmp.Compare(held.State, c.State)) > 0
}
