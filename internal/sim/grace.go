package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// grace: no member is declared failed from another zone while the ways to its whole zone have been
// bad for less than the grace of a silent zone. A verdict takes a vote from its own zone, where all
// is well. Smaller zones have no grace. One that forgets the living after a long sleep tells their
// end, which is no verdict.
type grace struct {
	grace     time.Duration // 0: there is none
	retention time.Duration // of the dead
	ways      []badWay
}

// badWay is a fault of the ways between hosts, and when it was there.
type badWay struct {
	*fault
	began, ended gossip.Time // ended is gossip.Never while it lasts
}

// Zones in which less than zoneHeld were up and known for settled may have no grace: the accusers
// may know fewer.
const (
	zoneHeld = 3
	settled  = 20 * time.Second
)

func newGrace(o *Options) *grace {
	g := &grace{retention: o.leastRetention()}
	if o.spares() {
		g.grace = o.zoneGrace()
	}
	return g
}

func (*grace) Name() string { return "grace" }

func (c *grace) Take(l *ledger, o *Obs) string {
	switch {
	case c.grace == 0:
	case o.Kind == Laid && !o.way.harmless:
		c.ways = append(c.ways, badWay{o.way, o.At, gossip.Never})
	case o.Kind == Lifted:
		for i := range c.ways {
			if c.ways[i].id == o.way.id {
				c.ways[i].ended = o.At
			}
		}
	case o.Kind == Saw && o.Told && o.After.failed() && o.Member >= 0:
		return c.judge(l, o)
	}
	return ""
}

func (c *grace) judge(l *ledger, o *Obs) string {
	c.ways = slices.DeleteFunc(c.ways, func(w badWay) bool {
		return w.ended != gossip.Never &&
			o.At.Sub(w.ended) > afterTrouble
	})
	m := &l.peers[o.Member]
	zone := l.zones[m.host]
	x := &l.peers[o.Node]
	if !m.up || m.gen != o.After.Gen || l.zones[x.host] == zone || l.slept(x, c.retention) {
		return ""
	}
	var mates []int32
	for i := range l.peers {
		p := &l.peers[i]
		if l.zones[p.host] != zone || !p.up && p.gen == 0 {
			continue
		}
		if !p.up || p.hindered || l.now.Sub(max(p.since, p.freed)) < settled {
			return "" // the members that fell silent there may have been believed to be more
		}
		mates = append(mates, p.host)
	}
	if len(mates) < zoneHeld {
		return ""
	}
	first := gossip.Never
	for _, w := range c.ways {
		for _, a := range mates {
			if slices.ContainsFunc(mates, func(b int32) bool { return w.touches(a, b) }) {
				return ""
			}
		}
		first = min(first, w.began)
	}
	if first == gossip.Never || o.At.Sub(first) >= c.grace {
		return ""
	}
	return fmt.Sprintf("n%d declared n%d failed, which is well, as is its whole zone, %s after "+
		"the ways to it went bad; the grace is %s",
		o.Node, o.Member, o.At.Sub(first), c.grace)
}
