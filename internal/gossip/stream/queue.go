package stream

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What this node publishes waits in a line for each topic, and gets its sequence when it leaves. So
// no message waits for those of other topics: the lines take turns, each a datagram's worth
// (deficit round robin, Shreedhar and Varghese 1995), and the pieces of several messages mix. A
// line in which an urgent message waits goes first, with all that is before it there, since a
// topic's messages keep their order; the others have every fourth turn all the same.

const (
	largeFrom  = 8 // pieces of a message from which on it is a large one
	othersTurn = 4 // so many turns, of which the lines without urgent messages have one
)

// queue is the lines that this node's messages wait in.
type queue struct {
	lines   []*line // in which something waits, by turn
	by      map[string]*line
	pieces  int
	bytes   int // with pieceCost for each piece
	carried int // about what they take in Carries
	begun   int // messages of which some pieces have left
	several int // messages of several pieces
	hurry   int // lines with urgent messages
	turns   int // of these, since another line had one
}

// line is the messages of one topic that wait.
type line struct {
	topic  string
	list   []waiting
	urgent int // of them
}

// waiting is a message that waits, or the rest of one.
type waiting struct {
	seq     uint64
	payload []byte // what is left of it
	at      uint64 // the last piece that left
	index   int    // the next piece
	parts   int
	urgent  bool
}

// carried is about what the head of each piece of a message takes in a Carry.
func (w *waiting) carried() int { return wire.MaxBody + uvarintLen(w.seq) + 3 }

func (q *queue) add(topic string, w waiting) {
	l := q.by[topic]
	if l == nil {
		if l = (&line{topic: topic}); q.by == nil {
			q.by = make(map[string]*line)
		}
		q.by[topic] = l
		q.lines = append(q.lines, l)
	}
	l.list = append(l.list, w)
	if w.urgent {
		if l.urgent++; l.urgent == 1 {
			q.hurry++
		}
	}
	if w.parts > 1 {
		q.several++
	}
	q.pieces += w.parts
	q.bytes += len(w.payload) + w.parts*pieceCost
	q.carried += len(topic) + len(w.payload) + w.parts*w.carried()
}

// next returns the line whose turn it is, nil if nothing may leave. Its turn ends by turned. Lines
// of topics that have others, which come first, have no turn.
func (q *queue) next(others map[string]*line) *line {
	var urgent, other *line
	for i := 0; i < len(q.lines) && (other == nil || urgent == nil && q.hurry > 0); i++ {
		switch l := q.lines[i]; {
		case !q.may(l) || others[l.topic] != nil:
		case l.urgent > 0 && urgent == nil:
			urgent = l
		case l.urgent == 0 && other == nil:
			other = l
		}
	}
	if urgent == nil || other != nil && q.turns >= othersTurn-1 {
		return other
	}
	return urgent
}

// may says whether the next piece of a line may leave: not too many messages are begun.
func (q *queue) may(l *line) bool {
	w := &l.list[0]
	return w.parts == 1 || w.index > 0 || q.begun < maxOpen
}

// turned ends the turn of a line, in which something urgent waited or not.
func (q *queue) turned(l *line, urgent bool) {
	if q.turns++; !urgent {
		q.turns = 0
	}
	if i := slices.Index(q.lines, l); i > 0 {
		q.lines = slices.Delete(q.lines, i, i+1)
	} else {
		q.lines = q.lines[1:]
	}
	if len(l.list) > 0 {
		q.lines = append(q.lines, l)
	} else {
		delete(q.by, l.topic)
	}
}

// left takes a piece with so many bytes of payload out of the first message of a line.
func (q *queue) left(l *line, at uint64, size int) {
	w := &l.list[0]
	q.pieces--
	q.bytes -= size + pieceCost
	if q.carried -= size + w.carried(); w.index == 0 {
		q.carried -= len(l.topic)
	}
	w.payload, w.at = w.payload[size:], at
	if w.index++; w.index == 1 && w.parts > 1 {
		q.begun++
	}
	if w.index < w.parts {
		return
	}
	if w.parts > 1 {
		q.begun--
		q.several--
	}
	if w.urgent {
		if l.urgent--; l.urgent == 0 {
			q.hurry--
		}
	}
	*w = waiting{}
	l.list = l.list[1:]
}

// first returns the number of the first message that waits, 0 if none does.
func (q *queue) first() (seq uint64) {
	for _, l := range q.lines {
		if w := &l.list[0]; seq == 0 || w.seq < seq {
			seq = w.seq
		}
	}
	return seq
}
