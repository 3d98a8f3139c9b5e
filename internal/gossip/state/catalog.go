package state

import (
	"cmp"
	"iter"
	"slices"
	"unique"

	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// catalog is what is held of all owners. It sees to what has to be true of all maps together: the
// fingerprint over them, their bytes, and which of their keys is over next.
type catalog struct {
	*env
	owners      []*owner // by ID
	fingerprint uint64
	bytes       int // of all maps
	building    int // of those that are built anew
	lapses      mono.Time
	forgotten   marks.Table[member.ID, mark]
}

func (c *catalog) find(id member.ID) (int, bool) {
	return slices.BinarySearchFunc(c.owners, id,
		func(o *owner, id member.ID) int { return cmp.Compare(o.id, id) })
}

// owner returns what is held of a member, nil if nothing.
func (c *catalog) owner(id member.ID) *owner {
	if i, ok := c.find(id); ok {
		return c.owners[i]
	}
	return nil
}

// ensure returns what is held of a member, and makes room for it.
func (c *catalog) ensure(m *member.Member) *owner {
	i, ok := c.find(m.ID)
	if !ok {
		o := &owner{id: m.ID, instance: m.Instance(), live: m.State.Live()}
		if k, ok := c.forgotten.Take(o.id); ok && k.instance == o.instance {
			o.least = k.version
		}
		c.owners = slices.Insert(c.owners, i, o)
	}
	return c.owners[i]
}

// Get returns what is held under a key of a member, whether it lives or not.
func (c *catalog) Get(now mono.Time, id member.ID, key string) (Value, bool) {
	if o := c.owner(id); o != nil {
		if i := o.index(key); i >= 0 {
			return o.value(now, i)
		}
	}
	return Value{}, false
}

// All goes through all that is held, owners by ID, their keys in the order in which they were
// written. The store must not change meanwhile.
func (c *catalog) All(now mono.Time) iter.Seq2[member.ID, Value] {
	return func(yield func(member.ID, Value) bool) {
		for _, o := range c.owners {
			for v := range o.values(now) {
				if !yield(o.id, v) {
					return
				}
			}
		}
	}
}

// Of goes through what is held of one member, as All does.
func (c *catalog) Of(now mono.Time, id member.ID) iter.Seq[Value] {
	o := c.owner(id)
	if o == nil {
		return func(func(Value) bool) {}
	}
	return o.values(now)
}

// Version returns up to which version this node holds what a member wrote.
func (c *catalog) Version(id member.ID) uint64 {
	if o := c.owner(id); o != nil {
		return o.version
	}
	return 0
}

// Fingerprint returns an order-free hash over the live owners' lives, versions and keys with their
// values. Two stores with equal ones hold the same, but for tombstones and what remains of times to
// live. It is 0 while nobody has written anything.
func (c *catalog) Fingerprint() uint64 { return c.fingerprint }

// count brings the fingerprint up to what is held of an owner now. A map that is built is not of a
// live one.
func (c *catalog) count(o *owner) {
	c.fingerprint ^= o.counted
	o.counted = 0
	if o.live && o.version > 0 {
		o.counted = o.hash()
	}
	c.fingerprint ^= o.counted
}

// setVersion gives an owner's map a version.
func (c *catalog) setVersion(o *owner, version uint64) {
	o.version = version
	c.count(o)
}

// put adds an item that is later than all others, instead of what is held under its key at i; -1 if
// nothing is. One that lapses is over then, and already if that is 0.
func (c *catalog) put(o *owner, it item, i int, lapses mono.Time) {
	if i >= 0 {
		c.drop(o, i)
	}
	if it.deleted {
		o.dead++
	} else {
		it.sum = sumOf(&it)
	}
	o.items = append(o.items, unique.Make(it))
	o.content ^= it.sum
	c.size(o, it.cost())
	if it.lapses {
		o.lapsing++
		if lapses > 0 {
			o.lapse = append(o.lapse, lapse{it.version, lapses})
			c.lapses = min(c.lapses, lapses)
		}
	}
}

// drop takes out an item.
func (c *catalog) drop(o *owner, i int) {
	it := o.items[i].Value()
	o.items = slices.Delete(o.items, i, i+1)
	if it.deleted {
		o.dead--
	}
	o.content ^= it.sum
	c.size(o, -it.cost())
	if it.lapses {
		o.lapsing--
		if k, ok := o.findLapse(it.version); ok {
			o.lapse = slices.Delete(o.lapse, k, k+1)
		}
	}
}

// size adds bytes to a map's.
func (c *catalog) size(o *owner, n int) {
	o.size += n
	if o.built {
		c.building += n
	} else {
		c.bytes += n
	}
}

// room returns how many more bytes may be held.
func (c *catalog) room() int { return c.cfg.Total - c.bytes - c.building }

// bury drops the tombstones up to the owner's floor.
func (c *catalog) bury(o *owner) {
	for i := 0; i < len(o.items) && o.dead > 0; {
		it := o.items[i].Value()
		if it.version > o.floor {
			return
		}
		if it.deleted {
			c.drop(o, i)
		} else {
			i++
		}
	}
}

// tell tells of an item that stands now, or is gone.
func (c *catalog) tell(now mono.Time, o *owner, it *item, gone bool) {
	change := Change{Owner: o.id, Version: it.version, Key: it.key, Gone: gone}
	if !gone {
		change.Value = it.value
	}
	c.host.Changed(now, change)
}

func (c *catalog) unqueue(id member.ID, i int) {
	if o := c.owner(id); o != nil && i >= 0 {
		o.queued &^= 1 << i
	}
}

// mark is how far an owner's writes were held that is forgotten.
type mark struct {
	instance uint32
	version  uint64
}
