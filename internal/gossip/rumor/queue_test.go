package rumor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"pgregory.net/rapid"
)

// model is what a Queue does, as dumbly as it can be said: a list that is searched from end to end.
type model struct {
	rounds []time.Duration
	enough int
	items  []modelItem
	clock  int // counts entries into a lane
}

type modelItem struct {
	Item
	due     mono.Time
	entered int // into the lane of its round
	round   int
	heard   int
}

func (m *model) find(key uint64) int {
	return slices.IndexFunc(m.items, func(it modelItem) bool { return it.Key == key })
}

func (m *model) drop(key uint64) {
	m.items = slices.DeleteFunc(m.items, func(it modelItem) bool { return it.Key == key })
}

func (m *model) bytes() (n int) {
	for _, it := range m.items {
		n += len(it.Data)
	}
	return n
}

func (m *model) put(now mono.Time, it Item) {
	m.drop(it.Key)
	for len(m.items) > 0 && (len(m.items) >= MaxItems || m.bytes()+len(it.Data) > MaxBytes) {
		// the most pushed, and of those the oldest
		worst := slices.MaxFunc(m.items, func(a, b modelItem) int {
			if a.round != b.round {
				return a.round - b.round
			}
			return b.entered - a.entered
		})
		m.drop(worst.Key)
	}
	m.clock++
	m.items = append(m.items, modelItem{Item: it, due: now, entered: m.clock})
}

func (m *model) heardAgain(key uint64) {
	if i := m.find(key); i >= 0 {
		if m.items[i].heard++; m.items[i].heard >= m.enough {
			m.drop(key)
		}
	}
}

// order is all items, the least pushed first, then the longest in its round.
func (m *model) order() []modelItem {
	return slices.SortedFunc(slices.Values(m.items), func(a, b modelItem) int {
		if a.round != b.round {
			return a.round - b.round
		}
		return a.entered - b.entered
	})
}

func (m *model) peek(now mono.Time) (uint64, bool) {
	for _, it := range m.order() {
		if it.due <= now {
			return it.Key, true
		}
	}
	return 0, false
}

func (m *model) pushed(now mono.Time, key uint64) {
	it := &m.items[m.find(key)]
	m.clock++
	it.entered = m.clock
	it.round++
	if it.round == len(m.rounds) {
		m.drop(key)
		return
	}
	it.due = now.Add(m.rounds[it.round] - m.rounds[it.round-1])
}

func (m *model) deadline() mono.Time {
	due := mono.Never
	for _, it := range m.items {
		due = min(due, it.due)
	}
	return due
}

// check compares all that can be seen.
func check(t *rapid.T, now mono.Time, q *Queue, m *model) {
	if q.Len() != len(m.items) || q.Bytes() != m.bytes() || q.Deadline() != m.deadline() {
		t.Fatalf("%d rumors of %d bytes due %d, not %d of %d due %d",
			q.Len(), q.Bytes(), q.Deadline(), len(m.items), m.bytes(), m.deadline())
	}
	key, ok := m.peek(now)
	if it := q.Peek(now); (it != nil) != ok || ok && it.Key != key {
		t.Fatalf("next is %+v, not %d", it, key)
	}
	var want, got []string
	for _, it := range m.order() {
		want = append(want, show(&it.Item))
	}
	q.Waiting(func(it *Item) bool { got = append(got, show(it)); return true })
	if !slices.Equal(got, want) {
		t.Fatalf("waiting: %v\nnot      %v", got, want)
	}
}

func show(it *Item) string { return fmt.Sprint(it.Key, it.Full, len(it.Data)) }

func TestQueueAgainstModel(t *testing.T) {
	bytes := make([]byte, MaxBytes)
	rapid.Check(t, func(t *rapid.T) {
		rounds := []time.Duration{0}
		for range rapid.IntRange(0, 4).Draw(t, "more rounds") {
			rounds = append(rounds, rounds[len(rounds)-1]+time.Duration(rapid.IntRange(0,
				20).Draw(t, "wait")))
		}
		enough := rapid.IntRange(1, 4).Draw(t, "enough")
		q, m, now := NewQueue(rounds, enough), &model{rounds: rounds, enough: enough}, mono.Time(0)
		key := rapid.Uint64Range(1, 30)
		t.Repeat(map[string]func(*rapid.T){
			"":     func(t *rapid.T) { check(t, now, &q, m) },
			"time": func(t *rapid.T) { now += mono.Time(rapid.IntRange(0, 15).Draw(t, "ns")) },
			"put": func(t *rapid.T) {
				it := Item{Key: key.Draw(t, "key"), Full: rapid.Bool().Draw(t, "full")}
				it.Data = bytes[:rapid.SampledFrom([]int{0, 10, 100_000, 400_000}).Draw(t, "size")]
				q.Put(now, it)
				m.put(now, it)
			},
			"heard": func(t *rapid.T) { k := key.Draw(t, "key"); q.Heard(k); m.heardAgain(k) },
			"drop":  func(t *rapid.T) { k := key.Draw(t, "key"); q.Drop(k); m.drop(k) },
			"push": func(t *rapid.T) {
				if it := q.Peek(now); it != nil {
					k := it.Key
					q.Pushed(now, it)
					m.pushed(now, k)
				}
			},
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if _, ok := q.Get(k); ok != (m.find(k) >= 0) {
					t.Fatalf("Get(%d): %v", k, ok)
				}
			},
		})
	})
}

func TestRounds(t *testing.T) {
	ms := mono.Time(time.Millisecond)
	q := NewQueue([]time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond}, 8)
	q.Put(100*ms, Item{Key: 1})
	for i, due := range []mono.Time{100 * ms, 105 * ms, 120 * ms} {
		if q.Deadline() != due || q.Peek(due-1) != nil {
			t.Errorf("round %d is due at %s", i, time.Duration(q.Deadline()))
		}
		q.Pushed(due, q.Peek(due))
	}
	if q.Len() != 0 || q.Deadline() != mono.Never {
		t.Error("a rumor is pushed on after its last round")
	}
}

func TestBoundsAndMemory(t *testing.T) {
	q := NewQueue([]time.Duration{0, 1, 2}, 8)
	for i := range uint64(3 * MaxItems) {
		q.Put(mono.Time(i), Item{Key: i})
	}
	if q.Len() != MaxItems || q.Dropped != 2*MaxItems {
		t.Errorf("%d rumors, %d dropped", q.Len(), q.Dropped)
	}
	if it := q.Peek(1 << 40); it.Key != 2*MaxItems {
		t.Errorf("the oldest is %d", it.Key)
	}
	for range 50 {
		q.Put(1<<40, Item{Key: 1 << 50, Data: make([]byte, MaxBytes/3)})
		q.Put(1<<40, Item{Key: 1 << 51, Data: make([]byte, MaxBytes/3)})
		q.Put(1<<40, Item{Key: 1 << 52, Data: make([]byte, MaxBytes/2)})
		if q.Bytes() > MaxBytes {
			t.Fatalf("%d bytes", q.Bytes())
		}
	}
	now := mono.Time(1 << 41)
	for it := q.Peek(now); it != nil; it = q.Peek(now) {
		q.Pushed(now, it)
		now += 10
	}
	if q.Len() != 0 || q.Bytes() != 0 || cap(q.slots) > keep || cap(q.free) > keep ||
		cap(q.lanes[0].tickets) > keep {
		t.Errorf("the memory of a storm is kept: %d slots, %d free, %d in a lane",
			cap(q.slots), cap(q.free), cap(q.lanes[0].tickets))
	}
	if q.Dropped == 0 {
		t.Error("the count of drops is lost")
	}
}

// One old rumor that may not leave (the node's budget is spent) while others are replaced or heard
// again and again does not make the queue grow.
func TestReplacingTakesNoMemory(t *testing.T) {
	q := NewQueue([]time.Duration{0, 1, 2}, 8)
	q.Put(0, Item{Key: 1})
	for i := range 100_000 {
		q.Put(mono.Time(i), Item{Key: 2})
	}
	if n := len(q.lanes[0].tickets); n > 2*MaxItems {
		t.Errorf("%d tickets for %d rumors", n, q.Len())
	}
}

// A queue that is used and emptied over and over needs no new memory in the long run.
func TestSteadyStreamAllocatesNothing(t *testing.T) {
	q := NewQueue([]time.Duration{0, 5, 20}, 8)
	now := mono.Time(0)
	step := func() {
		now++
		q.Put(now, Item{Key: uint64(now)})
		for it := q.Peek(now); it != nil; it = q.Peek(now) {
			q.Pushed(now, it)
		}
	}
	for range 1000 {
		step()
	}
	if a := testing.AllocsPerRun(10_000, step); a > 0.5 {
		t.Errorf("%.2f allocations a rumor", a)
	}
}
