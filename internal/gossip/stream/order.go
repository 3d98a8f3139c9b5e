package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// order is in what order messages are delivered: those of one life of a member as they end, and
// each of its lives after the one before.
type order struct {
	*env
	known *catalog
}

// deliver hands out what is complete and next in order. A stream of a later life waits for what is
// known to be missing of an earlier one, and a large message for small ones that were published on
// its topic before, unless they must not.
func (o *order) deliver(now mono.Time, st *stream, must bool) {
	if !st.begun || !must && o.waits(st) {
		return
	}
	before := st.next
	for o.advance(now, st, must) {
	}
	if st.next != before && st.next > st.head {
		o.deliverLater(now, st)
	} else {
		o.deliverBulk(now, st)
	}
}

// deliverBulk goes on with the large messages that waited for small ones.
func (o *order) deliverBulk(now mono.Time, st *stream) {
	if o.known.bulks == 0 || st.kind() > 0 {
		return
	}
	if bulk := o.known.find(st.origin, st.generation|wire.Bulk); bulk != nil {
		o.deliver(now, bulk, false)
	}
}

// behind says whether a large message begins with a piece, and small ones come first that did not
// come yet, as far as it is believed that there are any.
func (o *order) behind(st *stream, p *part) bool {
	if p.after == 0 {
		return false
	}
	small := o.known.find(st.origin, st.life())
	return small == nil || small.begun && small.next <= min(p.after, small.head)
}

// advance does one step of deliver.
func (o *order) advance(now mono.Time, st *stream, must bool) bool {
	if st.solidify(); st.solid <= st.next {
		return false
	}
	at := st.next
	p, _ := readPart(st.get(at))
	if !must && o.behind(st, &p) {
		return false
	}
	if st.goThrough(at, &p); p.rest > 0 {
		st.next++
		return true
	}
	switch {
	case p.order() <= st.had:
		st.next++
		return true
	case p.order() <= st.seq:
		o.stats.Malformed++ // no honest origin makes this
		st.passOver(at+1, 0)
		return true
	}
	m, end := st.message(at, &p)
	switch end {
	case forged:
		o.stats.Malformed++
		st.passOver(at+1, 0)
		return true
	case torn:
		st.passOver(at+1, p.order())
		return true
	}
	o.tellLost(now, st, p.order())
	st.next, st.seq = at+1, p.order()
	if end == early {
		return true
	}
	o.stats.Delivered++
	o.known.topics.delivered(now, m.Topic, len(m.Payload))
	o.host.Deliver(now, m)
	o.mark(now, st)
	return true
}

// tellLost tells what was passed over before the message that ends as one of so many. Nothing is
// told while that may be pieces only of messages that have not ended.
func (o *order) tellLost(now mono.Time, st *stream, seq uint64) {
	if st.hole == 0 || seq == st.seq+1 {
		return
	}
	count := st.next - st.hole // of pieces
	if seq > st.seq {          // else no honest origin made this
		count = min(seq-1-st.seq, count)
		st.seq = seq - 1
	}
	o.lose(now, st, count, st.seq)
}

// tellTail tells what was passed over at the end of what is known of a stream. How many messages
// that were is known only if the last of them is. Else they are as many as the pieces, at most.
func (o *order) tellTail(now mono.Time, st *stream) {
	count := st.next - st.hole
	if st.open = nil; st.holeSeq > st.seq {
		o.tellLost(now, st, st.holeSeq+1)
		return
	}
	o.lose(now, st, count, 0)
}

// lose tells that what was passed over of a stream, and was not told yet, is lost.
func (o *order) lose(now mono.Time, st *stream, count, seq uint64) {
	l := Lost{Origin: st.origin, Generation: st.generation, From: st.hole, To: st.next - 1,
		Count: count, Seq: seq}
	st.hole, st.holeSeq = 0, 0
	o.stats.Lost += count
	o.host.Lose(now, l)
	o.mark(now, st)
}

func (o *order) mark(now mono.Time, st *stream) {
	o.host.Mark(now, Mark{Origin: st.origin, Generation: st.generation, Next: st.resumes(),
		Seq: st.seq})
}

// waits says whether an earlier life of the origin has something missing, or that is not told as
// lost yet.
func (o *order) waits(st *stream) bool {
	if st.former > 0 {
		return true
	}
	i, _ := o.known.search(st.origin, st.generation)
	for i--; i >= 0 && o.known.list[i].origin == st.origin; i-- {
		if e := o.known.list[i]; e.life() != st.life() && !e.done() {
			return true
		}
	}
	return false
}

// deliverLater goes on with the lives that waited for one that is complete now, and the large
// messages of this one.
func (o *order) deliverLater(now mono.Time, st *stream) {
	o.deliverBulk(now, st)
	i, _ := o.known.search(st.origin, st.generation)
	for i++; i < len(o.known.list); i++ {
		later := o.known.list[i]
		switch {
		case later.origin != st.origin:
			return
		case later.life() == st.life():
			continue
		case !later.begun || o.waits(later):
			return
		}
		for o.advance(now, later, false) {
		}
	}
}
