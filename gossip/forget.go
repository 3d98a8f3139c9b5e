package gossip

import (
	"errors"
	"fmt"
	"slices"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/rumor"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file is the operator's word that members are gone for good. It is no verdict: a node obeys it only of
// members that it holds failed, left or unreachable itself; elsewhere it is a doubt, and the member is
// examined. One that lives contradicts, as it does a failure.

// ErrLives is that of a Forget of a member that answers this node.
var ErrLives = errors.New("the member is live here; only who failed, left or is unreachable can be forgotten")

// maxForgotten is how many lives that were forgotten by somebody's word a node remembers, so that who missed the word does not
// bring them back.
const maxForgotten = 1024

// forgottenLife is one of them.
type forgottenLife struct {
	id         member.ID
	generation uint64
	inc        uint32
	check      uint32
	at         Time
}

// forgetAll has members forgotten here and everywhere, all of them or none.
func (n *Node) forgetAll(ids []member.ID) error {
	for _, id := range ids {
		m, ok := n.table.Get(id)
		switch {
		case !ok:
			return ErrNoMember
		case id == n.id || m.State.Live() && !n.IsUnreachable(id):
			return fmt.Errorf("%q: %w", m.Name(), ErrLives)
		}
	}
	n.aged = 0 // whoever is missing is known to be gone
	for _, id := range ids {
		if m, ok := n.table.Get(id); ok {
			n.forgetNow(&m)
		}
	}
	return nil
}

// forgetNow drops a member, and passes the word on.
func (n *Node) forgetNow(m *member.Member) {
	f := forgottenLife{m.ID, m.Generation(), m.Incarnation, m.Check, n.now}
	n.forgotten = slices.DeleteFunc(n.forgotten, func(x forgottenLife) bool {
		return x.id == m.ID || n.now.Sub(x.at) > n.cfg.Retention
	})
	if len(n.forgotten) >= maxForgotten {
		n.forgotten = slices.Delete(n.forgotten, 0, 1)
	}
	n.forgotten = append(n.forgotten, f)
	if m.State.Live() {
		n.quiet(func() {
			n.apply(member.Fact{Record: m.Handle, Incarnation: m.Incarnation, State: member.Failed, Cause: member.CauseForgotten}, false, 0, 0)
		})
	}
	n.forget(m.ID)
	n.shares.rumors.SetRounds(n.rounds())
	n.shares.rumors.Put(n.now, rumor.Item{Key: uint64(m.ID) * 0x9e3779b97f4a7c15, Data: n.appendForget(nil, &f)})
}

// appendForget writes the word as a message.
func (n *Node) appendForget(b []byte, f *forgottenLife) []byte {
	return wire.AppendUpdate(b, &wire.Update{ID: f.id, Check: f.check, Claim: wire.Claim{
		Generation: f.generation, Incarnation: f.inc, State: member.Failed, Cause: member.CauseForgotten,
	}})
}

// tellForgotten passes the word to somebody who missed it.
func (n *Node) tellForgotten(peer detect.Peer, f *forgottenLife) {
	if start, ok := n.reply(peer); ok {
		n.out.arena = n.appendForget(n.out.arena, f)
		n.closeReply(start, peer)
	}
}

// toldToForget takes in somebody's word about another member.
func (n *Node) toldToForget(by, id member.ID, c *wire.Claim) {
	m, known := n.table.Get(id)
	switch {
	case !known:
		n.shares.rumors.Heard(uint64(id) * 0x9e3779b97f4a7c15)
	case c.Generation != m.Generation() || c.Incarnation < m.Incarnation:
		n.stats.StaleNews++
	case !m.State.Live() || n.IsUnreachable(id):
		n.aged = 0
		n.forgetNow(&m)
	default:
		n.doubt(&m, c, by)
	}
}

// isForgotten says whether a life was forgotten by somebody's word, and has not been heard of since by a higher incarnation.
func (n *Node) isForgotten(id member.ID, generation uint64, inc uint32) *forgottenLife {
	i := slices.IndexFunc(n.forgotten, func(x forgottenLife) bool {
		return x.id == id && x.generation == generation && inc <= x.inc && n.now.Sub(x.at) <= n.cfg.Retention
	})
	if i < 0 {
		return nil
	}
	return &n.forgotten[i]
}
