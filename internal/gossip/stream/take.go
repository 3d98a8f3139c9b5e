package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Take takes in a piece that came from another node, and says whether it is new. It copies the
// body. A piece that is not new may have been here before (see Knows) or be refused: it is of a
// stream that is not taken in, malformed, or more than Ahead beyond what is delivered. A refused
// piece is not held, and will be pulled when its time comes.
func (s *Streams) Take(now mono.Time, p wire.Piece) (fresh bool) {
	st := s.find(p.Origin, p.Generation)
	if st == nil {
		if _, ok := readPart(p.Body); !ok {
			s.stats.Malformed++
			return false
		}
		if st = s.meet(now, p.Origin, p.Generation, p.Seq); st == nil {
			s.stats.Refused++
			return false
		}
	}
	return s.take(now, st, p.Seq, p.Body, true)
}

// Knows says whether a piece is held, was delivered, or is from before this node's time: it need
// not be sent here.
func (s *Streams) Knows(origin member.ID, generation, seq uint64) bool {
	st := s.find(origin, generation)
	return st != nil && (seq < st.next && !st.wasLost(seq) || st.get(seq) != nil)
}

// PassedOver says whether a piece was given up: it need not be sent here either, and this node does
// not have it.
func (s *Streams) PassedOver(origin member.ID, generation, seq uint64) bool {
	st := s.find(origin, generation)
	return st != nil && st.wasLost(seq)
}

// Body returns a piece's body, if it is held. The caller must not write to it.
func (s *Streams) Body(origin member.ID, generation, seq uint64) ([]byte, bool) {
	st := s.find(origin, generation)
	if st == nil {
		return nil, false
	}
	body := st.get(seq)
	return body, body != nil
}

// take takes in a piece. by itself says that it was not asked for.
func (s *Streams) take(now mono.Time, st *stream, seq uint64, body []byte,
	byItself bool) (fresh bool) {
	st.lately = true
	own := s.isOwn(st.origin, st.generation) // that of a former generation is like any other's
	switch {
	case seq < st.next || own || st.get(seq) != nil:
		s.stats.Duplicates++
		if own {
			s.twin(now, seq)
		}
		return false
	case seq-st.next >= Ahead:
		s.stats.Beyond++
		s.claimed(now, st, st.next+Ahead-1)
		return false
	}
	p, ok := readPart(body)
	if !ok {
		s.stats.Malformed++
		return false
	}
	kept := make([]byte, len(body))
	copy(kept, body)
	s.hold(now, st, seq, kept)
	st.widen(seq, &p)
	s.deliver(now, st, false)
	s.missing(now, st, byItself)
	s.retain(now)
	return true
}

// deliver hands out what is complete and next in order. A stream of a later life waits for what is
// known to be missing of an earlier one, unless it must not.
func (s *Streams) deliver(now mono.Time, st *stream, must bool) {
	if !st.begun || !must && s.waits(st) {
		return
	}
	before := st.next
	for s.advance(now, st) {
	}
	if st.next != before && st.next > st.head {
		s.deliverLater(now, st)
	}
}

// advance does one step of deliver.
func (s *Streams) advance(now mono.Time, st *stream) bool {
	for st.get(st.solid) != nil {
		st.solid++
	}
	if st.solid == st.next {
		return false
	}
	p, _ := readPart(st.get(st.next))
	if p.index > 0 { // the beginning of this message was passed over
		st.passOver(st.next+p.rest+1, p.seq)
		return true
	}
	s.tellLost(now, st, p.seq)
	if st.solid-st.next <= p.rest {
		return false
	}
	m := Message{
		Origin: st.origin, Generation: st.generation, Seq: p.seq,
		First: st.next, Last: st.next + p.rest, Topic: p.topic,
	}
	var ok bool
	if m.Payload, ok = st.assemble(st.next, &p); !ok || p.seq <= st.seq {
		s.stats.Malformed++ // no honest origin makes this
		st.passOver(st.next+1, 0)
		return true
	}
	st.next, st.seq = m.Last+1, m.Seq
	s.stats.Delivered++
	s.topics.delivered(now, m.Topic, len(m.Payload))
	s.host.Deliver(now, m)
	s.mark(now, st)
	return true
}

// assemble returns the payload of the message that begins at a sequence, all of whose pieces are
// held; ok is false if they are not of one message.
func (st *stream) assemble(at uint64, first *part) (payload []byte, ok bool) {
	if first.rest == 0 {
		return first.payload, true
	}
	size := 0
	for seq := at; seq <= at+first.rest; seq++ {
		size += len(st.get(seq))
	}
	payload = append(make([]byte, 0, size), first.payload...)
	for i := uint64(1); i <= first.rest; i++ {
		p, _ := readPart(st.get(at + i))
		if p.seq != first.seq || p.index != i || p.rest != first.rest-i {
			return nil, false
		}
		payload = append(payload, p.payload...)
	}
	return payload, len(payload) <= MaxPayload
}

// passOver goes on at a later piece. Those before it are told as lost once it is known how many
// messages they were. seq is the message of the last of them, 0 if nobody here knows.
func (st *stream) passOver(to, seq uint64) {
	if st.hole == 0 {
		st.hole = st.next
	}
	st.noteLost(wire.Run{From: st.next, To: to - 1})
	st.next, st.solid, st.holeSeq = to, max(st.solid, to), seq
	st.head = max(st.head, to-1)
}

// tellLost tells what was passed over before the message with a number.
func (s *Streams) tellLost(now mono.Time, st *stream, seq uint64) {
	if st.hole == 0 {
		return
	}
	pieces := st.next - st.hole
	l := Lost{Origin: st.origin, Generation: st.generation, From: st.hole, To: st.next - 1,
		Count: pieces, Seq: st.seq}
	if seq > st.seq { // else no honest origin made this
		l.Count = min(max(seq-1-st.seq, 1), pieces)
		st.seq = seq - 1
		l.Seq = st.seq
	}
	st.hole, st.holeSeq = 0, 0
	s.stats.Lost += l.Count
	s.host.Lose(now, l)
	s.mark(now, st)
}

// tellTail tells what was passed over at the end of what is known of a stream. How many messages
// that were is known only if a piece of the last is.
func (s *Streams) tellTail(now mono.Time, st *stream) {
	if st.holeSeq > st.seq {
		s.tellLost(now, st, st.holeSeq+1)
		return
	}
	l := Lost{Origin: st.origin, Generation: st.generation, From: st.hole, To: st.next - 1,
		Count: st.next - st.hole}
	st.hole, st.holeSeq = 0, 0
	s.stats.Lost += l.Count
	s.host.Lose(now, l)
	s.mark(now, st)
}

func (s *Streams) mark(now mono.Time, st *stream) {
	s.host.Mark(now, Mark{Origin: st.origin, Generation: st.generation, Next: st.next, Seq: st.seq})
}

// waits says whether an earlier life of the origin has something missing, or that is not told as
// lost yet.
func (s *Streams) waits(st *stream) bool {
	if st.former > 0 {
		return true
	}
	i, _ := s.search(st.origin, st.generation)
	for i--; i >= 0 && s.list[i].origin == st.origin; i-- {
		if e := s.list[i]; e.next <= e.head || e.hole > 0 {
			return true
		}
	}
	return false
}

// deliverLater goes on with the lives that waited for one that is complete now.
func (s *Streams) deliverLater(now mono.Time, st *stream) {
	i, _ := s.search(st.origin, st.generation)
	for i++; i < len(s.list) && s.list[i].origin == st.origin && s.list[i].begun &&
		!s.waits(s.list[i]); i++ {
		for s.advance(now, s.list[i]) {
		}
	}
}
