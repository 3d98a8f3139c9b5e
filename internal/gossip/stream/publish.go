package stream

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Errors of Append.
var (
	ErrTooLarge     = errors.New("the message is too large")
	ErrTopic        = errors.New("not a topic")
	ErrBackpressure = errors.New("too much is published that the others have not confirmed yet")
)

// pieceCost is what a piece counts in the window beside its body, so that empty messages are
// bounded too.
const pieceCost = 64

// Published is where a message went: its number and its pieces.
type Published struct {
	Generation, Seq uint64
	First, Last     uint64
}

// Append publishes a message: it becomes pieces of this node's own stream, which Body returns from
// now on, and is delivered here. The topic has 1 to wire.MaxTopic bytes, the payload at most
// MaxPayload. It fails with ErrBackpressure if the window has no room; Host.Writable tells when to
// try again. On an error nothing was done.
func (s *Streams) Append(now mono.Time, topic string, payload []byte) (Published, error) {
	switch {
	case topic == "" || len(topic) > wire.MaxTopic:
		return Published{}, fmt.Errorf("%w: %q has %d bytes, from 1 to %d are allowed",
			ErrTopic, topic, len(topic), wire.MaxTopic)
	case len(payload) > MaxPayload:
		return Published{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge,
			len(payload), MaxPayload)
	}
	parts := partsOf(topic, payload)
	s.ownStream(now) // in a new generation the window is empty
	if s.openCount > 0 &&
		(s.open+len(payload)+parts*pieceCost > s.cfg.Window || s.openCount+parts > s.cfg.Pieces/2) {
		s.blocked = true
		s.stats.Backpressure++
		return Published{}, fmt.Errorf("%w: %d bytes", ErrBackpressure, s.open)
	}
	return s.publish(now, topic, payload, parts), nil
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

func (s *Streams) publish(now mono.Time, topic string, payload []byte, parts int) Published {
	st := s.ownStream(now)
	first, other := capacity(topic)
	p := part{seq: st.seq + 1, topic: []byte(topic)}
	out := Published{Generation: st.generation, Seq: p.seq, First: st.top + 1, Last: st.top +
		uint64(parts)}
	if st.late == 0 {
		st.late = out.First
	}
	for i, room := 0, first; i < parts; i, room = i+1, other {
		n := min(room, len(payload))
		p.index, p.rest, p.payload = uint64(i), uint64(parts-1-i), payload[:n]
		payload = payload[n:]
		s.hold(now, st, st.top+1, appendPart(make([]byte, 0, partSize(&p)), &p))
		s.setOpen(st, st.top)
	}
	s.stats.Published++
	s.deliver(now, st, true)
	s.retain(now)
	return out
}

// ownStream returns the stream of this node's present life.
func (s *Streams) ownStream(now mono.Time) *stream {
	id, generation := s.host.Self(), s.host.Generation()
	if s.own == nil || s.own.generation != generation {
		// the node took a new generation: nobody will close what it published in the old one
		if s.own != nil {
			s.closeUpTo(s.own, s.own.top)
			s.Sent(now, s.own.generation, s.own.top) // nor send it
			s.own = nil
		}
		if s.own = s.find(id, generation); s.own == nil {
			s.own = s.add(id, generation)
		}
	}
	s.own.lately = true
	return s.own
}

// isOwn says whether a stream is this node's own, of its present life.
func (s *Streams) isOwn(origin member.ID, generation uint64) bool {
	return origin == s.host.Self() && generation == s.host.Generation()
}

// twin looks whether others have a piece of the own stream that this node did not publish.
func (s *Streams) twin(now mono.Time, seq uint64) {
	st := s.find(s.host.Self(), s.host.Generation())
	if seq > 0 && (st == nil || seq > st.top) {
		s.host.Twin(now)
	}
}

// Sent tells that pieces of this node's own stream up to one are on their way to the others, which
// are told of them from now on.
func (s *Streams) Sent(now mono.Time, generation, seq uint64) {
	st := s.own
	if st == nil || st.generation != generation || st.late == 0 || seq < st.late {
		return
	}
	s.hash ^= st.item()
	if st.late = seq + 1; seq >= st.top {
		st.late = 0
	}
	s.hash ^= st.item()
	s.sync.changed = now
	s.tellHead(st)
}

func (s *Streams) setOpen(st *stream, seq uint64) {
	st.page(seq).open |= 1 << (seq % pageSize)
	s.open += len(st.get(seq)) + pieceCost
	s.openCount++
}

// Closed tells that all members that should have a piece of this node's own stream confirmed it, or
// were given up: it leaves the window.
func (s *Streams) Closed(now mono.Time, generation, seq uint64) {
	if s.own == nil || s.own.generation != generation {
		return
	}
	s.shut(s.own, seq)
	s.tellWritable(now)
}

// Lone tells whether nobody else has a piece of this node's own stream, though others are to have
// it. That ends when somebody asks for the piece, or when it is not held any more.
func (s *Streams) Lone(generation, seq uint64, lone bool) {
	if st := s.find(s.host.Self(), generation); st != nil {
		st.setAlone(seq, lone)
	}
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

// FirstLone returns the first message of this node's that is held and that nobody else has in
// whole, as Lone told; ok is false if there is none.
func (s *Streams) FirstLone() (generation, seq uint64, ok bool) {
	from, to := s.lives(s.host.Self())
	for _, st := range s.list[from:to] {
		for i, p := range st.pages {
			if p != nil && p.alone != 0 {
				piece := (st.first+uint64(i))*pageSize + uint64(bits.TrailingZeros16(p.alone))
				part, _ := readPart(st.get(piece))
				return st.generation, part.seq, true
			}
		}
	}
	return 0, 0, false
}

// shut takes a piece of the own stream out of the window, if it is in it.
func (s *Streams) shut(st *stream, seq uint64) {
	if p := st.page(seq); p != nil && p.open>>(seq%pageSize)&1 == 1 {
		p.open &^= 1 << (seq % pageSize)
		s.open -= len(p.body[seq%pageSize]) + pieceCost
		s.openCount--
	}
}

func (s *Streams) closeUpTo(st *stream, seq uint64) {
	for q := st.lowest(); q <= seq; q++ {
		s.shut(st, q)
	}
}

// tellWritable tells a publisher that was refused that half of the window is free.
func (s *Streams) tellWritable(now mono.Time) {
	if s.blocked && s.open <= s.cfg.Window/2 && s.openCount <= s.cfg.Pieces/4 {
		s.blocked = false
		s.host.Writable(now)
	}
}
