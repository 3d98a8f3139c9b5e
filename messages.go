package starling

// This file is messages from one to all: Publish and Subscribe.

import (
	"context"
	"iter"
	"time"
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

// Publish sends a message to all members, this one included, and returns its sequence number. Topic and payload
// together must fit one datagram, about 1,200 bytes. It returns when the message is on its way, not when it has
// arrived. When it returns the error of ctx, nothing was sent.
func (n *Node) Publish(ctx context.Context, topic string, payload []byte) (seq uint64, err error) {
	panic("not yet")
}

// Subscribe returns the messages on some topics, or on all if none is named, that come in from now on. Range over it
// once:
//
//	for m := range node.Subscribe(ctx, "deploys") { … }
//
// It ends when ctx does or the node stops (see Node.Err), and costs memory until then or until the loop is left. At
// most SubscribeQueue messages wait for a slow reader; on overflow the oldest are dropped, and the next message says how
// many in Missed.
func (n *Node) Subscribe(ctx context.Context, topics ...string) iter.Seq[Message] { panic("not yet") }
