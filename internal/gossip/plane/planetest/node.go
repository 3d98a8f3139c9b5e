package planetest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// Record returns what a node in its first life says of itself, at the i-th address.
func Record(name string, i int) member.Record {
	return member.Record{Name: name, Generation: 1, Protocol: 1, Addr: Addr(i)}
}

// Addr returns the i-th address.
func Addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		7747)
}

// Node is what is around each plane: its name and address, chance, and which members it knows.
type Node struct {
	Record  member.Record
	Members member.Table
	Chance  *rand.Rand
	id      member.ID
	ring    *topology.Ring
}

// ID returns the node's.
func (n *Node) ID() member.ID {
	if n.id == 0 {
		n.id = member.IDOf(n.Record.Name)
	}
	return n.id
}

// Self is ID.
func (n *Node) Self() member.ID { return n.ID() }

// Peer returns where the node is reached.
func (n *Node) Peer() plane.Peer {
	id := n.ID()
	return plane.Peer{ID: id, Instance: member.Instance(id, uint32(n.Record.Generation)),
		Addr: n.Record.Addr}
}

// Table is Members.
func (n *Node) Table() *member.Table { return &n.Members }

// Ring is that of Members, as long as Merge alone changes them from here on.
func (n *Node) Ring() *topology.Ring {
	if n.ring == nil {
		n.ring = topology.NewRing(&n.Members)
	}
	return n.ring
}

// Rand is Chance.
func (n *Node) Rand() *rand.Rand { return n.Chance }

// Boot forgets all members.
func (n *Node) Boot() { n.Members, n.ring = member.Table{}, nil }

// Get returns what the node holds of a member, which must be there.
func (n *Node) Get(id member.ID) member.Member {
	m, ok := n.Members.Get(id)
	if !ok {
		panic(fmt.Sprintf("%s knows no %v", n.Record.Name, id))
	}
	return m
}

// Merge puts a fact into the table, and says what it was and is, and whether that is a change.
func (n *Node) Merge(now mono.Time, f member.Fact) (before, after member.Member, changed bool) {
	before, _, changed, err := n.Members.Merge(now, f)
	if err != nil {
		panic(err)
	}
	r := f.Record.Value()
	after, _ = n.Members.Get(member.IDOf(r.Name))
	if changed && n.ring != nil {
		n.ring.Changed(before, after)
	}
	return before, after, changed
}

// Know is Merge of what another node says of itself, in a state.
func (n *Node) Know(now mono.Time, of *Node, s member.State) (before, after member.Member,
	changed bool) {
	return n.Merge(now, member.Fact{Record: member.Share(of.Record), State: s})
}
