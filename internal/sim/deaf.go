package sim

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// deaf: with Inquest, a member that answers half of the live is not failed by a node that can ask
// some of those. A member that answers none is failed by all others, if they all hear each other.
// Both hold once nothing has changed for a while: members fail for what was before. It judges in
// one zone alone: a silent zone has a grace of its own.
type deaf struct {
	on      bool
	quiet   gossip.Time   // since when no way and no process has changed
	patient time.Duration // how long it takes until all know
}

// A member that answers nobody is known within five to nine seconds.
const (
	deafKnown  = 15 * time.Second
	deafAtLoss = 25 * time.Second // where more than a tenth of all packets is lost
)

func newDeaf(o *Options) *deaf {
	c := &deaf{on: o.Zones <= 1 && o.spares() && detectorOf(o) == gossip.INQUEST,
		patient: deafKnown}
	if o.Network.Within.Loss > 0.1 || o.Network.Within.Burst.Bad > 0 {
		c.patient = deafAtLoss
	}
	return c
}

func detectorOf(o *Options) gossip.Detector {
	if o.Gossip.Detector == 0 {
		return gossip.DefaultDetector
	}
	return o.Gossip.Detector
}

func (*deaf) Name() string { return "deaf" }

func (c *deaf) Take(l *ledger, o *Obs) string {
	if !c.on {
		return ""
	}
	switch o.Kind {
	case Started, Crashed, Departed, Conflicted, Welcomed, Hindered, Free, Laid, Lifted:
		c.quiet = o.At
	case Saw:
		if o.Told && o.After.failed() && o.Member >= 0 &&
			o.After.Gen == l.peers[o.Member].gen && o.At.Sub(c.quiet) > c.patient {
			return c.wronged(l, o)
		}
	case Tick:
		if len(l.ways) > 0 && o.At.Sub(c.quiet) > c.patient {
			return c.spared(l)
		}
	}
	return ""
}

// well says whether a process runs, is in, and does what it should.
func (l *ledger) well(i int) bool {
	p := &l.peers[i]
	return p.up && p.welcome && !p.hindered
}

// open says whether nothing lies on the ways between two processes; shut whether nothing passes
// from one to another.
func (l *ledger) open(a, b int) bool {
	from, to := l.peers[a].host, l.peers[b].host
	for _, w := range l.ways {
		if w.touches(from, to) || w.touches(to, from) {
			return false
		}
	}
	return true
}

func (l *ledger) shut(a, b int) bool {
	from, to := l.peers[a].host, l.peers[b].host
	for _, w := range l.ways {
		if w.link.Loss >= 1 && w.touches(from, to) {
			return true
		}
	}
	return false
}

// wronged says that a member is failed though half of the others hear its answers, and each of the
// rest can ask half of those.
func (c *deaf) wronged(l *ledger, o *Obs) string {
	m := int(o.Member)
	if !l.well(m) {
		return ""
	}
	var others, near []int
	for i := range l.peers {
		if i == m || !l.well(i) {
			continue
		}
		others = append(others, i)
		if l.open(i, m) {
			near = append(near, i)
		}
	}
	if len(others) < 2 || 2*len(near) < len(others) {
		return ""
	}
	for _, i := range others {
		asks := 0
		for _, k := range near {
			if i == k || l.open(i, k) {
				asks++
			}
		}
		if 2*asks < len(near) {
			return ""
		}
	}
	return fmt.Sprintf("n%d holds n%d failed, which answers %d of %d", o.Node, m, len(near),
		len(others))
}

// spared says that a member answers no other, and is not failed by all that are not too few to
// judge. A member that died behind a cut counts among those that they cannot ask.
func (c *deaf) spared(l *ledger) string {
	for m := range l.peers {
		if !l.well(m) {
			continue
		}
		others, alone := 0, true
		for i := range l.peers {
			if i == m || !l.peers[i].up {
				continue
			}
			others++
			alone = alone && l.well(i) && (l.shut(i, m) || l.shut(m, i))
			for k := range i {
				alone = alone && (k == m || !l.peers[k].up || l.open(i, k))
			}
			if !alone {
				break
			}
		}
		if !alone || others < 2 {
			continue
		}
		for i := range l.peers {
			// it cannot ask enough of those that it takes for live
			few := others-1 < l.config.Inquest.Quorum(l.views[i].live)
			if h := l.seen[i][m]; i != m && l.peers[i].up && !few && h.live() &&
				h.Gen == l.peers[m].gen && h.State != member.Left {
				return fmt.Sprintf("n%d has answered nobody for %s, and n%d holds it for %s",
					m, l.now.Sub(c.quiet), i, h)
			}
		}
	}
	return ""
}
