package planetest

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Clock is virtual time, and what is to happen at which moment of it.
type Clock struct {
	Now   mono.Time
	queue events
	count uint64
}

type event struct {
	at  mono.Time
	seq uint64 // of two at one moment the first that was set comes first
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// At has something done at a moment.
func (c *Clock) At(at mono.Time, do func()) {
	c.count++
	heap.Push(&c.queue, event{at, c.count, do})
}

// After has something done after a time.
func (c *Clock) After(d time.Duration, do func()) { c.At(c.Now.Add(d), do) }

// Next returns when something is to happen, mono.Never if nothing is.
func (c *Clock) Next() mono.Time {
	if len(c.queue) == 0 {
		return mono.Never
	}
	return c.queue[0].at
}

// Step does the next thing.
func (c *Clock) Step() {
	e := heap.Pop(&c.queue).(event)
	c.Now = max(c.Now, e.at)
	e.do()
}

// Run lets time pass, with all that happens meanwhile.
func (c *Clock) Run(d time.Duration) {
	for end := c.Now.Add(d); ; c.Step() {
		if c.Next() > end {
			c.Now = end
			return
		}
	}
}

// Until lets time pass until ok, which is asked every so often, or until the limit is over. It
// returns how long that took, and whether ok.
func (c *Clock) Until(limit, every time.Duration, ok func() bool) (time.Duration, bool) {
	for start := c.Now; ; c.Run(every) {
		took := c.Now.Sub(start)
		if ok() {
			return took, true
		}
		if took >= limit {
			return took, false
		}
	}
}

// Forget drops all that is to happen.
func (c *Clock) Forget() { c.queue = nil }

// Advance does the next thing until an end, which is an event or the turn of one of n nodes at its
// deadline. An event comes before a turn of the same moment, and the turn of a lower number first.
// It returns false at the end.
func (c *Clock) Advance(end mono.Time, n int, deadline func(i int) mono.Time,
	wake func(i int)) bool {
	due, next := min(c.Next(), end.Add(1)), -1
	for i := range n {
		if d := deadline(i); d < due {
			due, next = d, i
		}
	}
	switch {
	case due > end:
		c.Now = end
		return false
	case next < 0:
		c.Step()
	default:
		c.Now = max(c.Now, due)
		wake(next)
	}
	return true
}

// Waker is what wants a turn at its deadline.
type Waker interface {
	Deadline() mono.Time
	Wake(now mono.Time)
}

// Timer is an event at the deadline of a waker among many, where to ask them all for theirs each
// time would take long.
type Timer struct{ due mono.Time }

// Arm sees to a turn of the timer's waker. It is called after whatever may have changed the
// deadline, a turn included.
func (t *Timer) Arm(c *Clock, w Waker) {
	d := w.Deadline()
	if d == mono.Never || d >= t.due && t.due > c.Now {
		return
	}
	t.due = d
	c.At(max(d, c.Now), func() {
		if t.due == d {
			t.due = 0
		}
		if w.Deadline() <= c.Now {
			w.Wake(c.Now)
		} else {
			t.Arm(c, w)
		}
	})
}

// Net carries what nodes send to each other.
type Net[Node any] struct {
	Clock
	Chance *rand.Rand
	Delay  func(from, to Node) time.Duration
	Cut    func(from, to Node) bool // whether nothing passes; nil: all does
	Twice  float64                  // the share that comes once more
}

// Passes draws whether something gets through where a share is lost.
func (n *Net[Node]) Passes(from, to Node, loss float64) bool {
	lost := n.Chance.Float64() < loss
	return !lost && (n.Cut == nil || !n.Cut(from, to))
}

// Send has something arrive after the delay, unless it is lost, and says whether it will.
func (n *Net[Node]) Send(from, to Node, loss float64, arrive func()) bool {
	if !n.Passes(from, to, loss) {
		return false
	}
	for again := true; again; again = n.Twice > 0 && n.Chance.Float64() < n.Twice {
		n.After(n.Delay(from, to), arrive)
	}
	return true
}
