package stream

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// stream is what one member publishes in one life, as this node has it: the small messages, or the
// large ones (see wire.Bulk).
//
//	from        next        solid   top       head
//	 |-----------|-----------|...|---|.........|
//	  gone         held        gap     said to be, by others
//	  through
//
// Pieces are gone through in their order. A message is delivered when its last piece is. So
// messages are delivered in the order in which they end, and their pieces may be mixed.
type stream struct {
	origin     member.ID
	generation uint64

	met    bool // it was known before, and let go
	begun  bool // it is decided where it begins for this node; until then nothing is delivered
	lately bool // used since the hand passed
	gone   bool // let go: what still points here leads nowhere

	next  uint64 // the first piece that is neither gone through nor passed over
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

	// how many messages have ended, delivered or passed over; 0 too if the stream began in the
	// middle
	seq uint64
	had uint64 // seq when it went on here: these do not come again, though gone through again
	// it may have begun for this node in the middle of a message, whose first piece is this one or
	// later; from, if it goes on where it was before
	floor uint64
	open  []opened // the messages that have begun, and not ended, by their first pieces
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
	return cmp.Or(cmp.Compare(st.origin, origin), cmp.Compare(
		bits.RotateLeft64(st.generation, 1), bits.RotateLeft64(generation, 1)))
}

// life returns the generation of the origin.
func (st *stream) life() uint64 { return wire.LifeOf(st.generation) }

// kind returns 1 if the stream is of large messages, 0 if it is of small ones.
func (st *stream) kind() int { return kindOf(st.generation) }

func kindOf(generation uint64) int { return int(generation >> 63) }

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

// done says whether all that is known of it is delivered or told as lost.
func (st *stream) done() bool { return st.next > st.head && st.hole == 0 && len(st.open) == 0 }

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
	st.from, st.floor, st.had = next, next, seq
}

// opened is a message that has begun, and not ended.
type opened struct {
	seq      uint64
	first    uint64 // of its pieces
	at, rest uint64 // the last of its pieces that was gone through, and how many follow
	alone    bool   // no piece of another message lies between them
}

// maxOpen is how many messages of a stream may have begun and not ended. An origin begins no more.
const maxOpen = 32

// goThrough notes which message a piece begins, goes on with or ends.
func (st *stream) goThrough(at uint64, p *part) {
	i := slices.IndexFunc(st.open, func(o opened) bool { return o.seq == p.seq })
	switch {
	case i >= 0 && p.rest == 0:
		if st.open = slices.Delete(st.open, i, i+1); len(st.open) == 0 {
			st.open = nil
		}
	case i >= 0:
		o := &st.open[i]
		o.at, o.rest, o.alone = at, p.rest, o.alone && p.apart == 0
	case p.index == 0 && p.rest > 0:
		if len(st.open) == maxOpen { // no honest origin makes this
			st.open = slices.Delete(st.open, 0, 1)
		}
		st.open = append(st.open, opened{seq: p.seq, first: at, at: at, rest: p.rest, alone: true})
	}
}

// resumes returns where to go on after a restart: at the first piece that is of use yet, to a
// message that has not ended too, or that is not told as lost.
func (st *stream) resumes() uint64 {
	first := st.next
	if st.hole > 0 {
		first = st.hole
	}
	for _, o := range st.open {
		first = min(first, o.first)
	}
	return first
}

// solidify finds the first piece from next on that is not held.
func (st *stream) solidify() {
	for st.get(st.solid) != nil {
		st.solid++
	}
}

// passOver goes on at a later piece. Those before it are told as lost once it is known how many
// messages they were. seq is how many have ended by the last of them, 0 if nobody here knows.
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

// shown returns up to which piece there must be more, since messages have not ended, and how many
// messages have ended then, 0 if that is not known. It returns 0 if none is open.
func (st *stream) shown() (last, seq uint64) {
	for _, o := range st.open {
		last = max(last, o.at+o.rest)
	}
	if body := st.get(st.solid - 1); body != nil && st.solid > st.next { // not gone through yet
		p, _ := readPart(body)
		last = max(last, st.solid-1+p.rest)
	} else if len(st.open) == 1 && st.open[0].alone && st.open[0].at == st.solid-1 {
		seq = st.seq + 1
	}
	return last, seq
}

// firstHeard returns where a stream begins for a node that nobody told.
func (st *stream) firstHeard() uint64 {
	if st.held == 0 || st.low <= nearStart {
		return 1
	}
	return st.firstMessage()
}

// firstMessage returns where the message begins, or later, that the first piece which is held is
// of.
func (st *stream) firstMessage() uint64 {
	if st.held == 0 {
		return ^uint64(0)
	}
	p, _ := readPart(st.get(st.low))
	return st.low - min(p.index+p.apart, st.low-1)
}

// widen has a stream that was begun in the middle of a message, as a piece of that shows, begin
// with it.
func (st *stream) widen(seq uint64, p *part) {
	first := max(seq-min(p.index+p.apart, seq-1), st.floor)
	if st.next == st.from && first < st.from && st.from <= seq {
		st.next, st.solid, st.from = first, first, first
	}
}

// ending is what comes of a message whose last piece is gone through.
type ending int

const (
	whole  ending = iota
	early         // it began before this node's time
	torn          // pieces of it were passed over, or let go
	forged        // no honest origin makes this
)

// message returns the message that ends with a piece.
func (st *stream) message(at uint64, last *part) (m Message, end ending) {
	m = Message{Origin: st.origin, Generation: st.generation, Seq: last.seq, Order: last.order(),
		First: at, Last: at, Topic: last.topic, Payload: last.payload}
	if last.index == 0 {
		return m, whole
	}
	size, p := len(last.payload), *last
	for p.index > 0 {
		if m.First = p.before(m.First); m.First == 0 {
			return m, forged
		}
		body := st.get(m.First)
		switch {
		case body == nil && m.First < st.from && st.floor < st.from:
			return m, early
		case body == nil:
			return m, torn
		}
		q, _ := readPart(body)
		if q.seq != p.seq || q.index+1 != p.index || q.rest != p.rest+1 {
			return m, forged
		}
		p = q
		size += len(p.payload)
	}
	if m.Topic = p.topic; size > MaxPayload {
		return m, forged
	}
	m.Payload = make([]byte, size)
	for seq := at; ; seq = p.before(seq) {
		p, _ = readPart(st.get(seq))
		size -= copy(m.Payload[size-len(p.payload):], p.payload)
		if p.index == 0 {
			return m, whole
		}
	}
}

// messages goes through those that were delivered and are held.
func (st *stream) messages(yield func(Message) bool) bool {
	for seq, ok := st.after(st.low); ok && seq < st.next; seq, ok = st.after(seq + 1) {
		p, _ := readPart(st.get(seq))
		if p.rest > 0 || st.wasLost(seq) {
			continue
		}
		if m, end := st.message(seq, &p); end == whole && !yield(m) {
			return false
		}
	}
	return true
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
