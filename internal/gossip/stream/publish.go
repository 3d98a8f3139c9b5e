package stream

import (
	"errors"
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Errors of Append.
var (
	ErrTooLarge     = errors.New("the message is too large")
	ErrTopic        = errors.New("not a topic")
	ErrBackpressure = errors.New("too much is published that the others have not confirmed yet")
)

// Published is where a message went: its number and its pieces.
type Published struct {
	Generation, Seq uint64
	First, Last     uint64
}

// outbox is this node's own stream.
type outbox struct {
	*env
	known   *catalog
	order   *order
	blocked bool // an Append was refused and nobody told Writable since
}

// publish is Append, but for what is let go then.
func (o *outbox) publish(now mono.Time, topic string, payload []byte) (Published, error) {
	switch {
	case topic == "" || len(topic) > wire.MaxTopic:
		return Published{}, fmt.Errorf("%w: %q has %d bytes, from 1 to %d are allowed",
			ErrTopic, topic, len(topic), wire.MaxTopic)
	case len(payload) > MaxPayload:
		return Published{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge,
			len(payload), MaxPayload)
	}
	parts := partsOf(topic, payload)
	st := o.ownStream(now) // in a new generation the window is empty
	open := &o.known.window
	if open.count > 0 && (open.bytes+len(payload)+parts*pieceCost > o.cfg.Window ||
		open.count+parts > o.cfg.Pieces/2) {
		o.blocked = true
		o.stats.Backpressure++
		return Published{}, fmt.Errorf("%w: %d bytes", ErrBackpressure, open.bytes)
	}
	first, other := capacity(topic)
	p := part{seq: st.seq + 1, topic: []byte(topic)}
	out := Published{Generation: st.generation, Seq: p.seq, First: st.top + 1,
		Last: st.top + uint64(parts)}
	if st.late == 0 {
		st.late = out.First
	}
	for i, room := 0, first; i < parts; i, room = i+1, other {
		n := min(room, len(payload))
		p.index, p.rest, p.payload = uint64(i), uint64(parts-1-i), payload[:n]
		payload = payload[n:]
		o.known.hold(now, st, st.top+1, appendPart(make([]byte, 0, partSize(&p)), &p))
		open.add(st, st.top)
	}
	o.stats.Published++
	o.order.deliver(now, st, true)
	return out, nil
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

// ownStream returns the stream of this node's present life.
func (o *outbox) ownStream(now mono.Time) *stream {
	id, generation := o.host.Self(), o.host.Generation()
	st := o.known.own
	if st == nil || st.generation != generation {
		// the node took a new generation: nobody will close what it published in the old one
		if st != nil {
			o.closeUpTo(st, st.top)
			o.Sent(now, st.generation, st.top) // nor send it
			o.known.own = nil
		}
		if st = o.known.find(id, generation); st == nil {
			st = o.known.add(id, generation)
		}
		o.known.own = st
	}
	st.lately = true
	return st
}

// Sent tells that pieces of this node's own stream up to one are on their way to the others, which
// are told of them from now on.
func (o *outbox) Sent(now mono.Time, generation, seq uint64) {
	st := o.known.own
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
	if st := o.known.own; st != nil && st.generation == generation {
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
	open := &o.known.window
	if o.blocked && open.bytes <= o.cfg.Window/2 && open.count <= o.cfg.Pieces/4 {
		o.blocked = false
		o.host.Writable(now)
	}
}
