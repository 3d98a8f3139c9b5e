package starling

// This file is who is in the cluster, as the caller sees it.

import (
	"iter"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/gossip/member"
)

// State is what this node holds of a member. Its String is "alive", "suspect", "failed" or "left".
type State = member.State

// The states. A suspect may have failed; it counts as live until that is decided.
const (
	Alive   = member.Alive
	Suspect = member.Suspect
	Failed  = member.Failed
	Left    = member.Left
)

// Tags are a member's key=value pairs; they never change. See Get, All and Map.
type Tags = member.Tags

// Member is what this node knows of one member, as a value that stays what it was.
type Member struct {
	Name        string
	Addr        netip.AddrPort // where it receives packets
	State       State
	Zone        string
	Tags        Tags
	Generation  uint64    // which life of the member: milliseconds of Unix time at its start, or more
	Incarnation uint32    // rises in one life whenever the member contradicts a suspicion or changes its tags
	Since       time.Time // when this node last saw State change
}

// Self returns this node as the others see it.
func (n *Node) Self() Member { panic("not yet") }

// Members goes through all members at one moment, this node and the remembered dead included, the live first. The
// order is otherwise without meaning. After the node has stopped it is the last state of things.
func (n *Node) Members() iter.Seq[Member] { panic("not yet") }

// Member returns what is known of the member with a name.
func (n *Node) Member(name string) (Member, bool) { panic("not yet") }
