package multicast

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Where many publish, each has its own parcels, and each parcel its own ways, answers and timers: a
// hundred publishers cost a hundred times what one does that publishes as much. So the parcels of
// many become one. An origin that sees others publish gives its parcel, as a duty for everybody, to
// one delegate that all of its zone choose alike: the hub. A node that is given several small
// parcels for one span within a moment puts their pieces into one mixed parcel, of which it is the
// root. It brings that to the span, and answers for each duty what the mixed parcel came to.
//
// A mixed parcel is numbered by its hub. A node remembers for a while which pieces it had, so that
// it may be offered without them.

// item names a piece.
type item struct {
	origin     member.ID
	generation uint64
	seq        uint64
}

const (
	maxMixed = 1024 // mixed parcels whose pieces are remembered
	maxPool  = 32   // duties that go into one mixed parcel: fewer than MaxParcel pieces fit
	maxHubs  = 16
)

// mixed is which pieces the latest mixed parcels had.
type mixed struct {
	of   map[parcel]int32
	list []mixture
	next int
	// of this node's own
	number  uint64
	scratch []item
}

type mixture struct {
	parcel
	items []item
}

// itemsOf returns the pieces of a parcel; ok is false if they are not known. They are valid until
// the next call.
func (r *Relay) itemsOf(b *wire.Branch) (items []item, ok bool) {
	if b.Mixed {
		i, ok := r.mixed.of[parcel{b.Instance(), b.First}]
		if !ok {
			return nil, false
		}
		return r.mixed.list[i].items, true
	}
	items = r.mixed.scratch[:0]
	for i := range b.Count {
		items = append(items, item{b.Origin, b.Generation, b.First + uint64(i)})
	}
	r.mixed.scratch = items
	return items, true
}

// learn remembers which pieces a mixed parcel has.
func (r *Relay) learn(b *wire.Branch, pieces wire.Pieces) {
	if !b.Mixed {
		return
	}
	x := r.mixture(parcel{b.Instance(), b.First})
	for range b.Count {
		if p := pieces.Next(); x != nil {
			x.items = append(x.items, item{p.Origin, p.Generation, p.Seq})
		}
	}
}

// mixture makes room for a mixed parcel's pieces; nil if they are known.
func (r *Relay) mixture(p parcel) *mixture {
	m := &r.mixed
	if _, ok := m.of[p]; ok {
		return nil
	}
	if m.of == nil {
		m.of = make(map[parcel]int32)
	}
	if len(m.list) < maxMixed {
		m.list = append(m.list, mixture{})
		m.next = len(m.list) - 1
	} else if m.next = (m.next + 1) % maxMixed; m.of[m.list[m.next].parcel] == int32(m.next) {
		delete(m.of, m.list[m.next].parcel)
	}
	x := &m.list[m.next]
	x.parcel, x.items = p, x.items[:0]
	m.of[p] = int32(m.next)
	return x
}

// A piece of a mixed parcel takes more than MaxItem-MaxBody bytes, so that no more than MaxParcel
// fit.
const _ = uint(wire.MaxParcel - parcelRoom/(wire.MaxItem-wire.MaxBody))

// pool is the duties for one span that are about to become a mixed parcel.
type pool struct {
	span  wire.Span
	given bool
	list  []entrant
	size  int
	left  mono.Time // the last mixed parcel
	due   mono.Time
}

// entrant is a job that waits for a mixed parcel.
type entrant struct {
	job   int32
	stamp uint32
}

// join takes a duty into a pool, and returns its job; -1 if it is not for one.
func (r *Relay) join(now mono.Time, b *wire.Branch, bare bool) int32 {
	whole := b.Bits == 0 || b.Bits == zoneBits && holds(b.Span, r.self().Key)
	if bare || !whole || !r.sharing() || r.sizeOf(b) > parcelRoom/2 {
		return -1
	}
	i := r.enter(b)
	r.enlistIn(now, i)
	return i
}

// enlistIn puts a job without legs into the pool of its span.
func (r *Relay) enlistIn(now mono.Time, i int32) {
	r.jobs[i].pooled, r.jobs[i].open = true, 1
	size := r.sizeOf(&r.jobs[i].Branch) + int(r.jobs[i].Count)*(wire.MaxItem-wire.MaxBody)
	p := r.poolFor(now, r.jobs[i].Span, r.jobs[i].Given, size)
	p.list = append(p.list, entrant{i, r.jobs[i].stamp})
	p.size += size
	p.due = min(p.due, max(now, p.left.Add(r.company(coalesce))))
	if len(p.list) == maxPool {
		p.due = now
	}
}

// pooled says whether a parcel is about to leave in a mixed one.
func (r *Relay) pooled(b *wire.Branch) bool {
	i := r.find(b)
	return i >= 0 && r.jobs[i].pooled
}

// poolFor returns the pool of a span, with room for so many bytes.
func (r *Relay) poolFor(now mono.Time, span wire.Span, given bool, size int) *pool {
	at := slices.IndexFunc(r.pools,
		func(p pool) bool { return p.span == span && p.given == given })
	if at < 0 {
		r.pools = append(r.pools, pool{span: span, given: given, due: mono.Never})
		at = len(r.pools) - 1
	}
	p := &r.pools[at]
	if wire.MaxBranch+p.size+size > parcelRoom {
		r.pour(now, p)
	}
	return p
}

// drain sends the pools that are due.
func (r *Relay) drain(now mono.Time) {
	for i := range r.pools {
		if p := &r.pools[i]; p.due <= now {
			r.pour(now, p)
		}
	}
}

// pour makes a mixed parcel of a pool, and sends it.
func (r *Relay) pour(now mono.Time, p *pool) {
	list := p.list
	p.due, p.size = mono.Never, 0
	if len(list) == 0 {
		return
	}
	p.left = now
	r.mixed.number++
	b := wire.Branch{Origin: r.host.Self(), Generation: r.host.Generation(),
		First: r.mixed.number, Span: p.span, Given: p.given, Mixed: true}
	x := r.mixture(parcel{b.Instance(), b.First})
	poured := list[:0]
	for _, e := range list {
		items, ok := r.itemsOf(&r.jobs[e.job].Branch)
		if !ok { // a mixed parcel that was just forgotten: the node that gave it asks again
			r.release(e.job)
			continue
		}
		x.items = append(x.items, items...)
		b.Loss = max(b.Loss, r.jobs[e.job].Loss)
		poured = append(poured, e)
	}
	b.Count = uint8(len(x.items))
	if p.list = list[:0]; b.Count == 0 {
		return
	}
	r.packed.ok = false
	i := r.enter(&b)
	r.jobs[i].pool = append(r.jobs[i].pool, poured...)
	if b.Given {
		r.selfLeg(now, i)
	}
	r.divide(now, &r.jobs[i], b.Span, false)
	r.schedule(i, r.jobs[i].due)
	r.extras(now, &b, len(r.packed.bytes))
	if r.jobs[i].open == 0 {
		r.finish(now, i)
	}
}

// finishPool closes a mixed parcel of this node's, and with it the duties that it was made of: each
// is for the same members but for its own origin.
func (r *Relay) finishPool(now mono.Time, i int32) {
	m := &r.jobs[i]
	of, have, missing := m.sum()
	digest := m.digest(r.self())
	list := slices.Clone(m.pool)
	r.release(i)
	for _, e := range list {
		j := &r.jobs[e.job]
		if !j.used || j.stamp != e.stamp {
			continue
		}
		l := leg{span: j.Span, state: done, of: of, have: have, digest: digest, due: mono.Never}
		l.missing = append(l.missing, missing...)
		if p, lives := r.placeOf(j.Origin); lives && j.Origin != r.host.Self() &&
			holds(j.Span, p.Key) {
			l.of--
			if k := slices.Index(l.missing, j.Origin); k >= 0 {
				l.missing = slices.Delete(l.missing, k, k+1)
			} else {
				l.have--
			}
			if l.digest != 0 {
				l.digest ^= uint16(j.Origin)
			}
		}
		if j.mine.waited { // members that turned live meanwhile: all are asked in the end
			l.of = max(l.of, int32(r.count(&j.Branch, j.Span)+1))
		}
		j.legs, j.open, j.pooled = append(j.legs, l), 0, false
		j.owing = true // that leg counts this node
		r.finish(now, e.job)
	}
}

// submit gives an own parcel to the hub, and returns its job; -1 if it goes its own way.
func (r *Relay) submit(now mono.Time, b *wire.Branch, size int, bounded bool) int32 {
	places := r.ring.All()
	if len(places) <= fewHere || size > parcelRoom/2 || !r.sharing() {
		return -1
	}
	i := r.enter(b)
	j := &r.jobs[i]
	j.shared, j.lane = true, r.laneOfHub()
	if own := r.zone(r.self().Zone()); len(own) > fewHere {
		places = own
	}
	switch hub := places[r.hubOf(now, j.lane, len(places))]; {
	case bounded: // this node alone waits for budgets
		j.striped = true
		r.divide(now, j, wire.Span{}, false)
	case hub.ID == r.host.Self():
		r.enlistIn(now, i)
	default:
		r.delegate(now, j, wire.Span{}, len(r.ring.All()), false)
	}
	return i
}

// hubOf chooses among some members as choose does for everybody: all nodes alike for a while.
func (r *Relay) hubOf(now mono.Time, lane uint64, n int) int {
	return int(member.Mix(member.Mix(lane)^r.host.Epoch(now)) % uint64(n))
}

// laneOfHub is which of the hubs this node uses. One is enough until what comes within the time
// that parcels wait for company fills half a datagram; then more of them cost little, and share the
// work.
func (r *Relay) laneOfHub() uint64 {
	f := &r.flow
	waiting := int64(max(f.bytes, f.lastBytes)) * int64(coalesce) / int64(flowWindow)
	hubs := min(max(2*waiting/parcelRoom, 1), maxHubs)
	return member.Mix(uint64(r.host.Self())) % uint64(hubs)
}

// sharing says whether others publish so much that a hub pays.
func (r *Relay) sharing() bool { return max(r.flow.others, r.flow.lastOthers) >= r.cfg.Share }
