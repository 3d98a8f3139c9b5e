package gossip

import (
	"net/netip"

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

func (n *Node) setRoutes(f Family) {
	if f == n.routes {
		return
	}
	n.routes = f
	n.setFamily()
	ids := make([]member.ID, n.table.Len())
	for i := range ids {
		ids[i] = n.table.IDAt(i)
	}
	for _, id := range ids {
		if before, changed := n.table.Refit(id); changed && before.State.Live() {
			after, _ := n.table.Get(id)
			n.changed(before, after)
		}
	}
}

// setFamily tells the table which members it can send to.
func (n *Node) setFamily() {
	if n.family == AnyFamily && n.routes == AnyFamily {
		n.table.SetFamily(nil)
	} else {
		n.table.SetFamily(n.serves)
	}
}

// serves says whether this node can send to an address. No route is needed to the loopback, nor to
// this host's own address.
func (n *Node) serves(a netip.Addr) bool {
	return n.family.Serves(a) && (n.routes.Serves(a) || a.IsLoopback() ||
		a == n.self.Value().Addr.Addr())
}
