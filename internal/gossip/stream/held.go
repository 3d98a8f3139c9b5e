package stream

import (
	"iter"
	"math/bits"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What the rest of the node reads of what is held.

// Knows says whether a piece is held, was delivered, or is from before this node's time: it need
// not be sent here.
func (c *catalog) Knows(origin member.ID, generation, seq uint64) bool {
	st := c.find(origin, generation)
	return st != nil && (seq < st.next && !st.wasLost(seq) || st.get(seq) != nil)
}

// PassedOver says whether a piece was given up: it need not be sent here either, and this node does
// not have it.
func (c *catalog) PassedOver(origin member.ID, generation, seq uint64) bool {
	st := c.find(origin, generation)
	return st != nil && st.wasLost(seq)
}

// Body returns a piece's body, if it is held. The caller must not write to it.
func (c *catalog) Body(origin member.ID, generation, seq uint64) ([]byte, bool) {
	st := c.find(origin, generation)
	if st == nil {
		return nil, false
	}
	body := st.get(seq)
	return body, body != nil
}

// MessageOf returns the number of the message that a piece is of, 0 if the piece is not held.
func (c *catalog) MessageOf(origin member.ID, generation, seq uint64) uint64 {
	body, ok := c.Body(origin, generation, seq)
	if !ok {
		return 0
	}
	p, _ := readPart(body)
	return p.seq
}

// Lone tells whether nobody else has a piece of this node's own stream, though others are to have
// it. That ends when somebody asks for the piece, or when it is not held any more.
func (c *catalog) Lone(generation, seq uint64, lone bool) {
	if st := c.find(c.host.Self(), generation); st != nil {
		st.setAlone(seq, lone)
	}
}

// FirstLone returns the first message of this node's that is held and that nobody else has in
// whole, as Lone told; ok is false if there is none.
func (c *catalog) FirstLone() (generation, seq uint64, ok bool) {
	from, to := c.lives(c.host.Self())
	for _, st := range c.list[from:to] {
		for i, p := range st.pages {
			if p != nil && p.alone != 0 {
				piece := (st.first+uint64(i))*pageSize + uint64(bits.TrailingZeros16(p.alone))
				part, _ := readPart(st.get(piece))
				return st.life(), part.seq, true
			}
		}
	}
	return 0, 0, false
}

// Messages goes through the messages that were delivered, or published, and are still held, stream
// by stream, each in order. Topics and payloads are never written to again.
func (c *catalog) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for _, st := range c.list {
			if st.held > 0 && !st.messages(yield) {
				return
			}
		}
	}
}

// Topics returns what is known of the topics, by name.
func (c *catalog) Topics(now mono.Time) []Topic {
	list := make([]Topic, 0, len(c.topics.list))
	for _, c := range c.topics.list {
		c.roll(now)
		// of the window before, as it slides out
		left := 1 - float64(now.Sub(c.since))/float64(rateWindow)
		t := c.Topic
		t.Rate = (float64(c.now) + float64(c.previous)*left) / rateWindow.Seconds()
		list = append(list, t)
	}
	return list
}

// stands says whether the next piece is held and waits for small messages that come first.
func (o *order) stands(st *stream) bool {
	body := st.get(st.next)
	if st.kind() == 0 || body == nil {
		return false
	}
	p, _ := readPart(body)
	return o.behind(st, &p)
}

// Given says how a piece stands with this node's programs. DutyDone: they were given it, or it is
// held in order, so that they will be as soon as its message is whole. DutyTaken: something before
// it is missing, or it was passed over. DutyLacks: it is not here. DutyVoid: it is from before this
// node's time.
func (o *order) Given(origin member.ID, generation, seq uint64) wire.Verdict {
	st := o.known.find(origin, generation)
	switch {
	case st == nil || seq >= st.next && st.get(seq) == nil:
		return wire.DutyLacks
	case !st.begun:
		return wire.DutyTaken
	case seq < st.from:
		return wire.DutyVoid
	case seq < st.next && !st.wasLost(seq),
		seq >= st.next && seq < st.solid && !o.waits(st) && !o.stands(st):
		return wire.DutyDone
	}
	return wire.DutyTaken
}
