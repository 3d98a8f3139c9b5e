package gossip

import (
	"math/rand/v2"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/ways"
)

// MaxPaths bounds how many ways a node keeps something of: those of the last probes.
const MaxPaths = ways.Max

// Path is what a node knows of the way to a member that it talks to.
type Path struct {
	ways.Way
	Port   detect.Port // its TCP port, as INQUEST found it of those that it watches
	Broken bool        // it does not answer this node, and others reach it
}

// Paths returns what the node knows of the ways to the live members that it talks to, 64 at most,
// in no order that means anything.
func (v View) Paths(now Time) (all []Path) {
	if v.n.ways == nil {
		return nil
	}
	broken := v.n.Broken(now)
	for _, w := range v.n.ways.All(now) {
		all = append(all, Path{Way: w, Port: v.portOf(now, w.Member.ID),
			Broken: slices.Contains(broken, w.Member.ID)})
	}
	return all
}

// Longest returns how many bytes a datagram of this node has at most, before sealing.
func (v View) Longest() int { return v.n.flow.Longest() }

// LastHeard returns when the last datagram of a live member came, of those that this node talks to;
// 0: none has.
func (v View) LastHeard() Time {
	if v.n.ways == nil {
		return 0
	}
	return v.n.ways.LastHeard()
}

// waysHost is the node as its ways see it.
type waysHost struct{ env }

func (h waysHost) Proof() *rand.Rand { return h.n.proof }
func (h waysHost) Leaving() bool     { return h.n.door.Leaving() }

func (h waysHost) MustWait(now Time, id member.ID, bytes int) bool {
	return h.n.quota.MustWait(now, id, bytes)
}

func (h waysHost) Small(m member.Member, size int) {
	e := Event{Kind: pick(size > 0, PathSmall, PathWhole), Member: m, Size: size}
	h.n.out.Events = append(h.n.out.Events, e)
}
