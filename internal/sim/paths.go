package sim

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// paths: a node whose longest packets do not pass to and from anybody is told of, by itself or by
// others. It judges clusters in which each node checks the ways to all others when it starts, and
// as long as nothing else keeps packets from passing.
type paths struct {
	on      bool
	longest int         // bytes of the longest packets
	since   gossip.Time // when a process or a way changed last
	spoiled bool        // something else than size kept packets, or kept a process from answering
	small   []int       // ways of each node that it tells to be small
}

const (
	smallGauge   = "small ways"
	smallKnown   = 30 * time.Second
	checkedByAll = 9                       // nodes: each checks eight ways when it starts
	uncheckedFor = 1500 * time.Millisecond // after the start
)

func newPaths(o *Options) *paths {
	within := &o.Network.Within
	return &paths{
		on: o.Nodes <= checkedByAll && o.Zones <= 1 && len(o.MTUs) <= 1 &&
			within.Loss <= 0.2 && within.Burst.Bad == 0 && within.MTU == 0, longest: o.longest(),
	}
}

func (*paths) Name() string { return "paths" }

func (c *paths) Take(l *ledger, o *Obs) string {
	if !c.on || c.spoiled {
		return ""
	}
	for len(c.small) < len(l.peers) {
		c.small = append(c.small, 0)
	}
	switch o.Kind {
	case Started, Crashed, Departed, Conflicted, Welcomed:
		c.since = o.At
	case Hindered:
		c.spoiled = true
	case Laid:
		c.since = o.At
		c.spoiled = o.way.link.MTU == 0 || o.way.link.MTU < smallestPath ||
			o.way.link.Loss > 0 || o.way.link.Burst.Bad > 0
	case Gauge:
		if o.Text == smallGauge {
			c.small[o.Node] = o.Count
		}
	case Tick:
		if o.At.Sub(c.since) >= smallKnown {
			return c.untold(l)
		}
	}
	return ""
}

// untold says that somebody is behind a way that is too small since before it started, and that
// nobody tells it.
func (c *paths) untold(l *ledger) string {
	for _, n := range c.small {
		if n > 0 {
			return ""
		}
	}
	for m := range l.peers {
		if !l.well(m) {
			continue
		}
		others, all := 0, true
		for i := range l.peers {
			if i != m && l.well(i) {
				others++
				all = all && c.tooSmall(l, i, m)
			}
		}
		if others > 0 && all {
			return fmt.Sprintf("nothing of %d bytes passes to and from n%d, and nobody says "+
				"so", c.longest, m)
		}
	}
	return ""
}

// tooSmall says whether the longest packets do not pass between two processes, and did not when the
// younger started.
func (c *paths) tooSmall(l *ledger, a, b int) bool {
	from, to := l.peers[a].host, l.peers[b].host
	for _, w := range l.ways {
		if w.link.MTU > 0 && w.link.MTU < c.longest &&
			(w.touches(from, to) || w.touches(to, from)) {
			return w.laid.Sub(max(l.peers[a].since, l.peers[b].since)) <= uncheckedFor
		}
	}
	return false
}
