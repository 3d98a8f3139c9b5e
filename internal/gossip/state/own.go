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

// self returns this node's own map; nil before the node is in its table.
func (s *Store) self() *owner {
	if o := s.owner(s.host.Self()); o != nil {
		return o
	}
	m, ok := s.host.Table().Get(s.host.Self())
	if !ok {
		return nil
	}
	return s.ensure(&m)
}

// Set writes a key of this node's own; with a TTL, the key is deleted after it. The value is
// copied. An error means that nothing was done.
func (s *Store) Set(now mono.Time, key string, value []byte, ttl time.Duration) error {
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
	o := s.self()
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
	s.stats.Sets++
	s.write(now, o, it, ttl)
	return nil
}

// Delete deletes a key of this node's own.
func (s *Store) Delete(now mono.Time, key string) error {
	o := s.self()
	i := o.index(key)
	if i < 0 {
		return fmt.Errorf("%w: %q", ErrNoKey, key)
	}
	if _, shown := o.value(now, i); !shown {
		return fmt.Errorf("%w: %q", ErrNoKey, key)
	}
	s.stats.Deletes++
	s.write(now, o, item{key: key, deleted: true}, 0)
	return nil
}

// twin looks whether others have a version of this node's own keys that it did not write.
func (s *Store) twin(now mono.Time, instance uint32, version uint64) {
	if o := s.self(); o != nil && instance == o.instance && version > o.version {
		s.host.Twin(now)
	}
}

// write puts the next version into this node's own map and sends it on its way.
func (s *Store) write(now mono.Time, o *owner, it item, ttl time.Duration) {
	before := o.version
	it.version = before + 1
	i := o.index(it.key)
	if i >= 0 {
		s.unearth(o.items[i].Value().version)
	}
	s.put(o, it, i, now.Add(ttl))
	s.setVersion(o, it.version)
	o.changed = now
	if it.deleted {
		s.graves = append(s.graves, grave{it.version, now})
	}
	s.forgetTombstones(now)
	s.push(now, o, before)
	s.host.Changed(now, Change{Owner: o.id, Version: it.version, Key: it.key, Value: it.value,
		Gone: it.deleted})
}

// push sends this node's own writes after a version on their way to all.
func (s *Store) push(now mono.Time, o *owner, after uint64) {
	s.passToAll(now, route{o: o, from: after, floor: o.floor})
}

// unearth takes out the grave of a tombstone, if there is one of that version: its key is written
// again.
func (s *Store) unearth(version uint64) {
	i, ok := slices.BinarySearchFunc(s.graves, version,
		func(g grave, v uint64) int { return cmp.Compare(g.version, v) })
	if ok {
		s.graves = slices.Delete(s.graves, i, i+1)
	}
}

// forgetTombstones raises the floor of this node's own map over the tombstones that are old, or too
// many. A reader that has not got so far gets the map anew, so that no key comes back that was
// deleted meanwhile. One that is getting it begins again when the floor rises: so it rises seldom,
// over many tombstones at once.
func (s *Store) forgetTombstones(now mono.Time) {
	n := 0
	if len(s.graves) > MaxTombstones {
		n = len(s.graves) - MaxTombstones/2
	}
	if s.gravesDue() <= now {
		for n < len(s.graves) && now.Sub(s.graves[n].at) >= s.cfg.Tombstone {
			n++
		}
	}
	if n > 0 {
		o := s.self()
		o.floor, s.raised = s.graves[n-1].version, now
		s.bury(o)
		s.graves = append(s.graves[:0], s.graves[n:]...)
	}
}

// gravesDue returns when the oldest tombstone is to be forgotten: when it is old enough, but not
// soon after others were.
func (s *Store) gravesDue() mono.Time {
	if len(s.graves) == 0 {
		return mono.Never
	}
	return max(s.graves[0].at.Add(s.cfg.Tombstone), s.raised.Add(s.cfg.Tombstone/2))
}
