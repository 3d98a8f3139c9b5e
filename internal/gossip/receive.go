package gossip

import (
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
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
	n.stats.PacketsIn++
	n.stats.BytesIn += uint64(len(datagram))
	n.size = len(datagram)
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
	peer := plane.Peer{ID: h.From, Instance: member.Instance(h.From, h.Generation), Addr: from}
	n.meetSource(h.From, from)
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
func (n *Node) takeMessages(h wire.Header, peer plane.Peer, r *wire.Reader) {
	n.wanted, n.ends, n.hushed, n.asked, n.kin = n.wanted[:0], n.ends[:0], false, 0, false
	n.upkeep.more = false
	if n.listener != nil {
		n.listener.Heard(n.now, peer)
	}
	n.relay.Heard(peer.ID)
	if n.table.Parted() {
		n.heardFrom(peer)
	}
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
	switch {
	case n.asked&strangers == 0:
		n.meet(h, peer)
	case n.wasAsked(wire.TypeMistaken) && n.kin:
		n.correct(h, peer)
	}
	if n.table.Parted() {
		n.heardFrom(peer) // it may be known by now
	}
	n.endDatagram(peer)
	n.tellEnds(peer)
	n.askMore(peer)
	if len(n.wanted) > 0 && !n.stopped {
		start := n.open(peer.Instance)
		n.out.arena = wire.AppendRequest(n.out.arena, n.wanted)
		n.close(start, peer)
	}
}

// heardFrom takes in where a live member is heard from: one whose address this node cannot send to,
// since it is of the other IP version, is sent to there.
func (n *Node) heardFrom(peer plane.Peer) {
	m, ok := n.table.Get(peer.ID)
	if !ok || !m.State.Live() || m.Instance() != peer.Instance {
		return
	}
	if before, changed := n.table.Heard(peer.ID, peer.Addr); changed {
		after, _ := n.table.Get(peer.ID)
		n.changed(before, after)
	}
}

// strangers are the types of what is said before the sender is known, or wants to be: a newcomer is
// in, or not yet; a seed wants to see a cookie, or refuses; and what lives at the address of a
// dead member is nobody's concern.
const strangers = 1<<wire.TypeJoin | 1<<wire.TypeChallenge | 1<<wire.TypeRefuse |
	1<<wire.TypeMistaken |
	1<<wire.TypeUnopened

// farewell is how long a member that left may still be heard of as it goes. One that is heard later
// has come back with the generation that it had.
const farewell = time.Second

// meet looks at the sender of a datagram, once its news is taken in. One whose record is unknown is
// asked for it. One that is known in another life is told of that too: of the two, the older life
// must learn that it is over, or that it has a namesake. One that this node holds dead is told, so
// that it can refute. A question is not answered with a question: two that do not know each other
// would ask for ever.
func (n *Node) meet(h wire.Header, peer plane.Peer) {
	m, ok := n.table.Get(h.From)
	if (!ok || uint32(m.Generation()) != h.Generation) && !n.wasAsked(wire.TypeRequest) {
		n.want(h.From)
	}
	switch {
	case !ok:
	case uint32(m.Generation()) != h.Generation:
		n.note(&m, peer, true)
	case m.State == member.Failed, m.State == member.Left && n.now.Sub(m.Since) > farewell:
		n.called.Haunted(n.now, &m, peer)
		n.note(&m, peer, false)
	}
}

// correct tells one that answered for a member, in a life before the one that is held here, of that
// later life: its clock went back, and it goes above it. Nobody else may tell it: where few are
// left, none of its former lives is ever failed.
func (n *Node) correct(h wire.Header, peer plane.Peer) {
	if m, ok := n.table.Get(h.From); ok && uint32(m.Generation()) != h.Generation {
		n.note(&m, peer, true)
	}
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
	if strangers&(1<<t) == 0 && n.entry.door.guests.Len() > 0 {
		n.answered(peer)
	}
	sender := plane.Sender{Peer: peer, Size: n.size}
	if spec.Members {
		if sender.Member, ok = n.liveMember(peer); !ok {
			return true
		}
	}
	switch {
	case spec.Plane == wire.News:
		return n.takeNews(sender, t, body)
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

// takeNews handles what is said of members, and says whether it could be read.
func (n *Node) takeNews(from plane.Sender, t wire.Type, body []byte) (ok bool) {
	peer := from.Peer
	switch t {
	case wire.TypeUpdate:
		var u wire.Update
		if u, ok = wire.ReadUpdate(body); ok {
			n.learn(peer, u.ID, u.Check, &u.Claim, nil)
		}
	case wire.TypeRecord:
		var r wire.Record
		if r, ok = wire.ReadRecord(body); ok {
			n.learnRecord(peer, &r)
		}
	case wire.TypeRequest:
		ok = n.answerRequest(peer, body)
	case wire.TypeEvidence:
		var e wire.Evidence
		if e, ok = wire.ReadEvidence(body); ok {
			n.explain(&e)
		}
	case wire.TypeAlarm:
		ok = n.alarms.Receive(n.now, from, t, body)
	case wire.TypeSilence:
		ok = n.detector.Receive(n.now, from, t, body)
	}
	return ok
}

// note tells a member directly what is held of it. It refutes, if it lives, and answers. One whose
// address nobody knows is told which life is known, where, and nothing beside, so that few bytes
// suffice.
func (n *Node) note(m *member.Member, peer plane.Peer, full bool) {
	if start, ok := n.reply(peer); ok {
		if full && n.isStrange(peer) {
			r, c := m.Record(), n.claim(m, n.id)
			r.Tags = ""
			n.out.arena = wire.AppendRecord(n.out.arena, &r, &c)
		} else {
			n.appendMember(m, full, n.id)
		}
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

// answerRequest sends the records asked for, as many as fit one datagram; one that needs more asks
// again. It says whether the Request could be read.
func (n *Node) answerRequest(peer plane.Peer, body []byte) (ok bool) {
	start, ready := n.reply(peer)
	if !ready {
		return wire.ReadRequest(body, func(member.ID) {})
	}
	ok = wire.ReadRequest(body, func(id member.ID) {
		m, ok := n.table.Get(id)
		if !ok || n.isStale(id) {
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
		return ok
	}
	n.closeReply(start, peer)
	return ok
}

// answerMistaken tells what is here to a sender that meant another: the former owner of this
// address, or this node's former life.
func (n *Node) answerMistaken(peer plane.Peer, meant uint32) {
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendMistaken(n.out.arena,
			wire.Mistaken{Instance: meant, ClusterID: n.identity.id, Founded: n.foundedAnew()})
		self := n.Self()
		n.appendMember(&self, true, 0)
		n.closeReply(start, peer)
	}
}
