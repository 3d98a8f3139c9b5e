package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// copies sends parcels beside the tree.
type copies struct{ core }

// redundant sends copies of a parcel that just came in to other places of the zone's ring. The
// distances are the same for all members, so as many copies go out from each as come in at each. A
// big parcel costs too much for that. Without losses a quarter of the nodes send one.
func (c *copies) redundant(now mono.Time, b *wire.Branch, size int) {
	places := c.zone(c.self().Zone())
	class := max(b.Loss, c.paths.class())
	n := policies[class].copies
	busy := c.paths.busy()
	h := member.Mix(uint64(b.Origin) ^ b.First)
	switch {
	case len(places) < 3:
		return
	case size > parcelRoom/2:
		if class < 2 {
			return
		}
		n = 1
	case class == 0 && (busy || (uint64(c.host.Self())^h)&3 != 0):
		return
	}
	if busy {
		h = c.host.Epoch(now) // the same way for all
		n = (n + 1) / 2       // what one of them costs counts for more then than the time it saves
	}
	me := topology.After(places, c.self().Key)
	for k := range uint64(n) {
		off := 1 + member.Mix(h+k)%uint64(len(places)-1)
		p := places[(me+int(off))%len(places)]
		if p.ID != b.Origin && p.ID != c.host.Self() && !c.paths.silent(now, p.ID) {
			c.beside(now, b, p.ID, class)
		}
	}
}

// beside sends a copy beside the tree.
func (c *copies) beside(now mono.Time, b *wire.Branch, id member.ID, class uint8) {
	if m, ok := c.host.Table().Get(id); ok && !m.OutOfFamily {
		x := *b
		x.Span, x.Attempt, x.Loss = wire.Span{Bits: wire.SpanNone}, 0, class
		c.outbox.post(now, plane.PeerOf(&m), &x, false)
		c.stats.Redundant++
	}
}
