package starling

// This file is sending messages to all members, and knowing which have them.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// PublishOption is how a message is sent.
type PublishOption uint8

// Urgent has a message leave before those on other topics that wait, with all that waits before it
// on its own topic, and wait for no company in a datagram.
const Urgent PublishOption = 1

// Publish sends a message to all members, this one included, and returns its sequence number.
// Topics have 1 to 255 bytes, payloads at most MaxMessage. It returns when the message waits to
// leave, which it does within milliseconds as a rule, not when it has arrived: PublishWait tells
// that. The subscribers of this node get it, and a store has it, as it leaves.
//
// Members get what a node publishes on one topic in that order. On different topics, small
// messages, those of less than about 8 KB, come in the order in which they leave, and so do large
// ones, with all that follows a large one on its topic; the small do not wait for the large.
//
// While too much of what this node published is still on its way, it waits, and if ctx ends first
// the error is ErrBackpressure and that of ctx; after a Leave it is ErrLeaving. Others are
// ErrTopic, ErrTooLarge, and why the node stopped. When it returns an error, nothing was sent. The
// payload is copied.
func (n *Node) Publish(ctx context.Context, topic string, payload []byte,
	options ...PublishOption) (seq uint64, err error) {
	return n.publish(ctx, topic, payload, options, nil, true)
}

// TryPublish is Publish that never waits for room: it returns ErrBackpressure instead.
func (n *Node) TryPublish(ctx context.Context, topic string, payload []byte,
	options ...PublishOption) (seq uint64, err error) {
	return n.publish(ctx, topic, payload, options, nil, false)
}

// Need is how many of the live members must have a message. The zero Need is none of the others.
type Need struct{ count, percent int }

// All is every live member. A member that is declared failed, or leaves, meanwhile is no longer
// waited for; one that this node learns of meanwhile is, unless it joined after the message was
// published, which it does not get then.
var All Need = Percent(100)

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
		return Need{}, fmt.Errorf("%q is not a number of members, a percentage of them from 1%% "+
			"to 100%%, or all", s)
	case percent:
		return Percent(n), nil
	}
	return AtLeast(n), nil
}

// met says whether enough members have it.
func (d Need) met(have, of int) bool { return have >= d.count && 100*have >= d.percent*of }

// Receipt is how far a message has come. A member has it when its programs were given it, or are at
// once: it is there, and so is all that this node published before. A member that holds it behind a
// gap does not have it yet, and one that was told of it as Lost never will. It is the processes
// that ran then which were given it: one that ends later, and is started anew without Retain.Dir,
// has nothing of it.
type Receipt struct {
	Seq     uint64 // of the message
	Reached bool   // as many have it as were needed
	// Have is how many members have it, of Of: those that this node holds live, and those that died
	// after they had it. This node is among both.
	Have, Of int
	Missing  []string // names of some that do not have it
	// Newer is how many live members joined after the message was published, as far as they have
	// said so: they do not get it, and are not in Of. One that was started anew meanwhile is such a
	// member too, unless it has a Retain.Dir.
	Newer int
	// Agreed is how many members the last view has that all can have agreed on, as Info.Agreed. If
	// it is more than Of and Newer together, some have failed, or are on the other side of a cut.
	// They do not have the message, or it is not known.
	Agreed int
	Took   time.Duration // since it was sent
}

// PublishWait is Publish that returns when as many members as need asks for have the message. What
// they confirm travels together, so that neither this node nor another one hears from all. Before
// it publishes it waits, as Welcomed does, until this node knows the members of the cluster. It
// fails with ErrNeed if need asks for more members than Receipt.Agreed would be.
//
// When ctx ends first, it returns what is known then and the error of ctx; the message is on its
// way all the same, unless Receipt.Seq is 0. The error is ErrUnconfirmed if members lack it that
// are not asked any more: when the message has been held for as long as Config.Retain says, 60 s by
// default, or when 1,024 messages are waited for (fewer in a cluster of more than 128) and all of
// them lack somebody.
func (n *Node) PublishWait(ctx context.Context, topic string, payload []byte,
	need Need, options ...PublishOption) (Receipt, error) {
	if err := n.Welcomed(ctx); err != nil {
		return Receipt{}, err
	}
	t := &tracker{need: need, news: make(chan word, 1)}
	seq, err := n.publish(ctx, topic, payload, options, t, true)
	if err != nil {
		return Receipt{}, err
	}
	defer t.end(n)
	start := time.Now()
	r := Receipt{Seq: seq, Have: 1, Of: t.of, Agreed: t.agreed}
	for !r.Reached {
		select {
		case w := <-t.news:
			r = w.Receipt
			if r.Reached = need.met(r.Have, r.Of); !r.Reached && w.last {
				err = ErrUnconfirmed
			}
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
	need            Need
	generation, seq uint64
	of, agreed      int       // members when it was published
	news            chan word // the latest
}

// word is what is told of a message: the last word, or not.
type word struct {
	Receipt
	last bool
}

// end stops following, where the node's goroutine is not in the way.
func (t *tracker) end(n *Node) {
	n.call(context.Background(), func(now gossip.Time, out *gossip.Outbox) {
		n.trackers = slices.DeleteFunc(n.trackers, func(x *tracker) bool { return x == t })
		n.core.Do(now, gossip.Unfollow{Generation: t.generation, Seq: t.seq}, out)
	})
}

// begin looks whether what is needed can be known and can be.
func (t *tracker) begin(n *Node) error {
	if !n.core.Complete() {
		return ErrNotIn
	}
	t.of = n.core.Table().Live()
	if _, t.agreed = n.core.Reach(); t.need.count > t.agreed {
		return fmt.Errorf("%w: %d of %d", ErrNeed, t.need.count, t.agreed)
	}
	return nil
}

// publish sends a message, or waits until it can, and sees to it that t hears of it.
func (n *Node) publish(ctx context.Context, topic string, payload []byte,
	options []PublishOption, t *tracker, wait bool) (seq uint64, err error) {
	for {
		var refused error
		var room <-chan struct{}
		err = n.call(ctx, func(now gossip.Time, out *gossip.Outbox) {
			if t != nil {
				if refused = t.begin(n); refused != nil {
					return
				}
			}
			refused = n.core.Do(now, gossip.Publish{Topic: topic, Payload: payload,
				Confirm: t != nil, Urgent: slices.Contains(options, Urgent)}, out)
			switch {
			case errors.Is(refused, gossip.ErrBackpressure):
				room = n.whenWritable()
			case refused == nil:
				seq = n.core.LastSeq()
				if t != nil {
					self := n.core.Self()
					t.generation, t.seq = self.Generation(), seq
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

// tellPublishers wakes the calls that wait for room.
func (n *Node) tellPublishers() {
	if n.writable != nil {
		close(n.writable)
		n.writable = nil
	}
}

// spread passes on how far one of this node's messages has come.
func (n *Node) spread(s *gossip.Spread) {
	for _, t := range n.trackers {
		if t.seq != s.Seq || t.generation != s.Generation {
			continue
		}
		r := Receipt{Seq: s.Seq, Have: s.Have, Of: s.Of, Newer: s.Newer}
		_, r.Agreed = n.core.Reach()
		for _, id := range s.Missing {
			if m, ok := n.core.Table().Get(id); ok {
				r.Missing = append(r.Missing, m.Name())
			}
		}
		select {
		case <-t.news: // an older one that nobody read
		default:
		}
		t.news <- word{r, s.Ended}
	}
}
