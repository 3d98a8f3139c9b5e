package multicast

import (
	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/mono"
	"github.com/starling-gossip/starling/gossip/wire"
)

// orphan is a parcel that came beside the tree: perhaps the tree is broken above this node.
type orphan struct {
	b   wire.Branch
	due mono.Time
}

// orphanCopies are sent of a parcel that the tree does not bring.
const orphanCopies = 2

// extras sends copies of a parcel that just came in to other places of the ring: the same distances for all who have
// it, so that as many go out from each as come in at each. A big parcel costs too much for that, and without losses half
// of the nodes send one.
func (r *Relay) extras(now mono.Time, b *wire.Branch, size int) {
	places := r.ring.of(r.host.Table())
	class := max(b.Loss, r.paths.lost.class())
	n := policies[class].extras
	busy := r.flow.busy()
	h := mix(uint64(b.Origin) ^ b.First)
	switch {
	case len(places) < 3:
		return
	case size > r.cfg.Size/2:
		if class < 2 {
			return
		}
		n = 1
	case class == 0 && (busy || (uint64(r.host.Self())^h)&1 == 0):
		return
	}
	if busy {
		h = 0 // the same way for all
	}
	me := after(places, r.self().key)
	for k := range uint64(n) {
		off := 1 + mix(h+k)%uint64(len(places)-1)
		p := places[(me+int(off))%len(places)]
		if p.id != b.Origin && p.id != r.host.Self() && !r.silent(now, p.id) {
			r.beside(now, b, p.id, class)
		}
	}
}

// beside sends a copy beside the tree.
func (r *Relay) beside(now mono.Time, b *wire.Branch, id member.ID, class uint8) {
	if m, ok := r.host.Table().Get(id); ok {
		x := *b
		x.Span, x.Attempt, x.Loss = wire.Span{Bits: wire.SpanNone}, 0, class
		r.post(now, detect.PeerOf(&m), &x, false)
		r.stats.Extras++
	}
}

// orphan waits for the tree to bring a parcel that came beside it.
func (r *Relay) orphan(now mono.Time, b *wire.Branch) {
	if len(r.orphans) < maxOrphans {
		r.orphans = append(r.orphans, orphan{*b, now.Add(r.cfg.Orphan)})
	}
}

// found ends the wait: the tree has brought the parcel.
func (r *Relay) found(b *wire.Branch) {
	for i := range r.orphans {
		if o := &r.orphans[i].b; o.Origin == b.Origin && o.First == b.First && o.Generation == b.Generation {
			r.orphans = append(r.orphans[:i], r.orphans[i+1:]...)
			return
		}
	}
}

// adopt passes on the parcels for which the tree was waited for in vain.
func (r *Relay) adopt(now mono.Time) {
	for len(r.orphans) > 0 && r.orphans[0].due <= now {
		b := r.orphans[0].b
		r.orphans = append(r.orphans[:0], r.orphans[1:]...)
		r.stats.Orphans++
		places := r.ring.of(r.host.Table())
		for range orphanCopies {
			p := places[r.host.Rand().IntN(len(places))]
			if p.id != b.Origin && p.id != r.host.Self() {
				r.beside(now, &b, p.id, b.Loss)
			}
		}
	}
}
