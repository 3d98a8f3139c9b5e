package stream

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// stream is what one member publishes in one life, as this node has it.
//
//	from        next        solid   top       head
//	 |-----------|-----------|...|---|.........|
//	  delivered,   held,       gap     said to be, by others
//	  or lost      unfinished
type stream struct {
	origin     member.ID
	generation uint64

	met    bool // it was known before, and let go
	begun  bool // it is decided where it begins for this node; until then nothing is delivered
	lately bool // used since the hand passed
	gone   bool // let go: what still points here leads nowhere

	next  uint64 // the first piece that is neither delivered nor passed over
	solid uint64 // the first one from next on that is not held
	top   uint64 // the last one that was here or lies before where the stream began
	head  uint64 // the last one that somebody says there is; at least top
	from  uint64 // where it began for this node's programs
	// of this node's own: the first one that is not on its way to anybody yet; 0: all are
	late uint64

	shelf         // the pieces that are held
	held   int    // how many
	low    uint64 // the first of them, if there is any
	recent uint64 // that came since a newcomer was let in, while that is counted

	// of the last message delivered or passed over; 0 too if the stream began in the middle
	seq    uint64
	middle bool // it may have begun in the middle of a message
	// the first of the pieces that were passed over and not told as lost yet; 0: there are none
	hole    uint64
	holeSeq uint64     // the last message of that hole, 0 if nobody here knows
	lost    []wire.Run // that were passed over, in order: the last ones, see maxLost

	// what parts of Streams note of it
	repair   *repair   // nil while nothing is missing
	deaf     mono.Time // claims of more are not believed before
	ending   bool      // it is among those whose last message is here in part
	stopped  mono.Time // the rest of it is asked for then
	former   uint8     // answers that it waits for: of whether there is more of an earlier life
	formerBy mono.Time // and until then
	fresh    bool      // it was heard of in a reunion, and is passed on when all of it is here
	passing  bool      // it is among those to be passed on
	tell     uint8     // so many times its head is to be told yet
	queued   bool      // it is among those to be told
}

func (st *stream) compare(origin member.ID, generation uint64) int {
	return cmp.Or(cmp.Compare(st.origin, origin), cmp.Compare(st.generation, generation))
}

// lowest returns the first piece that is held, or the one after the last.
func (st *stream) lowest() uint64 {
	if st.held > 0 {
		return st.low
	}
	return st.highest() + 1
}

// highest returns the last piece of the stream that this node knows of.
func (st *stream) highest() uint64 { return max(st.top, st.next-1) }

// asHead is what others are told. What is not on its way yet is not told of: they would ask for it,
// each for itself.
func (st *stream) asHead() wire.Head {
	h := wire.Head{Origin: st.origin, Generation: st.generation, Low: st.lowest(),
		High: st.highest()}
	if st.late > 0 {
		h.High = st.late - 1
		h.Low = min(h.Low, st.late)
	}
	return h
}

// told returns the first piece that is neither delivered nor told as lost.
func (st *stream) told() uint64 {
	if st.hole > 0 {
		return st.hole
	}
	return st.next
}

// item is the stream's part of the hash over all heads.
func (st *stream) item() uint64 {
	top := st.top
	if st.late > 0 {
		top = st.late - 1
	}
	if st.held == 0 || top < st.low {
		return 0
	}
	return member.Mix(uint64(st.origin) + member.Mix(st.generation+member.Mix(top)))
}

// resume has a stream of which nothing is held go on at a piece. seq is the last message before it.
func (st *stream) resume(next, seq uint64) {
	st.next, st.solid, st.top, st.head, st.seq = next, next, next-1, next-1, seq
	st.from = next
}

// solidify finds the first piece from next on that is not held.
func (st *stream) solidify() {
	for st.get(st.solid) != nil {
		st.solid++
	}
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

// noteLost remembers what is passed over.
func (st *stream) noteLost(run wire.Run) {
	n := len(st.lost)
	switch {
	case n > 0 && st.lost[n-1].To+1 == run.From:
		st.lost[n-1].To = run.To
		return
	case n == maxLost:
		st.lost[1].From = st.lost[0].From
		st.lost = slices.Delete(st.lost, 0, 1)
	}
	st.lost = append(st.lost, run)
}

func (st *stream) wasLost(seq uint64) bool {
	return slices.ContainsFunc(st.lost, func(r wire.Run) bool {
		return r.From <= seq && seq <= r.To
	})
}

// shown returns up to which piece there must be more, and of which message that is. The last piece
// before the first missing one shows that. It returns 0 if that is the last of its message, or is
// not held.
func (st *stream) shown() (last, seq uint64) {
	body := st.get(st.solid - 1)
	if body == nil || st.solid <= st.next {
		return 0, 0
	}
	p, _ := readPart(body)
	return st.solid - 1 + p.rest, p.seq
}

// firstHeard returns where a stream begins for a node that nobody told.
func (st *stream) firstHeard() uint64 {
	if st.held == 0 || st.low <= nearStart {
		return 1
	}
	return st.firstMessage()
}

// firstMessage returns where the message begins that the first piece which is held is of.
func (st *stream) firstMessage() uint64 {
	if st.held == 0 {
		return ^uint64(0)
	}
	p, _ := readPart(st.get(st.low))
	return st.low - min(p.index, st.low-1)
}

// widen has a stream that was begun in the middle of a message, as a piece of that shows, begin
// with it.
func (st *stream) widen(seq uint64, p *part) {
	if first := seq - min(p.index, seq-1); st.middle && st.next == st.from &&
		first < st.from && st.from <= seq {
		st.middle = false // once: pieces may be forged
		st.next, st.solid, st.from = first, first, first
	}
}

// message returns what the first piece of a message says of it.
func (st *stream) message(at uint64, first *part) Message {
	return Message{Origin: st.origin, Generation: st.generation, Seq: first.seq, First: at,
		Last: at + first.rest, Topic: first.topic}
}

// assemble returns the payload of the message that begins at a sequence; ok is false if its pieces
// are not all held, or not of one message.
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
	if m = st.message(first, &p); p.index > 0 || m.Last >= st.next {
		return m, false
	}
	m.Payload, ok = st.assemble(first, &p)
	return m, ok
}

func (st *stream) setAlone(seq uint64, alone bool) {
	p := st.page(seq)
	switch {
	case p == nil || p.body[seq%pageSize] == nil:
	case alone:
		p.alone |= 1 << (seq % pageSize)
	default:
		p.alone &^= 1 << (seq % pageSize)
	}
}

// maxLost is how many runs of lost pieces are remembered of a stream. Beyond them the two oldest
// become one: what lies between them counts as lost, so that no receipt says too much.
const maxLost = 4
