package gossip

import (
	"math/rand/v2"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/quota"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What bounds the traffic between zones (package quota).
const MinPairBudget, MaxPairBudget = quota.Min, quota.Max

// PairBudget bounds what one zone sends to another, each way.
type PairBudget = quota.Budget

// lot is how many bytes a datagram that waits for a budget has at most.
const lot = wire.MinMTU

func (c *Config) quota() quota.Config {
	return quota.Config{Zone: c.ZoneBudget, Budgets: c.PairBudgets}
}

// zone is this node's own.
func (n *Node) zone() uint16 {
	self := n.roster.Self()
	return topology.PlaceOf(&self).Zone()
}

// env is the node as its planes see it (plane.Env).
type env struct{ n *Node }

func (e env) ID() member.ID        { return e.n.id }
func (e env) Self() member.Member  { return e.n.roster.Self() }
func (e env) Table() *member.Table { return e.n.roster.Table() }
func (e env) Ring() *topology.Ring { return e.n.roster.Ring() }
func (e env) Rand() *rand.Rand     { return e.n.rng }

func (e env) Send(_ Time, to plane.Peer, c plane.Class, messages []byte) int {
	return e.n.flow.Send(to, c, messages)
}

func (e env) Spread(_ Time, key uint64, message []byte) { e.n.roster.News.Spread(key, message) }
func (e env) Heard(key uint64)                          { e.n.roster.News.Heard(key) }

// quotaHost is the node as its quota sees it.
type quotaHost struct{ env }

func (h quotaHost) IsUnreachable(id member.ID) bool { return h.n.IsUnreachable(id) }
func (h quotaHost) PendingBytes(most int) int       { return h.n.relay.PendingBytes(most) }
func (h quotaHost) Resume(now Time)                 { h.n.relay.Resume(now) }

// alarmsHost is the node as alarms see it.
type alarmsHost struct{ env }

func (h alarmsHost) Suspected(m member.Member, on bool) {
	h.n.tell(pick(on, MemberSuspected, MemberRecovered), m)
}
