// Package planetest is what tests of planes stand on: virtual time, a network between nodes, and
// what a node has around each of its planes.
package planetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// Sent is a datagram, or a message for all (To is nobody).
type Sent struct {
	To       plane.Peer
	Class    plane.Class
	Messages []byte
}

// Env is a plane.Env: that of member n0, which keeps what is sent.
type Env struct {
	Node
	Peers []plane.Peer
	Sent  []Sent
}

// New returns one of n members, n0 to the last, that are live at moment 0.
func New(n int) *Env {
	e := &Env{Node: Node{Record: Record("n0", 0), Chance: rand.New(rand.NewPCG(1, 1))}}
	for i := range n {
		r := Record(fmt.Sprintf("n%d", i), i)
		_, m, _ := e.Merge(0, member.Fact{Record: member.Share(r)})
		e.Peers = append(e.Peers, plane.PeerOf(&m))
	}
	return e
}

// Self is n0.
func (e *Env) Self() member.Member { return e.Get(e.ID()) }

// Send keeps a copy.
func (e *Env) Send(_ mono.Time, to plane.Peer, c plane.Class, messages []byte) int {
	e.Sent = append(e.Sent, Sent{to, c, slices.Clone(messages)})
	return len(messages)
}

// Spread keeps the message.
func (e *Env) Spread(_ mono.Time, _ uint64, message []byte) {
	e.Sent = append(e.Sent, Sent{Messages: message})
}

// Heard does nothing.
func (e *Env) Heard(uint64) {}
