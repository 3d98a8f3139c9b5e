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

// datagram is what is remembered of the current one.
type datagram struct {
	sender   plane.Sender     // its Member is valid if isLive
	isLive   bool             // the sender is a live member, in the life that is known
	looked   uint64           // Changes of the table when that was looked for; 0: not yet
	asked    uint64           // the types of the messages that it held so far, a bit each
	shown    wire.Fingerprint // if hasShown
	shownBy  member.Member
	hasShown bool
	twin     bool // it shows that a former process was in this node's generation
}

// has says whether it held a message of a type.
func (d *datagram) has(t wire.Type) bool { return d.asked&(1<<t) != 0 }

func (n *Node) receive(from netip.AddrPort, datagram []byte) {
	h, r, err := wire.Open(datagram)
	if err == nil && h.Cluster == n.cluster {
		n.flow.Received(h.From, len(datagram))
	} else {
		n.flow.Received(0, len(datagram))
	}
	if n.door.Deaf() {
		return
	}
	if err != nil {
		n.stats.Malformed++
		return
	}
	peer := plane.Peer{ID: h.From, Instance: member.Instance(h.From, h.Generation), Addr: from}
	n.in.sender = plane.Sender{Peer: peer, Size: len(datagram)}
	n.in.asked, n.in.looked = 0, 0
	n.flow.Meet(h.From, from, len(datagram))
	switch {
	case h.Cluster != n.cluster:
		n.stats.OtherCluster++
		n.door.RefuseStranger(peer, r)
	case h.From == n.id:
		n.door.FromNamesake(h, peer, len(datagram), r)
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
	if n.door.Stopped() {
		return
	}
	n.roster.Meet(h, peer, n.in.asked)
	n.roster.HeardFrom(peer) // it may be known by now
	n.endDatagram(peer)
	if n.door.Stopped() {
		return
	}
	if n.roster.EndDatagram(peer) {
		n.upkeep.AskMore(n.now, peer)
	}
	n.roster.In.Ask(n.flow, peer)
}

// probing are the types of what heads ride on.
const probing = 1<<wire.TypePing | 1<<wire.TypeLease | 1<<wire.TypeAck | 1<<wire.TypeCounters

// take hands one message to the part of the node that reads its type, and says whether it could be
// read. The type table says which part that is, and from which.
func (n *Node) take(peer plane.Peer, t wire.Type, body []byte) (ok bool) {
	spec := &wire.Specs[t]
	if n.door.Stopped() {
		return true
	}
	if spec.Question && n.in.has(t) {
		// Honest nodes ask one thing a datagram; a datagram full of questions of a kind would make
		// this node send many times what it got.
		n.stats.Excess++
		return true
	}
	n.in.asked |= 1 << t
	if roster.Strangers&(1<<t) == 0 {
		n.door.Answered(peer)
	}
	if spec.Members && !n.fromMember() {
		return true
	}
	sender := &n.in.sender
	switch {
	case spec.Plane == wire.News:
		switch t {
		case wire.TypeAlarm:
			return n.alarms.Receive(n.now, *sender, t, body)
		case wire.TypeSilence:
			return n.detector.Receive(n.now, *sender, t, body)
		}
		return n.roster.Receive(peer, t, body)
	case t == wire.TypeAcross || t == wire.TypeBridge:
		return n.reach.Receive(n.now, *sender, t, body)
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
	return n.readers[spec.Plane].Receive(n.now, *sender, t, body)
}

// fromMember says whether the sender of the current datagram is a live member, in the life that is
// known. It looks that up once, and again when the table has changed.
func (n *Node) fromMember() bool {
	t := n.roster.Table()
	if n.in.looked == t.Changes() {
		return n.in.isLive
	}
	n.roster.HeardFrom(n.in.sender.Peer)
	var i int
	if i, n.in.isLive = t.LiveAt(n.in.sender.ID, n.in.sender.Instance); n.in.isLive {
		n.in.sender.Member = t.At(i)
	}
	n.in.looked = t.Changes()
	return n.in.isLive
}

// answerMistaken tells what is here to a sender that meant another: the former owner of this
// address, or this node's former life.
func (n *Node) answerMistaken(peer plane.Peer, meant uint32) {
	if start, ok := n.flow.Reply(peer); ok {
		n.flow.Bytes = wire.AppendMistaken(n.flow.Bytes,
			wire.Mistaken{Instance: meant, ClusterID: n.door.ClusterID(),
				Founded: n.door.FoundedAnew()})
		self := n.roster.Self()
		n.roster.News.AppendMember(&self, true, 0)
		n.flow.CloseReply(start, peer)
	}
}

// takeFingerprint keeps what a live member shows, to compare views when the datagram's news is
// taken in. It says whether that could be read.
func (n *Node) takeFingerprint(from member.Member, body []byte) bool {
	fp, ok := wire.ReadFingerprint(body)
	if ok {
		n.in.shown, n.in.shownBy, n.in.hasShown = fp, from, true
	}
	return ok
}

// endDatagram does what has to wait until all the news of a datagram is taken in.
func (n *Node) endDatagram(peer plane.Peer) {
	agrees := n.in.hasShown && n.in.shown.Hash == n.roster.Table().Fingerprint()
	if n.in.hasShown {
		n.repair.Fingerprint(n.now, n.in.shownBy, n.in.shown)
		n.keys.Compare(n.now, n.in.shownBy, n.in.shown.Keys, agrees)
		n.in.hasShown = false
	}
	n.door.Greeted(agrees)
	if n.in.asked&probing != 0 && !n.in.has(wire.TypeHeads) {
		if n.fromMember() {
			n.streams.Headless(n.now, n.in.sender.Member)
		}
	}
	for _, p := range n.enders {
		p.EndDatagram(n.now)
	}
	if n.in.twin {
		n.in.twin = false
		n.roster.GoAboveOwn(n.roster.Record().Generation)
	}
}
