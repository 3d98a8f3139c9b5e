package gossip

import (
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip/invariants"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// verifyBegin checks what must not have changed between two steps: the deadline that was told.
func (n *Node) verifyBegin() {
	if !invariants.On || !n.dueKnown {
		return
	}
	kept := n.due
	if n.dueKnown = false; n.Deadline() != kept {
		invariants.Hold(fmt.Errorf("node: %d was told as the deadline, and it became %d between "+
			"two steps", kept, n.due))
	}
}

// verifyOneIn steps is one in which the streams are looked at, chosen by a hash of its moment: they
// hold much.
const verifyOneIn = 16

// verifyEnd checks what a step leaves.
func (n *Node) verifyEnd() {
	if !invariants.On {
		return
	}
	for _, p := range n.out.Packets {
		if room := wire.RoomOf(n.cfg.MTU); len(p.Data) > room {
			invariants.Hold(fmt.Errorf("node: a datagram of %d bytes, where %d pass", len(p.Data),
				room))
		}
	}
	if n.streams != nil && member.Mix(uint64(n.now))%verifyOneIn == 0 {
		invariants.Hold(n.streams.Check())
	}
}
