package sim

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// messages: a message is delivered at most once in a life. Where no packet is lost, no node is in
// trouble and all know of each other, it is delivered to all nodes that were up from before it was
// published until the bound was over. A budget between zones makes it wait until all has gone out
// that is published meanwhile, since publishers have the budget in turn. Messages have half of it
// for certain, beside keys and what is always sent. A message that no other node got is gone with
// an origin that dies at once: whatever a protocol does, a message leaves in several datagrams, and
// not in the moment in which it is published.
type messages struct {
	bound time.Duration
	clean bool
	rate  int         // bytes a second that go out for certain; 0: no budget
	sent  gossip.Time // when all that was published so far has gone out
	all   map[messageKey]*delivery

	// up to which number nodes that came back with a store had a stream
	restored map[streamKey]uint64
	open     []messageKey // not yet judged, in the order in which they were published
}

// messageCost is what a message costs beside its payload, in its only piece as a rule.
const messageCost = 200

type messageKey struct {
	origin   int32
	gen, seq uint64
}

func (k messageKey) String() string { return fmt.Sprintf("message %d of n%d", k.seq, k.origin) }

// delivery is which nodes got a message.
type delivery struct {
	at   gossip.Time // of the first delivery, which is the origin's own
	got  []bool
	sure bool // all nodes that were up then have to get it

}

func (*messages) Name() string { return "messages" }

func (c *messages) Take(l *ledger, o *Obs) string {
	switch o.Kind {
	case Delivered:
		return c.deliver(l, o)
	case Restored: // what came before is not to come again
		if o.Seq > 0 {
			c.restored[streamKey{o.Node, o.Member, o.After.Gen, o.Bulk}] = o.Seq
		}
	case Started:
		for k := range c.restored { // what is deleted does not depend on the order
			if k.node == o.Node {
				delete(c.restored, k)
			}
		}
		for _, d := range c.all { // a new life may get what the former got
			if int(o.Node) < len(d.got) {
				d.got[o.Node] = false
			}
		}
	case Tick:
		for len(c.open) > 0 {
			k := c.open[0]
			d := c.all[k]
			if l.now.Sub(max(d.at, c.sent)) <= c.bound {
				break
			}
			c.open = c.open[1:]
			if msg := c.judge(l, k, d); msg != "" {
				return msg
			}
		}
	}
	return ""
}

func (c *messages) deliver(l *ledger, o *Obs) string {
	if o.Member < 0 {
		return fmt.Sprintf("n%d got a message of somebody who does not exist", o.Node)
	}
	k := messageKey{o.Member, o.After.Gen, o.Seq}
	d := c.all[k]
	if d == nil {
		d = &delivery{at: o.At, got: make([]bool, len(l.peers)), sure: c.clean &&
			l.untroubled() && l.difference(true) == ""}
		if c.rate > 0 {
			c.sent = max(c.sent,
				o.At).Add(time.Duration(o.Count+messageCost) * time.Second / time.Duration(c.rate))
		}
		c.all[k] = d
		c.open = append(c.open, k)
	}
	for len(d.got) < len(l.peers) {
		d.got = append(d.got, false)
	}
	if n := c.restored[streamKey{o.Node, o.Member, o.After.Gen, o.Bulk}]; o.Order <= n {
		return fmt.Sprintf("n%d got %s, and had kept that it has it", o.Node, k)
	}
	if d.got[o.Node] {
		return fmt.Sprintf("n%d got %s a second time", o.Node, k)
	}
	d.got[o.Node] = true
	return ""
}

// held says whether others than the origin got it and run still, in the same life.
func (d *delivery) held(l *ledger, origin int32) bool {
	for i, got := range d.got {
		if got && l.peers[i].up && int32(i) != origin {
			return true
		}
	}
	return false
}

// judge names the nodes that missed a message that all should have.
func (c *messages) judge(l *ledger, k messageKey, d *delivery) string {
	if !d.sure || l.troubles > 0 {
		return ""
	}
	if p := &l.peers[k.origin]; (!p.up || p.gen != k.gen) && (c.rate > 0 || !d.held(l, k.origin)) {
		// what had not left it yet is gone with it, and with those that died before they passed it
		// on
		return ""
	}
	missed, first := 0, 0
	for i := range l.peers {
		joined := l.peers[i].healthy.Add(c.bound) < d.at // and had the time to be known everywhere
		if l.peers[i].up && joined && !(i < len(d.got) && d.got[i]) {
			if missed == 0 {
				first = i
			}
			missed++
		}
	}
	if missed == 0 {
		return ""
	}
	return fmt.Sprintf("%s has not reached %d nodes, n%d among them, within %s", k, missed,
		first, l.now.Sub(d.at))
}
