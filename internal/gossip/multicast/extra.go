package multicast

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// orphan is a parcel that came beside the tree: perhaps the tree is broken above this node.
type orphan struct {
	b   wire.Branch
	due mono.Time
}

const (
	orphanCopies = 2 // that are sent of a parcel that the tree does not bring
)

// extras sends copies of a parcel that just came in to other places of the zone's ring. The
// distances are the same for all members, so as many copies go out from each as come in at each. A
// big parcel costs too much for that. Without losses a quarter of the nodes send one.
func (r *Relay) extras(now mono.Time, b *wire.Branch, size int) {
	places := r.zone(r.self().Zone())
	class := max(b.Loss, r.class())
	n := policies[class].extras
	busy := r.busy()
	h := member.Mix(uint64(b.Origin) ^ b.First)
	switch {
	case len(places) < 3:
		return
	case size > parcelRoom/2:
		if class < 2 {
			return
		}
		n = 1
	case class == 0 && (busy || (uint64(r.host.Self())^h)&3 != 0):
		return
	}
	if busy {
		h = r.host.Epoch(now) // the same way for all
		n = (n + 1) / 2       // what one of them costs counts for more then than the time it saves
	}
	me := topology.After(places, r.self().Key)
	for k := range uint64(n) {
		off := 1 + member.Mix(h+k)%uint64(len(places)-1)
		p := places[(me+int(off))%len(places)]
		if p.ID != b.Origin && p.ID != r.host.Self() && !r.silent(now, p.ID) {
			r.beside(now, b, p.ID, class)
		}
	}
}

// beside sends a copy beside the tree.
func (r *Relay) beside(now mono.Time, b *wire.Branch, id member.ID, class uint8) {
	if m, ok := r.host.Table().Get(id); ok && !m.OutOfFamily {
		x := *b
		x.Span, x.Attempt, x.Loss = wire.Span{Bits: wire.SpanNone}, 0, class
		r.post(now, plane.PeerOf(&m), &x, false)
		r.stats.Extras++
	}
}

// orphan waits for the tree to bring a parcel that came beside it: not all for as long, so that one
// of them goes first.
func (r *Relay) orphan(now mono.Time, b *wire.Branch) {
	wait := orphanDelay
	wait += time.Duration(r.host.Rand().Int64N(int64(wait)))
	if len(r.orphans) < maxOrphans {
		r.orphans = append(r.orphans, orphan{*b, now.Add(wait)})
	}
}

// found ends the wait: the tree has brought the parcel.
func (r *Relay) found(b *wire.Branch) {
	for i := range r.orphans {
		if o := &r.orphans[i].b; o.Instance() == b.Instance() && o.First == b.First {
			r.orphans = slices.Delete(r.orphans, i, i+1)
			return
		}
	}
}

// adopt takes on the parcels that the tree does not bring: this node brings them to its own part of
// the ring, and has others hear of them by copies beside the tree.
func (r *Relay) adopt(now mono.Time) {
	for i := 0; i < len(r.orphans); {
		if r.orphans[i].due > now {
			i++
			continue
		}
		b := r.orphans[i].b
		r.orphans = slices.Delete(r.orphans, i, i+1)
		r.stats.Orphans++
		places := r.zone(r.self().Zone())
		if len(places) == 0 {
			continue // this node, the last of its zone, is leaving
		}
		for k := range orphanCopies {
			// one of the zone's orphans, in the mean, tells another zone
			if k == 0 && r.host.Rand().IntN(len(places)) == 0 {
				places = r.ring.All()
			}
			if p := places[r.host.Rand().IntN(len(places))]; p.ID != b.Origin &&
				p.ID != r.host.Self() {
				r.beside(now, &b, p.ID, b.Loss)
			}
		}
		b.Span, places = r.zoneSpan(), r.zone(r.self().Zone())
		if len(places) > direct {
			width := widthOf(places)
			b.Span = wire.Span{Bits: width, Prefix: r.self().Key &^ rest(width)}
		}
		if r.find(&b) < 0 && r.recall(&b) == nil && r.room() {
			if k := r.begin(now, &b, false); r.jobs[k].open == 0 {
				r.finish(now, k)
			}
		}
	}
}

// room says whether another duty can be taken.
func (r *Relay) room() bool {
	if len(r.jobs)-len(r.free) < maxJobs {
		return true
	}
	r.stats.Refused++
	return false
}
