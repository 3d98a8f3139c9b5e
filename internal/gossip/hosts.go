package gossip

import (
	"iter"
	"math/rand/v2"

	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/quota"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is the node as its parts see it: each needs a little of it.

// env is the node as its planes see it (plane.Env). Its roster tells them of members.
type env struct {
	n *Node
	*roster.Roster
}

func (e env) Rand() *rand.Rand { return e.n.rng }

func (e env) Send(_ Time, to plane.Peer, c plane.Class, messages []byte) int {
	return e.n.flow.Send(to, c, messages)
}

func (e env) Spread(_ Time, key uint64, message []byte) { e.n.roster.News.Spread(key, message) }
func (e env) Heard(key uint64)                          { e.n.roster.News.Heard(key) }

// What bounds the traffic between zones (package quota).
const MinPairBudget, MaxPairBudget = quota.Min, quota.Max

// PairBudget bounds what one zone sends to another, each way.
type PairBudget = quota.Budget

// lot is how many bytes a datagram that waits for a budget has at most.
const lot = wire.MinMTU

func (c *Config) quota() quota.Config {
	return quota.Config{Zone: c.ZoneBudget, Budgets: c.PairBudgets}
}

// quotaHost is the node as its quota sees it.
type quotaHost struct {
	env
	reachable
}

// reachable is which members this node reaches.
type reachable interface {
	NoMajority() bool
	Isolated() bool
	IsUnreachable(id member.ID) bool
	Silent() iter.Seq[member.ID]
	Absent() int
}

func (h quotaHost) Resume(now Time) { h.n.relay.Resume(now) }

func (h quotaHost) PendingBytes(most int) int {
	small, _ := h.n.streams.Waiting(false)
	large, _ := h.n.streams.Waiting(true)
	return min(small+large, most)
}

// alarmsHost is the node as alarms see it.
type alarmsHost struct{ env }

func (h alarmsHost) Suspected(m member.Member, on bool) {
	h.n.tell(pick(on, MemberSuspected, MemberRecovered), m)
}

// rosterHost is the node as its roster sees it.
type rosterHost struct{ n *Node }

func (h rosterHost) Changed(before, after member.Member) {
	h.n.planes.changed(h.n.now, before, after)
}

func (h rosterHost) Forget(id member.ID) { h.n.planes.forget(h.n.now, id) }

func (h rosterHost) Tell(e roster.Event, m member.Member) { h.n.tell(EventKind(e), m) }

// doorHost is the node as its door sees it.
type doorHost struct{ n *Node }

// doorEvents are what a door's are to the user.
var doorEvents = [...]EventKind{
	door.SeedsWanted: SeedsWanted, door.Welcomed: Welcomed, door.Refused: Refused,
	door.Conflicted: Conflicted, door.LeaveDone: LeaveDone, door.NameClaimed: NameClaimed,
	door.ClustersMerged: ClustersMerged, door.SettingsDiffer: SettingsDiffer,
	door.KeyUnknown: KeyUnknown, door.AddressTaken: AddressTaken, door.SeedMet: SeedMet,
	door.Outlived: Outlived,
}

func (h doorHost) Tell(x door.Notice) {
	h.n.out.Events = append(h.n.out.Events,
		Event{Kind: doorEvents[x.Event], Err: x.Err, Addr: x.Addr, Member: x.Member})
}

func (h doorHost) Ended(live int) { h.n.spreads.endAll(h.n.out, h.n.relay, live) }

// tell puts an event about a member in the outbox.
func (n *Node) tell(kind EventKind, m member.Member) {
	n.out.Events = append(n.out.Events, Event{Kind: kind, Member: m})
}

// pick returns one of two kinds.
func pick(on bool, yes, no EventKind) EventKind {
	if on {
		return yes
	}
	return no
}
