package state

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A reader that is below the owner's floor gets the map anew: what was deleted up to the floor
// cannot be told, so it is what the new map does not name. The new map is built beside the one that
// is shown, and takes its place when it is whole. So the floor is adopted with a version that is
// not below it, and no key is gone in between. What a peer that is behind the floor would add never
// gets in. So does a reader that had forgotten the owner: it shows nothing that is older than what
// it had shown.

const (
	buildFor   = 30 * time.Second // without progress
	doubtAfter = time.Second      // a digest that comes so late is of what was held before
	doubtPause = time.Minute
)

// begin opens a new map if a delta begins one: the floor is beyond what is held, more was held
// before the owner was forgotten, or the owner itself tells all to a node that doubts what it
// holds. One that is under way goes on until the owner's floor has risen again.
func (s *Store) begin(now mono.Time, from member.ID, o *owner, d *wire.Delta) {
	doubt := o.doubt && from == o.id
	if d.From != 0 || max(d.Floor, o.least) <= o.version && !doubt || o.next != nil &&
		d.Floor <= o.next.floor {
		return
	}
	s.dropNext(o)
	o.next = &owner{id: o.id, instance: o.instance, built: true, floor: d.Floor, changed: now}
	if doubt {
		o.next.source = from
	}
}

// takes returns the map of an owner that a delta continues, nil if none: that which is built before
// that which is shown.
func (o *owner) takes(e *early) *owner {
	if n := o.next; n != nil && (n.source == 0 || n.source == e.from) {
		// The sender has to know all that was deleted up to the floor, and tell all that was
		// deleted after it. A map that has got to its floor is as any other.
		fits := e.floor == n.floor || e.floor < n.floor && e.to >= n.floor ||
			n.version >= max(n.floor, e.floor)
		if fits && e.version <= n.version {
			return n
		} else if fits && e.to <= o.version {
			return nil // it is for that map, and comes too soon
		}
	}
	if e.version <= o.version && max(e.floor, o.least) <= o.version {
		return o
	}
	return nil
}

// finish puts the map that is built in the place of the one that is shown, and tells what differs.
func (s *Store) finish(now mono.Time, o *owner) {
	n, old := o.next, *o
	if old.version > 0 {
		s.stats.Resets++
	}
	s.bytes += n.size - o.size
	s.building -= n.size
	o.floor, o.changed, o.next = n.floor, now, nil
	o.items, o.lapse, o.partial = n.items, n.lapse, partial{}
	o.size, o.dead, o.lapsing, o.content = n.size, n.dead, n.lapsing, n.content
	if n.source != 0 {
		o.doubt, o.doubted = false, now
	}
	s.bury(o)
	for k, l := range o.lapse { // what was known to be over sooner is
		if i, ok := old.findLapse(l.version); ok {
			o.lapse[k].at = min(l.at, old.lapse[i].at)
			s.lapses = min(s.lapses, o.lapse[k].at)
		}
	}
	for _, h := range old.items {
		it := h.Value()
		if i := o.index(it.key); old.shown(&it) && (i < 0 || !o.shownAt(i)) {
			s.tell(now, o, &it, true)
		}
	}
	for i, h := range o.items {
		it := h.Value()
		if k := old.index(it.key); o.shownAt(i) && (k < 0 || old.items[k] != h) {
			s.tell(now, o, &it, false)
		}
	}
	s.setVersion(o, n.version) // at last, as if all had come one by one
}

func (o *owner) shownAt(i int) bool {
	it := o.items[i].Value()
	return o.shown(&it)
}

// giveUp drops a map that is built if nothing has come of it for long: nobody has the rest. What
// the others have is shown then, though more was held once.
func (s *Store) giveUp(now mono.Time, o *owner) {
	if o.next != nil && now.Sub(o.next.changed) > buildFor {
		s.dropNext(o)
		o.least = 0
	}
}

func (s *Store) dropNext(o *owner) {
	if o.next != nil {
		s.building -= o.next.size
		o.next = nil
	}
}

// adopt raises an owner's floor to one that another node has. What was deleted up to there is known
// here.
func (s *Store) adopt(o *owner, floor uint64) {
	if floor > o.floor && o.id != s.host.Self() {
		o.floor = floor
		s.bury(o)
	}
}

// suspect notes that a peer holds something else at the same version: the owner is asked to tell
// all.
func (s *Store) suspect(now mono.Time, o *owner) {
	switch {
	case o.id == s.host.Self() || now.Sub(o.changed) < doubtAfter:
	case !o.doubt && o.doubted > 0 && now.Sub(o.doubted) < doubtPause:
	default:
		o.doubt, o.doubted = true, now
		s.ask(now, o, o.id, 0, false)
	}
}
