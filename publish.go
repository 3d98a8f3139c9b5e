package starling

// This file is sending messages to everybody, and knowing who has them.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/gossip"
)

// ErrBackpressure is returned by TryPublish while too much of what this node published before is still on its way.
var ErrBackpressure = gossip.ErrBackpressure

// Publish sends a message to all members, this one included, and returns its sequence number. Topics have 1 to 255 bytes,
// payloads at most MaxMessage. It returns when the message is on its way, not when it has arrived: PublishWait tells
// that. While too much of what this node published is still on its way, it waits, and if ctx ends first the error is
// ErrBackpressure and that of ctx. When it returns an error, nothing was sent.
func (n *Node) Publish(ctx context.Context, topic string, payload []byte) (seq uint64, err error) {
	return n.publish(ctx, topic, payload, nil, true)
}

// TryPublish is Publish that never waits for room: it returns ErrBackpressure instead.
func (n *Node) TryPublish(ctx context.Context, topic string, payload []byte) (seq uint64, err error) {
	return n.publish(ctx, topic, payload, nil, false)
}

// Need is how many of the live members must have a message. The zero Need is none of the others.
type Need struct{ count, percent int }

// All is every live member. Who is declared failed, or leaves, meanwhile is no longer waited for.
var All = Need{percent: 100}

// AtLeast is a number of members, the publisher included.
func AtLeast(members int) Need { return Need{count: members} }

// Percent is a share of the live members, the publisher included, rounded up.
func Percent(p int) Need { return Need{percent: min(max(p, 0), 100)} }

// ParseNeed reads "all", "N" or "P%".
func ParseNeed(s string) (Need, error) {
	if s == "all" {
		return All, nil
	}
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n < 1 || percent && n > 100:
		return Need{}, fmt.Errorf("%q is not a number of members, a percentage of them from 1%% to 100%%, or all", s)
	case percent:
		return Percent(n), nil
	}
	return AtLeast(n), nil
}

// met says whether enough members have it.
func (d Need) met(have, of int) bool { return have >= d.count && 100*have >= d.percent*of }

// Receipt is how far a message has come.
type Receipt struct {
	Seq      uint64        // of the message
	Reached  bool          // as many have it as were needed
	Have, Of int           // members that have it, of those that live; this node is among both
	Missing  []string      // names of some that do not have it
	Took     time.Duration // since it was sent
}

// PublishWait is Publish that returns when as many members as need asks for have the message. What they confirm travels
// together, so that neither this node nor another one hears from all. When ctx ends first, it returns what is known
// then and the error of ctx; the message is on its way all the same, unless Receipt.Seq is 0.
func (n *Node) PublishWait(ctx context.Context, topic string, payload []byte, need Need) (Receipt, error) {
	t := &tracker{news: make(chan Receipt, 1)}
	seq, err := n.publish(ctx, topic, payload, t, true)
	if err != nil {
		return Receipt{}, err
	}
	defer t.end(n)
	start := time.Now()
	r := Receipt{Seq: seq, Have: 1, Of: t.of}
	for !r.Reached {
		select {
		case r = <-t.news:
			r.Reached = need.met(r.Have, r.Of)
		case <-ctx.Done():
			err = ctx.Err()
		case <-n.done:
			err = n.Err()
		}
		r.Took = time.Since(start)
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// tracker follows one message for a PublishWait.
type tracker struct {
	seq  uint64
	of   int          // members that lived when it was published
	news chan Receipt // the latest
}

// end stops following, where the node's goroutine is not in the way.
func (t *tracker) end(n *Node) {
	n.read(func() {
		n.trackers = slices.DeleteFunc(n.trackers, func(x *tracker) bool { return x == t })
	})
}

// publish sends a message, or waits until it can, and sees to it that t hears of it.
func (n *Node) publish(ctx context.Context, topic string, payload []byte, t *tracker, wait bool) (seq uint64, err error) {
	for {
		var refused error
		var room <-chan struct{}
		err = n.call(ctx, func(now gossip.Time, out *gossip.Outbox) {
			refused = n.core.Do(now, gossip.Publish{Topic: topic, Payload: payload, Confirm: t != nil}, out)
			switch {
			case errors.Is(refused, gossip.ErrBackpressure):
				room = n.whenWritable()
			case refused == nil:
				seq = n.core.LastSeq()
				if t != nil {
					t.seq, t.of = seq, n.core.Table().Live()
					n.trackers = append(n.trackers, t)
				}
			}
		})
		if err != nil || room == nil || !wait {
			return seq, cmp.Or(err, refused)
		}
		select {
		case <-room:
		case <-ctx.Done():
			return 0, fmt.Errorf("starling: %w: %w", ErrBackpressure, ctx.Err())
		case <-n.done:
			return 0, n.Err()
		}
	}
}

// whenWritable returns what is closed when there is room for messages again.
func (n *Node) whenWritable() <-chan struct{} {
	if n.writable == nil {
		n.writable = make(chan struct{})
	}
	return n.writable
}

// tellPublishers wakes those who wait for room.
func (n *Node) tellPublishers() {
	if n.writable != nil {
		close(n.writable)
		n.writable = nil
	}
}

// spread passes on how far one of this node's messages has come.
func (n *Node) spread(s *gossip.Spread) {
	for _, t := range n.trackers {
		if t.seq != s.Seq {
			continue
		}
		r := Receipt{Seq: s.Seq, Have: s.Have, Of: s.Of}
		for _, id := range s.Missing {
			if m, ok := n.core.Table().Get(id); ok {
				r.Missing = append(r.Missing, m.Name())
			}
		}
		select {
		case <-t.news: // an older one that nobody read
		default:
		}
		t.news <- r
	}
}
