package state

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// salt makes tags and items.
type salt uint64

func newSalt(v uint32) salt { return salt(member.Mix(uint64(v) + 0x9e3779b97f4a7c15)) }

func (t salt) tag(id member.ID) uint32 { return uint32(member.Mix(uint64(id)^uint64(t)) >> 32) }

// item is a tag and a hash of how far the owner is held.
func (t salt) item(o *owner) uint64 {
	return reconcile.Seal(uint64(t.tag(o.id))<<32 | member.Mix(o.hash()^uint64(t))>>32)
}

func inRange(id member.ID, g wire.Range) bool { return uint64(id)>>(64-g.Bits) == uint64(g.Prefix) }

// sketch adds all owners of a range to some cells, and returns how many there are.
func (c *catalog) sketch(cells []uint64, t salt, g wire.Range) (n uint32) {
	for _, o := range c.owners {
		if o.live && o.version > 0 && inRange(o.id, g) {
			reconcile.Toggle(cells, t.item(o))
			n++
		}
	}
	return n
}
