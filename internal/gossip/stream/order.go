package stream

import "github.com/starling-gossip/starling/internal/gossip/mono"

// order is in what order messages are delivered: those of one life of a member one after another,
// and each of its lives after the one before.
type order struct {
	*env
	known *catalog
}

// deliver hands out what is complete and next in order. A stream of a later life waits for what is
// known to be missing of an earlier one, unless it must not.
func (o *order) deliver(now mono.Time, st *stream, must bool) {
	if !st.begun || !must && o.waits(st) {
		return
	}
	before := st.next
	for o.advance(now, st) {
	}
	if st.next != before && st.next > st.head {
		o.deliverLater(now, st)
	}
}

// advance does one step of deliver.
func (o *order) advance(now mono.Time, st *stream) bool {
	if st.solidify(); st.solid == st.next {
		return false
	}
	p, _ := readPart(st.get(st.next))
	if p.index > 0 { // the beginning of this message was passed over
		st.passOver(st.next+p.rest+1, p.seq)
		return true
	}
	o.tellLost(now, st, p.seq)
	if st.solid-st.next <= p.rest {
		return false
	}
	m, ok := st.message(st.next, &p), false
	if m.Payload, ok = st.assemble(st.next, &p); !ok || p.seq <= st.seq {
		o.stats.Malformed++ // no honest origin makes this
		st.passOver(st.next+1, 0)
		return true
	}
	st.next, st.seq = m.Last+1, m.Seq
	o.stats.Delivered++
	o.known.topics.delivered(now, m.Topic, len(m.Payload))
	o.host.Deliver(now, m)
	o.mark(now, st)
	return true
}

// tellLost tells what was passed over before the message with a number.
func (o *order) tellLost(now mono.Time, st *stream, seq uint64) {
	if st.hole == 0 {
		return
	}
	count := st.next - st.hole // of pieces
	if seq > st.seq {          // else no honest origin made this
		count = min(max(seq-1-st.seq, 1), count)
		st.seq = seq - 1
	}
	o.lose(now, st, count, st.seq)
}

// tellTail tells what was passed over at the end of what is known of a stream. How many messages
// that were is known only if a piece of the last is.
func (o *order) tellTail(now mono.Time, st *stream) {
	if st.holeSeq > st.seq {
		o.tellLost(now, st, st.holeSeq+1)
		return
	}
	o.lose(now, st, st.next-st.hole, 0)
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
	o.host.Mark(now, Mark{Origin: st.origin, Generation: st.generation, Next: st.next, Seq: st.seq})
}

// waits says whether an earlier life of the origin has something missing, or that is not told as
// lost yet.
func (o *order) waits(st *stream) bool {
	if st.former > 0 {
		return true
	}
	i, _ := o.known.search(st.origin, st.generation)
	for i--; i >= 0 && o.known.list[i].origin == st.origin; i-- {
		if e := o.known.list[i]; e.next <= e.head || e.hole > 0 {
			return true
		}
	}
	return false
}

// deliverLater goes on with the lives that waited for one that is complete now.
func (o *order) deliverLater(now mono.Time, st *stream) {
	i, _ := o.known.search(st.origin, st.generation)
	for i++; i < len(o.known.list); i++ {
		later := o.known.list[i]
		if later.origin != st.origin || !later.begun || o.waits(later) {
			return
		}
		for o.advance(now, later) {
		}
	}
}
