package starling

// This file is hearing what the members publish.

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Message is something published by a member; or, if Seq is 0, only the word that messages are lost
// of which none has followed yet: it has no Topic, Origin and Payload, and Lost and Time say how
// many and when that was known.
type Message struct {
	Time  time.Time // when it came in here
	Topic string
	// the name of the member that published it; empty while neither this node nor what it kept has
	// the name
	Origin string
	// of the origin; those of an earlier one come first, as far as this node knew of them by then
	Generation uint64
	// counts the origin's messages in its generation, over all topics, from 1; 0: this is none.
	// Those on one topic come in this order, and one on another topic may overtake them: see
	// Publish
	Seq     uint64
	Payload []byte // the receiver's own
	// how many messages before this one were dropped because this subscriber was too slow
	Missed uint64
	// how many before this one, of any topic, nobody had any more when this node asked for them
	Lost uint64
}

// Subscribe returns the messages on some topics, or on all if none is named, that come in from now
// on. Range over it once; a second range ends at once:
//
//	for m := range node.Subscribe(ctx, "deploys") { … }
//
// It ends when ctx does or the node stops (see Node.Ended), and costs memory until then or until
// the loop is left. At most SubscribeQueue messages wait for a slow reader; on overflow the oldest
// are dropped, and the next message says how many in Missed. Messages of other topics cost a
// subscription nothing, so a node may have thousands.
//
// Messages that nobody has any more when this node asks for them are passed over. Of what topics
// they were is not known, so each subscriber is told of all: by Lost of the next message that it is
// given. If none is there to be given, as at the end of a stream or where what follows is of other
// topics, it comes at once as a Message whose Seq is 0. A program that is not interested passes by
// these.
func (n *Node) Subscribe(ctx context.Context, topics ...string) iter.Seq[Message] {
	return n.listen(ctx, false, topics)
}

// listen is Subscribe, perhaps with what is held first.
func (n *Node) listen(ctx context.Context, replay bool, topics []string) iter.Seq[Message] {
	s := n.subscribe(ctx, replay, topics)
	return once(func(yield func(Message) bool) {
		if s == nil {
			return
		}
		defer s.close()
		defer s.release()
		for _, m := range s.held {
			if ctx.Err() != nil || !yield(m) {
				return
			}
		}
		s.held = nil
		for {
			m, ok := s.next(ctx, n.done)
			if !ok || !yield(m) {
				return
			}
		}
	})
}

// subscriber is one reader of messages.
type subscriber struct {
	*queue[Message]
	topics  []string  // none: all
	held    []Message // that come first
	release func() bool

	of   *subscribers
	told uint64 // of what was lost, how many the reader was told of; it is the reader's
}

// gap is how many messages were lost by a time.
type gap struct {
	lost uint64
	at   time.Time
}

// next waits for a message, or for the word that some are lost if no message waits.
func (s *subscriber) next(ctx context.Context, stopped <-chan struct{}) (m Message, ok bool) {
	ok = s.wait(ctx, stopped, func() bool {
		// first: then what came before the gap is in the queue, or was taken out
		g := s.of.shown.Load()
		if m, m.Missed, ok = s.take(); !ok && g != nil && g.lost > s.told {
			m, ok = Message{Time: g.at, Lost: g.lost}, true
		}
		return ok
	})
	if ok {
		m.Lost, s.told = m.Lost-s.told, m.Lost
	}
	return m, ok
}

// subscribe begins to collect messages; nil if the node has stopped or ctx ended.
func (n *Node) subscribe(ctx context.Context, replay bool, topics []string) *subscriber {
	s := &subscriber{queue: newQueue(SubscribeQueue, SubscribeBytes, (*Message).size),
		topics: slices.Compact(slices.Sorted(slices.Values(topics)))}
	err := n.call(ctx, func(gossip.Time, *gossip.Outbox) {
		n.flush() // what was delivered before is not for this one
		if replay {
			s.held = n.held(s)
		}
		n.subscribers.add(s)
	})
	if err != nil {
		return nil
	}
	s.release = context.AfterFunc(ctx, s.close)
	return s
}

// wants says whether the subscriber asked for a topic.
func (s *subscriber) wants(topic []byte) bool {
	return len(s.topics) == 0 || slices.ContainsFunc(s.topics,
		func(t string) bool { return t == string(topic) })
}

// size is what a message in a queue costs, in bytes.
func (m *Message) size() int { return len(m.Topic) + len(m.Payload) }

// tellGap passes on that messages were lost: with the next message, or by showGaps.
func (n *Node) tellGap(l *gossip.Lost) {
	n.subscribers.fresh = true
	n.subscribers.lost += uint64(l.Count)
}

// showGaps lets the readers that no message waits for know of what was lost. It is called when all
// is passed on that the core told at once: the message after a gap mostly is among that.
func (n *Node) showGaps() {
	if l := &n.subscribers; l.fresh {
		l.fresh = false
		l.shown.Store(&gap{l.lost, n.wall(n.now())})
		l.rouse()
	}
}

// messageOf turns the core's view of a message into the user's, with bytes of its own.
func (n *Node) messageOf(m *gossip.Message, now time.Time) Message {
	return Message{
		Time:       now,
		Topic:      string(m.Topic),
		Origin:     cmp.Or(m.OriginName, n.names[m.Origin]),
		Generation: m.Generation,
		Seq:        m.Seq,
		Payload:    bytes.Clone(m.Payload),
	}
}

// tellSubscribers passes on a message.
func (n *Node) tellSubscribers(m *gossip.Message) {
	for s := range n.subscribers.readers(m.Topic) {
		v := n.messageOf(m, n.wall(n.now()))
		v.Lost = n.subscribers.lost
		s.push(v)
	}
}
