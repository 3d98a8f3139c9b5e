package state

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// overTTL is the time to live, in milliseconds, that says that it is over: such an item is held and
// not shown.
const overTTL = 1

// minPart is how many bytes of a value that is too large for a datagram are worth sending at the
// end of one.
const minPart = 256

// appendDelta writes what stands of an owner's writes from a position on, as far as it fits. It
// returns from where to go on, and whether that is all. A reader that lacks deletes that are
// forgotten here gets all from the start: what a delta does not name between From and To is gone.
func (s *Store) appendDelta(b []byte, now mono.Time, o *owner, p position, room int) (_ []byte,
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
		if part, value = s.partOf(now, o, &it, p, room-used); part.Part {
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
func (s *Store) partOf(now mono.Time, o *owner, it *item, p position,
	room int) (e wire.KeyEntry, value string) {
	whole := wire.DeltasSize + wire.MaxDelta + sizeOf(it)
	n := room - wire.MaxKeyEntry - len(it.key)
	if whole <= s.host.Room() || n < minPart {
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

// takeDeltas takes in a Deltas.
func (s *Store) takeDeltas(now mono.Time, from member.ID, body []byte) bool {
	end, r, ok := wire.ReadDeltas(body)
	if !ok {
		return false
	}
	s.taking = body
	for d, ok := r.Next(); ok; d, ok = r.Next() {
		m, known := s.host.Table().Get(d.Owner)
		switch {
		case d.Owner == s.host.Self():
			s.twin(now, d.Instance, d.To)
		case !known || m.Instance() != d.Instance:
			s.stats.Unknown++
		default:
			s.takeDelta(now, from, end, s.ensure(&m), &d, &r)
		}
	}
	return !r.Malformed()
}

// takeDelta takes in a delta if it continues what is held of its owner, or the map that is built,
// passes on what came along the ring, and asks for what is missing.
func (s *Store) takeDelta(now mono.Time, from member.ID, end uint64, o *owner, d *wire.Delta,
	r *wire.DeltaReader) {
	s.giveUp(now, o)
	s.begin(now, from, o, d)
	e := early{version: d.From, to: d.To, floor: d.Floor, from: from}
	m := o.takes(&e)
	if m == nil {
		s.missed(now, o, from, end, e)
		return
	}
	start, before, held := o.version, m.version, len(m.partial.value)
	offset, missing := s.applyEntries(now, m, d, r)
	moved := m.version > before || len(m.partial.value) > held
	s.moved = s.moved || moved
	if moved && (m.built || m.version > before) {
		m.changed = now
	}
	if missing {
		e.version, e.offset = d.To, offset
		s.missed(now, o, from, end, e)
		return
	}
	if m.version == before {
		s.stats.Stale++
	}
	if m.partial.version <= m.version {
		m.partial = partial{}
	}
	s.adopt(m, d.Floor)
	switch n := o.next; {
	case n == nil:
	case m == n && !d.More && !r.Malformed() && n.version >= max(d.To, n.floor, o.version, o.least):
		s.finish(now, o)
	case m == o && n.source == 0 && o.version >= max(n.floor, o.least):
		s.dropNext(o) // it is not needed any more
	}
	if asked := s.asked(o, !d.More && o.next == nil); d.More && (asked || end == 0) {
		s.ask(now, o, from, end, true)
	}
	if end == 0 && m.version != before {
		s.repair.follow = min(s.repair.follow, now.Add(plane.Jitter(s.host.Rand(), s.cfg.Follow)))
	}
	if end != 0 && o.version > o.passed {
		o.passed = o.version
		r := route{o: o, from: min(d.From, start), floor: o.floor}
		if m != o {
			r = route{o: o} // others need all of it too
		}
		s.pass(now, r, end)
	}
}

// applyEntries puts a delta's entries into a map. It says if a part of a value is missing before
// one that came, and where in the value that one begins.
func (s *Store) applyEntries(now mono.Time, o *owner, d *wire.Delta,
	r *wire.DeltaReader) (offset int, missing bool) {
	for e, ok := r.Entry(); ok; e, ok = r.Entry() {
		if e.Version <= o.version {
			continue
		}
		if e.Part {
			if o.version > d.To {
				return 0, false
			}
			s.setVersion(o, d.To)
			return int(e.Offset), s.takePart(now, o, &e)
		}
		if !s.accept(now, o, &e, string(e.Value)) {
			return 0, false
		}
	}
	if !r.Malformed() && d.To > o.version {
		s.setVersion(o, d.To)
	}
	return 0, false
}

// accept puts one entry into a map, and says whether there was room.
func (s *Store) accept(now mono.Time, o *owner, e *wire.KeyEntry, value string) bool {
	it := item{version: e.Version, deleted: e.Deleted, lapses: e.TTL > 0, value: value}
	i, shown := -1, false
	var old item
	for k := len(o.items) - 1; k >= 0; k-- {
		if old = o.items[k].Value(); old.key == string(e.Key) { // no allocation
			i, it.key = k, old.key
			shown = o.shown(&old) // what is over too: if nobody has said so yet, this does
			break
		}
	}
	if i < 0 {
		it.key = string(e.Key)
	}
	grows := it.cost()
	if i >= 0 {
		grows -= old.cost()
	}
	if grows > 0 && (o.size+grows > 2*MaxNode || s.bytes+s.building+grows > s.cfg.Total) ||
		it.deleted && o.dead > 2*MaxTombstones {
		s.stats.Refused++
		return false
	}
	var lapses mono.Time
	if ttl := time.Duration(e.TTL)*time.Millisecond - s.waited; ttl > overTTL*time.Millisecond {
		lapses = now.Add(ttl)
	}
	s.put(o, it, i, lapses)
	s.setVersion(o, e.Version)
	s.stats.Applied++
	if gone := !o.shown(&it); !o.built && (shown || !gone) {
		s.tell(now, o, &it, gone)
	}
	return true
}

// tell tells of an item that stands now, or is gone.
func (s *Store) tell(now mono.Time, o *owner, it *item, gone bool) {
	c := Change{Owner: o.id, Version: it.version, Key: it.key, Gone: gone}
	if !gone {
		c.Value = it.value
	}
	s.host.Changed(now, c)
}

// takePart adds a part of a value, the last of which completes it, and says whether one before it
// is missing.
func (s *Store) takePart(now mono.Time, o *owner, e *wire.KeyEntry) (missing bool) {
	p := &o.partial
	if p.version != e.Version || p.total != int(e.Total) {
		*p = partial{version: e.Version, total: int(e.Total)}
	}
	have, end := len(p.value), int(e.Offset)+len(e.Value)
	if int(e.Offset) > have {
		return true
	}
	if end > have {
		p.value = append(p.value, e.Value[have-int(e.Offset):]...)
	}
	if len(p.value) == p.total {
		value := string(p.value)
		*p = partial{}
		s.accept(now, o, e, value)
	}
	return false
}
