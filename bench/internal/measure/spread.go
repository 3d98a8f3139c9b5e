package measure

// This file measures joins and messages.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/starling-gossip/starling/bench/internal/peer"
)

var both = []string{Real, Virtual}

const joinWait = 60 * time.Second

var join = &Measure{
	Name: "join", Title: "all join at once through one " +
		"seed", Worlds: both, Members: true, Storm: true,
	Metrics: []Metric{
		{Key: "seconds", Title: "until all know all", Unit: "s"},
		{Key: "complete", Title: "nodes that know all after 60 s", Unit: "%", More: true},
	},
	run: runJoin,
}

func runJoin(c *cluster) error {
	c.prepare()
	ctx, cancel := context.WithTimeout(context.Background(), joinWait)
	defer cancel()
	begin := time.Now()
	if err := c.start(0); err != nil {
		return err
	}
	seed := c.nodes[0].Addr()
	var started sync.WaitGroup
	for i := 1; i < c.job.N; i++ {
		started.Add(1)
		go func() {
			err := c.start(i)
			started.Done()
			for err == nil && ctx.Err() == nil {
				if c.nodes[i].Join(ctx, seed) == nil {
					return
				}
				time.Sleep(time.Second) // a node that is turned away tries again
			}
		}()
	}
	started.Wait()
	complete, at := c.complete(ctx, c.job.N)
	c.add("complete", 100*float64(complete)/float64(c.job.N))
	if complete < c.job.N {
		return fmt.Errorf("%d of %d nodes know all after %v", complete, c.job.N, joinWait)
	}
	c.add("seconds", at.Sub(begin).Seconds())
	return nil
}

var message = &Measure{
	Name: "message", Title: "one message of 100 bytes to all", Worlds: both,
	Metrics: []Metric{
		{Key: "t50", Title: "half have it", Unit: "ms"},
		{Key: "t99", Title: "99 % have it", Unit: "ms"},
		{Key: "t100", Title: "all have it", Unit: "ms"},
		{Key: "copies", Title: "copies that come in, per node", Unit: ""},
		{Key: "bytes", Title: "bytes sent for it per node, the idle rate taken off", Unit: "B"},
		{Key: "missing", Title: "deliveries missing after 10 s", Unit: "", Exact: true},
	},
	run: runMessage,
}

const (
	messages     = 10
	realMessages = 5 // and more rounds
	messageWait  = 10 * time.Second
	copyWait     = time.Second // in which the copies die out
	idleSample   = 5 * time.Second
)

func runMessage(c *cluster) error {
	idle := c.bytesRate(c.quick(idleSample, time.Second))
	count := messages
	if c.job.World == Real {
		count = realMessages
	}
	if c.job.Quick {
		count = 3
	}
	missing := 0
	for range count {
		before, copies, begin := c.traffic(), c.copies(), time.Now()
		id, err := c.book.publish(c.nodes[c.rng.IntN(c.job.N)])
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		for len(c.book.arrivals(id)) < c.job.N && time.Since(begin) < messageWait {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(copyWait)
		got := c.book.arrivals(id)
		missing += c.job.N - len(got)
		c.addShares("t50", "t99", "t100", got, c.job.N)
		if copies >= 0 {
			c.add("copies", float64(c.copies()-copies)/float64(c.job.N))
		}
		if before.known {
			extra := float64(c.traffic().bytes-before.bytes) - idle*time.Since(begin).Seconds()
			c.add("bytes", max(0, extra)/float64(c.job.N))
		}
	}
	c.add("missing", float64(missing))
	return nil
}

// addShares adds the milliseconds until half, 99 % and all of the nodes that are due had something.
func (c *cluster) addShares(half, most, all string, got []time.Duration, due int) {
	for key, needed := range map[string]int{half: (due + 1) / 2, most: (99*due + 99) / 100,
		all: due} {
		if key != "" && len(got) >= needed {
			c.add(key, float64(got[needed-1])/float64(time.Millisecond))
		}
	}
}

func (c *cluster) copies() (sum int64) {
	for i, n := range c.nodes {
		if c.book.up(i) {
			got := n.Copies()
			if got < 0 {
				return -1
			}
			sum += got
		}
	}
	return sum
}

var rate = &Measure{
	Name: "rate", Title: "messages of 100 bytes sustained for 3 s, all there 5 s " +
		"later", Worlds: []string{Real},
	Metrics: []Metric{
		{Key: "one", Title: "from one node, all arrive", Unit: "/s", More: true, Exact: true},
		{Key: "one999", Title: "from one node, 99.9 % arrive", Unit: "/s", More: true, Exact: true},
		{Key: "all", Title: "from all nodes, all arrive", Unit: "/s", More: true, Exact: true},
		{Key: "all999", Title: "from all nodes, 99.9 % arrive", Unit: "/s", More: true,
			Exact: true},
	},
	run: runRate,
}

const (
	rateSpan = 3 * time.Second
	rateWait = 5 * time.Second
	maxRate  = 20_000 // messages a second of the whole cluster
	someRate = 4
)

func runRate(c *cluster) error {
	for _, from := range []string{"one", "all"} {
		strict, loose := 0.0, 0.0
		for r := float64(someRate); r <= maxRate; r *= 2 {
			share, err := c.sustain(r, from == "all")
			if share == 1 {
				strict = r
			}
			if share >= 0.999 {
				loose = r
			}
			if err != nil || share < 0.999 {
				break
			}
		}
		c.add(from, strict)
		c.add(from+"999", loose)
		time.Sleep(c.quick(rateWait, time.Second)) // for what is still under way
	}
	return nil
}

var errSlow = errors.New("the publisher cannot keep up")

// sustain publishes at a rate and returns which share of the deliveries was there in time.
func (c *cluster) sustain(perSecond float64, fromAll bool) (share float64, err error) {
	total := int(perSecond * rateSpan.Seconds())
	begin := time.Now()
	c.book.forget()
	defer c.book.forget()
	for i := range total {
		due := begin.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if time.Since(begin) > rateSpan*3/2 {
			return 0, errSlow
		}
		if _, err := c.book.publish(c.publisher(i, fromAll)); err != nil {
			return 0, err
		}
	}
	last := time.Now()
	want := total * c.job.N
	for c.book.delivered() < want && time.Since(last) < rateWait {
		time.Sleep(20 * time.Millisecond)
	}
	return float64(c.book.delivered()) / float64(want), nil
}

func (c *cluster) publisher(i int, any bool) peer.Node {
	if any {
		return c.nodes[i%c.job.N]
	}
	return c.nodes[0]
}
