package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Two live nodes with one name: the one that was there first stays.

const (
	claimWait = time.Second     // how long the owner of a name has to object to a newcomer who claims it
	claimLife = 5 * time.Second // after which a claim that nobody repeats is forgotten
	maxClaims = 64
)

// claim is a newcomer's claim to a name that a live member has.
type claim struct {
	id    member.ID
	addr  netip.AddrPort
	since Time // the first try
	last  Time
}

// claimHolds says whether a newcomer may have the name of a live member at another address. The owner is told of the
// claim; if it lives, it objects to the newcomer itself. If nothing comes of it in claimWait, the owner is gone: it was
// restarted elsewhere, and nobody has noticed yet.
func (n *Node) claimHolds(owner *member.Member, r *member.Record) bool {
	e := &n.entry
	e.claims = slices.DeleteFunc(e.claims, func(c claim) bool { return n.now.Sub(c.last) > claimLife })
	i := slices.IndexFunc(e.claims, func(c claim) bool { return c.id == owner.ID && c.addr == r.Addr })
	if i >= 0 && n.now.Sub(e.claims[i].since) >= claimWait {
		return true
	}
	if i >= 0 {
		e.claims[i].last = n.now
	} else if len(e.claims) < maxClaims {
		e.claims = append(e.claims, claim{id: owner.ID, addr: r.Addr, since: n.now, last: n.now})
	}
	peer := detect.PeerOf(owner)
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendConflict(n.out.arena, 0, false, r, 0)
		n.closeReply(start, peer)
	}
	return false
}

// fromNamesake takes a datagram whose sender has this node's name: it is this node's own, come back, or another node.
func (n *Node) fromNamesake(h wire.Header, peer detect.Peer, r wire.Reader) {
	own := h.Generation == uint32(n.self.Value().Generation)
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch {
		case own && t == wire.TypeJoin:
			n.dropSeed(peer.Addr)
		case own:
		case t == wire.TypeJoin:
			if j, ok := wire.ReadJoin(body); ok && j.Record.Addr != n.self.Value().Addr {
				n.sendConflict(j.Record.Addr, false)
			}
		case t == wire.TypeConflict:
			if c, ok := wire.ReadConflict(body); ok {
				n.conflict(&c)
			}
		case t == wire.TypeUpdate: // the other one yields
			if u, ok := wire.ReadUpdate(body); ok && u.ID == n.id && !u.State.Live() {
				n.aboutSelf(peer, u.Check, &u.Claim, nil)
			}
		}
	}
	if !own {
		n.stats.Namesake++
	}
}

// sendConflict tells another node of this name that this one is here, and for how long; or that it must stop.
func (n *Node) sendConflict(to netip.AddrPort, stop bool) {
	peer := detect.Peer{Addr: to}
	if start, ok := n.reply(peer); ok {
		r := n.self.Value()
		n.out.arena = wire.AppendConflict(n.out.arena, n.uptime(), stop, &r, n.inc)
		n.closeReply(start, peer)
	}
}

// uptime is in microseconds: two nodes that one script starts in a row are less than a millisecond apart.
func (n *Node) uptime() uint64 { return uint64(n.now.Sub(n.start) / time.Microsecond) }

// claimed says whether a Conflict is about this node's name and another node.
func (n *Node) claimed(c *wire.Conflict) bool {
	own := n.self.Value()
	return string(c.Record.Name) == own.Name && c.Record.Addr != own.Addr && !n.entry.leaving
}

// conflict settles who keeps the name: the one that has been up for longer, so that no clocks are compared. The one with
// the lower address judges. Who must stop says that its life is over first.
func (n *Node) conflict(c *wire.Conflict) {
	if !n.claimed(c) {
		return
	}
	other, own := c.Record.Addr, n.self.Value()
	if !c.Stop && other.Compare(own.Addr) < 0 {
		n.sendConflict(other, false) // the other judges
		return
	}
	if !c.Stop && n.uptime() >= c.Uptime {
		n.sendConflict(other, true)
		return
	}
	n.entry.leaving = true
	start := n.open(0)
	self := n.Self()
	self.State, self.Since = member.Left, n.now
	n.appendMember(&self, false, 0)
	n.close(start, detect.Peer{Addr: other})
	n.stopped = true
	n.out.Events = append(n.out.Events, Event{
		Kind: Conflicted,
		Err:  fmt.Errorf("%w: %q has been running at %s for longer; give one of the two another name", ErrNameConflict, own.Name, other),
	})
}
