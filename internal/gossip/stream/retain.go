package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What is held is bounded by bytes, count and age over all streams together. Each piece that comes
// in brings a permit with the time; permits are used up in that order, and each that is takes with
// it the *lowest* piece of its stream. So the oldest goes first whichever stream it is of, a stream
// is held from some piece on (a member can say what it has in two numbers), and no stream needs
// times of its own.

// permit stands for one piece of a stream.
type permit struct {
	st *stream
	at mono.Time
}

// permits is a queue that reuses its room and gives back what it does not need.
type permits struct {
	list []permit
	head int
}

func (q *permits) push(p permit) {
	if len(q.list) == cap(q.list) && q.head > 0 {
		q.compact()
	}
	q.list = append(q.list, p)
}

// compact drops what is used up, and what belongs to streams that were let go.
func (q *permits) compact() {
	kept := q.list[:0]
	for _, p := range q.list[q.head:] {
		if !p.st.gone {
			kept = append(kept, p)
		}
	}
	clear(q.list[len(kept):])
	if cap(q.list) > 64 && len(kept) < cap(q.list)/4 {
		kept = append(make([]permit, 0, cap(q.list)/2), kept...)
	}
	q.list, q.head = kept, 0
}

func (q *permits) first() (permit, bool) {
	if q.head == len(q.list) {
		return permit{}, false
	}
	return q.list[q.head], true
}

func (q *permits) pop() {
	q.list[q.head] = permit{}
	if q.head++; q.head == len(q.list) || q.head >= 64 && q.head > len(q.list)/2 {
		q.compact()
	}
}

// hold keeps a piece that is not held yet, and tells the driver. The body is the stream's from now
// on.
func (s *Streams) hold(now mono.Time, st *stream, seq uint64, body []byte) {
	s.shelve(now, st, seq, body)
	s.host.Keep(now, wire.Piece{Origin: st.origin, Generation: st.generation, Seq: seq, Body: body})
}

func (s *Streams) shelve(now mono.Time, st *stream, seq uint64, body []byte) {
	s.hash ^= st.item()
	if st.held == 0 || seq < st.low {
		st.low = seq
	}
	st.put(seq, body, &s.spare)
	st.held++
	st.top = max(st.top, seq)
	st.head = max(st.head, seq)
	s.hash ^= st.item()
	s.held++
	s.bytes += len(body)
	s.permits.push(permit{st: st, at: now})
	s.topics.held(body, +1)
	s.sync.changed, s.sync.aged = now, false
	s.tellHead(st)
}

// drop lets a piece go that is held.
func (s *Streams) drop(st *stream, seq uint64) {
	s.hash ^= st.item()
	body := st.get(seq)
	s.shut(st, seq)
	st.shelf.drop(seq, &s.spare)
	st.held--
	if st.held > 0 && seq == st.low {
		st.low, _ = st.after(seq)
	}
	s.hash ^= st.item()
	s.held--
	s.bytes -= len(body)
	s.topics.held(body, -1)
	if st.held == 0 {
		st.pages = nil
		s.sync.aged = true
	}
}

// retain lets go of the oldest pieces, over the bounds. It goes through all at most once: the rest
// may be pieces of this node's own that have to stay.
func (s *Streams) retain(now mono.Time) {
	for range len(s.permits.list) - s.permits.head {
		p, ok := s.permits.first()
		if !ok {
			return
		}
		if expires := max(p.at.Add(s.cfg.Age), s.reunion.kept); s.held <= s.cfg.Pieces &&
			s.bytes <= s.cfg.Bytes && now < expires {
			s.at(expires.Add(s.cfg.Age / sweeps)) // a little later, to let many go at once
			return
		}
		s.permits.pop()
		switch st := p.st; {
		case st.gone || st.held == 0:
		case st.late > 0 && st.low >= st.late:
			// nobody else has it: it stays, which the window allows, until it is on its way
			s.permits.push(permit{st: st, at: now})
		default:
			s.evict(now, st)
		}
	}
	if s.held > 0 {
		s.at(now.Add(s.cfg.Age / sweeps))
	}
}

// sweeps is how often in the time that pieces are held, at most, it is looked for old ones without
// another reason.
const sweeps = 64

// evict lets go of the lowest piece of a stream. If it waits for delivery, what is missing before
// it is given up first; it will not come in time.
func (s *Streams) evict(now mono.Time, st *stream) {
	seq := st.low
	if st.begun && seq > st.next {
		st.passOver(seq, 0)
	}
	if st.begun && seq >= st.next {
		s.endFormer(now, st)
		s.deliver(now, st, true)
	}
	if st.begun && seq == st.next { // the rest of this message is missing
		p, _ := readPart(st.get(seq))
		st.passOver(seq+p.rest+1, p.seq)
	}
	s.drop(st, seq)
	s.deliver(now, st, false)
	s.missing(now, st, false)
	if st == s.own {
		s.tellWritable(now)
	}
}

// endFormer ends the earlier lives of a stream's origin, of which something is missing: this life
// waits for them, and cannot wait any longer. What is held of them is delivered, what is known to
// be missing is told as lost.
func (s *Streams) endFormer(now mono.Time, st *stream) {
	end, _ := s.search(st.origin, st.generation)
	i, _ := s.search(st.origin, 0)
	for ; i < end; i++ {
		e := s.list[i]
		for e.begun && e.next <= e.head {
			held, ok := e.after(e.solid)
			switch last, seq := e.shown(); {
			case ok:
				e.passOver(held, 0)
			case last >= e.solid:
				e.passOver(last+1, seq)
			default: // nothing shows that there is more
				e.head = e.next - 1
			}
			s.deliver(now, e, true)
		}
		s.endRepair(e)
		if e.hole > 0 {
			s.tellTail(now, e)
		}
	}
}
