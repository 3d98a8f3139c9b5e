package gossip

import (
	"math/rand/v2"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
)

// env is the node as its planes see it (plane.Env).
type env struct{ n *Node }

func (e env) ID() member.ID        { return e.n.id }
func (e env) Self() member.Member  { return e.n.Self() }
func (e env) Table() *member.Table { return &e.n.table }
func (e env) Ring() *topology.Ring { return e.n.ring }
func (e env) Rand() *rand.Rand     { return e.n.rng }

func (e env) Send(_ Time, to detect.Peer, messages []byte) {
	start := e.n.open(to.Instance)
	e.n.out.arena = append(e.n.out.arena, messages...)
	e.n.close(start, to)
}
