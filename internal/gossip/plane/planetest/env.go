// Package planetest is a node for tests of planes: some members, and what the plane sends.
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

// Sent is a datagram, or a message for all (To is nobody).
type Sent struct {
	To       plane.Peer
	Class    plane.Class
	Messages []byte
}

// Env is a plane.Env: that of member n0.
type Env struct {
	Members member.Table
	Peers   []plane.Peer
	Chance  *rand.Rand
	Sent    []Sent
	ring    *topology.Ring
}

// New returns one of n members, n0 to the last, that are live at moment 0.
func New(n int) *Env {
	e := &Env{Chance: rand.New(rand.NewPCG(1, 1))}
	for i := range n {
		r := member.Record{Name: fmt.Sprintf("n%d", i), Generation: 1,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)}
		e.Members.Merge(0, member.Fact{Record: member.Share(r)})
		m, _ := e.Members.Get(member.IDOf(r.Name))
		e.Peers = append(e.Peers, plane.PeerOf(&m))
	}
	e.ring = topology.NewRing(&e.Members)
	return e
}

// ID is that of n0.
func (e *Env) ID() member.ID { return e.Peers[0].ID }

// Self is n0.
func (e *Env) Self() member.Member { m, _ := e.Members.Get(e.ID()); return m }

// Table is Members.
func (e *Env) Table() *member.Table { return &e.Members }

// Ring is that of Members, as long as nobody changes them.
func (e *Env) Ring() *topology.Ring { return e.ring }

// Rand is Chance.
func (e *Env) Rand() *rand.Rand { return e.Chance }

// Send keeps a copy.
func (e *Env) Send(_ mono.Time, to plane.Peer, c plane.Class, messages []byte) int {
	e.Sent = append(e.Sent, Sent{to, c, append([]byte(nil), messages...)})
	return len(messages)
}

// Spread keeps the message.
func (e *Env) Spread(_ mono.Time, _ uint64, message []byte) {
	e.Sent = append(e.Sent, Sent{Messages: message})
}

// Heard does nothing.
func (e *Env) Heard(uint64) {}
