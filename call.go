package starling

// This file brings the wishes of the user's goroutines to the node's.

import (
	"context"
	"sync/atomic"

	"github.com/starling-gossip/starling/internal/gossip"
)

// callQueue is how many calls wait for the node's goroutine; more wait in their own.
const callQueue = 64

// call is a function that the node's goroutine shall run, unless its caller gives up first.
type call struct {
	run     func(now gossip.Time, out *gossip.Outbox)
	claimed atomic.Bool // by the node, to run it, or by the caller, to forget it
	done    chan struct{}
}

// call runs a function on the node's goroutine and waits until it has. After an error it has not
// run and never will.
func (n *Node) call(ctx context.Context, run func(now gossip.Time, out *gossip.Outbox)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{run: run, done: make(chan struct{})}
	select {
	case n.calls <- c:
		n.conn.Interrupt()
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return n.Err()
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		if c.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-c.done // it runs right now
		return nil
	case <-n.done:
	}
	select {
	case <-c.done: // it was among the last
		return nil
	default:
		return n.Err()
	}
}

// do hands a command to the core.
func (n *Node) do(ctx context.Context, cmd gossip.Command) error {
	var refused error
	if err := n.call(ctx, func(now gossip.Time, out *gossip.Outbox) {
		refused = n.core.Do(now,
			cmd, out)
	}); err != nil {
		return err
	}
	return refused
}

// read runs a function that only reads the core: on the node's goroutine or, when that has ended,
// on this one.
func (n *Node) read(f func()) {
	if n.call(context.Background(), func(gossip.Time, *gossip.Outbox) { f() }) != nil {
		n.afterStop.Lock()
		defer n.afterStop.Unlock()
		f()
	}
}

// runCalls runs the calls that wait, as many as there were when it began.
func (n *Node) runCalls() {
	for range len(n.calls) {
		c := <-n.calls
		if c.claimed.CompareAndSwap(false, true) {
			c.run(n.now(), &n.scratch().out)
			n.noteChanges() // the caller must find what it did
			close(c.done)
		}
	}
}
