package state

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// How a write is brought to all. The ring is all live members by zone, and there by ID; each
// zone is a ring of its own. Inside one a write goes as in a broadcast over Chord (El-Ansary,
// Alima, Brand, Haridi, "Efficient Broadcast in Structured P2P Networks", 2003). A node that is
// to bring it to all up to some place gives parts of that to the members 1, 2, 3, 4, 8, 12, 16,
// 32, 48, 64 … places on. Each of them brings it to all up to the next of these. So each node
// gets each write once, from one of a few members that it always gets writes from. All nodes
// send about as much, and what many owners write goes in the same datagrams. Each other zone
// gets it once, at the member that stands as far along that zone's ring as the sender along its
// own. Zones are gone through in the same way, but up to 32 of them at first hand, since each
// hop takes long.

const (
	width     = 4  // fingers of one level stand as far apart as width of those below
	zoneWidth = 32 // the same for zones
	// peers that this node passes writes on to: three on each level, and those for other zones
	maxLinks = 64
)

// route is what is passed on: an owner's writes from a version on.
type route struct {
	o           *owner
	from, floor uint64
}

// ring is this node's place among those that writes are passed on to.
type ring struct {
	*env
	links *links
}

// pass puts an owner's writes into the queues of links. The links lead to all members before the
// one that stands at end. If end is in this zone, these are members of this zone. If not, they are
// all of this zone, and all of the zones that come before that of end.
func (g *ring) pass(now mono.Time, r route, end uint64) {
	me, own, i := g.stand()
	if i < 0 {
		return
	}
	if zone := (topology.Place{Key: end}).Zone(); zone != me.Zone() {
		g.passAbroad(now, r, me, own, i, zone)
		end = me.Key
	}
	g.passInside(now, r, own, i, end)
}

// passToAll is pass to all zones.
func (g *ring) passToAll(now mono.Time, r route) {
	if me, own, i := g.stand(); i >= 0 {
		g.passInside(now, r, own, i, me.Key)
		g.passAbroad(now, r, me, own, i, me.Zone())
	}
}

// stand returns this node's place, its zone's, and where among them it stands; -1 if it is not
// live.
func (g *ring) stand() (me topology.Place, own []topology.Place, i int) {
	m, ok := g.host.Table().Get(g.host.Self())
	if !ok {
		return me, nil, -1
	}
	me = topology.PlaceOf(&m)
	own = g.host.Ring().Zone(me.Zone())
	return me, own, slices.Index(own, me)
}

// passInside brings writes to the members of this zone up to end, round its ring.
func (g *ring) passInside(now mono.Time, r route, own []topology.Place, i int, end uint64) {
	n := len(own)
	of := (topology.After(own, end) - i - 1 + n) % n // members between this node and end
	if end == own[i].Key {
		of = n - 1
	}
	fingers(of, width, func(off, next int) {
		last := end
		if next <= of {
			last = own[(i+next)%n].Key
		}
		// the first that can be sent to; repair finds those before it
		for k := off; k < next && k <= of; k++ {
			if p := own[(i+k)%n]; !g.outOfFamily(p.ID) {
				g.link(now, r, p.ID, last)
				return
			}
		}
	})
}

// passAbroad brings writes to the zones after this one, up to and without another, round the ring.
func (g *ring) passAbroad(now mono.Time, r route, me topology.Place, own []topology.Place,
	i int, last uint16) {
	if !g.host.Ring().Mixed() {
		return
	}
	var room [64][]topology.Place
	zones := room[:0]
	at, to := 0, -1
	for z := range g.host.Ring().Zones() {
		switch z[0].Zone() {
		case me.Zone():
			at = len(zones)
		case last:
			to = len(zones)
		}
		zones = append(zones, z)
	}
	n := len(zones)
	of := n - 1
	if to >= 0 {
		of = (to - at - 1 + n) % n
	}
	fingers(of, zoneWidth, func(off, next int) {
		z := zones[(at+off)%n]
		from := i * len(z) / len(own)
		p := z[from]
		for k := 1; k < len(z) && g.outOfFamily(p.ID); k++ {
			p = z[(from+k)%len(z)]
		}
		if g.outOfFamily(p.ID) {
			return
		}
		end := p.Key // its own zone alone
		switch {
		case next <= of && next > off+1:
			end = zones[(at+next)%n][0].Key
		case next > of && off < of:
			end = zones[(at+of+1)%n][0].Key
		}
		g.link(now, r, p.ID, end)
	})
}

// fingers calls f with each offset up to n at which a finger stands, and that of the next one.
func fingers(n, width int, f func(off, next int)) {
	for step := 1; step <= n; step *= width {
		for off := step; off <= n && off < width*step; off += step {
			f(off, off+step)
		}
	}
}

// outOfFamily says whether nothing can be sent to a member from here.
func (g *ring) outOfFamily(id member.ID) bool {
	t := g.host.Table()
	if t.Served() == t.Live() {
		return false
	}
	m, ok := t.Get(id)
	return ok && m.OutOfFamily
}

func (g *ring) link(now mono.Time, r route, peer member.ID, end uint64) {
	g.links.queue(now, peer, r.o, pending{owner: r.o.id,
		position: position{from: r.from, floor: r.floor}, end: end})
}
