package gossip

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// How datagrams are made and when news leaves.

const (
	ipOverhead = 28 // IPv4 and UDP headers, which the budget counts
	// between two datagrams of news to the same number of peers, when more waits than one holds
	stormPace = 20 * time.Millisecond
	maxFanout = 16
	replyRate = 32 << 10 // bytes a second that strangers and the dead can make this node send

	// bytes a second of samples for newcomers; a thousand of them at once fit the burst
	welcomeRate = 512 << 10
)

// open begins a datagram in the outbox's arena and returns where it starts.
func (n *Node) open(to uint32) int {
	start := len(n.out.arena)
	n.out.arena = wire.AppendHeader(n.out.arena, wire.Header{
		Cluster: n.cluster, From: n.id, Generation: uint32(n.self.Value().Generation), To: to,
	})
	return start
}

// close ends the datagram that open began. Of a stranger the address alone is set. A probe never
// waits, so that a node cut off from many sends more than its budget; the news that waits for that
// is held up by no more than a burst.
func (n *Node) close(start int, to plane.Peer) (cost int) {
	cost = n.closeFree(start, to)
	n.budget.Take(cost)
	n.budget.Tokens = max(n.budget.Tokens, -n.budget.Burst)
	return cost
}

// closeFree is close outside the budget, for what has one of its own. It returns what the datagram
// costs. A stranger's datagram has nothing sent to strangers beyond what it earned.
func (n *Node) closeFree(start int, to plane.Peer) int {
	data := n.out.arena[start:len(n.out.arena):len(n.out.arena)]
	if !n.earned(to, len(data)+ipOverhead) {
		n.out.arena = n.out.arena[:start]
		n.stats.RepliesRefused++
		return 0
	}
	n.out.Packets = append(n.out.Packets, Packet{To: to.Addr, Data: data})
	n.stats.PacketsOut++
	n.stats.BytesOut += uint64(len(data))
	n.sent(to.ID, len(data))
	return len(data) + ipOverhead
}

// room is how many bytes the datagram that began at start can still take.
func (n *Node) room(start int) int { return wire.RoomOf(n.cfg.MTU) - (len(n.out.arena) - start) }

// sendProbe sends a detector's messages with the fingerprint and as much news as fits, and as a
// stranger earned. The fingerprint comes last: it is that of after the news. Questions for
// locations come first, so that what answers the probe answers them too.
func (n *Node) sendProbe(to plane.Peer, messages []byte) {
	start := n.open(to.Instance)
	reserve := wire.MessageSize + fingerprintSize + n.unearned(to, n.room(start))
	if len(messages) > 0 {
		n.out.arena = n.coords.Ride(n.now, n.out.arena, to, wire.Type(messages[0]))
	}
	n.out.arena = append(n.out.arena, messages...)
	n.news.Waiting(func(it *rumor.Item) bool {
		return n.appendNews(start, it, reserve)
	})
	if n.upkeep.tell && n.isAlive(to) {
		n.upkeep.tell = false
		n.appendGone(start, reserve, tellsGone)
	}
	n.out.arena = n.streams.AppendHeads(n.out.arena, n.room(start)-reserve)
	n.appendFingerprint()
	n.close(start, to)
	n.stats.ProbesOut++
	if n.ways.Probed(n.now, to, messages) {
		n.streams.Probed(n.now)
	}
	n.coords.Rode(n.now)
	n.ways.Rode(n.now)
}

const fingerprintSize = 19 // with that of keys

func (n *Node) appendFingerprint() {
	n.out.arena = wire.AppendFingerprint(n.out.arena, wire.Fingerprint{
		Hash: n.table.Fingerprint(), Live: uint32(n.table.Live()), Keys: n.keys.Fingerprint(),
	})
}

// appendNews adds what the table holds of a rumor's member, and says whether there was room beside
// the reserve. News that is no longer so adds nothing.
func (n *Node) appendNews(start int, it *rumor.Item, reserve int) bool {
	m, ok := n.table.Get(member.ID(it.Key))
	if !ok || n.isStale(m.ID) {
		return true
	}
	before := len(n.out.arena)
	n.appendMember(&m, it.Full, it.Accuser)
	if n.room(start) < reserve {
		n.out.arena = n.out.arena[:before]
		return false
	}
	return true
}

// appendMember writes what the table holds of a member, in full or in short.
func (n *Node) appendMember(m *member.Member, full bool, accuser member.ID) {
	claim := n.claim(m, accuser)
	if full {
		r := m.Record()
		n.out.arena = wire.AppendRecord(n.out.arena, &r, &claim)
	} else {
		n.out.arena = wire.AppendUpdate(n.out.arena,
			&wire.Update{ID: m.ID, Check: m.Check, Claim: claim})
	}
}

// claim is what the table holds of a member, as it goes on the wire.
func (n *Node) claim(m *member.Member, accuser member.ID) wire.Claim {
	c := wire.Claim{Generation: m.Generation(), Incarnation: m.Incarnation, State: m.State,
		Accuser: accuser}
	if m.ID == n.id && m.State.Live() {
		c.Incarnation = n.called.Said(n.inc)
	}
	if !m.State.Live() {
		c.Age = uint32(min(max(n.now.Sub(m.Since)/time.Second, 0), 1<<31))
		c.Cause = m.Cause
	}
	return c
}

// reply opens a datagram to one that asked for it or provoked it, within what such may cost; ok
// says whether it may be sent.
func (n *Node) reply(to plane.Peer) (start int, ok bool) {
	if !n.mayReply() {
		return 0, false
	}
	return n.open(to.Instance), true
}

// mayReply says whether there is room in what strangers and the dead may provoke.
func (n *Node) mayReply() bool {
	ok := n.replies.Ready(n.now)
	if !ok {
		n.stats.RepliesRefused++
	}
	return ok
}

// closeReply ends a datagram that reply began.
func (n *Node) closeReply(start int, to plane.Peer) {
	n.replies.Take(len(n.out.arena) - start + ipOverhead)
	n.close(start, to)
}

// putNews begins to spread a piece of news. Where packets are lost it takes more rounds until
// all have it: three become ⌈3/√(1−r)⌉ at a share r of failed round trips, but a share of a
// tenth does not count yet.
func (n *Node) putNews(it rumor.Item) {
	n.news.SetRounds(n.rounds())
	n.news.Put(n.now, it)
}

// spread has a message told to all members; the next one of a key takes its place.
func (n *Node) spread(key uint64, message []byte) {
	n.words.SetRounds(n.rounds())
	n.words.Put(n.now, rumor.Item{Key: key, Data: message})
}

// packWords adds the messages that are due.
func (n *Node) packWords(start int) {
	for {
		it := n.words.Peek(n.now)
		if it == nil || len(it.Data) > n.room(start) {
			return
		}
		n.out.arena = append(n.out.arena, it.Data...)
		n.words.Pushed(n.now, it)
	}
}

// rounds is in how many rounds news is pushed at present.
func (n *Node) rounds() int {
	usual := len(n.cfg.Rounds)
	rounds := usual
	if n.lossy != nil {
		failed, of := n.lossy.Losses()
		for rounds < rumor.MaxRounds && rounds*rounds*(of-failed) < usual*usual*(of-of/9) {
			rounds++
		}
	}
	return rounds
}

// flushDue returns when waiting rumors may leave.
func (n *Node) flushDue() Time {
	due := min(n.news.Deadline(), n.words.Deadline())
	if due == Never {
		return Never
	}
	return max(due, n.flushAt, n.budget.Next())
}

// flush pushes the news that is due: each datagram goes to a few random peers. It ends when nothing
// more is due, or when the budget is spent.
func (n *Node) flush() {
	n.flushAt = n.now.Add(n.cfg.Coalesce)
	for n.budget.Ready(n.now) {
		start := n.open(0)
		storm := n.packNews(start)
		n.packEvidence(start)
		n.packWords(start)
		if len(n.out.arena) == start+wire.HeaderSize {
			n.out.arena = n.out.arena[:start]
			return
		}
		n.push(n.out.arena[start+wire.HeaderSize:])
		if storm {
			n.flushAt = n.now.Add(stormPace)
			return
		}
	}
}

// leaving is how many pushes of news leave a zone in the mean, for one of each of its members. Each
// pushes to a few peers in a few rounds, so some twenty leave each zone, and news reaches the
// others while it still spreads in the first.
const leaving = 2

// push sends one body to Fanout random peers, of this node's zone most of them.
func (n *Node) push(body []byte) {
	var room [maxFanout]member.Member
	peers := n.ring.Near(n.rng, n.id, leaving, min(n.cfg.Fanout, maxFanout), room[:0])
	for i := range peers {
		p := plane.PeerOf(&peers[i])
		start := n.open(p.Instance)
		n.out.arena = append(n.out.arena, body...)
		n.close(start, p)
	}
}

// packNews adds the news that is due and says whether more waits than fits.
func (n *Node) packNews(start int) (storm bool) {
	n.told = n.told[:0]
	for {
		it := n.news.Peek(n.now)
		if it == nil {
			return false
		}
		if !n.appendNews(start, it, 0) {
			return true
		}
		n.told = append(n.told, member.ID(it.Key))
		n.news.Pushed(n.now, it)
	}
}
