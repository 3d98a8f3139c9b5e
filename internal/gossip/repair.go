package gossip

import (
	"cmp"
	"math/rand/v2"

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

// takeFingerprint keeps what a live member shows, to compare views when the datagram's news is
// taken in. It says whether that could be read.
func (n *Node) takeFingerprint(from member.Member, body []byte) bool {
	fp, ok := wire.ReadFingerprint(body)
	if ok {
		n.shown, n.shownBy, n.hasShown = fp, from, true
	}
	return ok
}

// liveMember returns the table's view of the sender of a datagram, if it is a live member in the
// life that we know.
func (n *Node) liveMember(peer plane.Peer) (member.Member, bool) {
	if n.table.Parted() {
		n.heardFrom(peer)
	}
	return plane.LiveMember(&n.table, peer)
}

// isMember says whether a datagram's sender is a live member.
func (n *Node) isMember(peer plane.Peer) bool {
	_, ok := n.liveMember(peer)
	return ok
}

// endDatagram does what has to wait until all the news of a datagram is taken in.
func (n *Node) endDatagram(peer plane.Peer) {
	agrees := n.hasShown && n.shown.Hash == n.table.Fingerprint()
	if n.hasShown {
		n.repair.Fingerprint(n.now, n.shownBy, n.shown)
		n.keys.Compare(n.now, n.shownBy, n.shown.Keys, agrees)
		n.hasShown = false
	}
	if e := &n.entry; e.greeting > 0 {
		if m, ok := n.liveMember(e.greeted); ok {
			if !agrees || !e.whole { // else it was in before, and lacks nothing that the seed knows
				n.repair.Welcome(n.now, m, e.greeting)
			}
			if e.inside {
				n.streams.Greeted(n.now, m)
			} else {
				n.streams.Joined(n.now, m, e.took)
			}
			n.metSeed(&m, e.greeted.Addr)
		}
		e.greeting = 0
	}
	if n.asked&probing != 0 && !n.wasAsked(wire.TypeHeads) {
		if m, ok := n.liveMember(peer); ok {
			n.streams.Headless(n.now, m)
		}
	}
	for _, p := range n.enders {
		p.EndDatagram(n.now)
	}
	if n.twin {
		n.twin = false
		n.goAboveOwn(n.self.Value().Generation)
	}
}

// repairHost is the node as anti-entropy sees it.
type repairHost struct{ n *Node }

func (h repairHost) Self() member.ID      { return h.n.id }
func (h repairHost) Table() *member.Table { return &h.n.table }
func (h repairHost) Rand() *rand.Rand     { return h.n.rng }
func (h repairHost) Room() int            { return h.n.quota.Datagram(h.n.cfg.room()) }

// SendRepair does not send views and records while the budget for the peer's zone is spent: they
// are shown again.
func (h repairHost) SendRepair(_ Time, to member.Member, messages []byte) {
	if h.n.quota.MustWait(h.n.now, to.ID, len(messages)) {
		return
	}
	start := h.n.open(to.Instance())
	h.n.out.arena = append(h.n.out.arena, messages...)
	h.n.close(start, plane.PeerOf(&to))
}

func (h repairHost) Unanswered(now Time, id member.ID) { h.n.ways.Unanswered(now, id) }

// AppendRecord adds nothing of a member that others may have forgotten.
func (h repairHost) AppendRecord(b []byte, _ Time, m member.Member) []byte {
	if h.n.isStale(m.ID) {
		return b
	}
	r, c := m.Record(), h.n.claim(&m, h.n.id)
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
		n.quiet(func() { n.learn(peer, id, 0, &c, &r) })
	case wire.TypeUpdate:
		u, ok := wire.ReadUpdate(body)
		if !ok {
			n.stats.Malformed++
			return held, false
		}
		id, c = u.ID, u.Claim
		n.quiet(func() { n.learn(peer, id, u.Check, &c, nil) })
	}
	held, ok := n.table.Get(id)
	if !ok {
		return held, false
	}
	return held, cmp.Or(cmp.Compare(held.Generation(), c.Generation),
		cmp.Compare(held.Incarnation, c.Incarnation), cmp.Compare(held.State, c.State)) > 0
}

// quiet does something without spreading what it learns.
func (n *Node) quiet(f func()) {
	before := n.hushed
	n.hushed = true
	f()
	n.hushed = before
}
