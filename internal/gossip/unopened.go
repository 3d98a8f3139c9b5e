package gossip

import (
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is about keys that differ. A datagram that does not open never gets here; but its
// sender, a newcomer with another key perhaps, would hear nothing at all, and look for a firewall.
// So it is told that it is not understood.

// unopenedPause is between two such answers, wherever they go.
const unopenedPause = 100 * time.Millisecond

// Unopened tells that a datagram of so many bytes came from an address and did not open: it is
// sealed with a key that this node lacks, or it is not sealed, or it is and this node has no key.
// Its sender is told so, ten times a second at most, by a datagram that is shorter; what is as
// short as that is not answered, so that two nodes never answer each other.
func (n *Node) Unopened(now Time, from netip.AddrPort, size int, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	d := &n.entry.door
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if size > wire.UnopenedSize && sendable(from) &&
		(d.shut == 0 || n.now.Sub(d.shut) >= unopenedPause) && !n.stopped {
		d.shut = n.now
		start := n.flow.Open(0)
		n.flow.Bytes = wire.AppendUnopened(n.flow.Bytes)
		n.flow.CloseFree(start, plane.Peer{Addr: from})
	}
	n.finish()
}

// hearUnopened hears that somebody does not open what this node sends. Of others than seeds it is
// no news: they are told by what they drop.
func (n *Node) hearUnopened(peer plane.Peer) {
	if slices.ContainsFunc(n.entry.seeds, func(s seed) bool { return s.addr == peer.Addr }) {
		n.out.Events = append(n.out.Events, Event{Kind: KeyUnknown, Addr: peer.Addr})
	}
}
