package state

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// This node's own keys.

// grave is an own tombstone, and when it was made.
type grave struct {
	version uint64
	at      mono.Time
}

// writer is this node as an owner of keys.
type writer struct {
	*env
	known  *catalog
	ring   *ring
	graves []grave   // the oldest first
	raised mono.Time // when the floor rose last
}

// self returns this node's own map; nil before the node is in its table.
func (w *writer) self() *owner {
	if o := w.known.owner(w.host.Self()); o != nil {
		return o
	}
	m, ok := w.host.Table().Get(w.host.Self())
	if !ok {
		return nil
	}
	return w.known.ensure(&m)
}

// CheckKey says whether a key may be used.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("%w: it has %d bytes, 1 to %d are allowed", ErrKey, len(key), MaxKey)
	}
	return nil
}

// Set writes a key of this node's own; with a TTL, the key is deleted after it. The value is
// copied. An error means that nothing was done.
func (w *writer) Set(now mono.Time, key string, value []byte, ttl time.Duration) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("%w: %d bytes for the key %q, at most %d are allowed", ErrValue,
			len(value), key, MaxValue)
	}
	if ttl != 0 && (ttl < MinTTL || ttl > MaxTTL) {
		return fmt.Errorf("%w: %s for the key %q, %s to %s are allowed", ErrTTL, ttl, key,
			MinTTL, MaxTTL)
	}
	o := w.self()
	it := item{key: key, value: string(value), lapses: ttl != 0}
	size := o.size + it.cost()
	if i := o.index(key); i >= 0 {
		old := o.items[i].Value()
		size -= old.cost()
	}
	if size > MaxNode {
		return fmt.Errorf("%w: %d bytes with the key %q, at most %d are allowed", ErrFull,
			size, key, MaxNode)
	}
	w.stats.Sets++
	w.write(now, o, it, ttl)
	return nil
}

// Delete deletes a key of this node's own.
func (w *writer) Delete(now mono.Time, key string) error {
	o := w.self()
	i := o.index(key)
	if i < 0 {
		return fmt.Errorf("%w: %q", ErrNoKey, key)
	}
	if _, shown := o.value(now, i); !shown {
		return fmt.Errorf("%w: %q", ErrNoKey, key)
	}
	w.stats.Deletes++
	w.write(now, o, item{key: key, deleted: true}, 0)
	return nil
}

// twin looks whether others have a version of this node's own keys that it did not write.
func (w *writer) twin(now mono.Time, instance uint32, version uint64) {
	if o := w.self(); o != nil && instance == o.instance && version > o.version {
		w.host.Twin(now)
	}
}

// write puts the next version into this node's own map and sends it on its way.
func (w *writer) write(now mono.Time, o *owner, it item, ttl time.Duration) {
	before := o.version
	it.version = before + 1
	i := o.index(it.key)
	if i >= 0 {
		w.unearth(o.items[i].Value().version)
	}
	w.known.put(o, it, i, now.Add(ttl))
	w.known.setVersion(o, it.version)
	o.changed = now
	if it.deleted {
		w.graves = append(w.graves, grave{it.version, now})
	}
	w.forgetTombstones(now)
	w.push(now, o, before)
	w.host.Changed(now, Change{Owner: o.id, Version: it.version, Key: it.key, Value: it.value,
		Gone: it.deleted})
}

// push sends this node's own writes after a version on their way to all.
func (w *writer) push(now mono.Time, o *owner, after uint64) {
	w.ring.passToAll(now, route{o: o, from: after, floor: o.floor})
}

// unearth takes out the grave of a tombstone, if there is one of that version: its key is written
// again.
func (w *writer) unearth(version uint64) {
	i, ok := slices.BinarySearchFunc(w.graves, version,
		func(g grave, v uint64) int { return cmp.Compare(g.version, v) })
	if ok {
		w.graves = slices.Delete(w.graves, i, i+1)
	}
}

// forgetTombstones raises the floor of this node's own map over the tombstones that are old, or too
// many. A reader that has not got so far gets the map anew, so that no key comes back that was
// deleted meanwhile. One that is getting it begins again when the floor rises: so it rises seldom,
// over many tombstones at once.
func (w *writer) forgetTombstones(now mono.Time) {
	n := 0
	if len(w.graves) > MaxTombstones {
		n = len(w.graves) - MaxTombstones/2
	}
	if w.due() <= now {
		for n < len(w.graves) && now.Sub(w.graves[n].at) >= w.cfg.Tombstone {
			n++
		}
	}
	if n > 0 {
		o := w.self()
		o.floor, w.raised = w.graves[n-1].version, now
		w.known.bury(o)
		w.graves = append(w.graves[:0], w.graves[n:]...)
	}
}

// due returns when the oldest tombstone is to be forgotten: when it is old enough, but not
// soon after others were.
func (w *writer) due() mono.Time {
	if len(w.graves) == 0 {
		return mono.Never
	}
	return max(w.graves[0].at.Add(w.cfg.Tombstone), w.raised.Add(w.cfg.Tombstone/2))
}

// lapse ends what is over. An own key gets a tombstone; others' keys are just not shown any more,
// so that those of a dead owner go too.
func (w *writer) lapse(now mono.Time) {
	w.known.lapses = mono.Never
	for _, o := range w.known.owners {
		w.lapseOf(now, o, true)
		if o.next != nil {
			w.lapseOf(now, o.next, false)
		}
	}
}

func (w *writer) lapseOf(now mono.Time, o *owner, tell bool) {
	for k := 0; k < len(o.lapse); {
		l := o.lapse[k]
		if l.at > now {
			w.known.lapses = min(w.known.lapses, l.at)
			k++
			continue
		}
		it := o.items[o.after(l.version)-1].Value()
		if o.id == w.host.Self() {
			w.stats.Lapsed++
			w.write(now, o, item{key: it.key, deleted: true}, 0)
			continue
		}
		o.lapse = slices.Delete(o.lapse, k, k+1)
		if tell {
			w.known.tell(now, o, &it, true)
		}
	}
}

// catchUp ends what is over before anything is told or taken: a node that slept wakes with keys
// whose time is over.
func (w *writer) catchUp(now mono.Time) {
	if w.known.lapses <= now {
		w.lapse(now)
	}
}
