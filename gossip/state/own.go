package state

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling/gossip/mono"
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

// Set writes a key of this node's own; with a TTL, the key is deleted after it. The value is copied. An error means that
// nothing was done.
func (s *Store) Set(now mono.Time, key string, value []byte, ttl time.Duration) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("%w: %d bytes for the key %q, at most %d are allowed", ErrValue, len(value), key, MaxValue)
	}
	if ttl != 0 && (ttl < MinTTL || ttl > MaxTTL) {
		return fmt.Errorf("%w: %s for the key %q, %s to %s are allowed", ErrTTL, ttl, key, MinTTL, MaxTTL)
	}
	o := s.self()
	it := item{key: key, value: string(value), lapses: ttl != 0}
	size := o.size + it.cost()
	if i := o.index(key); i >= 0 {
		old := o.items[i].Value()
		size -= old.cost()
	}
	if size > MaxNode {
		return fmt.Errorf("%w: %d bytes with the key %q, at most %d are allowed", ErrFull, size, key, MaxNode)
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

// write puts the next version into this node's own map and sends it on its way.
func (s *Store) write(now mono.Time, o *owner, it item, ttl time.Duration) {
	before := o.version
	it.version = before + 1
	s.put(o, it, o.index(it.key), now.Add(ttl))
	s.setVersion(o, it.version)
	o.changed = now
	if it.deleted {
		s.graves = append(s.graves, grave{it.version, now})
	}
	s.forgetTombstones(now)
	s.push(now, o, before)
	s.host.Changed(now, Change{Owner: o.id, Version: it.version, Key: it.key, Value: it.value, Gone: it.deleted})
}

// push sends this node's own writes after a version on their way to all.
func (s *Store) push(now mono.Time, o *owner, after uint64) {
	s.passToAll(now, route{o: o, from: after, floor: o.floor})
}

// forgetTombstones raises the floor of this node's own map over the tombstones that are old, or too many. Who has not got
// so far gets the map anew, so that no key comes back that was deleted meanwhile.
func (s *Store) forgetTombstones(now mono.Time) {
	o, n := s.owner(s.host.Self()), 0
	for n < len(s.graves) {
		g := s.graves[n]
		i := o.after(g.version) - 1
		stands := i >= 0 && o.items[i].Value().version == g.version // else the key was written again
		if stands && now.Sub(g.at) < s.cfg.Tombstone && o.dead <= MaxTombstones {
			break
		}
		if stands {
			o.floor = g.version
			s.drop(o, i)
		}
		n++
	}
	if n > 0 {
		s.graves = append(s.graves[:0], s.graves[n:]...)
	}
}
