package gossip

import (
	"math"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file is what a node knows of the ways to the members that it talks to, in one place and whatever the detector: what
// it hears of them, what of its probes they answer, and how long that takes. sizes.go finds out how long datagrams
// may be there.

// MaxPaths bounds how many ways a node keeps something of: those of the last probes.
const MaxPaths = 64

// maxCounted is how many probes are counted of each; then both counts are halved.
const maxCounted = 128

// path is the way to one member, in one life and at one address.
type path struct {
	peer  detect.Peer
	heard Time            // the last datagram; 0: none
	from  *netip.AddrPort // where it came from; nil: all came from the member's address
	seen  *netip.AddrPort // where the member last saw a Pad of this node come from; nil: it has not told

	sent            Time // when the last probe left; Never: it is answered, or tells nothing
	rtt             time.Duration
	seq             uint32 // of the last probe
	probes, answers uint8  // of the last probes, and of those the ones that were answered before the next, up to maxCounted
	missed          uint8  // probes in a row that were not, up to muteAfter
	speaks          bool   // it was heard since so many were missed

	sizes
}

// paths are those that a node keeps something of.
type paths struct {
	ids  []member.ID // of the list, in its order
	list []path
	care
}

// find returns the path to a member, nil if nothing is kept of it.
func (w *paths) find(id member.ID) *path {
	for i, x := range w.ids {
		if x == id {
			return &w.list[i]
		}
	}
	return nil
}

// to returns the path to a member, which begins anew if the member is in another life or at another address. Over the bound
// the way of which was heard longest ago makes room, one that takes no long datagrams last.
func (w *paths) to(peer detect.Peer) *path {
	p := w.find(peer.ID)
	switch {
	case p == nil && len(w.list) < MaxPaths:
		w.ids, w.list = append(w.ids, 0), append(w.list, path{})
		p = w.keep(len(w.list)-1, peer)
	case p == nil:
		p = w.keep(w.oldest(), peer)
	case p.peer != peer:
		*p = path{peer: peer, sent: Never}
	}
	return p
}

func (w *paths) keep(i int, peer detect.Peer) *path {
	w.ids[i], w.list[i] = peer.ID, path{peer: peer, sent: Never}
	return &w.list[i]
}

func (w *paths) oldest() (at int) {
	age := func(p *path) Time {
		if p.over > 0 {
			return p.heard.Add(math.MaxInt64 / 2)
		}
		return p.heard
	}
	for i := range w.list {
		if age(&w.list[i]) < age(&w.list[at]) {
			at = i
		}
	}
	return at
}

// drop forgets the path to a member; the last one takes its place.
func (w *paths) drop(id member.ID) {
	for i, x := range w.ids {
		if x == id {
			last := len(w.ids) - 1
			w.ids[i], w.list[i] = w.ids[last], w.list[last]
			w.list[last] = path{}
			w.ids, w.list = w.ids[:last], w.list[:last]
			return
		}
	}
}

// settle takes in that a member changed: the way to one that is dead is of no interest, and one that is elsewhere has another.
func (w *paths) settle(m *member.Member) {
	switch {
	case w.find(m.ID) == nil:
	case m.State.Live():
		w.to(detect.PeerOf(m))
	default:
		w.drop(m.ID)
	}
}

// counts returns how many there are, and how many of them take no long datagrams.
func (w *paths) counts() (all, small int) {
	for i := range w.list {
		if w.list[i].over > 0 {
			small++
		}
	}
	return len(w.list), small
}

// hear takes in that a datagram of a peer came.
func (w *paths) hear(now Time, from detect.Peer) {
	if p := w.find(from.ID); p != nil && p.peer.Instance == from.Instance {
		p.speaks = p.speaks || p.missed == muteAfter
		if p.heard = max(now, 1); p.from != nil || from.Addr != p.peer.Addr {
			note(&p.from, from.Addr)
		}
	}
}

// note keeps an address in the memory of the one before it.
func note(at **netip.AddrPort, a netip.AddrPort) {
	if *at == nil {
		*at = new(netip.AddrPort)
	}
	**at = a
}

// probed takes in that the detector sends something to a member.
func (n *Node) probed(to detect.Peer, messages []byte) {
	r := wire.Messages(messages)
	t, body, _ := r.Next()
	var seq uint32
	switch t {
	case wire.TypePing:
		seq, _ = wire.ReadSeq(body)
	case wire.TypeLease:
		m, _ := wire.ReadLease(body)
		seq = m.Seq
	case wire.TypeAck, wire.TypeCounters:
	default: // what jurors and accusers say to each other
		return
	}
	if _, ok := n.liveMember(to); !ok {
		return
	}
	p := n.paths.to(to)
	if t == wire.TypeAck || t == wire.TypeCounters {
		return
	}
	n.streams.Probed(n.now)
	if p.sent != Never && p.missed < muteAfter {
		p.missed++
	}
	if p.probes++; p.probes == maxCounted {
		p.probes, p.answers = p.probes/2, p.answers/2
	}
	p.seq, p.sent = seq, n.now
}

// acked takes in an answer to a probe. One to an earlier probe than the last came too late to count.
func (n *Node) acked(from detect.Peer, body []byte) {
	seq, ok := wire.ReadSeq(body)
	p := n.paths.find(from.ID)
	if ok && p != nil && p.peer.Instance == from.Instance {
		n.reached.answer = n.now
	}
	if !ok || p == nil || p.sent == Never || p.seq != seq || p.peer.Instance != from.Instance {
		return
	}
	took := max(n.now.Sub(p.sent), 1)
	p.answers++
	p.sent, p.missed, p.speaks = Never, 0, false
	if p.rtt == 0 {
		p.rtt = took
	}
	p.rtt = max(p.rtt+(took-p.rtt)/8, 1)
}

// stalledPaths takes back the probes whose answers came while this process stood still.
func (n *Node) stalledPaths() {
	for i := range n.paths.list {
		if p := &n.paths.list[i]; p.sent != Never {
			p.sent, p.missed, p.speaks = Never, 0, false
			p.probes = max(p.probes, 1) - 1
		}
	}
}

// Path is what a node knows of the way to a member that it talks to.
type Path struct {
	Member member.Member
	Heard  Time           // when its last datagram came; 0: none did
	From   netip.AddrPort // where that came from
	Seen   netip.AddrPort // where the member last saw datagrams of this node come from; not valid: it has not told

	Probes, Answers int           // the detector's last ones, at most 128, and how many of them were answered in time
	RTT             time.Duration // smoothed; 0: unknown

	// Passed is the longest datagram that is known to pass there and back, Over the shortest that does not, in bytes
	// before sealing; 0: unknown, and that there is none. Checked is when that was last looked for; 0: never.
	Passed, Over int
	Checked      Time

	Port   detect.Port // its TCP port, as INQUEST found it of those that it watches
	Broken bool        // it does not answer this node, and others reach it

	// Silent says that nothing came from it for a second or more, nor an answer to the last probe.
	// Mute says that the last five probes in a row were not answered, and that it was heard after
	// them, in the last five seconds. It is not both.
	Silent, Mute bool
}

// Paths returns what the node knows of the ways to the live members that it talks to, 64 at most, in no order that
// means anything.
func (n *Node) Paths(now Time) (all []Path) {
	broken := n.Broken(now)
	for i := range n.paths.list {
		p := &n.paths.list[i]
		m, ok := n.liveMember(p.peer)
		if !ok {
			continue
		}
		out := Path{
			Member: m, Heard: p.heard, From: p.peer.Addr, Probes: int(p.probes), Answers: int(p.answers),
			Silent: (p.missed > 0 || p.sent != Never && now.Sub(p.sent) >= answerIn) && now.Sub(p.heard) >= answerIn,
			RTT:    p.rtt, Passed: int(p.passed), Over: int(p.over), Checked: p.checked, Port: n.portOf(now, m.ID),
		}
		if p.sent != Never && now.Sub(p.sent) < answerIn && out.Probes > out.Answers {
			out.Probes-- // it may be answered yet
		}
		if p.isMute(now) {
			out.Silent, out.Mute = false, true
		}
		if p.from != nil {
			out.From = *p.from
		}
		if p.seen != nil {
			out.Seen = *p.seen
		}
		for _, id := range broken {
			out.Broken = out.Broken || id == m.ID
		}
		all = append(all, out)
	}
	return all
}

// isMute says whether a member sends and does not answer. What it sent before it fell silent does
// not count; after that it may be heard no more often than the pings of a pair that do not arrive.
func (p *path) isMute(now Time) bool {
	return p.speaks && now.Sub(p.heard) < muteFor
}

// muteFor is how long after its last datagram a member is heard.
const muteFor = 5 * time.Second

// answerIn is how long the last probe does not count as one without an answer.
const answerIn = time.Second

// muteAfter is how many probes in a row one that is heard does not answer before that is told.
const muteAfter = 5
