package roster

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// This file is which members this node can send to: those at addresses of IP versions that its
// socket and its host's routes serve, and those that are heard from such a one.

// SetRoutes says of which IP versions this host has routes from now on.
func (r *Roster) SetRoutes(f member.Family) {
	if f == r.routes {
		return
	}
	r.routes = f
	r.setFamily()
	ids := make([]member.ID, r.table.Len())
	for i := range ids {
		ids[i] = r.table.IDAt(i)
	}
	for _, id := range ids {
		if before, changed := r.table.Refit(id); changed && before.State.Live() {
			after, _ := r.table.Get(id)
			r.changed(before, after)
		}
	}
}

// HeardFrom takes in where a live member is heard from: one whose address this node cannot send to,
// since it is of the other IP version, is sent to there.
func (r *Roster) HeardFrom(peer plane.Peer) {
	if r.table.Parted() { // else it is inlined, for each datagram
		r.heardFrom(peer)
	}
}

func (r *Roster) heardFrom(peer plane.Peer) {
	m, ok := r.table.Get(peer.ID)
	if !ok || !m.State.Live() || m.Instance() != peer.Instance {
		return
	}
	if before, changed := r.table.Heard(peer.ID, peer.Addr); changed {
		after, _ := r.table.Get(peer.ID)
		r.changed(before, after)
	}
}

// LiveMember returns the table's view of the sender of a datagram, if it is a live member in the
// life that we know.
func (r *Roster) LiveMember(peer plane.Peer) (member.Member, bool) {
	r.HeardFrom(peer)
	return plane.LiveMember(r.table, peer)
}
