// Package rumor is how news travels. An engine of policies says how a rumor spreads and when it is
// let go (Demers et al. 1987). A queue holds the rumors that a node is infected with. Each is
// pushed in a few rounds, and let go earlier when duplicates of it are heard.
package rumor

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Bounds of a queue. What is dropped over them is repaired by anti-entropy.
const (
	MaxItems  = 4096
	MaxBytes  = 1 << 20 // of Data
	MaxRounds = 8
)

// storm is how many rumors make one: a third as many duplicates are enough then, and anti-entropy
// finds members that were left out.
const storm = 32

// Item is one rumor.
type Item struct {
	Key     uint64
	Full    bool      // for news of a member: in full, since others may not know its record
	Accuser member.ID // for a suspicion
	Data    []byte    // for a published message: its bytes on the wire
}

// slot is an item and its life; one that is not infectious is free. Its stamp tells it from an
// older item of the same slot.
type slot struct {
	Item
	stamp uint32
	life  Life
}

// ticket is a slot's place in a lane.
type ticket struct {
	due   mono.Time
	slot  int32
	stamp uint32
}

// lane is the tickets of one round, the first at head: a queue that reuses its room.
type lane struct {
	tickets []ticket
	head    int
}

func (l *lane) waiting() []ticket { return l.tickets[l.head:] }

// Queue holds the rumors of one kind. A rumor waits in the lane of its next round; each lane is in
// the order of time, so that the least-pushed and oldest come first at constant cost. The zero
// Queue is not ready: see NewQueue.
type Queue struct {
	rounds  []time.Duration // when the usual rounds come, after the first push was due
	policy  Policy          // when a rumor is old
	slots   []slot
	free    []int32
	at      map[uint64]int32
	lanes   [MaxRounds]lane
	bytes   int
	stamp   uint32
	Dropped uint64 // rumors let go over the bounds
}

// NewQueue makes a queue that pushes each rumor in the given rounds, at most MaxRounds, and lets it
// go earlier when it has been heard again enough times. No push is answered, so a duplicate is what
// tells of a useless contact.
func NewQueue(rounds []time.Duration, enough int) Queue {
	rounds = rounds[:min(len(rounds), MaxRounds)]
	return Queue{rounds: rounds, policy: Policy{Mode: Push, Rounds: len(rounds), Counter: enough}}
}

// SetRounds changes in how many rounds rumors are pushed, from 1 to MaxRounds. Those beyond the
// usual ones are as far apart as the last two of these.
func (q *Queue) SetRounds(n int) { q.policy.Rounds = min(max(n, 1), MaxRounds) }

// pause returns how long after a round the next one comes.
func (q *Queue) pause(round int) time.Duration {
	last := len(q.rounds) - 1
	if last == 0 {
		return 0
	}
	round = min(round, last-1)
	return q.rounds[round+1] - q.rounds[round]
}

// Len returns how many rumors wait, Bytes how long their data is.
func (q *Queue) Len() int { return len(q.at) }

// Bytes returns how many bytes of Data wait.
func (q *Queue) Bytes() int { return q.bytes }

// Put takes in a rumor, to be pushed from now on. One with the same key makes way: newer news
// replaces older.
func (q *Queue) Put(now mono.Time, it Item) {
	q.Drop(it.Key)
	for len(q.at) > 0 && (len(q.at) >= MaxItems || q.bytes+len(it.Data) > MaxBytes) {
		q.dropMostPushed()
	}
	if q.at == nil {
		q.at = make(map[uint64]int32)
	}
	var i int32
	if n := len(q.free); n > 0 {
		i, q.free = q.free[n-1], q.free[:n-1]
	} else {
		q.slots = append(q.slots, slot{})
		i = int32(len(q.slots) - 1)
	}
	q.stamp++
	q.slots[i] = slot{Item: it, stamp: q.stamp, life: Life{State: Infectious}}
	q.at[it.Key] = i
	q.bytes += len(it.Data)
	q.push(0, ticket{due: now, slot: i, stamp: q.stamp})
}

// Get returns the waiting rumor of a key, valid until the next call.
func (q *Queue) Get(key uint64) (*Item, bool) {
	if i, ok := q.at[key]; ok {
		return &q.slots[i].Item, true
	}
	return nil, false
}

// Heard tells that somebody else told the rumor: others know it already.
func (q *Queue) Heard(key uint64) {
	i, ok := q.at[key]
	if !ok {
		return
	}
	policy := q.policy
	if len(q.at) > storm {
		policy.Counter = (policy.Counter + 2) / 3
	}
	if policy.Contact(&q.slots[i].life, false, nil); q.slots[i].life.State == Removed {
		q.remove(i)
	}
}

// Drop lets a rumor go.
func (q *Queue) Drop(key uint64) {
	if i, ok := q.at[key]; ok {
		q.remove(i)
	}
}

// Deadline returns when the next push is due, mono.Never if nothing waits.
func (q *Queue) Deadline() mono.Time {
	due := mono.Never
	if len(q.at) == 0 {
		return due
	}
	for r := range q.lanes {
		if t, ok := q.head(r); ok {
			due = min(due, t.due)
		}
	}
	return due
}

// Peek returns the rumor to push next, the least-pushed of those due; nil if none is due.
func (q *Queue) Peek(now mono.Time) *Item {
	for r := range q.lanes {
		if t, ok := q.head(r); ok && t.due <= now {
			return &q.slots[t.slot].Item
		}
	}
	return nil
}

// Pushed tells that the rumor that Peek returned was pushed: it waits for its next round, or is let
// go after its last.
func (q *Queue) Pushed(now mono.Time, it *Item) {
	i, ok := q.at[it.Key]
	if !ok {
		return
	}
	s := &q.slots[i]
	q.lanes[s.life.Rounds].head++
	if q.policy.Round(&s.life); s.life.State == Removed {
		q.remove(i)
		return
	}
	r := int(s.life.Rounds)
	due := now.Add(q.pause(r - 1))
	q.push(r, ticket{due: due, slot: i, stamp: s.stamp})
}

// push puts a ticket at the end of a lane. Before a full lane grows, the tickets at its head that
// are used up, and those of rumors that are gone, make way.
func (q *Queue) push(r int, t ticket) {
	l := &q.lanes[r]
	if len(l.tickets) == cap(l.tickets) {
		kept := l.tickets[:0]
		for _, old := range l.waiting() {
			if q.valid(old) {
				kept = append(kept, old)
			}
		}
		l.tickets, l.head = kept, 0
	}
	l.tickets = append(l.tickets, t)
}

// Waiting calls yield with the waiting rumors, the least-pushed first, until it returns false: for
// those that ride on a probe, at no cost to their rounds.
func (q *Queue) Waiting(yield func(*Item) bool) {
	if len(q.at) == 0 {
		return
	}
	for r := range q.lanes {
		for _, t := range q.lanes[r].waiting() {
			if q.valid(t) && !yield(&q.slots[t.slot].Item) {
				return
			}
		}
	}
}

func (q *Queue) valid(t ticket) bool {
	s := &q.slots[t.slot]
	return s.life.State == Infectious && s.stamp == t.stamp
}

// head returns the first ticket of a lane that still stands for a rumor.
func (q *Queue) head(r int) (ticket, bool) {
	for l := &q.lanes[r]; l.head < len(l.tickets); l.head++ {
		if t := l.tickets[l.head]; q.valid(t) {
			return t, true
		}
	}
	return ticket{}, false
}

func (q *Queue) dropMostPushed() {
	for r := MaxRounds - 1; r >= 0; r-- {
		if t, ok := q.head(r); ok {
			q.Dropped++
			q.remove(t.slot)
			return
		}
	}
}

// keep is how many slots an empty queue holds on to; the memory of a storm is given back.
const keep = 16

func (q *Queue) remove(i int32) {
	s := &q.slots[i]
	delete(q.at, s.Key)
	q.bytes -= len(s.Data)
	*s = slot{}
	q.free = append(q.free, i)
	if len(q.at) > 0 {
		return
	}
	if len(q.slots) > keep {
		*q = Queue{rounds: q.rounds, policy: q.policy, stamp: q.stamp, Dropped: q.Dropped}
		return
	}
	for r := range q.lanes {
		q.lanes[r] = lane{tickets: q.lanes[r].tickets[:0]}
	}
}
