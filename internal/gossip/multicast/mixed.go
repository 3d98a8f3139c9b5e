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

// hub is the pools of duties that become mixed parcels.
type hub struct {
	core
	copies *copies
	tree   *tree
	ends   *ends
	starts *starts
	pools  []pool
	number uint64 // of this node's latest mixed parcel
}

const (
	maxPool = 32 // duties that go into one mixed parcel: fewer than MaxParcel pieces fit
	maxHubs = 16
)

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
func (h *hub) join(now mono.Time, b *wire.Branch, offerOnly bool) int32 {
	whole := b.Bits == 0 || b.Bits == zoneBits && holds(b.Span, h.self().Key)
	if offerOnly || !whole || !h.paths.sharing() || h.parcels.sizeOf(b) > parcelRoom/2 {
		return -1
	}
	i := h.duties.enter(b)
	h.enlistIn(now, i)
	return i
}

// enlistIn puts a job without legs into the pool of its span.
func (h *hub) enlistIn(now mono.Time, i int32) {
	j := &h.duties.jobs[i]
	j.pooled, j.open = true, 1
	size := h.parcels.sizeOf(&j.Branch) + int(j.Count)*(wire.MaxItem-wire.MaxBody)
	p := h.poolFor(now, j.Span, j.Given, size)
	p.list = append(p.list, entrant{i, h.duties.jobs[i].stamp}) // the jobs may have moved
	p.size += size
	wait := max(h.paths.batchDelay(coalesce), h.paths.gather(gatherHub))
	p.due = min(p.due, max(now, p.left.Add(wait)))
	if len(p.list) == maxPool {
		p.due = now
	}
}

// pooled says whether a parcel is about to leave in a mixed one.
func (h *hub) pooled(b *wire.Branch) bool {
	i := h.duties.find(b)
	return i >= 0 && h.duties.jobs[i].pooled
}

// poolFor returns the pool of a span, with room for so many bytes.
func (h *hub) poolFor(now mono.Time, span wire.Span, given bool, size int) *pool {
	at := slices.IndexFunc(h.pools,
		func(p pool) bool { return p.span == span && p.given == given })
	if at < 0 {
		h.pools = append(h.pools, pool{span: span, given: given, due: mono.Never})
		at = len(h.pools) - 1
	}
	p := &h.pools[at]
	if wire.MaxBranch+p.size+size > parcelRoom {
		h.pour(now, p)
	}
	return p
}

// due returns when a pool is to leave.
func (h *hub) due() mono.Time {
	due := mono.Never
	for i := range h.pools {
		due = min(due, h.pools[i].due)
	}
	return due
}

// drain sends the pools that are due.
func (h *hub) drain(now mono.Time) {
	for i := range h.pools {
		if p := &h.pools[i]; p.due <= now {
			h.pour(now, p)
		}
	}
}

// pour makes a mixed parcel of a pool, and sends it.
func (h *hub) pour(now mono.Time, p *pool) {
	list := p.list
	p.due, p.size = mono.Never, 0
	if len(list) == 0 {
		return
	}
	p.left = now
	h.number++
	b := wire.Branch{Origin: h.host.Self(), Generation: h.host.Generation(),
		First: h.number, Span: p.span, Given: p.given, Mixed: true}
	x := h.parcels.mixture(parcel{b.Instance(), b.First})
	poured := list[:0]
	for _, e := range list {
		items, ok := h.parcels.itemsOf(&h.duties.jobs[e.job].Branch)
		if !ok { // a mixed parcel that was just forgotten: the node that gave it asks again
			h.duties.release(e.job)
			continue
		}
		x.items = append(x.items, items...)
		b.Loss = max(b.Loss, h.duties.jobs[e.job].Loss)
		poured = append(poured, e)
	}
	b.Count = uint8(len(x.items))
	if p.list = list[:0]; b.Count == 0 {
		return
	}
	h.parcels.unpack()
	i := h.duties.enter(&b)
	h.duties.jobs[i].pool = append(h.duties.jobs[i].pool, poured...)
	h.starts.open(now, i, false)
	h.copies.redundant(now, &b, len(h.parcels.packed.bytes))
	if h.duties.jobs[i].open == 0 {
		h.ends.finish(now, i)
	}
}

// submit gives an own parcel to the hub, and returns its job; -1 if it goes its own way.
func (h *hub) submit(now mono.Time, b *wire.Branch, size int, bounded bool) int32 {
	places := h.ring.All()
	if len(places) <= fewHere || size > parcelRoom/2 || !h.paths.sharing() {
		return -1
	}
	i := h.duties.enter(b)
	j := &h.duties.jobs[i]
	j.shared, j.lane = true, h.laneOfHub()
	if own := h.zone(h.self().Zone()); len(own) > fewHere {
		places = own
	}
	switch hub := places[h.hubOf(now, j.lane, len(places))]; {
	case bounded: // this node alone waits for budgets
		j.striped = true
		h.tree.divide(now, j, wire.Span{}, false)
	case hub.ID == h.host.Self():
		h.enlistIn(now, i)
	default:
		h.tree.delegate(now, j, wire.Span{}, len(h.ring.All()), false)
	}
	return i
}

// hubOf chooses among some members as choose does for everybody: all nodes alike for a while.
func (h *hub) hubOf(now mono.Time, lane uint64, n int) int {
	return int(member.Mix(member.Mix(lane)^h.host.Epoch(now)) % uint64(n))
}

// laneOfHub is which of the hubs this node uses. One is enough until what comes within the time for
// which parcels wait for each other fills half a datagram; then more of them cost little, and share
// the work.
func (h *hub) laneOfHub() uint64 {
	f := &h.paths.flow
	waiting := int64(max(f.bytes, f.lastBytes)) * int64(coalesce) / int64(flowWindow)
	hubs := min(max(2*waiting/parcelRoom, 1), maxHubs)
	return member.Mix(uint64(h.host.Self())) % uint64(hubs)
}
