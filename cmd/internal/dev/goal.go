package dev

// This file is what the script waits for: that all know, that all have a message.

import (
	"context"
	"fmt"
	"time"

	"github.com/starling-gossip/starling"
)

// goal is that every running node, but the subject, holds the subject to be something; or, without
// a subject, that every node knows all.
type goal struct {
	subject int // -1: none
	want    view
	newer   uint64 // generations above this one only
	since   time.Time
	need    int

	who         map[int]bool // which observers are there
	suspected   time.Duration
	first, last time.Duration // when the first and the last got there
	done        chan struct{}
}

// see takes what an observer holds of the subject now.
func (g *goal) see(i, s int, is view, generation uint64, now time.Time) {
	if s != g.subject || i == s || generation <= g.newer {
		return
	}
	if is == suspect && g.suspected == 0 {
		g.suspected = now.Sub(g.since)
	}
	if is != g.want || g.who[i] {
		return
	}
	g.who[i] = true
	if g.last = now.Sub(g.since); g.first == 0 {
		g.first = g.last
	}
}

// reach closes the goals that are reached and drops them.
func (c *Cluster) reach(now time.Time) {
	kept := c.goals[:0]
	for _, g := range c.goals {
		reached := len(g.who) >= g.need
		if g.subject < 0 {
			reached, g.last = c.complete == g.need, now.Sub(g.since)
		}
		if reached {
			close(g.done)
		} else {
			kept = append(kept, g)
		}
	}
	clear(c.goals[len(kept):])
	c.goals = kept
}

// expect sets a goal; do it before what leads to it.
func (c *Cluster) expect(subject int, want view, newer uint64) *goal {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &goal{subject: subject, want: want, newer: newer, since: time.Now(),
		who: map[int]bool{}, done: make(chan struct{})}
	for i, node := range c.nodes {
		if node != nil && i != subject {
			g.need++
		}
	}
	if subject < 0 {
		g.need = c.n
	}
	c.goals = append(c.goals, g)
	return g
}

// await waits for a goal; the error says how far it came.
func (c *Cluster) await(ctx context.Context, g *goal, what string) error {
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
	}
	got, need := c.Progress()
	return fmt.Errorf("%s: %d of %d nodes were there when it was given up: %w", what, got,
		need, context.Cause(ctx))
}

// Progress says how many nodes have reached the present goal, of how many.
func (c *Cluster) Progress() (got, need int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.goals) == 0 {
		return 0, 0
	}
	g := c.goals[0]
	if g.subject < 0 {
		return c.complete, g.need
	}
	return len(g.who), g.need
}

// spread is one message on its way.
type spread struct {
	origin string
	since  time.Time
	delay  []time.Duration // 0: not yet
	need   int
	done   chan struct{}
}

// topic is where the script publishes.
const topic = "murmuration"

// tooLate is when a message that is not there is held to be lost.
const tooLate = 5 * time.Second

// publish sends a message from a node and waits until all have it, or until those that lack it will
// not get it any more: a message is sent with all care, but without a promise.
func (c *Cluster) publish(ctx context.Context, from int) (*Wave, error) {
	node := c.Node(from)
	s := &spread{origin: name(from), delay: make([]time.Duration, c.n), done: make(chan struct{})}
	c.mu.Lock()
	for _, other := range c.nodes {
		if other != nil {
			s.need++
		}
	}
	c.message, s.since = s, time.Now()
	c.mu.Unlock()
	if _, err := node.Publish(ctx, topic, []byte("a turn of the flock")); err != nil {
		return nil, err
	}
	late := time.NewTimer(tooLate)
	defer late.Stop()
	select {
	case <-s.done:
	case <-late.C:
	case <-ctx.Done():
		return nil, fmt.Errorf("publish: %w", context.Cause(ctx))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.message = nil // from here on delay is the caller's
	for i := range s.delay {
		if s.delay[i] == 0 {
			s.delay[i] = -1
		}
	}
	return &Wave{Origin: from, Delay: s.delay}, nil
}

// deliver notes that a node got a message.
func (c *Cluster) deliver(i int, m starling.Message) {
	if m.Seq == 0 { // only the word that some are lost
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.message
	if m.Topic != topic {
		c.overhear(i, m, now)
		return
	}
	if s == nil || m.Origin != s.origin || s.delay[i] != 0 {
		return
	}
	s.delay[i] = max(1, now.Sub(s.since))
	if s.need--; s.need == 0 {
		c.message = nil
		close(s.done)
	}
}

// overheard is a message that the script did not send: somebody plays with the cluster.
type overheard struct {
	origin string
	seq    uint64
	since  time.Time // when the first node had it
	delay  []time.Duration
	shown  bool
}

// settled is how long after its first sign an overheard message is taken to have come everywhere.
const settled = 300 * time.Millisecond

func (c *Cluster) overhear(i int, m starling.Message, now time.Time) {
	o := c.heard
	if o == nil || o.origin != m.Origin || o.seq != m.Seq {
		if o != nil && !o.shown {
			return // one at a time
		}
		o = &overheard{origin: m.Origin, seq: m.Seq, since: now, delay: make([]time.Duration, c.n)}
		for k := range o.delay {
			o.delay[k] = -1
		}
		c.heard = o
	}
	if !o.shown {
		o.delay[i] = max(1, now.Sub(o.since))
	}
}

// Overheard returns how the last message spread that was not the script's own; once, and nil
// otherwise.
func (c *Cluster) Overheard() *Wave {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil || c.heard.shown || time.Since(c.heard.since) < settled {
		return nil
	}
	c.heard.shown = true
	origin, ok := c.index[c.heard.origin]
	if !ok {
		origin = -1
	}
	return &Wave{Origin: origin, Delay: c.heard.delay}
}
