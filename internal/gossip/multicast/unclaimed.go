package multicast

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// unclaimedParcels are those for which the tree is waited for.
type unclaimedParcels struct {
	core
	copies *copies
	ends   *ends
	starts *starts
	list   []unclaimed
}

// unclaimed is a parcel that came beside the tree: perhaps the tree is broken above this node.
type unclaimed struct {
	b   wire.Branch
	due mono.Time
}

const unclaimedCopies = 2 // that are sent of a parcel that the tree does not bring

// due returns when the first wait ends.
func (o *unclaimedParcels) due() mono.Time {
	due := mono.Never
	for i := range o.list {
		due = min(due, o.list[i].due)
	}
	return due
}

// await waits for the tree to bring a parcel that came beside it: not all for as long, so that one
// of them goes first.
func (o *unclaimedParcels) await(now mono.Time, b *wire.Branch) {
	wait := unclaimedDelay
	wait += time.Duration(o.host.Rand().Int64N(int64(wait)))
	if len(o.list) < maxUnclaimed {
		o.list = append(o.list, unclaimed{*b, now.Add(wait)})
	}
}

// found ends the wait: the tree has brought the parcel.
func (o *unclaimedParcels) found(b *wire.Branch) {
	for i := range o.list {
		if x := &o.list[i].b; x.Instance() == b.Instance() && x.First == b.First {
			o.list = slices.Delete(o.list, i, i+1)
			return
		}
	}
}

// adopt takes on the parcels that the tree does not bring: this node brings them to its own part of
// the ring, and has others hear of them by copies beside the tree.
func (o *unclaimedParcels) adopt(now mono.Time) {
	for i := 0; i < len(o.list); {
		if o.list[i].due > now {
			i++
			continue
		}
		b := o.list[i].b
		o.list = slices.Delete(o.list, i, i+1)
		o.stats.Unclaimed++
		places := o.zone(o.self().Zone())
		if len(places) == 0 {
			continue // this node, the last of its zone, is leaving
		}
		for k := range unclaimedCopies {
			// one of the zone's members that wait for the tree, in the mean, tells another zone
			if k == 0 && o.host.Rand().IntN(len(places)) == 0 {
				places = o.ring.All()
			}
			if p := places[o.host.Rand().IntN(len(places))]; p.ID != b.Origin &&
				p.ID != o.host.Self() {
				o.copies.beside(now, &b, p.ID, b.Loss)
			}
		}
		b.Span, places = o.zoneSpan(), o.zone(o.self().Zone())
		if len(places) > direct {
			width := widthOf(places)
			b.Span = wire.Span{Bits: width, Prefix: o.self().Key &^ rest(width)}
		}
		if o.duties.find(&b) < 0 && o.duties.recall(&b) == nil && o.duties.another() {
			if k := o.starts.begin(now, &b, false); o.duties.jobs[k].open == 0 {
				o.ends.finish(now, k)
			}
		}
	}
}
