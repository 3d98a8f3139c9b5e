package sim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	streams "github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Checker watches a history for something that must never happen.
type Checker interface {
	Name() string
	// Take looks at the next observation and says what is wrong, "" if nothing. The ledger has
	// taken it already.
	Take(l *ledger, o *Obs) string
}

// Bounds are the times and sizes that the checkers hold a cluster to. Zero means the default for
// its size.
type Bounds struct {
	Refute   time.Duration // a false verdict lasts no longer
	Detect   time.Duration // a crash is known everywhere after
	Converge time.Duration // views are equal after so long a quiet
	Message  time.Duration // a message has reached all after, where nothing is wrong
	// and, whatever is wrong, a member that can be reached since, while it is held
	Arrival time.Duration
	Load    float64 // the busiest node sends at most so many times the mean
	Bytes   int     // a node sends in a second
}

func (b Bounds) withDefaults(o *Options) Bounds {
	hold := o.zoneGrace()
	if b.Refute == 0 {
		b.Refute = 10 * time.Second
	}
	if b.Detect == 0 {
		b.Detect = time.Minute + hold
	}
	if b.Converge == 0 {
		// seeds are dialled again: two nodes that lost each other meet there
		b.Converge = cmp.Or(o.Gossip.Reseed, time.Minute) + 15*time.Second + hold
	}
	if b.Message == 0 {
		b.Message = 2 * time.Second
	}
	if b.Arrival == 0 {
		b.Arrival = 5 * time.Second
	}
	if b.Load == 0 {
		b.Load = 4
	}
	if b.Bytes == 0 {
		b.Bytes = o.Gossip.Budget
		if b.Bytes == 0 {
			b.Bytes = 1 << 20
		}
		b.Bytes += b.Bytes/4 + 256<<10 // the burst, and the probes, which the budget leaves out
		if o.writes() {
			b.Bytes += cmp.Or(o.Gossip.Keys.Rate, 1<<20) * 9 / 8
		}
		if o.publishes() {
			// that of messages, with headers and its burst
			b.Bytes += cmp.Or(o.Gossip.Tree.Rate, 32<<20) * 9 / 8
		}
	}
	return b
}

// checkers are all that there are.
func checkers(o *Options) []Checker {
	b := o.Bounds.withDefaults(o)
	way := newArrival(o, b)
	return []Checker{
		precedence{o.leastRetention(), map[pair]gossip.Time{},
			map[keyLife]gossip.Time{}}, incarnation{}, untold{},
		&accuracy{bound: b.Refute, clean: o.spares(), wrong: map[pair]gossip.Time{},
			apart: map[pair]gossip.Time{}},
		&completeness{bound: b.Detect},
		&convergence{bound: b.Converge, detect: b.Detect},
		&messages{bound: b.Message, clean: o.Network.lossless(o.longest()),
			rate: o.Gossip.ZoneBudget / 2, all: map[messageKey]*delivery{},
			restored: map[streamKey]uint64{}},
		loss{way}, way, accounted{way}, newReceipts(),
		&waits{bound: max(way.age, cmp.Or(o.Gossip.Streams.Age, time.Minute)) + 40*time.Second,
			open: map[messageKey]gossip.Time{}},
		&lives{gen: map[int32]uint64{}, most: map[int32]uint64{}},
		&order{last: map[streamKey]uint64{}, topic: map[topicKey]uint64{}},
		&gone{bound: b.Detect, left: map[int32]departure{}},
		&ends{bound: b.Detect, retention: o.leastRetention(), over: map[pair]Holding{},
			left: map[int32]departure{}},
		&rejoined{},
		newKeysKept(b.Converge),
		newGrace(o), newDeaf(o), newPaths(o), gauges{}, unread{}, budget{bound: b.Bytes},
		&load{bound: b.Load}, newZoneBudget(o),
	}
}

type pair struct{ node, member int32 }

func (h Holding) String() string {
	if !h.Known {
		return "unknown"
	}
	return fmt.Sprintf("%s %d.%d", h.State, h.Gen, h.Inc)
}

// precedence: what a node holds of a member only rises, and no node forgets a member, with three
// exceptions. A node that stood still for half of the time that the dead are remembered, or longer,
// forgets all: it comes in anew, so that it brings no member back. A member that any node held for
// dead for as long as the dead are remembered may be forgotten. So may a member that has not run
// for so long: nodes that could not reach it forget it once they reach most again. A member that a
// node itself held for dead for so long may have been forgotten there, and be met anew.
type precedence struct {
	retention time.Duration
	dead      map[pair]gossip.Time    // since when one is held for dead
	died      map[keyLife]gossip.Time // since when any node holds a life for over
}

func (precedence) Name() string { return "precedence" }

func (c precedence) Take(l *ledger, o *Obs) string {
	if o.Kind != Saw {
		return ""
	}
	k := pair{o.Node, o.Member}
	since, was := c.dead[k]
	if dead := o.After.Known && !o.After.live(); !dead {
		delete(c.dead, k)
	} else {
		if !was {
			c.dead[k] = o.At
		}
		life := keyLife{o.Member, o.After.Gen}
		if _, ok := c.died[life]; !ok {
			c.died[life] = o.At
		}
	}
	x := &l.peers[o.Node]
	slept := l.slept(x, c.retention)
	local := l.config.Heartbeat.Local // each judges for itself, and forgets by its own count
	at := c.died[keyLife{o.Member, o.Before.Gen}]
	if o.Member >= 0 && !l.peers[o.Member].up { // it may have been unreachable to all for so long
		at = min(at, l.peers[o.Member].since)
	}
	if !local && o.Before.Known && !o.After.Known && !o.Before.live() && !slept &&
		o.At.Sub(at) < c.retention {
		return fmt.Sprintf("n%d forgot n%d, which it held for %s, %s after anybody did first; "+
			"the dead are remembered for %s",
			o.Node, o.Member, o.Before, o.At.Sub(at), c.retention)
	}
	if !o.Before.Known || was && o.At.Sub(since) >= c.retention {
		return ""
	}
	// it may have forgotten, and met anew, since the last look
	if o.After.Known && o.After.below(o.Before) && !slept {
		return fmt.Sprintf("n%d held n%d for %s and went back to %s", o.Node, o.Member,
			o.Before, o.After)
	}
	if !o.After.Known && o.Before.live() && !slept {
		return fmt.Sprintf("n%d forgot n%d, which it held for %s", o.Node, o.Member, o.Before)
	}
	return ""
}

// slept says whether a process has stood still until now, or is slow yet, for half of the time that
// the dead are remembered, or longer.
func (l *ledger) slept(x *peerState, retention time.Duration) bool {
	return x.stood >= retention/2 && l.now.Sub(x.freed) <= 2*tickEvery ||
		x.hindered && l.now.Sub(x.froze) >= retention/2
}

// incarnation: a member's generation and incarnation are raised by itself alone.
type incarnation struct{}

func (incarnation) Name() string { return "incarnation" }

func (incarnation) Take(l *ledger, o *Obs) string {
	if o.Kind != Saw || !o.After.Known {
		return ""
	}
	if o.Member < 0 {
		return fmt.Sprintf("n%d holds somebody who does not exist", o.Node)
	}
	own := l.peers[o.Member]
	if o.After.Gen > own.top.Gen || o.After.Gen == own.top.Gen && o.After.Inc > own.top.Inc {
		return fmt.Sprintf("n%d holds n%d for %s, which itself was never beyond %d.%d", o.Node,
			o.Member, o.After, own.top.Gen, own.top.Inc)
	}
	return ""
}

// untold: a member does not come, go, fail or recover in a table without an event that says so.
type untold struct{}

func (untold) Name() string { return "untold" }

func (untold) Take(_ *ledger, o *Obs) string {
	if o.Kind != Saw || o.Told || o.Before.live() == o.After.live() || o.Member == o.Node ||
		!o.After.Known {
		return ""
	}
	return fmt.Sprintf("n%d's view of n%d went from %s to %s, and no event said so", o.Node,
		o.Member, o.Before, o.After)
}

// accuracy: no node that is up and out of trouble is held for failed longer than it takes to
// refute. Where no packet is lost and no node has been in trouble, it is not at all, unless what is
// told goes to the dead.
type accuracy struct {
	bound time.Duration
	clean bool                 // the network loses nothing, or the detector makes up for it
	wrong map[pair]gossip.Time // since when one holds another for failed
	apart map[pair]gossip.Time // when two that may meet late last had not met
}

func (*accuracy) Name() string { return "accuracy" }

func (c *accuracy) Take(l *ledger, o *Obs) string {
	switch {
	case o.Kind == Saw && o.Member >= 0 && o.Member != o.Node:
		m := &l.peers[o.Member]
		k := pair{o.Node, o.Member}
		if o.After.State != member.Failed || !o.After.Known || !m.up || o.After.Gen != m.gen {
			delete(c.wrong, k)
			return ""
		}
		c.wrong[k] = o.At
		if c.clean && l.untroubled() && !l.starved() {
			return fmt.Sprintf("n%d declared n%d failed, which is well, in a cluster without "+
				"trouble", o.Node, o.Member)
		}
	case o.Kind == Started || o.Kind == Crashed || o.Kind == Departed || o.Kind == Conflicted:
		for k := range c.wrong { // what is deleted does not depend on the order
			if k.node == o.Node || k.member == o.Node {
				delete(c.wrong, k)
			}
		}
	case o.Kind == Tick:
		return c.overdue(l)
	}
	return ""
}

func (c *accuracy) overdue(l *ledger) string {
	first, late := pair{-1, -1}, 0
	for k, since := range c.wrong {
		lasted := min(l.now.Sub(since), l.wellFor(k.node), l.wellFor(k.member))
		if lasted <= c.bound {
			continue
		}
		wait, met := c.untilMet(l, k)
		if !met && lasted <= wait {
			c.apart[k] = l.now
			continue
		}
		if met && l.now.Sub(c.apart[k]) <= c.bound {
			continue
		}
		late++
		if late == 1 || k.node < first.node || k.node == first.node && k.member < first.member {
			first = k
		}
	}
	if late == 0 {
		return ""
	}
	return fmt.Sprintf("%d false verdicts have lasted over %s: n%d has held n%d for failed "+
		"since %s",
		late, c.bound, first.node, first.member, span(c.wrong[first]))
}

// untilMet returns how long a false verdict may last if the two hold each other for failed, as
// after a cut, until they have met: a node of the node's side dials the member, or the member dials
// one of them. From then on the bound counts. A node dials one failed member in a period at most,
// by chance, so that the dead cost little. So it takes longer where many more are held for failed
// than for live. The bound is for two such meetings a period, which is the least between two halves
// of a cluster. The chance that there is none within it then is exp(−10). Nodes in trouble do not
// count.
func (c *accuracy) untilMet(l *ledger, k pair) (wait time.Duration, met bool) {
	meetings := 0.0
	for i := range l.peers {
		mate := int32(i) == k.node || l.seen[k.node][i].live()
		if !mate || l.wellFor(int32(i)) == 0 {
			continue
		}
		there, back := l.seen[i][k.member], l.seen[k.member][i]
		if there.live() || back.live() {
			return 0, true
		}
		if there.failed() {
			meetings += l.dials(i)
		}
		if back.failed() {
			meetings += l.dials(int(k.member))
		}
	}
	return max(c.bound, time.Duration(2*float64(c.bound)/max(meetings, 0.01))), false
}

// completeness: a crash or a leave is known within a bound at all nodes that are up and out of
// trouble. Nodes that are too few to judge, or were until a bound ago, are excepted.
type completeness struct {
	bound time.Duration
	few   []gossip.Time // when each was one of too few to judge last
}

func (*completeness) Name() string { return "completeness" }

func (c *completeness) Take(l *ledger, o *Obs) string {
	if o.Kind != Tick || l.seen == nil {
		return ""
	}
	for n := range l.peers {
		if n == len(c.few) {
			c.few = append(c.few, 0)
		}
		if l.outvoted(n) {
			c.few[n] = o.At
		}
	}
	for m := range l.peers {
		dead := &l.peers[m]
		if dead.up || dead.gen == 0 || l.fresh(dead, c.bound) {
			continue
		}
		for n := range l.peers {
			h := l.seen[n][m]
			if h.live() && h.Gen >= dead.gen && l.wellFor(int32(n)) > c.bound &&
				(c.few[n] == 0 || o.At.Sub(c.few[n]) > c.bound) {
				return fmt.Sprintf("n%d still holds n%d for %s, which has been gone since %s",
					n, m, h, span(dead.since))
			}
		}
	}
	return ""
}

// fresh says whether a process is gone for so short that others may not know it yet.
func (l *ledger) fresh(dead *peerState, bound time.Duration) bool {
	return l.now.Sub(dead.since) <= l.patience(bound, dead.since.Add(-bound))
}

// unnoticed says whether somebody holds a process for live that is gone, and may do so.
func (l *ledger) unnoticed(bound time.Duration) bool {
	for n := range l.seen {
		for m, h := range l.seen[n] {
			dead := &l.peers[m]
			if l.peers[n].up && h.live() && !dead.up && dead.gen != 0 && h.Gen >= dead.gen &&
				l.fresh(dead, bound) {
				return true
			}
		}
	}
	return false
}

// convergence: while nothing is done to a cluster, all views are equal and complete again and
// again. Not always: where packets are lost, suspicions are raised and refuted all the time. Nor
// can they be while a death is not known yet (completeness).
type convergence struct {
	bound, detect time.Duration
	equal         gossip.Time // when the views last were, as far as they can be
}

func (*convergence) Name() string { return "convergence" }

func (c *convergence) Take(l *ledger, o *Obs) string {
	if o.Kind != Tick {
		return ""
	}
	what := l.difference(false)
	if what == "" || l.unnoticed(c.detect) {
		c.equal = o.At
	}
	if quiet := min(l.undisturbed(), o.At.Sub(c.equal)); quiet > l.patience(c.bound,
		o.At.Add(-quiet-c.bound)) {
		return fmt.Sprintf("after %s of quiet %s", quiet, what)
	}
	return ""
}

// difference says in what the views are not equal and complete, "" if they are; those of the
// outvoted may count or not.
func (l *ledger) difference(outvoted bool) string {
	first := -1
	for i := range l.peers {
		switch {
		case !l.peers[i].up || !outvoted && l.outvoted(i):
			continue
		case l.views[i].live != l.upCount:
			return fmt.Sprintf("n%d knows %d live members, and %d are up", i, l.views[i].live,
				l.upCount)
		case first < 0:
			first = i
		case l.views[i].hash != l.views[first].hash:
			return fmt.Sprintf("the views of n%d and n%d differ", first, i)
		}
	}
	return ""
}

// gone: a node that left does not come back by itself.
type gone struct {
	bound time.Duration
	left  map[int32]departure
}

type departure struct {
	// the life that left, and one that started since, in a lower generation since the clock went
	// back
	gen, again uint64
	at         gossip.Time
}

func (*gone) Name() string { return "gone" }

func (c *gone) Take(l *ledger, o *Obs) string {
	switch o.Kind {
	case Departed:
		c.left[o.Node] = departure{gen: o.After.Gen, at: o.At}
	case Started:
		if d, ok := c.left[o.Node]; ok {
			d.again = o.After.Gen
			c.left[o.Node] = d
		}
	case Saw:
		d, ok := c.left[o.Member]
		if !ok || !o.After.live() || o.After.Gen > d.gen || o.After.Gen == d.again {
			return ""
		}
		if o.Before.Known && o.Before.State == member.Left && o.Before.Gen == o.After.Gen ||
			o.At.Sub(d.at) > c.bound && l.untroubled() {
			return fmt.Sprintf("n%d holds n%d for %s, which left at %s", o.Node, o.Member,
				o.After, span(d.at))
		}
	}
	return ""
}

// rejoined: nobody is told twice that a member joined without an end between, in whatever lives.
type rejoined struct {
	in [][]uint64 // by node, since its own start: a bit for each member that it was told of
}

func (*rejoined) Name() string { return "rejoined" }

func (c *rejoined) Take(_ *ledger, o *Obs) string {
	if o.Kind != Started && o.Kind != Joined && o.Kind != Over {
		return ""
	}
	for len(c.in) <= int(o.Node) {
		c.in = append(c.in, nil)
	}
	if o.Kind == Started {
		clear(c.in[o.Node])
		return ""
	}
	row, word, bit := c.in[o.Node], int(o.Member/64), uint64(1)<<(o.Member%64)
	for len(row) <= word {
		row = append(row, 0)
	}
	c.in[o.Node] = row
	twice := o.Kind == Joined && row[word]&bit != 0
	if row[word] |= bit; o.Kind == Over {
		row[word] &^= bit
	}
	if twice {
		return fmt.Sprintf("n%d was told that n%d joined, in life %d, and of no end of what it "+
			"was told to have joined before", o.Node, o.Member, o.After.Gen)
	}
	return ""
}

// ends: a node that held a life for over, and has forgotten it, is not told that it joined, unless
// that life runs after all, or ran until its process rose above it and is still spoken of. One that
// forgets the living after a long sleep tells their end, and knows of none. And a node that knew of
// a leave, or could have known of it for long, is not told that the member failed.
type ends struct {
	bound, retention time.Duration
	// the last life that one held for over, since its own start
	over map[pair]Holding
	left map[int32]departure
}

func (*ends) Name() string { return "ends" }

// lateWord is how old a datagram may be that comes in.
const lateWord = 5 * time.Second

func (c *ends) Take(l *ledger, o *Obs) string {
	switch {
	case o.Kind == Started:
		for k := range c.over { // what is deleted does not depend on the order
			if k.node == o.Node {
				delete(c.over, k)
			}
		}
	case o.Kind == Departed:
		c.left[o.Node] = departure{gen: o.After.Gen, at: o.At}
	case o.Kind == Saw && o.Member >= 0 && o.Member != o.Node && o.After.Known:
		return c.judge(l, o)
	}
	return ""
}

func (c *ends) judge(l *ledger, o *Obs) string {
	k := pair{o.Node, o.Member}
	was, x, m := c.over[k], &l.peers[o.Node], &l.peers[o.Member]
	if !o.After.live() {
		if !o.Before.live() || !l.slept(x, c.retention) { // else it forgets the living
			c.over[k] = o.After
		}
		d, left := c.left[o.Member]
		left = left && o.After.failed() && o.After.Gen == d.gen
		if left && (was.Gen == d.gen && was.State == member.Left || l.untroubled() &&
			o.At.Sub(d.at) > c.bound) {
			return fmt.Sprintf("n%d was told that n%d failed, which left at %s", o.Node,
				o.Member, span(d.at))
		}
		return ""
	}
	awake := !x.hindered && (x.freed == 0 || o.At.Sub(x.freed) > lateWord) // it reads nothing old
	runs := m.up && m.gen == o.After.Gen || o.At.Sub(m.since) <= lateWord ||
		m.former == o.After.Gen && o.At.Sub(m.rose) <= lateWord
	ended := was.Known && (o.After.Gen < was.Gen || o.After.Gen == was.Gen &&
		o.After.Inc <= was.Inc)
	if o.Told && !o.Before.Known && ended && awake && !runs && !l.config.Heartbeat.Local {
		return fmt.Sprintf("n%d was told that n%d joined, %s, which it had held for %s and "+
			"forgotten", o.Node, o.Member, o.After, was)
	}
	return ""
}

// gauges: no queue and no table is over its named bound.
type gauges struct{}

func (gauges) Name() string { return "bounds" }

func (gauges) Take(_ *ledger, o *Obs) string {
	if o.Kind != Gauge || uint64(o.Count) <= o.Seq || o.Text == unreadGauge {
		return ""
	}
	return fmt.Sprintf("n%d has %d in its %s, at most %d are allowed", o.Node, o.Count, o.Text,
		o.Seq)
}

// unread: no datagram comes that cannot be read, where none is spoilt or made up.
type unread struct{}

func (unread) Name() string { return "unread" }

func (unread) Take(_ *ledger, o *Obs) string {
	if o.Kind != Gauge || o.Count == 0 || o.Text != unreadGauge {
		return ""
	}
	return fmt.Sprintf("n%d could not read %d datagrams or messages", o.Node, o.Count)
}

const unreadGauge = "count of what it could not read"

// gauges observes a node's queues and table.
func (r *recorder) gauges(p *proc) {
	st, ss, cs := p.node.Stats(), p.node.StreamStats(), &p.config.Streams
	for _, g := range [...]struct {
		name       string
		has, bound int
	}{
		{"queue of news", st.NewsQueued, rumor.MaxItems},
		{"pieces held", ss.Held, cmp.Or(cs.Pieces, 16384) + 1},
		{"bytes of pieces held", ss.Bytes, cmp.Or(cs.Bytes, 8<<20) + wire.MaxPiece},
		{"bytes published and not closed", ss.Open, cmp.Or(cs.Window, 4<<20)},
		{"streams", ss.Streams, streams.MaxStreams},
		{"duties", p.node.TreeStats().Jobs, 4096},
		{"bytes of keys", p.node.Keys().Stats().Bytes, cmp.Or(p.config.Keys.Total, 1<<30)},
		{"table", p.node.Table().Len(), member.MaxMembers},
		{"socket", p.held, r.w.plan.buffer},
		{"ways to others", st.Paths, gossip.MaxPaths},
		{smallGauge, st.SmallPaths, gossip.MaxPaths},
		{unreadGauge, int(st.Malformed + st.UnknownType), 0},
	} {
		r.take(&Obs{At: r.w.now, Kind: Gauge, Node: p.index, Text: g.name, Count: g.has,
			Seq: uint64(g.bound)})
	}
}

// budget: no node sends more in a second than it is allowed.
type budget struct{ bound int }

func (budget) Name() string { return "budget" }

func (c budget) Take(_ *ledger, o *Obs) string {
	if o.Kind != Traffic || o.Count <= c.bound {
		return ""
	}
	return fmt.Sprintf("n%d sent %d bytes in a second, at most %d are allowed", o.Node,
		o.Count, c.bound)
}

// zoneBudget: while nothing is done to a cluster, traffic that can wait and goes from one zone to
// another stays within the budget for that, and some slack, in every stretch of time. What is
// always sent comes on top: where failure detectors gossip, it may be more than a budget.
type zoneBudget struct {
	rate, slack int            // bytes a second, and bytes
	over        map[uint64]int // what was sent beyond the rate, of each pair of zones
}

// newZoneBudget allows for what may be saved up: shares and loans last a second, and a node that
// has any left sends a whole datagram.
func newZoneBudget(o *Options) *zoneBudget {
	rate := o.Gossip.ZoneBudget
	each := (o.Nodes + o.Zones - 1) / max(o.Zones, 1)
	return &zoneBudget{rate: rate, slack: rate + each*cmp.Or(o.Gossip.MTU, wire.DefaultMTU),
		over: map[uint64]int{}}
}

func (*zoneBudget) Name() string { return "zone budget" }

func (c *zoneBudget) Take(l *ledger, o *Obs) string {
	switch {
	case o.Kind != Crossed || c.rate == 0:
		return ""
	case l.undisturbed() < loadSettle:
		c.over[o.Seq] = 0
		return ""
	}
	over := max(c.over[o.Seq]+o.Count-c.rate, 0)
	c.over[o.Seq] = over
	if over <= c.slack {
		return ""
	}
	c.over[o.Seq] = 0
	return fmt.Sprintf("of %s went %d bytes more than %d a second, and %d are allowed", o.Text,
		over, c.rate, c.slack)
}

// load: over a quiet stretch, in which no message goes to anybody either, the busiest node sends at
// most a small multiple of the mean.
type load struct {
	bound float64
	bytes []int
	since gossip.Time
}

func (*load) Name() string { return "load" }

// loadStretch is for how long the load of a quiet cluster is compared. loadSettle is how long what
// was done to it before may have effects.
const (
	loadSettle  = 15 * time.Second
	loadStretch = 20 * time.Second
)

func (c *load) Take(l *ledger, o *Obs) string {
	switch {
	case l.undisturbed() < loadSettle, o.Kind == Delivered && o.Node != o.Member:
		c.bytes, c.since = c.bytes[:0], o.At
	case o.Kind == Traffic && o.At.Sub(c.since) < tickEvery: // some of it was sent before
	case o.Kind == Traffic:
		for len(c.bytes) < len(l.peers) {
			c.bytes = append(c.bytes, 0)
		}
		c.bytes[o.Node] += o.Count
	case o.Kind == Tick && o.At.Sub(c.since) >= loadStretch:
		sum, top := 0, 0
		for i, b := range c.bytes {
			sum += b
			if b > c.bytes[top] {
				top = i
			}
		}
		if sum == 0 {
			return ""
		}
		mean, most, stretch := float64(sum)/float64(max(l.upCount,
			1)), c.bytes[top], o.At.Sub(c.since)
		clear(c.bytes)
		c.since = o.At
		if float64(most) > c.bound*mean {
			return fmt.Sprintf("n%d sent %d bytes in %s of quiet, the mean is %.0f", top, most,
				stretch, mean)
		}
	}
	return ""
}
