package state

import (
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
	return slices.BinarySearchFunc(o.lapse, version, func(l lapse, v uint64) int {
		switch {
		case l.version < v:
			return -1
		case l.version > v:
			return 1
		}
		return 0
	})
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

// put adds an item that is later than all others, instead of what is held under its key at i; -1 if
// nothing is. One that lapses is over then, and already if that is 0.
func (s *Store) put(o *owner, it item, i int, lapses mono.Time) {
	if i >= 0 {
		s.drop(o, i)
	}
	if it.deleted {
		o.dead++
	} else {
		it.sum = sumOf(&it)
	}
	o.items = append(o.items, unique.Make(it))
	o.content ^= it.sum
	s.size(o, it.cost())
	if it.lapses {
		o.lapsing++
		if lapses > 0 {
			o.lapse = append(o.lapse, lapse{it.version, lapses})
			s.lapses = min(s.lapses, lapses)
		}
	}
}

// drop takes out an item.
func (s *Store) drop(o *owner, i int) {
	it := o.items[i].Value()
	o.items = slices.Delete(o.items, i, i+1)
	if it.deleted {
		o.dead--
	}
	o.content ^= it.sum
	s.size(o, -it.cost())
	if it.lapses {
		o.lapsing--
		if k, ok := o.findLapse(it.version); ok {
			o.lapse = slices.Delete(o.lapse, k, k+1)
		}
	}
}

// size adds bytes to a map's.
func (s *Store) size(o *owner, n int) {
	o.size += n
	if o.built {
		s.building += n
	} else {
		s.bytes += n
	}
}

// bury drops the tombstones up to the owner's floor.
func (s *Store) bury(o *owner) {
	for i := 0; i < len(o.items) && o.dead > 0; {
		it := o.items[i].Value()
		if it.version > o.floor {
			return
		}
		if it.deleted {
			s.drop(o, i)
		} else {
			i++
		}
	}
}

// lapse ends what is over. An own key gets a tombstone; others' keys are just not shown any more,
// so that those of a dead owner go too.
func (s *Store) lapse(now mono.Time) {
	s.lapses = mono.Never
	for _, o := range s.owners {
		s.lapseOf(now, o, true)
		if o.next != nil {
			s.lapseOf(now, o.next, false)
		}
	}
}

func (s *Store) lapseOf(now mono.Time, o *owner, tell bool) {
	for k := 0; k < len(o.lapse); {
		l := o.lapse[k]
		if l.at > now {
			s.lapses = min(s.lapses, l.at)
			k++
			continue
		}
		it := o.items[o.after(l.version)-1].Value()
		if o.id == s.host.Self() {
			s.stats.Lapsed++
			s.write(now, o, item{key: it.key, deleted: true}, 0)
			continue
		}
		o.lapse = slices.Delete(o.lapse, k, k+1)
		if tell {
			s.tell(now, o, &it, true)
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

// mark is how far an owner's writes were held that is forgotten.
type mark struct {
	instance uint32
	version  uint64
}
