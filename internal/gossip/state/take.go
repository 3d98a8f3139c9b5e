package state

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Datagrams overtake each other. One whose deltas do not continue what is held yet is kept for a
// moment: mostly what comes before it is on its way.

// maxEarly is how many are kept at once.
const maxEarly = 64

// early is a datagram that overtook others and waits. It is taken in when the owner's map can take
// a delta from one version to another, of a sender with that floor, and holds so many bytes of the
// next value.
type early struct {
	version uint64
	to      uint64
	offset  int
	floor   uint64
	owner   member.ID
	from    member.ID
	until   mono.Time
	met     bool // it is
	body    []byte
}

// earlies are the datagrams that wait.
type earlies struct {
	list  []early
	spare [][]byte // for reuse
}

// keep keeps a datagram.
func (l *earlies) keep(e early, body []byte) {
	if len(l.list) == maxEarly {
		l.drop(0)
	}
	if n := len(l.spare); n > 0 {
		e.body, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	e.body = append(e.body[:0], body...)
	l.list = append(l.list, e)
}

func (l *earlies) drop(i int) {
	l.spare = append(l.spare, l.list[i].body)
	l.list = slices.Delete(l.list, i, i+1)
}

// intake is what comes from others.
type intake struct {
	*env
	known    *catalog
	own      *writer
	ring     *ring
	asks     *asks
	exchange *exchange

	early  earlies
	taking []byte        // the body of Deltas that is being taken in
	again  *early        // it was kept before as this
	waited time.Duration // so long
	moved  bool          // something was taken in since takeEarly looked
}

// takeDeltas takes in a Deltas.
func (in *intake) takeDeltas(now mono.Time, from member.ID, body []byte) bool {
	end, r, ok := wire.ReadDeltas(body)
	if !ok {
		return false
	}
	in.taking = body
	for d, ok := r.Next(); ok; d, ok = r.Next() {
		m, known := in.host.Table().Get(d.Owner)
		switch {
		case d.Owner == in.host.Self():
			in.own.twin(now, d.Instance, d.To)
		case !known || m.Instance() != d.Instance:
			in.stats.Unknown++
		default:
			in.takeDelta(now, from, end, in.known.ensure(&m), &d, &r)
		}
	}
	return !r.Malformed()
}

// takeDelta takes in a delta if it continues what is held of its owner, or the map that is built,
// passes on what came along the ring, and asks for what is missing.
func (in *intake) takeDelta(now mono.Time, from member.ID, end uint64, o *owner, d *wire.Delta,
	r *wire.DeltaReader) {
	in.known.giveUp(now, o)
	in.known.begin(now, from, o, d)
	e := early{version: d.From, to: d.To, floor: d.Floor, from: from}
	m := o.takes(&e)
	if m == nil {
		in.missed(now, o, from, end, e)
		return
	}
	start, before, held := o.version, m.version, len(m.partial.value)
	offset, missing := in.applyEntries(now, m, d, r)
	moved := m.version > before || len(m.partial.value) > held
	in.moved = in.moved || moved
	if moved && (m.built || m.version > before) {
		m.changed = now
	}
	if missing {
		e.version, e.offset = d.To, offset
		in.missed(now, o, from, end, e)
		return
	}
	if m.version == before {
		in.stats.Stale++
	}
	if m.partial.version <= m.version {
		m.partial = partial{}
	}
	in.known.adopt(m, d.Floor)
	switch n := o.next; {
	case n == nil:
	case m == n && !d.More && !r.Malformed() && n.version >= max(d.To, n.floor, o.version, o.least):
		in.known.finish(now, o)
	case m == o && n.source == 0 && o.version >= max(n.floor, o.least):
		in.known.dropNext(o) // it is not needed any more
	}
	if asked := in.asks.asked(o, !d.More && o.next == nil); d.More && (asked || end == 0) {
		in.asks.ask(now, o, from, end, true)
	}
	if end == 0 && m.version != before {
		follow := now.Add(plane.Jitter(in.host.Rand(), in.cfg.Follow))
		in.exchange.follow = min(in.exchange.follow, follow)
	}
	if end != 0 && o.version > o.passed {
		o.passed = o.version
		r := route{o: o, from: min(d.From, start), floor: o.floor}
		if m != o {
			r = route{o: o} // others need all of it too
		}
		in.ring.pass(now, r, end)
	}
}

// applyEntries puts a delta's entries into a map. It says if a part of a value is missing before
// one that came, and where in the value that one begins.
func (in *intake) applyEntries(now mono.Time, o *owner, d *wire.Delta,
	r *wire.DeltaReader) (offset int, missing bool) {
	for e, ok := r.Entry(); ok; e, ok = r.Entry() {
		if e.Version <= o.version {
			continue
		}
		if e.Part {
			if o.version > d.To {
				return 0, false
			}
			in.known.setVersion(o, d.To)
			return int(e.Offset), in.takePart(now, o, &e)
		}
		if !in.accept(now, o, &e, string(e.Value)) {
			return 0, false
		}
	}
	if !r.Malformed() && d.To > o.version {
		in.known.setVersion(o, d.To)
	}
	return 0, false
}

// accept puts one entry into a map, and says whether there was room.
func (in *intake) accept(now mono.Time, o *owner, e *wire.KeyEntry, value string) bool {
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
	if grows > 0 && (o.size+grows > 2*MaxNode || in.known.room() < grows) ||
		it.deleted && o.dead > 2*MaxTombstones {
		in.stats.Refused++
		return false
	}
	var lapses mono.Time
	if ttl := time.Duration(e.TTL)*time.Millisecond - in.waited; ttl > overTTL*time.Millisecond {
		lapses = now.Add(ttl)
	}
	in.known.put(o, it, i, lapses)
	in.known.setVersion(o, e.Version)
	in.stats.Applied++
	if gone := !o.shown(&it); !o.built && (shown || !gone) {
		in.known.tell(now, o, &it, gone)
	}
	return true
}

// takePart adds a part of a value, the last of which completes it, and says whether one before it
// is missing.
func (in *intake) takePart(now mono.Time, o *owner, e *wire.KeyEntry) (missing bool) {
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
		in.accept(now, o, e, value)
	}
	return false
}

// missed keeps the datagram that is being taken in, and asks for what is missing before it unless
// that comes soon.
func (in *intake) missed(now mono.Time, o *owner, from member.ID, end uint64, e early) {
	in.stats.Gaps++
	in.asks.ask(now, o, from, end, false)
	if a := in.again; a != nil { // it was kept before, and waits for something else now
		if a.owner == o.id {
			a.version, a.to, a.offset, a.floor, a.met = e.version, e.to, e.offset, e.floor, false
		}
		return
	}
	e.owner, e.from, e.until = o.id, from, now.Add(askAgain)
	in.early.keep(e, in.taking)
}

// takeEarly takes in what was kept and continues what is held now.
func (in *intake) takeEarly(now mono.Time) {
	for in.moved {
		in.moved = false
		for i := 0; i < len(in.early.list); i++ {
			e := &in.early.list[i]
			o := in.known.owner(e.owner)
			e.met = false
			if o != nil {
				m := o.takes(e)
				e.met = m != nil && (m.version > e.version || len(m.partial.value) >= e.offset)
			}
			over := o == nil || e.until <= now
			if e.met && !over {
				in.again, in.waited = e, now.Sub(e.until.Add(-askAgain))
				in.takeDeltas(now, e.from, e.body)
				in.again, in.waited = nil, 0
			}
			if e.met || over {
				in.early.drop(i)
				i--
			}
		}
	}
}
