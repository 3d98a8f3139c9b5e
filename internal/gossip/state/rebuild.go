package state

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// An owner's floor. A deleted key leaves a tombstone, which tells readers that it is gone. The
// owner forgets old tombstones; its floor is the version up to which it did.
//
//	 0            floor               version
//	 |--------------|--------------------|
//	   keys            keys and tombstones: what a reader at the floor, or above, lacks
//
// A reader that is below the floor gets the map anew: what was deleted up to the floor cannot be
// told, so it is what the new map does not name. The new map is built beside the one that is shown,
// and takes its place when it is whole. So the floor is adopted with a version that is not below
// it, and no key is gone in between. What a peer that is behind the floor would add never gets in.
// So does a reader that had forgotten the owner: it shows nothing that is older than what it had
// shown.
//
//	         a delta from 0 on, and the floor, or what was shown once, is above what is held
//	 shown -------------------------------------------------------------------------> built beside
//	   ^                                                                                 |
//	   |  it is whole, at its floor or above: it takes the place of the other            |
//	   +---------------------------------------------------------------------------------+
//	   |  nothing of it came for buildFor, or the shown one got to the floor: dropped    |
//	   +---------------------------------------------------------------------------------+
//
// A reader that holds something else than a peer, at one version, builds one too, of what the owner
// itself tells.

const (
	buildFor   = 30 * time.Second // without progress
	doubtAfter = time.Second      // a digest that comes so late is of what was held before
	doubtPause = time.Minute
)

// begin opens a new map if a delta begins one: the floor is beyond what is held, more was held
// before the owner was forgotten, or the owner itself tells all to a node that doubts what it
// holds. One that is under way goes on until the owner's floor has risen again.
func (c *catalog) begin(now mono.Time, from member.ID, o *owner, d *wire.Delta) {
	doubt := o.doubt && from == o.id
	if d.From != 0 || max(d.Floor, o.least) <= o.version && !doubt || o.next != nil &&
		d.Floor <= o.next.floor {
		return
	}
	c.dropNext(o)
	o.next = &owner{id: o.id, instance: o.instance, built: true, floor: d.Floor, changed: now}
	if doubt {
		o.next.source = from
	}
}

// finish puts the map that is built in the place of the one that is shown, and tells what differs.
func (c *catalog) finish(now mono.Time, o *owner) {
	n, old := o.next, *o
	if old.version > 0 {
		c.stats.Resets++
	}
	c.bytes += n.size - o.size
	c.building -= n.size
	o.floor, o.changed, o.next = n.floor, now, nil
	o.items, o.lapse, o.partial = n.items, n.lapse, partial{}
	o.size, o.dead, o.lapsing, o.content = n.size, n.dead, n.lapsing, n.content
	if n.source != 0 {
		o.doubt, o.doubted = false, now
	}
	c.bury(o)
	for k, l := range o.lapse { // what was known to be over sooner is
		if i, ok := old.findLapse(l.version); ok {
			o.lapse[k].at = min(l.at, old.lapse[i].at)
			c.lapses = min(c.lapses, o.lapse[k].at)
		}
	}
	for _, h := range old.items {
		it := h.Value()
		if i := o.index(it.key); old.shown(&it) && (i < 0 || !o.shownAt(i)) {
			c.tell(now, o, &it, true)
		}
	}
	for i, h := range o.items {
		it := h.Value()
		if k := old.index(it.key); o.shownAt(i) && (k < 0 || old.items[k] != h) {
			c.tell(now, o, &it, false)
		}
	}
	c.setVersion(o, n.version) // at last, as if all had come one by one
}

// giveUp drops a map that is built if nothing has come of it for long: nobody has the rest. What
// the others have is shown then, though more was held once.
func (c *catalog) giveUp(now mono.Time, o *owner) {
	if o.next != nil && now.Sub(o.next.changed) > buildFor {
		c.dropNext(o)
		o.least = 0
	}
}

func (c *catalog) dropNext(o *owner) {
	if o.next != nil {
		c.building -= o.next.size
		o.next = nil
	}
}

// adopt raises an owner's floor to one that another node has. What was deleted up to there is known
// here.
func (c *catalog) adopt(o *owner, floor uint64) {
	if floor > o.floor && o.id != c.host.Self() {
		o.floor = floor
		c.bury(o)
	}
}
