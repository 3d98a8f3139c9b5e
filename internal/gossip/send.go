package gossip

import (
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// How datagrams are made and when news leaves.

const (
	// bytes a second of samples for newcomers; a thousand of them at once fit the burst
	welcomeRate = 512 << 10
)

// sendProbe sends a detector's messages with the fingerprint and as much news as fits, and as a
// stranger earned. The fingerprint comes last: it is that of after the news. Questions for
// locations come first, so that what answers the probe answers them too.
func (n *Node) sendProbe(to plane.Peer, messages []byte) {
	start := n.flow.Open(to.Instance)
	reserve := wire.MessageSize + fingerprintSize + n.flow.Unearned(to, n.flow.Room(start))
	if len(messages) > 0 {
		n.flow.Bytes = n.coords.Ride(n.now, n.flow.Bytes, to, wire.Type(messages[0]))
	}
	n.flow.Bytes = append(n.flow.Bytes, messages...)
	n.roster.News.AppendWaiting(start, reserve)
	n.upkeep.AppendGone(n.now, to, start, reserve)
	n.flow.Bytes = n.streams.AppendHeads(n.flow.Bytes, n.flow.Room(start)-reserve)
	n.roster.News.AppendFingerprint()
	n.flow.Close(start, to)
	n.stats.ProbesOut++
	if n.ways.Probed(n.now, to, messages) {
		n.streams.Probed(n.now)
	}
	n.coords.Rode(n.now)
	n.ways.Rode(n.now)
}

const fingerprintSize = 19 // with that of keys
