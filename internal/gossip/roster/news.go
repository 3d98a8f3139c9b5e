package roster

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is how news leaves. Each piece is pushed to a few random members, in a few rounds.

const (
	// between two datagrams of news to the same number of peers, when more waits than one holds
	stormPace = 20 * time.Millisecond
	// enough duplicates of a rumor tell that the others know it
	enough = 8
	// leaving is how many pushes of news leave a zone in the mean, for one of each of its members.
	// Each pushes to a few peers in a few rounds, so some twenty leave each zone, and news reaches
	// the others while it still spreads in the first.
	leaving = 2
)

// MaxFanout bounds how many peers get a piece of news in one round.
const MaxFanout = 16

// News is what waits to be told, when it may leave, and how it is written.
type News struct {
	*ground
	verdicts *Verdicts
	parts    *Parts

	members  rumor.Queue // news of members, by ID
	words    rumor.Queue // messages that are spread as they are, by key
	usual    int         // rounds
	fanout   int
	coalesce time.Duration
	after    mono.Time   // no news leaves before; the coalescing delay, or the pace of a storm
	told     []member.ID // in the datagram that is made
}

func newNews(c *Setup, g *ground, v *Verdicts, p *Parts) News {
	return News{
		ground: g, verdicts: v, parts: p,
		members: rumor.NewQueue(c.Rounds, enough), words: rumor.NewQueue(c.Rounds, enough),
		usual: len(c.Rounds), fanout: c.Fanout, coalesce: c.Coalesce,
	}
}

// SpreadSelf tells all of this node's record.
func (q *News) SpreadSelf() { q.put(rumor.Item{Key: uint64(q.id), Full: true}) }

// Queued returns how many pieces of news of members wait, Dropped how many were let go since there
// were too many.
func (q *News) Queued() int { return q.members.Len() }

// Dropped returns how many pieces of news of members were let go.
func (q *News) Dropped() uint64 { return q.members.Dropped }

// AppendFingerprint adds that of what this node knows.
func (q *News) AppendFingerprint() {
	q.flow.Bytes = wire.AppendFingerprint(q.flow.Bytes, wire.Fingerprint{
		Hash: q.table.Fingerprint(), Live: uint32(q.table.Live()), Keys: q.parts.Keys.Fingerprint(),
	})
}

// AppendWaiting adds as much of the news that waits as leaves room for the reserve.
func (q *News) AppendWaiting(start, reserve int) {
	q.members.Waiting(func(it *rumor.Item) bool { return q.appendNews(start, it, reserve) })
}

// appendNews adds what the table holds of a rumor's member, and says whether there was room beside
// the reserve. News that is no longer so adds nothing.
func (q *News) appendNews(start int, it *rumor.Item, reserve int) bool {
	m, ok := q.table.Get(member.ID(it.Key))
	if !ok || q.parts.Reach.IsStale(q.now, m.ID) {
		return true
	}
	before := len(q.flow.Bytes)
	q.AppendMember(&m, it.Full, it.Accuser)
	if q.flow.Room(start) < reserve {
		q.flow.Drop(before)
		return false
	}
	return true
}

// AppendMember writes what the table holds of a member, in full or in short.
func (q *News) AppendMember(m *member.Member, full bool, accuser member.ID) {
	claim := q.Claim(m, accuser)
	if full {
		rec := m.Record()
		q.flow.Bytes = wire.AppendRecord(q.flow.Bytes, &rec, &claim)
	} else {
		q.flow.Bytes = wire.AppendUpdate(q.flow.Bytes,
			&wire.Update{ID: m.ID, Check: m.Check, Claim: claim})
	}
}

// Claim is what the table holds of a member, as it goes on the wire.
func (q *News) Claim(m *member.Member, accuser member.ID) wire.Claim {
	c := wire.Claim{Generation: m.Generation(), Incarnation: m.Incarnation, State: m.State,
		Accuser: accuser}
	if m.ID == q.id && m.State.Live() {
		c.Incarnation = q.parts.Called.Said(m.Incarnation)
	}
	if !m.State.Live() {
		c.Age = uint32(min(max(q.now.Sub(m.Since)/time.Second, 0), 1<<31))
		c.Cause = m.Cause
	}
	return c
}

// put begins to spread a piece of news of a member. Where packets are lost it takes more rounds
// until all have it: three become ⌈3/√(1−r)⌉ at a share r of failed round trips. A share of
// a tenth does not count yet.
func (q *News) put(it rumor.Item) {
	q.members.SetRounds(q.rounds())
	q.members.Put(q.now, it)
}

// Spread has a message told to all members; the next one of a key takes its place.
func (q *News) Spread(key uint64, message []byte) {
	q.words.SetRounds(q.rounds())
	q.words.Put(q.now, rumor.Item{Key: key, Data: message})
}

// Heard tells that another member spreads the message of a key.
func (q *News) Heard(key uint64) { q.words.Heard(key) }

// packWords adds the messages that are due.
func (q *News) packWords(start int) {
	w := &q.words
	for {
		it := w.Peek(q.now)
		if it == nil || len(it.Data) > q.flow.Room(start) {
			return
		}
		q.flow.Bytes = append(q.flow.Bytes, it.Data...)
		w.Pushed(q.now, it)
	}
}

// rounds is in how many rounds news is pushed at present.
func (q *News) rounds() int {
	usual := q.usual
	rounds := usual
	if q.parts.Losses != nil {
		failed, of := q.parts.Losses()
		for rounds < rumor.MaxRounds && rounds*rounds*(of-failed) < usual*usual*(of-of/9) {
			rounds++
		}
	}
	return rounds
}

// Due returns when waiting news may leave.
func (q *News) Due() mono.Time {
	due := min(q.members.Deadline(), q.words.Deadline())
	if due == mono.Never {
		return mono.Never
	}
	return max(due, q.after, q.flow.Budget.Next())
}

// Push pushes the news that is due: each datagram goes to a few random peers. It ends when nothing
// more is due, or when the budget is spent.
func (q *News) Push() {
	q.after = q.now.Add(q.coalesce)
	for q.flow.Budget.Ready(q.now) {
		start := q.flow.Open(0)
		storm := q.packNews(start)
		q.packEvidence(start)
		q.packWords(start)
		if q.flow.IsEmpty(start) {
			q.flow.Drop(start)
			return
		}
		q.pushBody(q.flow.Bytes[start+wire.HeaderSize:])
		if storm {
			q.after = q.now.Add(stormPace)
			return
		}
	}
}

// pushBody sends one body to Fanout random peers, of this node's zone most of them.
func (q *News) pushBody(body []byte) {
	var room [MaxFanout]member.Member
	peers := q.ring.PickNear(q.rng, q.id, leaving, min(q.fanout, MaxFanout), room[:0])
	for i := range peers {
		p := plane.PeerOf(&peers[i])
		start := q.flow.Open(p.Instance)
		q.flow.Bytes = append(q.flow.Bytes, body...)
		q.flow.Close(start, p)
	}
}

// packNews adds the news that is due and says whether more waits than fits.
func (q *News) packNews(start int) (storm bool) {
	q.told = q.told[:0]
	for {
		it := q.members.Peek(q.now)
		if it == nil {
			return false
		}
		if !q.appendNews(start, it, 0) {
			return true
		}
		q.told = append(q.told, member.ID(it.Key))
		q.members.Pushed(q.now, it)
	}
}

// packEvidence adds the evidence of the failures that a datagram tells, as far as there is room
// when all else is in.
func (q *News) packEvidence(start int) {
	for _, id := range q.told {
		m, ok := q.table.Get(id)
		if !ok || m.State != member.Failed {
			continue
		}
		x := q.verdicts.failure(id, m.Instance(), m.Incarnation)
		if x != nil && x.evidence != unexplained && len(x.evidence.Value()) <= q.flow.Room(start) {
			q.flow.Bytes = append(q.flow.Bytes, x.evidence.Value()...)
		}
	}
}
