package stream

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Errors of Append.
var (
	ErrTooLarge     = errors.New("the message is too large")
	ErrTopic        = errors.New("not a topic")
	ErrBackpressure = errors.New("too much is published that the others have not confirmed yet")
)

// Published names a message of this node's.
type Published struct{ Generation, Seq uint64 }

// Cut is pieces of this node's own stream that got their sequences to leave together.
type Cut struct {
	Generation, First uint64
	Count             int
	Size              int  // bytes in a Carry, at most
	Large             bool // they are of a large message
}

// outbox is this node's own two streams: of small messages, and of large ones.
//
// Messages on one topic are delivered in the order in which they are published. So all that follows
// a large message on its topic goes with the large ones, as long as this process lives, and what
// came before is told as what comes first (after).
type outbox struct {
	*env
	known  *catalog
	order  *order
	queues [2]queue
	bulk   map[string]uint64 // the topics of large messages, and up to which piece of the small
	// ones these come first; 0: none of the large ones has left
	life    uint64 // that all of this is of
	seq     uint64 // of the last message
	blocked bool   // an Append was refused and nobody told Writable since
}

// maxBulk is how many topics can have large messages beside small ones elsewhere. If there are
// more, all new topics go with the large ones.
const maxBulk = 4096

// publish is Append, but for what is let go then.
func (o *outbox) publish(now mono.Time, topic string, payload []byte, urgent bool) (Published,
	error) {
	switch {
	case topic == "" || len(topic) > wire.MaxTopic:
		return Published{}, fmt.Errorf("%w: %q has %d bytes, from 1 to %d are allowed",
			ErrTopic, topic, len(topic), wire.MaxTopic)
	case len(payload) > MaxPayload:
		return Published{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge,
			len(payload), MaxPayload)
	}
	parts := partsOf(topic, payload)
	o.settle(now) // in a new generation the window is empty
	kind := o.goesWith(topic, parts)
	if o.known.own[kind] == nil {
		o.ownStream(kind)
	}
	if !o.fits(len(payload), parts, kind, urgent) {
		o.blocked = true
		o.stats.Backpressure++
		return Published{}, fmt.Errorf("%w: %d bytes", ErrBackpressure, o.openBytes())
	}
	if _, ok := o.bulk[topic]; kind == 1 && !ok && len(o.bulk) < maxBulk {
		if o.bulk == nil {
			o.bulk = make(map[string]uint64)
		}
		o.bulk[topic] = 0
	}
	o.seq++
	o.queues[kind].add(topic, waiting{seq: o.seq, payload: slices.Clone(payload), parts: parts,
		urgent: urgent})
	o.stats.Published++
	return Published{Generation: o.life, Seq: o.seq}, nil
}

// goesWith returns with which messages one goes: 1 is the large ones.
func (o *outbox) goesWith(topic string, parts int) int {
	if _, ok := o.bulk[topic]; ok || parts >= largeFrom || len(o.bulk) >= maxBulk {
		return 1
	}
	return 0
}

// fits says whether a message has room in the window. Small messages have a part of it that large
// ones leave alone, and urgent ones another.
func (o *outbox) fits(size, parts, kind int, urgent bool) bool {
	count, most := o.known.window.count+o.queues[0].pieces+o.queues[1].pieces, o.cfg.Window
	switch {
	case count == 0:
		return true
	case kind == 1 && !urgent:
		most -= most / 8
	case !urgent:
		most -= most / 16
	}
	return o.openBytes()+size+parts*pieceCost <= most && count+parts <= o.cfg.Pieces/2
}

// openBytes returns what is in the window: what waits, and what others have not confirmed.
func (o *outbox) openBytes() int { return o.known.window.bytes + o.waitingBytes() }

func (o *outbox) waitingBytes() int { return o.queues[0].bytes + o.queues[1].bytes }

// Waiting returns about how many bytes of this node's own messages wait to leave in Carries, the
// small or the large ones, and whether some of them wait for no company: they are urgent, or a
// message has several pieces.
func (o *outbox) Waiting(bulk bool) (bytes int, prompt bool) {
	q := &o.queues[index(bulk)]
	return q.carried, q.hurry > 0 || q.several > 0
}

// Queued returns how many pieces of this node's own wait to leave.
func (o *outbox) Queued() int { return o.queues[0].pieces + o.queues[1].pieces }

// FirstWaiting returns the first of this node's messages that wait to leave, 0 if none does.
func (o *outbox) FirstWaiting() (seq uint64) {
	seq = o.queues[0].first()
	if x := o.queues[1].first(); x > 0 && (seq == 0 || x < seq) {
		seq = x
	}
	return seq
}

func index(bulk bool) int {
	if bulk {
		return 1
	}
	return 0
}

// Cut gives the next small or large messages that wait their sequences: as many pieces as take so
// many bytes in a Carry, one at least if any may leave. They are held from then on, and messages
// that end with them are delivered here. A large message has its parcels to itself.
func (o *outbox) Cut(now mono.Time, bulk bool, room int) (c Cut) {
	q := &o.queues[index(bulk)]
	for l := q.next(o.behind(bulk)); l != nil; l = q.next(o.behind(bulk)) {
		if c.Large = l.list[0].parts >= largeFrom; c.Large && c.Count > 0 {
			c.Large = false
			return c
		}
		urgent, took := l.urgent > 0, 0
		for len(l.list) > 0 && q.may(l) && c.Count < wire.MaxParcel {
			if large := l.list[0].parts >= largeFrom; took > 0 && (large || c.Large) {
				break
			}
			st, p := o.piece(now, index(bulk), l)
			size := wire.MaxBody + partSize(&p)
			if c.Count > 0 && c.Size+size > room {
				break
			}
			if o.cut(now, st, q, l, &p); c.Count == 0 {
				c.Generation, c.First = st.generation, st.top
			}
			c.Count, c.Size, took = c.Count+1, c.Size+size, took+1
		}
		if took > 0 {
			q.turned(l, urgent)
		}
		if c.Large || took == 0 || len(l.list) > 0 {
			return c
		}
	}
	return c
}

// behind returns the lines that have to be empty before one of the same topic has its turn.
func (o *outbox) behind(bulk bool) map[string]*line {
	if bulk {
		return o.queues[0].by
	}
	return nil
}

// piece returns the next piece of a line, and the stream that it goes into.
func (o *outbox) piece(now mono.Time, kind int, l *line) (st *stream, p part) {
	if st = o.known.own[kind]; st == nil {
		st = o.ownStream(kind)
	}
	st.lately = true
	w := &l.list[0]
	p = part{seq: w.seq, index: uint64(w.index), rest: uint64(w.parts - 1 - w.index),
		topic: []byte(l.topic)}
	first, room := capacity(l.topic)
	if w.index == 0 {
		room = first
		if kind == 1 {
			p.after = o.after(l.topic)
		}
	} else {
		p.apart = st.top - w.at
	}
	if p.rest == 0 {
		p.lead = int64(w.seq) - int64(st.seq+1)
	}
	p.payload = w.payload[:min(room, len(w.payload))]
	return st, p
}

// after returns up to which piece small messages come before a large one on a topic, as long as
// such pieces are held and a newcomer may get them.
func (o *outbox) after(topic string) uint64 {
	small := o.known.own[0]
	if small == nil || small.held == 0 {
		return 0
	}
	last, ok := o.bulk[topic]
	if last == 0 {
		if last = small.top; ok {
			o.bulk[topic] = last
		}
	}
	if small.low > last {
		return 0
	}
	return last
}

func (o *outbox) cut(now mono.Time, st *stream, q *queue, l *line, p *part) {
	if st.late == 0 {
		st.late = st.top + 1
	}
	o.known.hold(now, st, st.top+1, appendPart(make([]byte, 0, partSize(p)), p))
	o.known.window.add(st, st.top)
	q.left(l, st.top, len(p.payload))
	o.order.deliver(now, st, true)
}

// partsOf returns how many pieces a message takes.
func partsOf(topic string, payload []byte) int {
	first, other := capacity(topic)
	if len(payload) <= first {
		return 1
	}
	return 1 + (len(payload)-first+other-1)/other
}

// capacity returns how much payload fits the first piece of a message, and the others.
func capacity(topic string) (first, other int) {
	other = wire.MaxPiece - bodyHead
	return other - topicHead - len(topic), other
}

// ownStream returns one of the streams of this node's present life.
func (o *outbox) ownStream(kind int) *stream {
	id, generation := o.host.Self(), o.life|uint64(kind)<<63
	st := o.known.find(id, generation)
	if st == nil {
		st = o.known.add(id, generation)
	}
	o.known.own[kind] = st
	return st
}

// settle ends the streams of a former life, if this node took a new generation: nobody will close
// what it published there, and what has not left goes no more along the tree.
func (o *outbox) settle(now mono.Time) {
	if o.life == o.host.Generation() {
		return
	}
	for kind, st := range o.known.own { // the small ones first: large ones may be behind them
		if st == nil { // it was let go, or never was
			o.queues[kind] = queue{}
			continue
		}
		for o.queues[kind].pieces > 0 {
			o.Cut(now, kind == 1, math.MaxInt)
		}
		o.closeUpTo(st, st.top)
		o.Sent(now, st.generation, st.top)
		o.known.own[kind] = nil
	}
	o.life, o.seq, o.bulk = o.host.Generation(), 0, nil
}

// Sent tells that pieces of this node's own stream up to one are on their way to the others, which
// are told of them from now on.
func (o *outbox) Sent(now mono.Time, generation, seq uint64) {
	st := o.known.own[kindOf(generation)]
	if st == nil || st.generation != generation || st.late == 0 || seq < st.late {
		return
	}
	o.known.hash ^= st.item()
	if st.late = seq + 1; seq >= st.top {
		st.late = 0
	}
	o.known.hash ^= st.item()
	o.known.changed = now
	o.known.telling.add(st)
}

// Closed tells that all members that should have a piece of this node's own stream confirmed it, or
// were given up: it leaves the window.
func (o *outbox) Closed(now mono.Time, generation, seq uint64) {
	if st := o.known.own[kindOf(generation)]; st != nil && st.generation == generation {
		o.known.window.shut(st, seq)
		o.tellWritable(now)
	}
}

func (o *outbox) closeUpTo(st *stream, seq uint64) {
	for q := st.lowest(); q <= seq; q++ {
		o.known.window.shut(st, q)
	}
}

// tellWritable tells a publisher that was refused that half of the window is free.
func (o *outbox) tellWritable(now mono.Time) {
	if o.blocked && o.openBytes() <= o.cfg.Window/2 &&
		o.known.window.count+o.Queued() <= o.cfg.Pieces/4 {
		o.blocked = false
		o.host.Writable(now)
	}
}
