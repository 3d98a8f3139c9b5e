package reach

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
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

// bridge is a member that sends to the members that this node cannot send to.
type bridge struct {
	peer  plane.Peer
	word  mono.Time
	lacks []member.ID // the ones of them that it cannot reach
}

// across is what a node knows of bridges.
type across struct {
	due     mono.Time // mono.Never: it can send to all live members
	bridges []bridge
	word    mono.Time // the last of any; 0: none
	until   mono.Time // the others are unreachable then, unless a word comes
	proved  mono.Time // the last question for the sake of a verdict
	newest  member.ID
	marked  bool // some are unreachable for their family
	answers rate.Bucket
}

// other is the IP version that this node cannot send to.
func (r *Reach) otherFamily() member.Family {
	if r.env.SendsTo(member.IPv4) {
		return member.IPv6
	}
	return member.IPv4
}

// Unbridged says whether a live member is at an address of the IP version that this node cannot
// send to, and nobody connects the two.
func (r *Reach) Unbridged(id member.ID) bool {
	i, found := r.find(id)
	return found && r.absences[i].reasons&parted != 0
}

// Stalled moves what is waited for by the gap in which this process stood still.
func (r *Reach) Stalled(_ mono.Time, gap time.Duration) {
	a := &r.across
	if a.due == mono.Never {
		return
	}
	a.word, a.until = a.word.Add(gap), a.until.Add(gap)
	for i := range a.bridges {
		a.bridges[i].word = a.bridges[i].word.Add(gap)
	}
}

// settleAcross takes in that a member changed.
func (r *Reach) settleAcross(now mono.Time, after *member.Member) {
	a := &r.across
	if r.env.Table().Served() == r.env.Table().Live() {
		if a.due != mono.Never {
			*a = across{due: mono.Never, bridges: a.bridges[:0], answers: a.answers}
		}
		return
	}
	if a.due == mono.Never {
		a.due, a.until = now, now.Add(acrossLost)
	}
	for i := range a.bridges {
		if b := &a.bridges[i]; b.peer.ID == after.ID && !r.isBridge(b) {
			r.dropBridge(now, i)
			return
		}
	}
	if after.State.Live() && after.ID != r.env.ID() { // it may be a bridge, or nobody that is known
		a.newest = after.ID
		if a.marked {
			a.due = min(a.due, now.Add(acrossAgain))
		}
	}
}

// Deadline is when bridges are asked again.
func (r *Reach) Deadline() mono.Time { return r.across.due }

// isBridge says whether a bridge is a live member that can be sent to, in the life that is known.
func (r *Reach) isBridge(b *bridge) bool {
	m, ok := r.env.Table().Get(b.peer.ID)
	return ok && m.State.Live() && m.Instance() == b.peer.Instance && !m.OutOfFamily
}

// dropBridge forgets a bridge, and looks for another one at once.
func (r *Reach) dropBridge(now mono.Time, i int) {
	a := &r.across
	a.bridges = slices.Delete(a.bridges, i, i+1)
	a.due = min(a.due, now)
	if len(a.bridges) == 0 {
		a.until = min(a.until, now.Add(acrossGone))
	}
}

// Wake asks, and says which members are unreachable.
func (r *Reach) Wake(now mono.Time) {
	a := &r.across
	lost := a.until <= now
	if lost {
		a.bridges = a.bridges[:0]
		r.markParted(now)
	}
	if next := a.word.Add(acrossEvery); a.word != 0 && len(a.bridges) > 0 && next > now {
		a.due = next
		return
	}
	a.due = now.Add(pickPause(lost))
	r.askBridges(now)
	others := 0
	switch {
	case lost:
		others = 1
	case len(a.bridges) == 0 || now.Sub(a.word) >= 2*acrossEvery:
		others = acrossOthers
	case len(a.bridges) < maxBridges: // one alone may die
		others = 1
	}
	var room [acrossOthers]member.Member
	for _, m := range topology.Pick(r.env.Rand(), r.env.Table(), others, room[:0], r.env.ID()) {
		r.askAcross(now, plane.PeerOf(&m))
	}
	if m, ok := r.env.Table().Get(a.newest); ok && m.State.Live() && !m.OutOfFamily {
		r.askAcross(now, plane.PeerOf(&m))
	}
	a.newest = 0
}

func pickPause(lost bool) time.Duration {
	if lost {
		return acrossSeldom
	}
	return acrossAgain
}

func (r *Reach) askBridges(now mono.Time) {
	for i := range r.across.bridges {
		r.askAcross(now, r.across.bridges[i].peer)
	}
}

func (r *Reach) askAcross(now mono.Time, to plane.Peer) {
	r.buf = wire.AppendAcross(r.buf[:0], uint8(r.otherFamily()))
	r.env.Send(now, to, plane.Control, r.buf)
}

// Receive reads a question for bridges, or the answer to one of this node's.
func (r *Reach) Receive(now mono.Time, from plane.Sender, t wire.Type, body []byte) bool {
	peer := from.Peer
	if t == wire.TypeAcross {
		f, ok := wire.ReadAcross(body)
		if ok {
			r.answerAcross(now, peer, member.Family(f))
		}
		return ok
	}
	m, ok := wire.ReadBridge(body)
	if ok {
		r.takeBridge(now, peer, &m)
	}
	return ok
}

// answerAcross says whether this node sends to addresses of an IP version, and which members there
// it cannot reach. If it does not send there, it names a node that does, as far as it knows. If
// more members are lacking than fit, this node answers as if it did not send there.
func (r *Reach) answerAcross(now mono.Time, peer plane.Peer, f member.Family) {
	if !r.across.answers.Ready(now) {
		return
	}
	b := wire.Bridge{Family: uint8(f)}
	var room [8 * wire.MaxLacks]byte
	switch {
	case r.env.SendsTo(f) && !r.isolated && !r.env.IsLost():
		b.By, b.Lacks = r.env.ID(), room[:0]
		for _, x := range r.absences {
			if m, ok := r.env.Table().Get(x.id); !ok || !m.HasFamily(f) {
				continue
			}
			if len(b.Lacks) == len(room) {
				b.By, b.Lacks = 0, nil
				break
			}
			b.Lacks = binary.BigEndian.AppendUint64(b.Lacks, uint64(x.id))
		}
	case !r.env.SendsTo(f) && len(r.across.bridges) > 0:
		b.By = r.across.bridges[0].peer.ID
	}
	r.buf = wire.AppendBridge(r.buf[:0], &b)
	r.across.answers.Take(r.env.Send(now, peer, plane.Own, r.buf))
}

// takeBridge takes in what another member says of bridges.
func (r *Reach) takeBridge(now mono.Time, peer plane.Peer, m *wire.Bridge) {
	a := &r.across
	if a.due == mono.Never || member.Family(m.Family) != r.otherFamily() {
		return
	}
	i := slices.IndexFunc(a.bridges, func(b bridge) bool { return b.peer.ID == peer.ID })
	if m.By != peer.ID { // it is none
		if i >= 0 {
			r.dropBridge(now, i)
		}
		if by, ok := r.env.Table().Get(m.By); ok && by.State.Live() && !by.OutOfFamily &&
			m.By != r.env.ID() &&
			len(a.bridges) < maxBridges &&
			!slices.ContainsFunc(a.bridges, func(b bridge) bool { return b.peer.ID == m.By }) {
			r.askAcross(now, plane.PeerOf(&by))
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
	b.peer, b.word, b.lacks = peer, now, b.lacks[:0]
	for k := range len(m.Lacks) / 8 {
		b.lacks = append(b.lacks, m.LacksAt(k))
	}
	a.word, a.until = now, now.Add(acrossLost)
	a.due = min(a.due, now.Add(acrossEvery))
	if a.marked || len(b.lacks) > 0 {
		r.markParted(now)
	}
}

// markParted says of each member at an address of the other IP version whether it is unreachable.
func (r *Reach) markParted(now mono.Time) {
	a := &r.across
	var ids []member.ID
	for i := r.env.Table().Served(); i < r.env.Table().Live(); i++ {
		ids = append(ids, r.env.Table().IDAt(i))
	}
	slices.Sort(ids)
	a.marked = false
	for _, id := range ids {
		on := !slices.ContainsFunc(a.bridges, func(b bridge) bool {
			return now.Sub(b.word) < acrossLost && !slices.Contains(b.lacks, id)
		})
		a.marked = a.marked || on
		r.set(now, id, parted, on)
	}
}

// Bridged says whether a bridge has spoken since a moment, or all live members can be sent to
// without one. If not it asks. A verdict rests on it: a node that is cut off from all bridges is
// cut off from those behind them.
func (r *Reach) Bridged(now, since mono.Time) bool {
	a := &r.across
	if r.env.Table().Served() == r.env.Table().Live() || len(a.bridges) > 0 && a.word > since {
		return true
	}
	if now.Sub(a.proved) >= acrossProve {
		a.proved = now
		r.askBridges(now)
	}
	return false
}
