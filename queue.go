package starling

// This file carries values from the node's goroutine to a goroutine of the program, which may be
// slow.

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
)

// queue is a bounded queue that drops the oldest value when it is full, and counts that. Pushing
// never waits. It costs memory only for what waits in it.
type queue[T any] struct {
	limit int
	most  int           // sum of the sizes of what waits; 0: no bound
	size  func(*T) int  // nil without such a bound
	ready chan struct{} // has a token when something may be there
	gone  atomic.Bool   // the reader is; nothing need be pushed any more

	mu      sync.Mutex
	ring    []T
	head, n int
	held    int    // sum of the sizes
	missed  uint64 // dropped before the value at head
}

func newQueue[T any](limit, most int, size func(*T) int) *queue[T] {
	return &queue[T]{limit: limit, most: most, size: size, ready: make(chan struct{}, 1)}
}

// push adds a value.
func (q *queue[T]) push(v T) {
	size := 0
	if q.size != nil {
		size = q.size(&v)
	}
	q.mu.Lock()
	for q.n == q.limit || q.n > 0 && q.most > 0 && q.held+size > q.most {
		q.shift()
		q.missed++
	}
	q.held += size
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)%len(q.ring)] = v
	q.n++
	q.mu.Unlock()
	q.rouse()
}

// rouse makes the reader look again.
func (q *queue[T]) rouse() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// pop waits for a value and says how many were dropped before it. After stopped is closed it hands
// out what is left.
func (q *queue[T]) pop(ctx context.Context, stopped <-chan struct{}) (v T, missed uint64, ok bool) {
	ok = q.wait(ctx, stopped, func() bool {
		v, missed, ok = q.take()
		return ok
	})
	return v, missed, ok
}

// wait tries until something is there, and says whether it was. After stopped is closed it tries
// once more.
func (q *queue[T]) wait(ctx context.Context, stopped <-chan struct{}, try func() bool) bool {
	for ctx.Err() == nil {
		if try() {
			return true
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
		case <-stopped:
			return try()
		}
	}
	return false
}

// close tells the pusher that nobody reads any more, and frees the memory.
func (q *queue[T]) close() {
	q.gone.Store(true)
	q.mu.Lock()
	q.ring, q.head, q.n, q.held = nil, 0, 0, 0
	q.mu.Unlock()
}

func (q *queue[T]) take() (v T, missed uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return v, 0, false
	}
	v, missed = q.shift(), q.missed
	q.missed = 0
	if q.n == 0 {
		q.ring, q.head = nil, 0 // bursts are rare; do not keep their memory
	}
	return v, missed, true
}

func (q *queue[T]) shift() T {
	var zero T
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	if q.size != nil {
		q.held -= q.size(&v)
	}
	return v
}

func (q *queue[T]) grow() {
	ring := make([]T, min(max(4, 2*q.n), q.limit))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}

// prune drops the queues whose readers are gone.
func prune[Q interface{ isGone() bool }](queues []Q) []Q {
	kept := queues[:0]
	for _, q := range queues {
		if !q.isGone() {
			kept = append(kept, q)
		}
	}
	clear(queues[len(kept):])
	return kept
}

// once is a sequence that can be ranged over once: a second range, also one at the same time, ends
// at once.
func once[T any](seq iter.Seq[T]) iter.Seq[T] {
	var begun atomic.Bool
	return func(yield func(T) bool) {
		if begun.CompareAndSwap(false, true) {
			seq(yield)
		}
	}
}

// Ended says why a stream (Watch, WatchKeys, Subscribe, Replay) that was begun with ctx has ended
// by itself. It returns the cause of ctx, or why the node stopped, as Err does. It is nil while
// neither has happened: then the loop was left, or it was not the first over that stream.
func (n *Node) Ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return n.Err()
}

func (q *queue[T]) isGone() bool { return q.gone.Load() }
