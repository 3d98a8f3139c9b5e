package reconcile

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/sketch"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// maxSplit bounds the parts that one view is answered with, as a power of two. perPart is how many
// differing items each part should have at most. It is below what a large sketch decodes, since d
// is an estimate.
const (
	maxSplit = 6
	perPart  = 64
)

func inRange(id member.ID, g wire.Range) bool { return uint64(id)>>(64-g.Bits) == uint64(g.Prefix) }

// offer shows a peer what this node holds in a range in which about d items differ.
func (r *Repair) offer(b *batch, g wire.Range, d int) {
	switch {
	case d <= smallItems:
		r.view(b, wire.View{Range: g}, smallCells)
	case d <= largeItems:
		r.view(b, wire.View{Range: g}, largeCells)
	default:
		k := uint8(1)
		for k < maxSplit && d>>k > perPart {
			k++
		}
		k = min(k, wire.MaxRangeBits-g.Bits)
		if k == 0 { // only forged IDs crowd so; the same view again would go back and forth
			return
		}
		cells := min(largeCells, max(smallCells, (2*d>>k+16)&^3))
		for i := range uint16(1) << k {
			r.view(b, wire.View{Range: wire.Range{Bits: g.Bits + k, Prefix: g.Prefix<<k | i}},
				cells)
		}
	}
}

// view puts in a view of a range: a list if that takes no more than so many items, else a sketch of
// as many cells.
func (r *Repair) view(b *batch, v wire.View, cells int) {
	v.Salt = r.host.Rand().Uint32()
	var sketched, list [largeCells]uint64
	var e estimate
	var n int
	for _, it := range r.items(newSalt(v.Salt), v.Range) {
		if n < cells {
			list[n] = it
		}
		sketch.Toggle(sketched[:cells], it)
		e.toggle(it)
		n++
	}
	v.Count = uint32(n)
	if n <= cells {
		r.stats.Lists++
		b.add(func(buf []byte) []byte { return wire.AppendList(buf, &v, list[:n]) })
		return
	}
	r.stats.Sketches++
	words := e[:]
	if cells == smallCells {
		words = nil
	}
	b.add(func(buf []byte) []byte { return wire.AppendSketch(buf, &v, sketched[:cells], words) })
}

// items goes through the live members of a range, by position in the table, as items.
func (r *Repair) items(s salt, g wire.Range) func(yield func(int, uint64) bool) {
	t := r.host.Table()
	return func(yield func(int, uint64) bool) {
		for i := range t.Live() {
			if id := t.IDAt(i); inRange(id, g) {
				m := t.At(i)
				if !yield(i, s.item(s.Tag(id), &m)) {
					return
				}
			}
		}
	}
}

func (r *Repair) receiveSketch(now mono.Time, from member.Member, body []byte) bool {
	m, ok := wire.ReadSketch(body)
	n := m.Cells.Len()
	if !ok || n < 4 || n%4 != 0 {
		return false
	}
	b := r.serve(now, from)
	if b.broke {
		b.reply(&m.View)
		return true
	}
	s := newSalt(m.Salt)
	var cells, items, buf [largeCells]uint64
	var e estimate
	count := 0
	for i := range n {
		cells[i] = m.Cells.At(i)
	}
	for _, it := range r.items(s, m.Range) {
		sketch.Toggle(cells[:n], it)
		e.toggle(it)
		count++
	}
	found, ok := sketch.Peel(cells[:n], items[:0])
	if !ok {
		r.stats.Undecoded++
		r.offer(&b, m.Range, r.guess(&m, &e, count))
		b.send() // no Done: the sender has to answer first
		return true
	}
	r.stats.Decoded++
	differing := newItemSet(found)
	mine := buf[:0]
	if len(found) > 0 {
		for _, it := range r.items(s, m.Range) {
			if differing.has(it) {
				mine = append(mine, it)
			}
		}
		slices.Sort(mine)
	}
	theirs := slices.DeleteFunc(found, func(it uint64) bool {
		_, own := slices.BinarySearch(mine, it)
		return own
	})
	own := newItemSet(mine)
	r.settle(&b, &m.View, newItemSet(theirs), own.has)
	return true
}

// guess returns about how many items differ of a sketch that did not decode: always enough for a
// larger view next, or for narrower ones after the largest.
func (r *Repair) guess(m *wire.Sketch, mine *estimate, count int) int {
	d := max(count-int(m.Count), int(m.Count)-count, smallItems+1)
	if m.Cells.Len() == largeCells {
		d = max(d, largeItems+1)
	}
	if len(m.Estimate) > 0 {
		for i := range mine {
			mine[i] ^= m.EstimateAt(i)
		}
		d = max(d, mine.items())
	}
	return d
}

func (r *Repair) receiveList(now mono.Time, from member.Member, body []byte) bool {
	v, words, ok := wire.ReadList(body)
	if !ok {
		return false
	}
	b := r.serve(now, from)
	if b.broke {
		b.reply(&v)
		return true
	}
	r.stats.Decoded++
	var buf [wire.MaxCells]uint64
	theirs := buf[:words.Len()]
	for i := range theirs {
		theirs[i] = words.At(i)
	}
	slices.Sort(theirs)
	set := newItemSet(theirs)
	r.settle(&b, &v, set, func(it uint64) bool { return !set.has(it) })
	return true
}

// settle repairs what differs in a range. theirs are items that the peer has: all of them or just
// those that differ; lacks says whether the peer lacks an item of mine. What the peer lacks is
// pushed, and what this node lacks is wanted. Where both have something under one tag, the node
// that is ahead pushes; this node does where that is unsure. Dead members are no items. But if the
// peer holds a member for live whose death is known here, the death is pushed too.
func (r *Repair) settle(b *batch, v *wire.View, theirs itemSet, lacks func(item uint64) bool) {
	b.answer = true
	s, t := newSalt(v.Salt), r.host.Table()
	var settled [wire.MaxCells]bool
	for i := range t.Len() {
		id := t.IDAt(i)
		if !inRange(id, v.Range) {
			continue
		}
		tag := s.Tag(id)
		j, paired := theirs.find(tag)
		live := i < t.Live()
		if !live && !paired {
			continue
		}
		m := t.At(i)
		item := s.item(tag, &m)
		switch {
		case live && !lacks(item):
			if paired && theirs.items[j] == item {
				settled[j] = true
			}
		case !paired:
			b.record(m)
		case ahead(m.Incarnation, theirs.items[j]) >= 0:
			settled[j] = true
			b.record(m)
		}
	}
	var tags [wire.MaxCells]uint32
	n := 0
	for j, it := range theirs.items {
		if !settled[j] {
			tags[n] = uint32(it >> tagShift)
			n++
		}
	}
	if n > 0 {
		r.stats.Wanted += uint64(n)
		b.add(func(buf []byte) []byte { return wire.AppendWant(buf, v.Salt, tags[:n]) })
	}
	b.reply(v)
}

func (r *Repair) receiveWant(now mono.Time, from member.Member, body []byte) bool {
	var tags [wire.MaxWant]uint32
	wanted, list, ok := wire.ReadWant(body, tags[:0])
	if !ok {
		return false
	}
	var buf [wire.MaxWant]uint64
	items := buf[:0]
	for _, tag := range list {
		items = append(items, uint64(tag)<<tagShift)
	}
	slices.Sort(items)
	set := newItemSet(items)
	b := r.serve(now, from)
	b.answer = true
	s, t := newSalt(wanted), r.host.Table()
	for i := 0; i < t.Len() && !b.broke; i++ {
		if _, ok := set.find(s.Tag(t.IDAt(i))); ok {
			b.record(t.At(i))
		}
	}
	b.send()
	if b.broke {
		r.stats.Refused++ // no Busy: the next mismatch brings the rest
	}
	return true
}

func (r *Repair) receivePush(now mono.Time, from member.Member, body []byte) bool {
	answer, records, ok := wire.ReadPush(body)
	if !ok {
		return false
	}
	changes := r.host.Table().Changes()
	b := r.batch(now, from, &r.budget)
	r.push = true
	for {
		t, record, ok := records.Next()
		if !ok {
			break
		}
		if held, newer := r.host.Learn(now, from, t, record); newer && answer {
			b.record(held)
		}
	}
	r.push = false
	b.send()
	r.learned(now, int(r.host.Table().Changes()-changes))
	return !records.Malformed()
}

// explain pushes what the fingerprint of a peer lacks, if that is just some of the latest changes
// here.
func (r *Repair) explain(now mono.Time, to member.Member, x uint64) bool {
	var buf [maxExplain]member.ID
	ids := r.log.explain(x, buf[:0])
	if len(ids) == 0 {
		return false
	}
	r.stats.Explained++
	b := r.batch(now, to, &r.budget)
	b.answer = true
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if m, ok := r.host.Table().Get(id); ok {
			b.record(m)
		}
	}
	b.send()
	return true
}
