package gossip

import (
	"iter"
	"slices"

	"github.com/starling-gossip/starling/gossip/member"
)

// This file is what a node holds of others in private: what its detector sees, the table does not say, and nobody else is
// told.

// private is of members that are live in the table; a change of state or life ends it.
type private struct {
	isolated    bool
	unreachable []member.ID // in order; the detector bounds how many
}

// Isolated says whether the node hears from next to nobody, and therefore fails nobody.
func (n *Node) Isolated() bool { return n.private.isolated }

// Unreachable goes through the live members that this node cannot reach, while too few others can be asked about them.
func (n *Node) Unreachable() iter.Seq[member.ID] { return slices.Values(n.private.unreachable) }

// IsUnreachable says whether a member is one of them.
func (n *Node) IsUnreachable(id member.ID) bool {
	_, found := slices.BinarySearch(n.private.unreachable, id)
	return found
}

func (p *private) setUnreachable(id member.ID, on bool) {
	i, found := slices.BinarySearch(p.unreachable, id)
	switch {
	case on && !found:
		p.unreachable = slices.Insert(p.unreachable, i, id)
	case !on && found:
		p.unreachable = slices.Delete(p.unreachable, i, i+1)
	}
}

// settle forgets what a change of the table makes obsolete.
func (p *private) settle(before, after *member.Member) {
	if before.ID != 0 && (!after.State.Live() || before.Generation() != after.Generation()) {
		p.setUnreachable(after.ID, false)
	}
}
