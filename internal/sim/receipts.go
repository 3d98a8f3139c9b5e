package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// receipts: a publisher is never told that more members have its message than were given it. A
// member that is given it within the same moment counts: it holds the message, and all before it.
type receipts struct {
	given map[messageKey]map[int32]bool
	told  []receipt // in this moment
}

// receipt is what a publisher was told.
type receipt struct {
	messageKey
	at   gossip.Time
	have int
}

func newReceipts() *receipts { return &receipts{given: map[messageKey]map[int32]bool{}} }

func (*receipts) Name() string { return "receipts" }

func (c *receipts) Take(_ *ledger, o *Obs) (what string) {
	for len(c.told) > 0 && (c.told[0].at < o.At || o.Kind == Ended) {
		x := c.told[0]
		c.told = c.told[1:]
		if n := len(c.given[x.messageKey]); what == "" && x.have > n {
			what = fmt.Sprintf("n%d was told that %d members have %s, which %d were given",
				x.origin, x.have, x.messageKey, n)
		}
	}
	k := messageKey{o.Member, o.After.Gen, o.Seq}
	switch o.Kind {
	case Delivered:
		if c.given[k] == nil {
			c.given[k] = map[int32]bool{}
		}
		c.given[k][o.Node] = true
	case Spread:
		c.told = append(c.told, receipt{k, o.At, o.Count})
	}
	return what
}

// waits: a publisher that waits for a receipt is told of an end, at the latest some time after the
// message is held no more.
type waits struct {
	bound time.Duration
	open  map[messageKey]gossip.Time
	ended []messageKey // told in this moment, of messages that no publisher was known to wait for
	at    gossip.Time  // this moment
}

func (*waits) Name() string { return "waits" }

func (c *waits) Take(l *ledger, o *Obs) string {
	if c.at != o.At {
		c.at, c.ended = o.At, c.ended[:0]
	}
	k := messageKey{o.Member, o.After.Gen, o.Seq}
	switch {
	// a node that knows nobody yet was told of the end as it published
	case o.Kind == Published && o.Told:
		if !slices.Contains(c.ended, k) {
			c.open[k] = o.At
		}
	case o.Kind == Spread && o.Told:
		if _, waits := c.open[k]; !waits {
			c.ended = append(c.ended, k)
		}
		delete(c.open, k)
	case o.Kind == Started || o.Kind == Crashed || o.Kind == Departed || o.Kind == Conflicted:
		for k := range c.open { // what is deleted does not depend on the order
			if k.origin == o.Node {
				delete(c.open, k)
			}
		}
	case o.Kind == Ended && l.undisturbed() > c.bound:
		n, first := 0, messageKey{}
		for k, at := range c.open {
			if o.At.Sub(at) <= c.bound {
				continue
			}
			if n++; n == 1 || k.origin < first.origin || k.origin == first.origin &&
				k.seq < first.seq {
				first = k
			}
		}
		if n > 0 {
			return fmt.Sprintf("%d publishers' waits have no end: that for %s since %s", n,
				first, span(c.open[first]))
		}
	}
	return ""
}

// lossyFor is how long a member has to be in touch with one that has a message before it has to
// have it too, where something is wrong. That is so if packets are lost, budgets make them wait,
// others are apart or stand still.
const lossyFor = 10 * time.Second

// loss: no node is told that a message is lost while it is held by a node that could be asked for
// it. Nor is it told so while the publisher runs on, wherever that is: it may be on the other side
// of a cut, and come back with the message.
type loss struct{ *arrival }

func (loss) Name() string { return "loss" }

func (c loss) Take(l *ledger, o *Obs) string {
	if o.Kind != Skipped || o.Seq == 0 {
		return ""
	}
	for _, p := range c.open {
		if !p.within(o) || l.now > p.at.Add(c.age) || !c.held(p) {
			continue
		}
		if x := &l.peers[p.origin]; x.up && x.gen == p.gen && !l.knowsLeft(o.Node, p) &&
			slices.ContainsFunc(p.due, func(d due) bool { return d.node == o.Node }) {
			return fmt.Sprintf("n%d was told that %s is lost, whose publisher runs and holds "+
				"it", o.Node, p.messageKey)
		}
		for i := range p.due {
			d := &p.due[i]
			bound := time.Second
			if d.lossy {
				bound = lossyFor
			}
			if d.node == o.Node && d.touched && l.now.Sub(d.since) > bound {
				return fmt.Sprintf("n%d was told that %s is lost, and has been in touch with "+
					"somebody who has it since %.3f s",
					o.Node, p.messageKey, span(d.since).Seconds())
			}
		}
	}
	return ""
}

// knowsLeft says whether a node knows that a message's publisher has left: it runs on for a moment,
// to pass that on, and has given up on what did not get out.
func (l *ledger) knowsLeft(node int32, p *passage) bool {
	if l.seen == nil {
		return false
	}
	h := &l.seen[node][p.origin]
	return h.Known && h.State == member.Left && h.Gen == p.gen
}

// accounted: in the end, each node that was up all the time got each message that any other node
// got, or was told that it is lost.
type accounted struct{ *arrival }

func (accounted) Name() string { return "accounted" }

func (c accounted) Take(l *ledger, o *Obs) string {
	if o.Kind != Ended || l.undisturbed() < accountedFor {
		return ""
	}
	n, text := 0, ""
	for _, p := range c.past {
		if p.gone || !p.spread && l.over(p) {
			continue // with all that had it: nobody is left that knows of it
		}
		for _, d := range p.due {
			if !d.met || !l.peers[d.node].up || l.wellFor(d.node) < accountedFor {
				continue
			}
			if n++; n == 1 {
				text = fmt.Sprintf("%s, published at %.3f s, neither reached n%d nor was it "+
					"told of a loss", p.messageKey, span(p.at).Seconds(), d.node)
			}
		}
	}
	if n > 1 {
		text += fmt.Sprintf("; %d more cases", n-1)
	}
	return text
}

// accountedFor is how long a cluster has to be quiet before messages are counted up.
const accountedFor = 30 * time.Second

// lives: a process's generation rises by itself alone where a former life of its name had a higher
// one, as after a clock that went back.
type lives struct {
	gen, most map[int32]uint64
}

func (*lives) Name() string { return "lives" }

func (c *lives) Take(_ *ledger, o *Obs) string {
	switch o.Kind {
	case Started:
		c.most[o.Node] = max(c.most[o.Node], c.gen[o.Node])
		c.gen[o.Node] = o.After.Gen
	case Own:
		was := c.gen[o.Node]
		c.gen[o.Node] = o.After.Gen
		if o.After.Gen > was && was > c.most[o.Node] {
			return fmt.Sprintf("n%d is in a new life, %d, and did not start: it was in %d",
				o.Node, o.After.Gen, was)
		}
	}
	return ""
}
