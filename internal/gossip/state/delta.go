package state

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// overTTL is the time to live, in milliseconds, that says that it is over: such an item is held and
// not shown.
const overTTL = 1

// minPart is how many bytes of a value that is too large for a datagram are worth sending at the
// end of one.
const minPart = 256

// packer writes deltas into datagrams.
type packer struct {
	*env
	known *catalog
	rest  []pending // for reuse
}

// appendDelta writes what stands of an owner's writes from a position on, as far as it fits. It
// returns from where to go on, and whether that is all. A reader that lacks deletes that are
// forgotten here gets all from the start: what a delta does not name between From and To is gone.
func (k *packer) appendDelta(b []byte, now mono.Time, o *owner, p position, room int) (_ []byte,
	next position, done bool) {
	if p.from > o.version || p.from < o.floor && p.floor < o.floor {
		p = position{floor: o.floor}
	}
	first, items := o.after(p.from), o.items
	d := wire.Delta{Owner: o.id, Instance: o.instance, Floor: o.floor, From: p.from, To: o.version}
	used, last := wire.MaxDelta, first
	for ; last < len(items); last++ {
		it := items[last].Value()
		if used += sizeOf(&it); used > room {
			used -= sizeOf(&it)
			break
		}
	}
	d.Count = last - first
	var part wire.KeyEntry
	var key, value string
	done = last == len(items)
	next = position{from: d.To, floor: o.floor}
	if !done {
		it := items[last].Value()
		d.More = true
		d.To = it.version - 1
		next.from = d.To
		key = it.key
		if part, value = k.partOf(now, o, &it, p, room-used); part.Part {
			d.Count++
			next.part, next.offset = it.version, int(part.Offset)+len(value)
			if next.offset == len(it.value) {
				next = position{from: it.version, floor: o.floor}
				done = it.version == o.version
				d.More = !done
			}
		}
		if d.Count == 0 {
			return b, p, false
		}
	}
	b = wire.AppendDelta(b, &d)
	after := d.From
	for _, h := range items[first:last] {
		it := h.Value()
		e := entryOf(now, o, &it)
		b = wire.AppendKeyEntry(b, after, &e, it.key, it.value)
		after = it.version
	}
	if part.Part {
		b = wire.AppendKeyEntry(b, after, &part, key, value)
	}
	return b, next, done
}

// sizeOf is about what an item takes in a delta, and no less.
func sizeOf(it *item) int {
	n := 3 + 1 + 2 + len(it.key) + 3 + len(it.value)
	if it.version >= 1<<21 {
		n += 7
	}
	if it.lapses {
		n += 6
	}
	return n
}

func entryOf(now mono.Time, o *owner, it *item) wire.KeyEntry {
	e := wire.KeyEntry{Version: it.version, Deleted: it.deleted}
	if it.lapses {
		ttl, _ := o.remaining(now, it)
		e.TTL = uint64(max(ttl.Milliseconds(), overTTL))
	}
	return e
}

// partOf returns a part of a value, if the value is too large for any datagram.
func (k *packer) partOf(now mono.Time, o *owner, it *item, p position,
	room int) (e wire.KeyEntry, value string) {
	whole := wire.DeltasSize + wire.MaxDelta + sizeOf(it)
	n := room - wire.MaxKeyEntry - len(it.key)
	if whole <= k.host.Room() || n < minPart {
		return wire.KeyEntry{}, ""
	}
	offset := 0
	if p.part == it.version && p.offset < len(it.value) {
		offset = p.offset
	}
	e = entryOf(now, o, it)
	e.Part, e.Total, e.Offset = true, uint32(len(it.value)), uint32(offset)
	return e, it.value[offset:min(offset+n, len(it.value))]
}

// pack makes one datagram of what waits for a link, as far as it is for the same end, and returns
// what still waits. If i is -1 it is for no link. An owner that has more than fits goes to the
// back, so that none starves the others.
func (k *packer) pack(now mono.Time, wait []pending, i int) []pending {
	end := wait[0].end
	k.buf = wire.BeginDeltas(k.buf[:0], end)
	kept, rest := wait[:0], k.rest[:0]
	full := false
	for _, p := range wait {
		if full || p.end != end {
			kept = append(kept, p)
			continue
		}
		o := k.known.owner(p.owner)
		done := o == nil
		if !done {
			var next position
			k.buf, next, done = k.appendDelta(k.buf, now, o, p.position, k.host.Room()-len(k.buf))
			full = !done
			if next == p.position && !done { // no room at all
				kept = append(kept, p)
				continue
			}
			p.position = next
		}
		if done {
			k.known.unqueue(p.owner, i)
		} else {
			rest = append(rest, p)
		}
	}
	k.rest = rest
	k.buf = wire.EndDeltas(k.buf, 0)
	return append(kept, rest...)
}

// position is from where on an owner's map is to be sent: all above a version. Of the item that
// follows that version, the value is sent from an offset on.
type position struct {
	from   uint64
	floor  uint64 // what was deleted up to here is known there
	part   uint64 // the version that offset is about
	offset int
}

// pending is an owner whose writes wait.
type pending struct {
	owner member.ID
	position
	end uint64 // the peer is to bring them to all up to here
}
