package gossip

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/rate"
	"github.com/starling-gossip/starling/gossip/topology"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file is whether a node is connected with the members at addresses of the IP version that it
// cannot send to. It sees nothing of them itself: what it holds of them is the word of members that
// have both versions, the bridges. So a node asks a few bridges, every few seconds, and they say
// which of these members they cannot reach. Those that none of them reaches, and all of them while
// no bridge answers, are unreachable here: they may be dead or live, and nobody can tell. A node
// that knows no bridge asks members at random, which say which one they know.

const (
	acrossEvery  = 4 * time.Second        // between two words of bridges, while they answer
	acrossAgain  = 250 * time.Millisecond // between two questions while none does
	acrossSeldom = 2 * time.Second        // the same once the others are unreachable
	acrossLost   = 15 * time.Second       // a word is void after it
	acrossGone   = 5 * time.Second        // the same once the last bridge has failed or left
	acrossProve  = 100 * time.Millisecond // between two questions for the sake of a verdict
	acrossOthers = 8                      // that are asked at once by a node that knows no bridge
	maxBridges   = 2                      // that a node keeps
	acrossRate   = 128 << 10              // bytes a second of answers
)

// bridge is a member that sends to those whom this node cannot.
type bridge struct {
	peer  detect.Peer
	word  Time
	lacks []member.ID // whom of them it cannot reach
}

// across is what a node knows of bridges.
type across struct {
	due     Time // Never: it can send to all live members
	bridges []bridge
	word    Time // the last of any; 0: none
	until   Time // the others are unreachable then, unless a word comes
	proved  Time // the last question for the sake of a verdict
	newest  member.ID
	marked  bool // some are unreachable for their family
	answers rate.Bucket
}

// other is the IP version that this node cannot send to.
func (n *Node) otherFamily() Family {
	if n.crosses(IPv4) {
		return IPv6
	}
	return IPv4
}

// crosses says whether this node sends to addresses of an IP version.
func (n *Node) crosses(f Family) bool {
	return (n.family == AnyFamily || n.family == f) && (n.routes == AnyFamily || n.routes == f)
}

// Unbridged says whether a live member is at an address of the IP version that this node cannot
// send to, and nobody connects the two.
func (n *Node) Unbridged(id member.ID) bool {
	i, found := n.private.find(id)
	return found && n.private.unreachable[i].reasons&parted != 0
}

// stalledAcross moves what is waited for by the gap in which this process stood still.
func (n *Node) stalledAcross(gap time.Duration) {
	a := &n.across
	if a.due == Never {
		return
	}
	a.word, a.until = a.word.Add(gap), a.until.Add(gap)
	for i := range a.bridges {
		a.bridges[i].word = a.bridges[i].word.Add(gap)
	}
}

// settleAcross takes in that a member changed.
func (n *Node) settleAcross(after *member.Member) {
	a := &n.across
	if n.table.Served() == n.table.Live() {
		if a.due != Never {
			*a = across{due: Never, bridges: a.bridges[:0], answers: a.answers}
		}
		return
	}
	if a.due == Never {
		a.due, a.until = n.now, n.now.Add(acrossLost)
	}
	for i := range a.bridges {
		if b := &a.bridges[i]; b.peer.ID == after.ID && !n.isBridge(b) {
			n.dropBridge(i)
			return
		}
	}
	if after.State.Live() && after.ID != n.id { // it may be a bridge, or nobody that is known
		a.newest = after.ID
		if a.marked {
			a.due = min(a.due, n.now.Add(acrossAgain))
		}
	}
}

// isBridge says whether a bridge is a live member that can be sent to, in the life that is known.
func (n *Node) isBridge(b *bridge) bool {
	m, ok := n.table.Get(b.peer.ID)
	return ok && m.State.Live() && m.Instance() == b.peer.Instance && !m.OutOfFamily
}

// dropBridge forgets a bridge, and looks for another one at once.
func (n *Node) dropBridge(i int) {
	a := &n.across
	a.bridges = slices.Delete(a.bridges, i, i+1)
	a.due = min(a.due, n.now)
	if len(a.bridges) == 0 {
		a.until = min(a.until, n.now.Add(acrossGone))
	}
}

// wakeAcross asks, and says which members are unreachable.
func (n *Node) wakeAcross() {
	a := &n.across
	if a.due > n.now {
		return
	}
	lost := a.until <= n.now
	if lost {
		a.bridges = a.bridges[:0]
		n.markParted()
	}
	if next := a.word.Add(acrossEvery); a.word != 0 && len(a.bridges) > 0 && next > n.now {
		a.due = next
		return
	}
	a.due = n.now.Add(pickPause(lost))
	n.askBridges()
	others := 0
	switch {
	case lost:
		others = 1
	case len(a.bridges) == 0 || n.now.Sub(a.word) >= 2*acrossEvery:
		others = acrossOthers
	case len(a.bridges) < maxBridges: // one alone may die
		others = 1
	}
	var room [acrossOthers]member.Member
	for _, m := range topology.Pick(n.rng, &n.table, others, room[:0], n.id) {
		n.askAcross(detect.PeerOf(&m))
	}
	if m, ok := n.table.Get(a.newest); ok && m.State.Live() && !m.OutOfFamily {
		n.askAcross(detect.PeerOf(&m))
	}
	a.newest = 0
}

func pickPause(lost bool) time.Duration {
	if lost {
		return acrossSeldom
	}
	return acrossAgain
}

func (n *Node) askBridges() {
	for i := range n.across.bridges {
		n.askAcross(n.across.bridges[i].peer)
	}
}

func (n *Node) askAcross(to detect.Peer) {
	start := n.open(to.Instance)
	n.out.arena = wire.AppendAcross(n.out.arena, uint8(n.otherFamily()))
	n.close(start, to)
}

// takeAcross reads a question for bridges, or the answer to one of this node's.
func (n *Node) takeAcross(peer detect.Peer, t wire.Type, body []byte) bool {
	if t == wire.TypeAcross {
		f, ok := wire.ReadAcross(body)
		if ok {
			n.answerAcross(peer, Family(f))
		}
		return ok
	}
	m, ok := wire.ReadBridge(body)
	if ok {
		n.takeBridge(peer, &m)
	}
	return ok
}

// answerAcross says whether this node sends to addresses of an IP version, and whom there it cannot
// reach; or a node that does, as far as it knows. If more are lacking than fit, it is as if it did
// not.
func (n *Node) answerAcross(peer detect.Peer, f Family) {
	if !n.across.answers.Ready(n.now) {
		return
	}
	m := wire.Bridge{Family: uint8(f)}
	var room [8 * wire.MaxLacks]byte
	switch {
	case n.crosses(f) && !n.private.isolated && !n.reached.lost:
		m.By, m.Lacks = n.id, room[:0]
		for _, x := range n.private.unreachable {
			if r, ok := n.table.Get(x.id); !ok || !hasFamily(&r, f) {
				continue
			}
			if len(m.Lacks) == len(room) {
				m.By, m.Lacks = 0, nil
				break
			}
			m.Lacks = binary.BigEndian.AppendUint64(m.Lacks, uint64(x.id))
		}
	case !n.crosses(f) && len(n.across.bridges) > 0:
		m.By = n.across.bridges[0].peer.ID
	}
	start := n.open(peer.Instance)
	n.out.arena = wire.AppendBridge(n.out.arena, &m)
	n.across.answers.Take(n.closeFree(start, peer))
}

// hasFamily says whether a member has an address of an IP version, for some of the others.
func hasFamily(m *member.Member, f Family) bool {
	r := m.Handle.Value()
	is := func(a netip.AddrPort) bool { return a.IsValid() && f.serves(a.Addr()) }
	return is(r.Addr) || is(r.Outside)
}

// takeBridge takes in what another member says of bridges.
func (n *Node) takeBridge(peer detect.Peer, m *wire.Bridge) {
	a := &n.across
	if a.due == Never || Family(m.Family) != n.otherFamily() {
		return
	}
	i := slices.IndexFunc(a.bridges, func(b bridge) bool { return b.peer.ID == peer.ID })
	if m.By != peer.ID { // it is none
		if i >= 0 {
			n.dropBridge(i)
		}
		if by, ok := n.table.Get(m.By); ok && by.State.Live() && !by.OutOfFamily && m.By != n.id &&
			len(a.bridges) < maxBridges &&
			!slices.ContainsFunc(a.bridges, func(b bridge) bool { return b.peer.ID == m.By }) {
			n.askAcross(detect.PeerOf(&by))
		}
		return
	}
	if i < 0 {
		if len(a.bridges) >= maxBridges {
			return
		}
		i = len(a.bridges)
		a.bridges = append(a.bridges, bridge{})
	}
	b := &a.bridges[i]
	b.peer, b.word, b.lacks = peer, n.now, b.lacks[:0]
	for k := range len(m.Lacks) / 8 {
		b.lacks = append(b.lacks, m.LacksAt(k))
	}
	a.word, a.until = n.now, n.now.Add(acrossLost)
	a.due = min(a.due, n.now.Add(acrossEvery))
	if a.marked || len(b.lacks) > 0 {
		n.markParted()
	}
}

// markParted says of each member at an address of the other IP version whether it is unreachable.
func (n *Node) markParted() {
	a := &n.across
	var ids []member.ID
	for i := n.table.Served(); i < n.table.Live(); i++ {
		ids = append(ids, n.table.IDAt(i))
	}
	slices.Sort(ids)
	a.marked = false
	for _, id := range ids {
		on := !slices.ContainsFunc(a.bridges, func(b bridge) bool {
			return n.now.Sub(b.word) < acrossLost && !slices.Contains(b.lacks, id)
		})
		a.marked = a.marked || on
		n.unreachable(id, parted, on)
	}
}

// Bridged says whether a bridge has spoken since a moment, or all live members can be sent to
// without one. If not it asks. A verdict rests on it: a node that is cut off from all bridges is
// cut off from those behind them.
func (h host) Bridged(now Time, since Time) bool {
	n := h.n
	a := &n.across
	if n.table.Served() == n.table.Live() || len(a.bridges) > 0 && a.word > since {
		return true
	}
	if now.Sub(a.proved) >= acrossProve {
		a.proved = now
		n.askBridges()
	}
	return false
}
