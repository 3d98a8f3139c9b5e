package sim

import (
	"fmt"
	"math"
)

// order: a node gets an origin's messages in the order in which they end, each once, and without a
// gap that it was not told of; those on one topic in the order in which they were published. Each
// node begins at a place of its own: a node that starts later
// does not get what was before its time. Messages of a later life wait for what a node knows that
// it lacks of an earlier one.
type order struct {
	last  map[streamKey]uint64 // to end
	topic map[topicKey]uint64  // its number
}

// topicKey is the messages of a stream on one topic.
type topicKey struct {
	streamKey
	topic string
}

// streamKey is the messages of one life of an origin as they come to one node.
type streamKey struct {
	node, origin int32
	gen          uint64
	bulk         bool
}

// anywhere says that a node was told of a loss of which nobody knows where it ends.
const anywhere = math.MaxUint64

func (*order) Name() string { return "order" }

func (c *order) Take(_ *ledger, o *Obs) string {
	k := streamKey{o.Node, o.Member, o.After.Gen, o.Bulk}
	switch o.Kind {
	case Restored:
		if o.Seq > 0 {
			c.last[k] = o.Seq
		}
	case Started: // a new life gets what is still held, from wherever it begins
		for k := range c.last { // what is deleted does not depend on the order
			if k.node == o.Node {
				delete(c.last, k)
			}
		}
		for k := range c.topic {
			if k.node == o.Node {
				delete(c.topic, k)
			}
		}
	case Skipped:
		if last := c.last[k]; o.Seq == 0 {
			c.last[k] = anywhere
		} else if last != anywhere && o.From > 0 && o.From <= last {
			return fmt.Sprintf("n%d was told that messages %d to %d of n%d are lost, and had "+
				"got number %d", o.Node, o.From, o.Seq, o.Member, last)
		} else if last != anywhere {
			c.last[k] = max(last, o.Seq)
		}
	case Delivered:
		last, met := c.last[k]
		t := topicKey{streamKey{o.Node, o.Member, o.After.Gen, false}, o.Text}
		before := c.topic[t]
		c.last[k], c.topic[t] = o.Order, o.Seq
		switch {
		case o.Told:
			return fmt.Sprintf("n%d got message %d of a later life of n%d, and knew that it "+
				"lacks something of an earlier one",
				o.Node, o.Seq, o.Member)
		case o.Seq <= before:
			return fmt.Sprintf("n%d got message %d of n%d on %s after number %d", o.Node, o.Seq,
				o.Member, o.Text, before)
		case !met || last == anywhere || o.Order == last+1:
		case o.Order <= last:
			return fmt.Sprintf("n%d got message %d of n%d after number %d", o.Node, o.Order,
				o.Member, last)
		default:
			return fmt.Sprintf("n%d got message %d of n%d after number %d, and was not told of "+
				"a loss", o.Node, o.Order, o.Member, last)
		}
	}
	return ""
}
