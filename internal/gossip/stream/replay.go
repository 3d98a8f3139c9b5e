package stream

import "iter"

// Messages goes through the messages that were delivered, or published, and are still held, stream
// by stream, each in order. Topics and payloads are never written to again.
func (s *Streams) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for _, st := range s.list {
			if st.held > 0 && !st.messages(yield) {
				return
			}
		}
	}
}

func (st *stream) messages(yield func(Message) bool) bool {
	for seq, ok := st.after(st.low); ok && seq < st.next; seq, ok = st.after(seq) {
		m, whole := st.whole(seq)
		if !whole {
			seq++
			continue
		}
		if !yield(m) {
			return false
		}
		seq = m.Last + 1
	}
	return true
}

// whole returns the message that begins with a piece, if all of it is held and was delivered.
func (st *stream) whole(first uint64) (m Message, ok bool) {
	p, _ := readPart(st.get(first))
	m = Message{Origin: st.origin, Generation: st.generation, Seq: p.seq, First: first,
		Last: first + p.rest, Topic: p.topic}
	if p.index > 0 || m.Last >= st.next {
		return m, false
	}
	for seq := first; seq <= m.Last; seq++ {
		if st.get(seq) == nil {
			return m, false
		}
	}
	m.Payload, ok = st.assemble(first, &p)
	return m, ok
}
