package roster

import (
	"math/rand/v2"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// ground is what the parts of a roster stand on: this node, its table, and what this host can send
// to. It knows none of the parts.
type ground struct {
	now   mono.Time // of the current step
	id    member.ID
	flow  *flow.Flow
	rng   *rand.Rand
	table *member.Table
	ring  *topology.Ring // of the table

	self     member.Handle // what this node says of itself
	inc      uint32        // its incarnation
	instance uint32        // that self's generation makes

	family member.Family // of the socket
	routes member.Family // of the host
}

// ID returns this node's.
func (g *ground) ID() member.ID { return g.id }

// Table returns what the roster holds of all members.
func (g *ground) Table() *member.Table { return g.table }

// Ring returns the places of the table's live members, nil before Start.
func (g *ground) Ring() *topology.Ring { return g.ring }

// Record returns this node's own record.
func (g *ground) Record() member.Record { return g.self.Value() }

// Incarnation returns that at which this node is.
func (g *ground) Incarnation() uint32 { return g.inc }

// Instance returns the life that this node is in.
func (g *ground) Instance() uint32 { return g.instance }

// Self returns what the node says of itself.
func (g *ground) Self() member.Member {
	m, ok := g.table.Get(g.id)
	if !ok {
		rec := g.self.Value()
		m = member.Member{ID: g.id, Handle: g.self, Check: rec.Check()}
	}
	return m
}

// setSelf makes a record this node's own.
func (g *ground) setSelf(h member.Handle) {
	g.self = h
	g.flow.SetGeneration(h.Value().Generation)
	g.instance = member.Instance(g.id, uint32(h.Value().Generation))
}

// SendsTo says whether this node can send to addresses of an IP version.
func (g *ground) SendsTo(f member.Family) bool {
	return (g.family == member.AnyFamily || g.family == f) &&
		(g.routes == member.AnyFamily || g.routes == f)
}

// Serves says whether this node can send to an address. No route is needed to the loopback, nor to
// this host's own address.
func (g *ground) Serves(a netip.Addr) bool {
	return g.family.Serves(a) && (g.routes.Serves(a) || a.IsLoopback() ||
		a == g.self.Value().Addr.Addr())
}

// setFamily tells the table which members it can send to.
func (g *ground) setFamily() {
	if g.family == member.AnyFamily && g.routes == member.AnyFamily {
		g.table.SetFamily(nil)
	} else {
		g.table.SetFamily(g.Serves)
	}
}
