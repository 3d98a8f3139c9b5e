package gossip

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Family is the IP version of the addresses that a node can send to.
type Family = member.Family

// The families.
const (
	AnyFamily = member.AnyFamily
	IPv4      = member.IPv4
	IPv6      = member.IPv6
)

// Routes tells of which IP version this node's host has routes from now on: AnyFamily is both.
// Members at addresses of a version that is gone are out of family from then on, and those of one
// that came are sent to again. The socket's own family (Self.Family) stays what it is.
type Routes struct{ Family Family }

func (Routes) command() {}
