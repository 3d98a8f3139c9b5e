package dev

// This file is the cluster and what its nodes are seen to know: in which state each node holds each
// other one. One watcher for each node keeps that up to date.

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/starling-gossip/starling"
)

// view is what one node holds of another.
type view uint8

const (
	unknown view = iota
	alive
	suspect
	failed
	left
	views
)

func toView(s starling.State) view { return view(s) + alive }

// Cluster is n nodes in this process. Its methods are safe from any goroutine.
type Cluster struct {
	n      int
	tuning starling.Tuning
	index  map[string]int // of a node's name
	life   context.Context
	end    context.CancelFunc
	done   sync.WaitGroup // watchers and subscribers

	mu       sync.Mutex
	nodes    []*starling.Node // nil: not running
	seen     []view           // [observer*n+subject]
	counts   [][views]int     // [subject]: how many running observers hold it to be what
	peers    []int            // [observer]: how many it holds to be live, itself included
	complete int              // running observers that know all n
	goals    []*goal
	message  *spread
	heard    *overheard
}

// NewCluster makes the cluster; nothing runs yet.
func NewCluster(n int, d starling.Detector) *Cluster {
	c := &Cluster{n: n, tuning: starling.Tuning{Detector: d}, index: make(map[string]int, n),
		nodes: make([]*starling.Node, n), seen: make([]view, n*n),
		counts: make([][views]int, n), peers: make([]int, n)}
	for i := range n {
		c.index[name(i)] = i
	}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

func name(i int) string { return fmt.Sprintf("node-%03d", i) }

// start runs a node and follows what it sees. addr is where it ran before, or "127.0.0.1:0".
func (c *Cluster) start(i int, addr string, seeds []string) error {
	node, err := starling.Start(starling.Config{Name: name(i), Bind: addr, Seeds: seeds,
		Cluster: "starling-dev", Tuning: c.tuning})
	if err != nil {
		return fmt.Errorf("%s: %w", name(i), err)
	}
	c.mu.Lock()
	c.nodes[i] = node
	c.mu.Unlock()
	events, messages := node.Watch(c.life), node.Subscribe(c.life)
	c.done.Add(2)
	go func() {
		defer c.done.Done()
		for e := range events {
			c.observe(i, node, e)
		}
	}()
	go func() {
		defer c.done.Done()
		for m := range messages {
			c.deliver(i, m)
		}
	}()
	return nil
}

// stop takes a node out of the books and returns it, for the caller to close.
func (c *Cluster) stop(i int) *starling.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	node := c.nodes[i]
	c.forget(i)
	c.nodes[i] = nil
	return node
}

// Node returns a node that runs, or nil.
func (c *Cluster) Node(i int) *starling.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[i]
}

// Close stops all nodes as if they crashed; nobody is left to be told.
func (c *Cluster) Close() {
	c.end()
	for i := range c.n {
		if node := c.stop(i); node != nil {
			node.Close()
		}
	}
	c.done.Wait()
}

// observe takes what node i was told.
func (c *Cluster) observe(i int, node *starling.Node, e starling.Event) {
	now := time.Now()
	var all []starling.Member
	if e.Kind == starling.Resync {
		all = slices.Collect(node.Members()) // the dead too, which are not replayed
	} else {
		all = []starling.Member{e.Member}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes[i] != node {
		return // it was stopped meanwhile
	}
	if e.Kind == starling.Resync {
		c.forget(i)
	}
	for _, m := range all {
		c.see(i, m, now)
	}
}

// see notes that observer i holds m to be what it says.
func (c *Cluster) see(i int, m starling.Member, now time.Time) {
	s, ok := c.index[m.Name]
	if !ok {
		return // somebody joined the cluster from outside
	}
	at := i*c.n + s
	was, is := c.seen[at], toView(m.State)
	c.seen[at] = is
	c.count(i, s, was, -1)
	c.count(i, s, is, +1)
	for _, g := range c.goals {
		g.see(i, s, is, m.Generation, now)
	}
	c.reach(now)
}

// count adds to the sums that seen has.
func (c *Cluster) count(i, s int, v view, d int) {
	c.counts[s][v] += d
	if v != alive && v != suspect {
		return
	}
	if c.peers[i] == c.n {
		c.complete--
	}
	c.peers[i] += d
	if c.peers[i] == c.n {
		c.complete++
	}
}

// forget drops all that observer i knew.
func (c *Cluster) forget(i int) {
	for s := range c.n {
		at := i*c.n + s
		c.count(i, s, c.seen[at], -1)
		c.seen[at] = unknown
	}
}
