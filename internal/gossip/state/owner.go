package state

import (
	"cmp"
	"iter"
	"slices"
	"time"
	"unique"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// item is one write that was not overwritten: a key with its value, or a tombstone. Like members'
// records, equal items are one in a process, so that a simulated cluster holds each once.
type item struct {
	key, value string
	version    uint64
	deleted    bool
	lapses     bool   // it has a time to live
	sum        uint64 // see sumOf
}

type handle = unique.Handle[item]

// cost is what an item takes of its owner's room. Tombstones are counted otherwise.
func (it *item) cost() int {
	if it.deleted {
		return 0
	}
	return len(it.key) + len(it.value) + ItemCost
}

// owner is what is held of one member's keys.
type owner struct {
	id       member.ID
	instance uint32 // the life that wrote them
	live     bool   // the member is, and counts in the fingerprint
	queued   uint64 // links in whose queues it stands, a bit each
	version  uint64 // all up to here is held
	least    uint64 // nothing below is shown: so much was held before the owner was forgotten
	// tombstones up to here are forgotten; not above version, except of a map that is built
	floor   uint64
	passed  uint64 // the highest version that was passed on along the ring
	changed mono.Time
	size    int      // bytes
	dead    int      // tombstones among items
	lapsing int      // items with a time to live
	items   []handle // by version, none above the owner's
	lapse   []lapse  // of items with a time to live that is not over, by version
	content uint64   // the XOR of the items' sums
	counted uint64   // what the fingerprint has of this owner
	partial partial

	next    *owner    // the map that is built anew beside this one, not shown yet; see rebuild.go
	built   bool      // this is such a map
	source  member.ID // the only member that may tell of it; 0: all may
	doubt   bool      // others hold something else at this version: the owner is to tell all anew
	doubted mono.Time
}

// lapse is when an item is over. One that is over is not shown, but stays until the owner says what
// comes after it: all readers of one version have the same content.
type lapse struct {
	version uint64
	at      mono.Time
}

// hash is the owner's part of the fingerprint.
func (o *owner) hash() uint64 {
	return member.Mix((uint64(o.id) + member.Mix(uint64(o.instance)<<32^o.version)) ^ o.content)
}

// sumOf returns a hash over an item that is not deleted, the same at all nodes. How much of its
// time remains is not in it; tombstones have none, since each node forgets them at another time.
func sumOf(it *item) uint64 {
	h := it.version << 1
	if it.lapses {
		h |= 1
	}
	return fold(fold(member.Mix(h), it.key), it.value)
}

// fold takes a string into a hash, eight bytes a time.
func fold(h uint64, s string) uint64 {
	last := uint64(len(s)) << 56 // the eighth byte is free: so no tail and length look like others
	for ; len(s) >= 8; s = s[8:] {
		h = member.Mix(h ^ (uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56))
	}
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	return member.Mix(h ^ last)
}

// after returns the position of the first item above a version.
func (o *owner) after(version uint64) int {
	lo, hi := 0, len(o.items)
	if hi > 0 && o.items[hi-1].Value().version <= version { // the usual case
		return hi
	}
	for lo < hi {
		mid := (lo + hi) / 2
		if o.items[mid].Value().version <= version {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// index returns the position of a key's item, -1 if there is none. What was written last is looked
// at first.
func (o *owner) index(key string) int {
	for i := len(o.items) - 1; i >= 0; i-- {
		if o.items[i].Value().key == key {
			return i
		}
	}
	return -1
}

// remaining returns how long an item is still to be shown, 0 for good; ok is false if its time is
// over.
func (o *owner) remaining(now mono.Time, it *item) (d time.Duration, ok bool) {
	if !it.lapses {
		return 0, true
	}
	i, found := o.findLapse(it.version)
	if !found || o.lapse[i].at <= now {
		return 0, false
	}
	return o.lapse[i].at.Sub(now), true
}

func (o *owner) findLapse(version uint64) (int, bool) {
	return slices.BinarySearchFunc(o.lapse, version,
		func(l lapse, v uint64) int { return cmp.Compare(l.version, v) })
}

// shown says whether an item was told of, and not yet that it is gone.
func (o *owner) shown(it *item) bool {
	if it.deleted || !it.lapses {
		return !it.deleted
	}
	_, found := o.findLapse(it.version)
	return found
}

func (o *owner) value(now mono.Time, i int) (Value, bool) {
	it := o.items[i].Value()
	ttl, ok := o.remaining(now, &it)
	if it.deleted || !ok {
		return Value{}, false
	}
	return Value{Key: it.key, Value: it.value, Version: it.version, TTL: ttl}, true
}

func (o *owner) values(now mono.Time) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for i := range o.items {
			if v, ok := o.value(now, i); ok && !yield(v) {
				return
			}
		}
	}
}

// partial is a value that is larger than a datagram, as far as it has come: always of the item that
// is next.
type partial struct {
	version uint64
	total   int
	value   []byte
}

func (o *owner) shownAt(i int) bool {
	it := o.items[i].Value()
	return o.shown(&it)
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
