package starling

// This file is messages from one to all: Publish and Subscribe.

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip"
)

// SubscribeQueue is how many messages wait for a slow subscriber before the oldest are dropped and counted in Missed.
const SubscribeQueue = 1024

// Message is something published by a member.
type Message struct {
	Time       time.Time // when it came in here
	Topic      string
	Origin     string // the name of who published it; empty while that member is not known here yet
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's messages in its generation, over all topics, from 1
	Payload    []byte // the receiver's own
	Missed     uint64 // how many messages before this one were dropped because this subscriber was too slow
}

// Publish sends a message to all members, this one included, and returns its sequence number. The payload
// has at most gossip.MaxMessage bytes. It returns when the message is on its way, not when it has
// arrived. When it returns the error of ctx, nothing was sent.
func (n *Node) Publish(ctx context.Context, topic string, payload []byte) (seq uint64, err error) {
	var refused error
	err = n.call(ctx, func(now gossip.Time, out *gossip.Outbox) {
		refused = n.core.Do(now, gossip.Publish{Topic: topic, Payload: payload}, out)
		seq = n.published(out)
	})
	return seq, cmp.Or(err, refused)
}

// Subscribe returns the messages on some topics, or on all if none is named, that come in from now on. Range over it
// once:
//
//	for m := range node.Subscribe(ctx, "deploys") { … }
//
// It ends when ctx does or the node stops (see Node.Err), and costs memory until then or until the loop is left. At
// most SubscribeQueue messages wait for a slow reader; on overflow the oldest are dropped, and the next message says how
// many in Missed.
func (n *Node) Subscribe(ctx context.Context, topics ...string) iter.Seq[Message] {
	s := n.subscribe(ctx, topics)
	return func(yield func(Message) bool) {
		if s == nil {
			return
		}
		defer s.close()
		defer s.release()
		for {
			m, missed, ok := s.pop(ctx, n.done)
			m.Missed = missed
			if !ok || !yield(m) {
				return
			}
		}
	}
}

// subscriber is one reader of messages.
type subscriber struct {
	*queue[Message]
	topics  []string // none: all
	release func() bool
}

// subscribe begins to collect messages; nil if the node has stopped or ctx ended.
func (n *Node) subscribe(ctx context.Context, topics []string) *subscriber {
	s := &subscriber{queue: newQueue[Message](SubscribeQueue), topics: slices.Clone(topics)}
	err := n.call(ctx, func(gossip.Time, *gossip.Outbox) {
		n.flush() // what was delivered before is not for this one
		n.subscribers = append(prune(n.subscribers), s)
	})
	if err != nil {
		return nil
	}
	s.release = context.AfterFunc(ctx, s.close)
	return s
}

// wants says whether the subscriber asked for a topic.
func (s *subscriber) wants(topic []byte) bool {
	return len(s.topics) == 0 || slices.ContainsFunc(s.topics, func(t string) bool { return t == string(topic) })
}

// tellSubscribers passes on a message. Its bytes belong to the outbox, so that each gets a copy.
func (n *Node) tellSubscribers(m *gossip.Message) {
	if len(n.subscribers) == 0 {
		return
	}
	n.subscribers = prune(n.subscribers)
	for _, s := range n.subscribers {
		if s.wants(m.Topic) {
			s.push(Message{
				Time:       n.wall(n.now()),
				Topic:      string(m.Topic),
				Origin:     m.OriginName,
				Generation: m.Generation,
				Seq:        m.Seq,
				Payload:    bytes.Clone(m.Payload),
			})
		}
	}
}

// published finds the sequence number of the message that was just published: it is delivered here at once.
func (n *Node) published(out *gossip.Outbox) uint64 {
	for _, e := range slices.Backward(out.Events) {
		if e.Kind == gossip.MessageDelivered && e.Message.Origin == n.core.Self().ID {
			return e.Message.Seq
		}
	}
	return 0
}
