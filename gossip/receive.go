package gossip

import (
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
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
	n.stats.PacketsIn++
	n.stats.BytesIn += uint64(len(datagram))
	h, r, err := wire.Open(datagram)
	if err == nil && h.Cluster == n.cluster {
		n.received(h.From, len(datagram))
	} else {
		n.received(0, len(datagram))
	}
	if n.entry.deaf {
		return
	}
	if err != nil {
		n.stats.Malformed++
		return
	}
	peer := detect.Peer{ID: h.From, Instance: member.Instance(h.From, h.Generation), Addr: from}
	switch {
	case h.Cluster != n.cluster:
		n.stats.OtherCluster++
		n.refuseStranger(peer, r)
	case h.From == n.id:
		n.fromNamesake(h, peer, r)
	case h.To != 0 && h.To != n.instance:
		n.stats.Misaddressed++
		n.answerMistaken(peer, h.To)
	default:
		n.takeMessages(h, peer, &r)
	}
}

// takeMessages goes through a datagram that is meant for this node.
func (n *Node) takeMessages(h wire.Header, peer detect.Peer, r *wire.Reader) {
	n.wanted, n.hushed, n.asked = n.wanted[:0], false, 0
	n.locator.asker = detect.Peer{}
	if n.listener != nil {
		n.listener.Heard(n.now, peer)
	}
	n.relay.Heard(peer.ID)
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
	if !n.wasAsked(wire.TypeJoin) && !n.wasAsked(wire.TypeRefuse) { // a newcomer is in, or is not wanted yet; nor is who refuses
		n.meet(h, peer)
	}
	n.endDatagram()
	if len(n.wanted) > 0 && !n.stopped {
		start := n.open(peer.Instance)
		n.out.arena = wire.AppendRequest(n.out.arena, n.wanted)
		n.close(start, peer)
	}
}

// farewell is how long a member that left may still be heard of as it goes. One that is heard later has come back with the
// generation that it had.
const farewell = time.Second

// meet looks at who sent a datagram, once its news is taken in. One whose record is unknown is asked for it. One that is known in another life
// is told of that too: of the two, the older life must learn that it is over, or that it has a namesake. One that this
// node holds dead is told, so that it can refute. A question is not answered with a question: two that do not know each
// other would ask for ever.
func (n *Node) meet(h wire.Header, peer detect.Peer) {
	m, ok := n.table.Get(h.From)
	if (!ok || uint32(m.Generation()) != h.Generation) && !n.wasAsked(wire.TypeRequest) {
		n.want(h.From)
	}
	switch {
	case !ok:
	case uint32(m.Generation()) != h.Generation:
		n.note(&m, peer, true)
	case m.State == member.Failed, m.State == member.Left && n.now.Sub(m.Since) > farewell:
		n.haunted(&m, peer)
		n.note(&m, peer, false)
	}
}

// again says whether a datagram holds a second question of one kind. Honest nodes ask one thing a datagram; a datagram
// full of them would make this node send many times what it got.
func (n *Node) again(t wire.Type) bool {
	switch t {
	case wire.TypePing, wire.TypePingReq, wire.TypeLease, wire.TypeInquiry, wire.TypeRequest, wire.TypeJoin, wire.TypeConflict,
		wire.TypeLocate, wire.TypeBorrow:
		if n.wasAsked(t) {
			n.stats.Excess++
			return true
		}
		n.asked |= 1 << t
	}
	return false
}

// wasAsked says whether the current datagram held a question of a kind.
func (n *Node) wasAsked(t wire.Type) bool { return n.asked&(1<<t) != 0 }

// take handles one message; it says whether the message was well-formed.
func (n *Node) take(peer detect.Peer, t wire.Type, body []byte) bool {
	if n.again(t) {
		return true
	}
	switch t {
	case wire.TypePing, wire.TypeLease, wire.TypeInquiry:
		if n.wasCalled(peer, t, body) {
			return true
		}
	}
	switch t {
	case wire.TypePing, wire.TypeAck, wire.TypePingReq, wire.TypeNack, wire.TypeLease, wire.TypeInquiry, wire.TypeFinding, wire.TypeCounters,
		wire.TypeSilence:
		n.detector.Receive(n.now, peer, t, body)
	case wire.TypeFingerprint:
		return n.takeFingerprint(peer, body)
	case wire.TypeUpdate:
		u, ok := wire.ReadUpdate(body)
		if ok {
			n.learn(peer, u.ID, u.Check, &u.Claim, nil)
		}
		return ok
	case wire.TypeRecord:
		r, ok := wire.ReadRecord(body)
		if ok {
			n.learnRecord(peer, &r)
		}
		return ok
	case wire.TypeEvidence:
		e, ok := wire.ReadEvidence(body)
		if ok {
			n.explain(&e)
		}
		return ok
	case wire.TypeAlarm:
		a, ok := wire.ReadAlarm(body)
		if ok {
			n.hearAlarm(&a)
		}
		return ok
	case wire.TypeBorrow, wire.TypeLend:
		m, ok := wire.ReadLoan(body)
		if from, live := n.liveMember(peer); ok && live {
			n.loan(&from, t, m)
		}
		return ok
	case wire.TypeLocate:
		seq, ok := wire.ReadLocate(body)
		if _, live := n.liveMember(peer); ok && live {
			n.locator.asker, n.locator.answer = peer, seq
		}
		return ok
	case wire.TypeLocated:
		m, ok := wire.ReadLocated(body)
		if from, live := n.liveMember(peer); ok && live {
			n.located(&from, peer, &m)
		}
		return ok
	case wire.TypeRequest:
		n.answerRequest(peer, body)
	case wire.TypeCarry, wire.TypeOffer, wire.TypeConfirm:
		if _, ok := n.liveMember(peer); ok {
			return n.relay.Receive(n.now, peer, t, body)
		}
	case wire.TypeHeads, wire.TypeAsk, wire.TypePage, wire.TypePull, wire.TypeSupply:
		if m, ok := n.liveMember(peer); ok {
			n.streams.Receive(n.now, m, t, body)
		}
	case wire.TypeKeySketch, wire.TypeKeyDigest, wire.TypeDeltas:
		if m, ok := n.liveMember(peer); ok {
			return n.keys.Receive(n.now, m, t, body)
		}
	case wire.TypeSketch, wire.TypeList, wire.TypeWant, wire.TypePush, wire.TypeDone, wire.TypeBusy:
		if m, ok := n.liveMember(peer); ok {
			n.repair.Receive(n.now, m, t, body)
		}
	default:
		return n.takeEntry(peer, t, body)
	}
	return true
}

// note tells a member directly what is held of it. It refutes, if it lives, and answers.
func (n *Node) note(m *member.Member, peer detect.Peer, full bool) {
	if start, ok := n.reply(peer); ok {
		n.appendMember(m, full, n.id)
		n.appendFingerprint()
		n.closeReply(start, peer)
	}
}

// want remembers to ask the sender of the current datagram for a record.
func (n *Node) want(id member.ID) {
	if len(n.wanted) < wire.MaxRequest && id != n.id {
		n.wanted = append(n.wanted, id)
	}
}

// answerRequest sends the records asked for, as many as fit one datagram; who needs more asks again.
func (n *Node) answerRequest(peer detect.Peer, body []byte) {
	start, ok := n.reply(peer)
	if !ok {
		return
	}
	wire.ReadRequest(body, func(id member.ID) {
		m, ok := n.table.Get(id)
		if !ok {
			return
		}
		before := len(n.out.arena)
		n.appendMember(&m, true, n.id)
		if n.room(start) < 0 {
			n.out.arena = n.out.arena[:before]
		}
	})
	if len(n.out.arena) == start+wire.HeaderSize {
		n.out.arena = n.out.arena[:start]
		return
	}
	n.closeReply(start, peer)
}

// answerMistaken tells who is here to somebody who meant another: the former owner of this address, or this node's
// former life.
func (n *Node) answerMistaken(peer detect.Peer, meant uint32) {
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendMistaken(n.out.arena, meant)
		self := n.Self()
		n.appendMember(&self, true, 0)
		n.closeReply(start, peer)
	}
}
