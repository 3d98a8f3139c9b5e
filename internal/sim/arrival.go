package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// arrival: a message is delivered, while it is held, to every member that was in the cluster when
// it was published and has been in touch for long enough with a member that has it. Or the member
// is told that it is lost. That holds whatever was done to the cluster meanwhile, and whatever is
// done to it still.
type arrival struct {
	bound  time.Duration // without loss; with it, lossyBound
	age    time.Duration // for which a message is held
	volume int           // bytes that are held
	pieces int
	rate   int // bytes a second between two zones for certain; 0: no budget

	open      []*passage // in the order in which they were published
	past      []*passage // that are held no more, and did not reach all
	by        map[messageKey]*passage
	published map[messageKey]gossip.Time  // that have not left
	sent      struct{ bytes, pieces int } // published so far
	out       gossip.Time                 // when all of that has passed the budgets

	missed []Missed
	ends   map[end]Why // what came of messages at members that never got them; at most maxPast
}

// end is what a message came to at one member.
type end struct {
	messageKey
	node int32
}

// Why says why a member that was up, and in the cluster, from when a message was published to the
// end never got it. Could is the one that must not be.
type Why string

// The reasons.
const (
	Could    Why = "it could have"
	Told     Why = "they were told that it is lost"
	Gone     Why = "it is gone with its publisher, and nobody else had it"
	LetGo    Why = "it was let go before they could be reached"
	Away     Why = "nobody that has it can reach them"
	OnItsWay Why = "it is on its way"
	JustIn   Why = "they had been let in just before"
)

// lossyBound is how long a message may take where something is wrong: packets are lost, budgets
// make them wait, others are apart or stand still. It is as long as what nothing shows is waited
// for (stream.Config.GiveUp), and half of that again.
const lossyBound = 30 * time.Second

// longMessage is the size from which on a message has pieces that a path may drop for their length,
// as the protocol knows.
const longMessage = 2 << 10

// passage is a message on its way.
type passage struct {
	messageKey
	bulk          bool
	order         uint64 // as which of its origin's messages it ended
	at            gossip.Time
	size          int
	bytes, pieces int     // published before
	spread        bool    // others than the origin got it
	gone          bool    // no process has it any more, in the life in which it got or restored it
	has           []int32 // processes that got it, in their present lives
	due           []due   // processes that have yet to get it
}

// due is a process that has yet to get a message.
type due struct {
	met     bool // it has known the origin since it was last let in
	node    int32
	touched bool        // with a process that has it
	since   gossip.Time // of touched
	tooLong bool        // of since: only what is short passes
	// anything was wrong since: packets are lost, others are apart, somebody stands still
	lossy bool
}

func newArrival(o *Options, b Bounds) *arrival {
	s := &o.Gossip.Streams
	return &arrival{
		bound: b.Arrival, age: o.leastAge(), rate: o.Gossip.ZoneBudget / 2,
		volume: cmp.Or(s.Bytes, 8<<20), pieces: cmp.Or(s.Pieces, 16_384),
		by: map[messageKey]*passage{}, ends: map[end]Why{},
		published: map[messageKey]gossip.Time{},
	}
}

func (*arrival) Name() string { return "arrival" }

func (c *arrival) Take(l *ledger, o *Obs) string {
	switch {
	case o.Kind == Delivered:
		c.deliver(l, o)
	case o.Kind == Published:
		if k := (messageKey{o.Member, o.After.Gen, o.Seq}); c.by[k] == nil {
			c.published[k] = o.At
		}
	case o.Kind == Skipped:
		c.skip(o)
	case o.Kind == Restored:
		c.restore(o)
	case o.Kind == Welcomed:
		// after a long sleep it forgot everybody, and need not meet the dead again
		c.unmeet(o.Node)
	case o.Kind == Tick:
		c.look(l)
		return c.overdue(l)
	case shifts(o.Kind):
		if o.Kind != Laid && o.Kind != Lifted && o.Kind != Hindered && o.Kind != Free {
			c.forget(o.Node)
		}
		c.look(l)
	}
	return ""
}

// deliver takes in that a process got a message. The first delivery is the origin's own.
func (c *arrival) deliver(l *ledger, o *Obs) {
	k := messageKey{o.Member, o.After.Gen, o.Seq}
	p := c.by[k]
	if p == nil {
		for _, p := range c.past {
			if p.messageKey == k {
				p.spread, p.gone = true, false
				p.drop(o.Node)
			}
		}
		// it was let go, or is of the origin's former life
		if o.Node != o.Member || o.After.Gen != l.peers[o.Node].gen {
			return
		}
		p = &passage{messageKey: k, order: o.Order, bulk: o.Bulk,
			at:   cmp.Or(c.published[k], o.At), // it may have waited
			size: o.Count + messageCost, bytes: c.sent.bytes, pieces: c.sent.pieces}
		delete(c.published, k)
		c.sent.bytes += p.size
		if c.rate > 0 {
			takes := time.Duration(p.size) * time.Second / time.Duration(c.rate)
			c.out = max(c.out, o.At).Add(takes)
		}
		c.sent.pieces += 1 + o.Count/1_000
		for i := range l.peers {
			x := &l.peers[i]
			if int32(i) != o.Node && x.up && x.welcome && o.At.Sub(x.welcomed) > joinedFor {
				p.due = append(p.due, due{node: int32(i)})
			}
		}
		c.by[k] = p
		c.open = append(c.open, p)
	}
	p.has, p.gone = append(p.has, o.Node), false
	p.spread = p.spread || o.Node != o.Member
	p.drop(o.Node)
}

// joinedFor is how long a member has to be in a cluster to be held to what is published there: a
// newcomer begins with the streams where its helpers are.
const joinedFor = 2 * time.Second

func (p *passage) drop(node int32) {
	for i := range p.due {
		if p.due[i].node == node {
			p.due = append(p.due[:i], p.due[i+1:]...)
			return
		}
	}
}

// within says whether a message is one of those that an observation is about: Skipped or Restored.
func (p *passage) within(o *Obs) bool {
	return p.origin == o.Member && p.gen == o.After.Gen && p.bulk == o.Bulk &&
		(o.Kind == Skipped && o.Seq == 0 || p.order >= o.From && p.order <= o.Seq)
}

// skip takes in that somebody was told of a loss.
func (c *arrival) skip(o *Obs) {
	for _, p := range slices.Concat(c.open, c.past) {
		if p.within(o) {
			c.note(p, o.Node, Told)
			p.drop(o.Node)
		}
	}
}

// forget lets go of a life that is over.
func (c *arrival) forget(node int32) {
	for _, p := range c.past {
		p.drop(node)
	}
	for _, p := range c.open {
		p.drop(node)
		for i, n := range p.has {
			if n == node {
				p.has = append(p.has[:i], p.has[i+1:]...)
				p.gone = len(p.has) == 0
				break
			}
		}
	}
}

// restore takes in that a process which came back has its former life's messages of a stream: it
// holds them, though it is not counted among those that have to be asked.
func (c *arrival) restore(o *Obs) {
	for _, p := range slices.Concat(c.open, c.past) {
		if p.within(o) {
			p.gone = false
		}
	}
}

func (c *arrival) unmeet(node int32) {
	for _, p := range slices.Concat(c.open, c.past) {
		for i := range p.due {
			if d := &p.due[i]; d.node == node {
				d.met = false
			}
		}
	}
}

// look notes which processes are in touch with one that has what they lack.
func (c *arrival) look(l *ledger) {
	wrong := c.rate > 0 || len(l.ways) > 0 || slices.ContainsFunc(l.peers,
		func(p peerState) bool { return p.up && p.hindered })
	for _, p := range c.open {
		for i := range p.due {
			d := &p.due[i]
			loss, ok := 1.0, false
			for _, n := range p.has {
				if x, in := l.inTouch(d.node, n); in && x < loss {
					if loss, ok = x, true; loss == 0 {
						break
					}
				}
			}
			tooLong := !ok && p.size >= longMessage &&
				slices.ContainsFunc(p.has, func(n int32) bool {
					_, in := l.inTouchBy(d.node, n, false)
					return in
				})
			ok, d.tooLong = ok || tooLong, tooLong
			d.met = d.met || l.knows(d.node, p.origin)
			if !ok || !d.met {
				d.touched = false
				continue
			}
			if !d.touched {
				d.touched, d.since, d.lossy = true, l.now, false
			}
			d.lossy = d.lossy || loss > 0 || wrong
		}
	}
}

// knows says whether a node knows a member, dead or alive. It takes nothing of a publisher that it
// does not know: one that died on the other side of a cut before this node, which started during
// the cut, had met it.
func (l *ledger) knows(node, m int32) bool { return l.seen == nil || l.seen[node][m].Known }

// overdue says which message did not come in time, and lets go of those that are done with.
func (c *arrival) overdue(l *ledger) (what string) {
	backlog := time.Duration(0) // until all that is on its way has passed the budgets
	if c.rate > 0 {
		bytes := 0
		for _, p := range c.open {
			if len(p.due) > 0 {
				bytes += p.size
			}
		}
		backlog = 2 * time.Duration(bytes) * time.Second / time.Duration(c.rate)
	}
	kept := c.open[:0]
	for _, p := range c.open {
		expires := p.at.Add(c.age)
		if len(p.due) == 0 || l.now > expires || !c.held(p) {
			delete(c.by, p.messageKey)
			for _, d := range p.due {
				c.note(p, d.node, c.whyNot(l, p, LetGo))
			}
			if len(p.due) > 0 && len(c.past) < maxPast {
				c.past = append(c.past, p)
			}
			continue
		}
		kept = append(kept, p)
		late, first := 0, due{}
		for i := 0; i < len(p.due); i++ {
			d := p.due[i]
			bound := c.bound + backlog
			behind := p.behind(c.past, d.node)
			if d.lossy || behind { // that is given up first
				bound = max(bound, lossyBound)
			}
			if !d.touched || l.now.Sub(max(d.since, c.out)) <= bound || l.over(p) &&
				(behind || p.behind(c.open, d.node)) || c.waits(l, p, d.node) {
				continue
			}
			if late++; late == 1 {
				first = d
			}
			c.miss(p, &d)
			p.drop(d.node)
			i--
		}
		if late > 0 && what == "" {
			what = fmt.Sprintf("%s, published at %.3f s, has not reached n%d, which could have "+
				"been reached since %.3f s",
				p.messageKey, span(p.at).Seconds(), first.node, span(first.since).Seconds())
			if first.tooLong {
				what += " by what is short: the way drops packets as long as its pieces"
			}
			if late > 1 {
				what += fmt.Sprintf(", and %d more", late-1)
			}
		}
	}
	clear(c.open[len(kept):])
	c.open = kept
	return what
}

// behind says whether a member lacks an earlier message of the same life, out of some. What comes
// later waits for it until it is given up. If the publisher's life is over, that takes as long as
// messages are held, since it may come back with it.
func (p *passage) behind(some []*passage, node int32) bool {
	return slices.ContainsFunc(some, func(q *passage) bool {
		return q.origin == p.origin && q.gen == p.gen && q.seq < p.seq &&
			slices.ContainsFunc(q.due, func(d due) bool { return d.node == node })
	})
}

// waits says whether a member lacks a message of an earlier life of the same publisher, which it is
// to have or to be told of first. That may take as long as messages are held, from when the last
// could have come.
func (c *arrival) waits(l *ledger, p *passage, node int32) bool {
	former := func(q *passage) bool {
		return q.origin == p.origin && q.gen < p.gen && l.now <= q.at.Add(2*c.age) &&
			slices.ContainsFunc(q.due, func(d due) bool { return d.node == node })
	}
	return slices.ContainsFunc(c.past, former) || slices.ContainsFunc(c.open, former)
}

// over says whether the life is over in which a message was published.
func (l *ledger) over(p *passage) bool {
	x := &l.peers[p.origin]
	return !x.up || x.gen != p.gen
}

// held says whether a message is held by its volume: not so much was published since that it had to
// make way.
func (c *arrival) held(p *passage) bool {
	return c.sent.bytes-p.bytes <= c.volume/2 && c.sent.pieces-p.pieces <= c.pieces/2
}

// maxPast is how many messages are remembered that are held no more and did not reach all.
const maxPast = 10_000

// note notes what a message came to at a member. One that it could have had is no better for what
// comes later.
func (c *arrival) note(p *passage, node int32, why Why) {
	if k := (end{p.messageKey, node}); len(c.ends) < maxPast && c.ends[k] != Could {
		c.ends[k] = why
	}
}

// whyNot is Gone for a message that nobody but its publisher had, whose life is over, and otherwise
// as given.
func (c *arrival) whyNot(l *ledger, p *passage, why Why) Why {
	if !p.spread && l.over(p) {
		return Gone
	}
	return why
}

// why says why a member did not get a message by the end.
func (c *arrival) why(l *ledger, k messageKey, node int32) Why {
	if why, ok := c.ends[end{k, node}]; ok {
		return why
	}
	p := c.by[k]
	if p == nil {
		return JustIn
	}
	for _, d := range p.due {
		switch {
		case d.node == node && d.touched:
			return OnItsWay
		case d.node == node:
			return c.whyNot(l, p, Away)
		}
	}
	return JustIn
}

// miss notes a message for the report.
func (c *arrival) miss(p *passage, d *due) {
	c.note(p, d.node, Could)
	if len(c.missed) < maxMissed {
		c.missed = append(c.missed, Missed{
			Origin: fmt.Sprintf("n%d", p.origin), Seq: p.seq, Published: seconds(span(p.at)),
			Member: fmt.Sprintf("n%d",
				d.node), Reachable: seconds(span(d.since)), TooLong: d.tooLong,
		})
	}
}
