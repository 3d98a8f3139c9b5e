package gossip

import (
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Receive takes in a datagram from an address. It does not keep the bytes.
func (n *Node) Receive(now Time, from netip.AddrPort, datagram []byte, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	n.receive(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), datagram)
	n.finish()
}

func (n *Node) receive(from netip.AddrPort, datagram []byte) {
	n.size = len(datagram)
	h, r, err := wire.Open(datagram)
	if err == nil && h.Cluster == n.cluster {
		n.flow.Received(h.From, len(datagram))
	} else {
		n.flow.Received(0, len(datagram))
	}
	if n.entry.deaf {
		return
	}
	if err != nil {
		n.stats.Malformed++
		return
	}
	peer := plane.Peer{ID: h.From, Instance: member.Instance(h.From, h.Generation), Addr: from}
	n.flow.Meet(h.From, from, n.size)
	switch {
	case h.Cluster != n.cluster:
		n.stats.OtherCluster++
		n.refuseStranger(peer, r)
	case h.From == n.id:
		n.fromNamesake(h, peer, r)
	case h.To != 0 && h.To != n.roster.Instance():
		n.stats.Misaddressed++
		n.answerMistaken(peer, h.To)
	default:
		n.takeMessages(h, peer, &r)
	}
}

// takeMessages goes through a datagram that is meant for this node.
func (n *Node) takeMessages(h wire.Header, peer plane.Peer, r *wire.Reader) {
	n.roster.BeginDatagram()
	n.asked = 0
	if n.listener != nil {
		n.listener.Heard(n.now, peer)
	}
	n.relay.Heard(peer.ID)
	n.roster.HeardFrom(peer)
	n.ways.Hear(n.now, peer)
	for {
		t, body, ok := r.Next()
		if !ok {
			break
		}
		if !n.take(peer, t, body) {
			n.stats.Malformed++
		}
	}
	if r.Malformed() {
		n.stats.Malformed++
	}
	if n.stopped {
		return
	}
	n.roster.Meet(h, peer, n.asked)
	n.roster.HeardFrom(peer) // it may be known by now
	n.endDatagram(peer)
	if n.stopped {
		return
	}
	if n.roster.EndDatagram(peer) {
		n.upkeep.AskMore(n.now, peer)
	}
	n.roster.In.Ask(n.flow, peer)
}

// again says whether a datagram holds a second question of one kind. Honest nodes ask one thing a
// datagram; a datagram full of them would make this node send many times what it got.
func (n *Node) again(t wire.Type) bool {
	if n.wasAsked(t) {
		n.stats.Excess++
		return true
	}
	return false
}

// probing are the types of what heads ride on.
const probing = 1<<wire.TypePing | 1<<wire.TypeLease | 1<<wire.TypeAck | 1<<wire.TypeCounters

// wasAsked says whether the current datagram held a message of a type.
func (n *Node) wasAsked(t wire.Type) bool { return n.asked&(1<<t) != 0 }

// take hands one message to the part of the node that reads its type, and says whether it could be
// read. The type table says which part that is, and from which.
func (n *Node) take(peer plane.Peer, t wire.Type, body []byte) (ok bool) {
	spec := &wire.Specs[t]
	if n.stopped || spec.Question && n.again(t) {
		return true
	}
	n.asked |= 1 << t
	if roster.Strangers&(1<<t) == 0 && n.entry.door.guests.Len() > 0 {
		n.answered(peer)
	}
	sender := plane.Sender{Peer: peer, Size: n.size}
	if spec.Members {
		if sender.Member, ok = n.roster.LiveMember(peer); !ok {
			return true
		}
	}
	switch {
	case spec.Plane == wire.News:
		switch t {
		case wire.TypeAlarm:
			return n.alarms.Receive(n.now, sender, t, body)
		case wire.TypeSilence:
			return n.detector.Receive(n.now, sender, t, body)
		}
		return n.roster.Receive(peer, t, body)
	case spec.Plane == wire.Entry:
		return n.takeEntry(peer, t, body)
	case t == wire.TypeAcross || t == wire.TypeBridge:
		return n.reach.Receive(n.now, sender, t, body)
	case t == wire.TypeFingerprint:
		return n.takeFingerprint(sender.Member, body)
	case spec.Plane == wire.Unknown:
		n.stats.UnknownType++
		return true
	case t == wire.TypeAck:
		if n.ways.Acked(n.now, peer, body) {
			n.called.Answered(n.now)
		}
	case t == wire.TypePing || t == wire.TypeLease || t == wire.TypeInquiry:
		if n.called.Question(n.now, peer, t, body) {
			return true
		}
	}
	return n.readers[spec.Plane].Receive(n.now, sender, t, body)
}

// answerMistaken tells what is here to a sender that meant another: the former owner of this
// address, or this node's former life.
func (n *Node) answerMistaken(peer plane.Peer, meant uint32) {
	if start, ok := n.flow.Reply(peer); ok {
		n.flow.Bytes = wire.AppendMistaken(n.flow.Bytes,
			wire.Mistaken{Instance: meant, ClusterID: n.identity.id, Founded: n.foundedAnew()})
		self := n.roster.Self()
		n.roster.News.AppendMember(&self, true, 0)
		n.flow.CloseReply(start, peer)
	}
}
