package state

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/sketch"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What a push missed is found in four steps. The fingerprint of a peer differs. This node sends it
// a sketch of how far it holds the owners of a range. The peer tells from it which owners differ,
// whatever their number, and answers with a digest of these alone. For each owner the side that is
// ahead sends deltas. While many write, views always differ by what is on its way. So what came in
// within Config.Settle is left out, and ranges get so small that what differs in one can be told.

// Sizes of sketches, in cells, and how many differing owners the larger surely tells: two items
// each.
const (
	smallCells = 48
	largeCells = wire.MaxCells
	perRange   = 36
)

// streak is after how many mismatches running a view of the members that differs too is no reason
// to wait.
const streak = 4

// Bounds of what is asked for.
const (
	maxAsks  = 256 // owners asked for at once
	askAgain = 200 * time.Millisecond
	askSoon  = 20 * time.Millisecond // after a delta that others should have come before
	askOn    = 50 * time.Millisecond // after what came last of an answer that was cut short

	// exchanges instead of one that nobody answered, or that brought nothing
	beginTries = 12
	// for what a peer has more by its digest; longer than the usual way there and back
	answerWait = 250 * time.Millisecond
	askTries   = 6
	maxAnswer  = 16 // datagrams of deltas in one answer
)

// exchange is how what differs is found, and told.
type exchange struct {
	*env
	known   *catalog
	packer  *packer
	own     *writer
	asks    asks
	digests digests

	next   mono.Time // none is begun before
	follow mono.Time // one is begun then, with anybody
	with   member.ID // the last one, which may be lost
	retry  mono.Time // and another is begun then
	tries  int       // so many were, running
	// the last that showed that something differs, and have not said since that nothing does
	differ [4]member.ID
	streak int
	bits   uint8     // of the ranges that sketches are of at present
	answer []pending // that is being sent; for reuse, as are these:
	tags   []uint32
}

// Compare compares fingerprints with a live member's, once the news in its datagram is taken in.
// sameView says whether the two agree about the members. A difference that is not looked into at
// once is so in a moment, unless somebody agrees before: where much is lost, the next fingerprint
// may be long in coming.
func (x *exchange) Compare(now mono.Time, from member.Member, keys uint64, sameView bool) {
	if x.known.building > 0 {
		for _, o := range x.known.owners {
			x.known.giveUp(now, o)
		}
	}
	if keys == x.known.fingerprint {
		x.streak, x.retry, x.differ = 0, mono.Never, [4]member.ID{}
		return
	}
	if !slices.Contains(x.differ[:], from.ID) {
		copy(x.differ[1:], x.differ[:])
		x.differ[0] = from.ID
	}
	x.streak++
	switch {
	case now >= x.next && (sameView || x.streak >= streak):
		x.tries = 0
		x.begin(now, from)
	case x.retry == mono.Never:
		x.tries, x.retry = 0, now.Add(plane.Jitter(x.host.Rand(), 2*x.cfg.Interval))
	}
}

// wake begins the exchanges that have fallen due.
func (x *exchange) wake(now mono.Time) {
	if x.follow <= now {
		x.follow = mono.Never
		if m, ok := x.anybody(); ok {
			x.tries = 0
			x.begin(now, m)
		}
	}
	if x.retry <= now {
		x.beginAgain(now)
	}
}

// begin begins one with a peer.
func (x *exchange) begin(now mono.Time, with member.Member) {
	x.next, x.follow = now.Add(plane.Jitter(x.host.Rand(), x.cfg.Interval)), mono.Never
	x.with, x.retry = with.ID, now.Add(plane.Jitter(x.host.Rand(),
		x.cfg.Interval/4*time.Duration(1+x.tries/3)))
	x.stats.Exchanges++
	cells := smallCells
	if x.bits > 0 {
		cells = largeCells
	}
	x.sendSketch(now, with, x.randomRange(wire.Range{}, x.bits), cells)
}

// answered notes that a peer answered an exchange, if it is the one under way.
func (x *exchange) answered(by member.ID) {
	if x.with == by {
		x.retry = mono.Never
	}
}

// beginAgain begins an exchange instead of one that brought nothing. It takes by turns a member
// that showed that something differs, and any member, since the former may be dead or not reached
// from here.
func (x *exchange) beginAgain(now mono.Time) {
	x.retry = mono.Never
	if x.tries == beginTries {
		return
	}
	x.tries++
	m, ok := x.host.Table().Get(x.differ[x.host.Rand().IntN(len(x.differ))])
	if x.tries%2 == 0 || !ok || !m.State.Live() {
		m, ok = x.anybody()
	}
	if ok {
		x.begin(now, m)
	}
}

// randomRange returns a part of a range that is told by so many more bits.
func (x *exchange) randomRange(g wire.Range, bits uint8) wire.Range {
	bits = min(bits, wire.MaxRangeBits-g.Bits)
	return wire.Range{Bits: g.Bits + bits,
		Prefix: g.Prefix<<bits | uint16(x.host.Rand().Uint32()&(1<<bits-1))}
}

func (x *exchange) sendSketch(now mono.Time, to member.Member, g wire.Range, cells int) {
	v := wire.View{Range: g, Salt: x.host.Rand().Uint32()}
	var c [largeCells]uint64
	v.Count = x.sketch(c[:cells], newSalt(v.Salt), g)
	x.buf = wire.AppendKeySketch(x.buf[:0], &v, c[:cells])
	x.send(now, to, x.buf)
}

// receiveSketch answers a sketch: with a digest of what differs, or, if that cannot be told, with a
// larger sketch or one of a part of the range.
func (x *exchange) receiveSketch(now mono.Time, from member.Member, body []byte) bool {
	v, words, ok := wire.ReadKeySketch(body)
	n := words.Len()
	if !ok || n < 4 || n%4 != 0 {
		return false
	}
	x.answered(from.ID)
	if !x.budget.Ready(now) {
		return true
	}
	var cells, items [largeCells]uint64
	for i := range n {
		cells[i] = words.At(i)
	}
	t := newSalt(v.Salt)
	count := x.sketch(cells[:n], t, v.Range)
	found, ok := sketch.Peel(cells[:n], items[:0])
	if !ok {
		x.stats.Undecoded++
		x.narrow(now, from, &v, n, max(int(count)-int(v.Count), int(v.Count)-int(count)))
		return true
	}
	x.told(len(found))
	tags := x.tags[:0]
	for _, it := range found {
		tags = append(tags, uint32(it>>32))
	}
	slices.Sort(tags)
	x.tags = tags
	x.sendDigest(now, from, t, v.Range)
	return true
}

// told widens the ranges again when little differs.
func (x *exchange) told(items int) {
	if items < perRange/2 && x.bits > 0 {
		x.bits--
	}
}

// narrow answers a sketch that tells nothing. At least so many owners differ.
func (x *exchange) narrow(now mono.Time, to member.Member, v *wire.View, cells, differ int) {
	bits := uint8(0)
	for differ>>bits > perRange {
		bits++
	}
	if cells == largeCells && bits == 0 {
		bits = 1
	}
	if v.Bits+bits > wire.MaxRangeBits {
		return // only forged IDs crowd so
	}
	x.bits = v.Bits + bits
	x.sendSketch(now, to, x.randomRange(v.Range, bits), largeCells)
}

// sendDigest tells how far this node holds the owners with the tags that differ. If there are none
// it says that: the other would begin again.
func (x *exchange) sendDigest(now mono.Time, to member.Member, t salt, g wire.Range) {
	b, table := x.digests.begin(0, true), x.host.Table()
	if len(x.tags) == 0 {
		x.send(now, to, wire.EndKeyDigest(b, 0))
		return
	}
	for i := range table.Live() {
		id := table.IDAt(i)
		if !inRange(id, g) {
			continue
		}
		if _, ok := slices.BinarySearch(x.tags, t.Tag(id)); !ok {
			continue
		}
		if o := x.known.owner(id); o != nil && x.fresh(now, o) {
			continue
		}
		m := table.At(i)
		b = x.digests.mark(now, to, b, &m)
	}
	x.digests.end(now, to, b)
}

// sendAsks asks for what is due, all of one peer in one go.
func (x *exchange) sendAsks(now mono.Time) {
	for i := 0; i < len(x.asks.list); i++ {
		if x.asks.list[i].due > now {
			continue
		}
		peer, end := x.asks.list[i].peer, x.asks.list[i].end
		to, ok := x.host.Table().Get(peer)
		b := x.digests.begin(end, false)
		for k := i; k < len(x.asks.list); k++ {
			a := &x.asks.list[k]
			if a.due > now || a.peer != peer || a.end != end {
				continue
			}
			a.due = now.Add(askAgain)
			a.tries++
			if !ok || !to.State.Live() {
				a.tries = askTries + 1
			}
			if m, known := x.host.Table().Get(a.owner); known && a.tries <= askTries {
				b = x.digests.mark(now, to, b, &m)
			}
		}
		if ok {
			if x.asks.list[i].tries > 1 {
				x.host.Unanswered(now, peer)
			}
			x.digests.end(now, to, b)
		}
	}
	n := len(x.asks.list)
	x.asks.list = slices.DeleteFunc(x.asks.list, func(a ask) bool { return a.tries > askTries })
	if len(x.asks.list) < n { // others may have what did not come
		x.retry = min(x.retry, now.Add(plane.Jitter(x.host.Rand(), x.cfg.Follow)))
	}
}

// salt makes items of owners.
type salt struct{ sketch.Salt }

func newSalt(v uint32) salt { return salt{sketch.NewSalt(v)} }

// item is a tag and a hash of how far the owner is held.
func (t salt) item(o *owner) uint64 {
	return sketch.Seal(uint64(t.Tag(o.id))<<32 | member.Mix(o.hash()^uint64(t.Salt))>>32)
}

func inRange(id member.ID, g wire.Range) bool { return uint64(id)>>(64-g.Bits) == uint64(g.Prefix) }

// sketch adds all owners of a range to some cells, and returns how many there are.
func (x *exchange) sketch(cells []uint64, t salt, g wire.Range) (n uint32) {
	for _, o := range x.known.owners {
		if o.live && o.version > 0 && inRange(o.id, g) {
			sketch.Toggle(cells, t.item(o))
			n++
		}
	}
	return n
}
