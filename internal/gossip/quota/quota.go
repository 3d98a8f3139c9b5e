// Package quota bounds what the members of one zone send to another, all together: links between
// zones are what costs.
//
// None of the members sees what the others send, so the budget is divided. A part of it all share
// alike, and nobody needs to ask for that. The rest is granted by one member of the zone, the
// lender, to those that have something to send, in small sums that are not kept for long. All find
// the lender by a hash over the live view. If it dies or is unreachable, the next in rank grants;
// where views differ, two may. In distributed rate limiting (Raghavan et al. 2007) the members
// gossip what they need. Until that is known, a member that gets no word from it asks the next in
// rank as well, which grants little.
//
// Probes, news of members and what strangers provoke is always sent, and paid for afterwards.
// Messages, keys and repair wait: a publisher slows down, a link for keys is passed over for a
// while, and an answer that can be asked for again is not given.
package quota

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Budget bounds what one zone sends to another, each way.
type Budget struct {
	// the first parts of their paths; either may be empty, for members without a zone
	Zones [2]string
	Rate  int // bytes a second, with IP and UDP headers, before sealing
}

// Min is the least that can be set, in bytes a second: less would leave little beside what is
// always sent. What may be more than Max needs no bound.
const Min, Max = 16 << 10, 1 << 30

// Config is what may be sent from zone to zone.
type Config struct {
	Zone    int      // bytes a second to each other zone; 0: no bound
	Budgets []Budget // between some zones, in place of that
}

// Validate says what is wrong with the budgets.
func (c *Config) Validate() error {
	const possible = "from %d to %d bytes a second are possible"
	fits := func(rate int) bool { return rate >= Min && rate <= Max }
	if c.Zone != 0 && !fits(c.Zone) {
		return fmt.Errorf("a budget of %d from zone to zone; "+possible+", and 0 is no bound",
			c.Zone, Min, Max)
	}
	seen := map[[2]string]bool{}
	for _, p := range c.Budgets {
		a, b := member.Top(p.Zones[0]), member.Top(p.Zones[1])
		switch {
		case a == b:
			return fmt.Errorf("a budget between the zone %q and itself; two zones are wanted, "+
				"told apart by the first parts of their paths", a)
		case seen[[2]string{a, b}]:
			return fmt.Errorf("the budget between the zones %q and %q is there twice; "+
				"it is for each way, so once is enough", a, b)
		case !fits(p.Rate):
			return fmt.Errorf("a budget of %d between the zones %q and %q; "+possible,
				p.Rate, a, b, Min, Max)
		}
		seen[[2]string{a, b}], seen[[2]string{b, a}] = true, true
	}
	return nil
}

const (
	maxPairs   = 256             // other zones that are told apart
	overhead   = 28              // bytes of IPv4 and UDP headers
	lot        = wire.MinMTU     // bytes of a datagram that waits, at most: see Datagram
	shareAlike = 4               // a budget's part by this that all share alike
	grantSpan  = 16              // of a second's: what is granted at once beyond what is owed
	maxGrant   = 256 << 10       // bytes at once
	grantLife  = time.Second     // after which what is left of a grant is void
	longLife   = 5 * time.Second // the same while something waits that is asked for again
	askAgain   = time.Second     // for a grant that does not come
	noWord     = askAgain / 2    // the same if the lender did not say either that others come first
	silentAsks = 2               // of those in a row, then the next in rank is asked too
	standIn    = 10              // of a budget this part is what that one grants
	tightFor   = time.Second     // after a budget was exhausted no copies are made for safety
)

// Host is the node, as far as a Quota needs more of it than an Env.
type Host interface {
	plane.Env
	// IsUnreachable says whether a live member cannot be reached from here.
	IsUnreachable(id member.ID) bool
	// PendingBytes returns how many bytes of messages wait to be sent, up to most.
	PendingBytes(most int) int
	// Resume tells that messages may be sent again.
	Resume(now mono.Time)
}

// Quota is this node's part in what its zone may send to others.
type Quota struct {
	plane.None
	env   Host
	cfg   Config
	pairs []pair // of this node's zone with others, as they are met
	waits uint64
	buf   []byte
}

// pair is the budget for one other zone.
type pair struct {
	zone  uint16
	rate  int
	own   rate.Bucket // its share; in debt after what could not wait
	lent  int         // bytes, of the last grants
	until mono.Time   // they are good
	again mono.Time   // not asked for more before
	asked member.ID   // for the last grant
	asks  int         // without a word of it
	tight mono.Time
	wait  mono.Time // until then something other than messages is taken to wait

	pool  rate.Bucket // what it grants to others, if it is the lender
	queue []request   // waiting for that, one of each member, in turn
}

// request is a grant that a member waits for.
type request struct {
	peer  plane.Peer
	bytes int
}

// New returns the part of a node that starts. The budgets have to be valid.
func New(env Host, cfg Config) *Quota { return &Quota{env: env, cfg: cfg} }

// Unmetered says whether there are no budgets at all.
func (q *Quota) Unmetered() bool { return q.cfg.Zone == 0 && len(q.cfg.Budgets) == 0 }

// Waits returns how often something waited, since the budget for another zone was exhausted.
func (q *Quota) Waits() uint64 { return q.waits }

// Pairs returns for how many other zones a budget is kept: at most 256.
func (q *Quota) Pairs() int { return len(q.pairs) }

// Requests returns how many grants of this node members wait for.
func (q *Quota) Requests() (all int) {
	for i := range q.pairs {
		all += len(q.pairs[i].queue)
	}
	return all
}

// Rate returns how many bytes a second this node's zone may send to another, all its members
// together; 0: no bound.
func (q *Quota) Rate(zone uint16) int {
	own := q.zone()
	if zone == own {
		return 0
	}
	for _, p := range q.cfg.Budgets {
		a, b := topology.ZoneKey(member.Top(p.Zones[0])), topology.ZoneKey(member.Top(p.Zones[1]))
		if a == own && b == zone || b == own && a == zone {
			return p.Rate
		}
	}
	return q.cfg.Zone
}

// zone is this node's own.
func (q *Quota) zone() uint16 {
	self := q.env.Self()
	return topology.PlaceOf(&self).Zone()
}

// pair returns the budget for what this node sends to a zone, nil if there is none.
func (q *Quota) pair(now mono.Time, zone uint16) *pair {
	if q.Unmetered() || zone == q.zone() {
		return nil
	}
	for i := range q.pairs {
		if q.pairs[i].zone == zone {
			return &q.pairs[i]
		}
	}
	r := q.Rate(zone)
	if r == 0 || len(q.pairs) == maxPairs {
		return nil
	}
	q.pairs = append(q.pairs, pair{
		zone: zone, rate: r, own: rate.Bucket{At: now}, pool: rate.Bucket{Burst: lot, At: now},
	})
	p := &q.pairs[len(q.pairs)-1]
	p.pool.Rate = p.granted()
	return p
}

// granted returns how many bytes a second the lender grants.
func (p *pair) granted() int { return p.rate - p.rate/shareAlike }

// Spend takes a datagram to a zone, of so many bytes without IP and UDP headers, from its budget.
func (q *Quota) Spend(now mono.Time, zone uint16, bytes int) {
	p := q.pair(now, zone)
	if p == nil {
		return
	}
	bytes += overhead
	if p.until < now {
		p.lent = 0
	}
	lent := min(p.lent, bytes)
	p.lent -= lent
	p.own.Take(bytes - lent)
}

// mustWait says whether so many bytes that can wait have to, before they are sent to a zone. It
// asks for a grant then.
func (q *Quota) mustWait(now mono.Time, p *pair, bytes int) bool {
	if q.covers(now, p, bytes) {
		return false
	}
	q.ask(now, p)
	if q.covers(now, p, bytes) { // it granted that to itself
		return false
	}
	q.waits++
	p.tight = now.Add(tightFor)
	return true
}

// covers says whether so many bytes can be paid for. What the share saves up is a second's: in a
// large zone it is enough for what is always sent, and a member that wants more asks. What is owed
// is no more than a second's part of all, or a datagram. No member used the rest when it was spent,
// and a member that was quiet for hours does not pay for that when it publishes.
func (q *Quota) covers(now mono.Time, p *pair, bytes int) bool {
	part := max(p.rate/max(len(q.env.Ring().Zone(q.zone())), 1), 1)
	p.own.Rate = max(part/shareAlike, 1)
	p.own.Burst = p.own.Rate
	p.own.Tokens = max(p.own.Tokens, -max(part, lot))
	p.own.Ready(now)
	if p.until < now {
		p.lent = 0
	}
	return p.own.Tokens+p.lent >= bytes
}

// Tight says whether the budget for a zone is exhausted, or was of late.
func (q *Quota) Tight(now mono.Time, zone uint16) bool {
	p := q.pair(now, zone)
	return p != nil && (p.tight > now || !q.covers(now, p, lot))
}

// AnyTight says whether any budget was exhausted of late.
func (q *Quota) AnyTight(now mono.Time) bool {
	return slices.ContainsFunc(q.pairs, func(p pair) bool { return p.tight > now })
}

// Budget returns how many bytes a message to all may take now, 0 if it has to wait.
func (q *Quota) Budget(now mono.Time) int {
	room := math.MaxInt
	if q.Unmetered() || !q.env.Ring().Mixed() {
		return room
	}
	for places := range q.env.Ring().Zones() {
		p := q.pair(now, places[0].Zone())
		if p == nil {
			continue
		}
		if left := p.reserve(now); q.mustWait(now, p, lot+left) {
			room = 0
		} else {
			room = min(room, p.own.Tokens+p.lent-left)
		}
	}
	for i := range q.pairs { // what waits for one grant keeps the others
		p := &q.pairs[i]
		p.until = max(p.until, now.Add(grantLife))
	}
	return room
}

// Datagram returns how many bytes of messages fit a datagram that may have to wait, of those that
// fit any. Where there are budgets that is what fits the least MTU. A grant has to be for a whole
// datagram, and if it were for the largest, a small message would leave most of it to lapse.
func (q *Quota) Datagram(most int) int {
	if q.Unmetered() {
		return most
	}
	return wire.MinRoom - wire.HeaderSize
}

// reserve is what messages leave of a budget: a datagram, while keys or answers wait, which a node
// that publishes all the time would never let pass.
func (p *pair) reserve(now mono.Time) int {
	if p.wait > now {
		return lot
	}
	return 0
}

// MustWait says whether something that can wait, and is no message, has to, before it is sent to a
// member: so many bytes without headers, at most a datagram's.
func (q *Quota) MustWait(now mono.Time, id member.ID, bytes int) bool {
	if q.Unmetered() {
		return false
	}
	m, ok := q.env.Table().Get(id)
	if !ok {
		return false
	}
	p := q.pair(now, topology.PlaceOf(&m).Zone())
	if p == nil {
		return false
	}
	if q.mustWait(now, p, min(bytes+wire.HeaderSize+overhead, lot)) {
		p.wait = now.Add(tightFor)
		return true
	}
	p.wait = 0
	return false
}

// ask asks the lender for what this node owes, and for some more.
func (q *Quota) ask(now mono.Time, p *pair) {
	if p.again > now {
		return
	}
	turn := max(p.rate/grantSpan, 2*lot)
	want := max(-p.own.Tokens, 0) + max(q.env.PendingBytes(turn), lot) + p.reserve(now)
	want = min(want, maxGrant)
	first, second := q.Lenders(p.zone)
	if p.asked != first {
		p.asked, p.asks = first, 0
	}
	p.again = now.Add(plane.Jitter(q.env.Rand(), noWord))
	q.askMember(now, p, first, want, p.granted())
	if p.asks >= silentAsks && first != q.env.ID() {
		q.askMember(now, p, second, want, p.rate/standIn)
	}
	p.asks++
}

// askMember asks a member for a grant, perhaps this node itself, which grants so much a second.
func (q *Quota) askMember(now mono.Time, p *pair, lender member.ID, bytes, perSecond int) {
	switch m, ok := q.env.Table().Get(lender); {
	case !ok:
	case m.ID == q.env.ID():
		q.enqueue(now, p, plane.PeerOf(&m), bytes, perSecond)
	default:
		q.send(now, plane.PeerOf(&m), wire.TypeBorrow,
			wire.Loan{Zone: p.zone, Bytes: uint32(bytes)})
	}
}

func (q *Quota) send(now mono.Time, to plane.Peer, t wire.Type, m wire.Loan) {
	q.buf = wire.AppendLoan(q.buf[:0], t, m)
	q.env.Send(now, to, plane.Control, q.buf)
}

// Lenders returns the member that grants what this node's zone may send to another, and its
// stand-in while it does not answer. They are the first two in rank (Thaler and Ravishankar 1998)
// of those that are not unreachable. The few that are left fail nobody, and a dead lender grants
// nothing.
func (q *Quota) Lenders(zone uint16) (first, second member.ID) {
	var most, next uint64
	for _, p := range q.env.Ring().Zone(q.zone()) {
		if q.env.IsUnreachable(p.ID) {
			continue
		}
		switch rank := member.Mix(uint64(p.ID) ^ member.Mix(uint64(zone)+1)); {
		case first == 0 || rank > most:
			first, second, most, next = p.ID, first, rank, most
		case second == 0 || rank > next:
			second, next = p.ID, rank
		}
	}
	return first, second
}

// enqueue puts a request in the queue, of which so much a second is granted, and says whether it
// has to wait. A member that waits already keeps its place.
func (q *Quota) enqueue(now mono.Time, p *pair, peer plane.Peer, bytes, perSecond int) bool {
	p.pool.Rate = perSecond
	of := func(r request) bool { return r.peer.ID == peer.ID }
	i := slices.IndexFunc(p.queue, of)
	if i < 0 {
		i = len(p.queue)
		p.queue = append(p.queue, request{})
	}
	p.queue[i] = request{peer, min(bytes, maxGrant)}
	q.grant(now, p)
	return slices.ContainsFunc(p.queue, of)
}

// grant gives the members that wait, one after the other, what they asked for, as the budget
// allows.
func (q *Quota) grant(now mono.Time, p *pair) {
	for len(p.queue) > 0 && p.pool.Ready(now) {
		r := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		if !plane.IsLive(q.env.Table(), r.peer) {
			continue
		}
		p.pool.Take(r.bytes)
		if r.peer.ID == q.env.ID() {
			q.credit(now, p, r.bytes)
		} else {
			q.send(now, r.peer, wire.TypeLend, wire.Loan{Zone: p.zone, Bytes: uint32(r.bytes)})
		}
	}
}

// Deadline is when a member that waits can be granted something.
func (q *Quota) Deadline() mono.Time {
	due := mono.Never
	for i := range q.pairs {
		if p := &q.pairs[i]; len(p.queue) > 0 {
			due = min(due, p.pool.Next())
		}
	}
	return due
}

// Wake grants what has come together.
func (q *Quota) Wake(now mono.Time) {
	for i := range q.pairs {
		q.grant(now, &q.pairs[i])
	}
}

// credit takes in a grant: what is owed first.
func (q *Quota) credit(now mono.Time, p *pair, sum int) {
	owed := min(max(1-p.own.Tokens, 0), sum)
	p.own.Tokens += owed
	if p.until < now {
		p.lent = 0
	}
	p.lent = min(p.lent+sum-owed, maxGrant)
	p.until, p.again = now.Add(grantLife), now
	if p.wait > now {
		p.until = now.Add(longLife)
	}
	q.env.Resume(now)
}

// Receive takes a Borrow or a Lend of a member of this node's zone. Budgets are remembered of zones
// that there are.
func (q *Quota) Receive(now mono.Time, from plane.Sender, t wire.Type, body []byte) bool {
	m, ok := wire.ReadLoan(body)
	if !ok {
		return false
	}
	if topology.PlaceOf(&from.Member).Zone() != q.zone() || len(q.env.Ring().Zone(m.Zone)) == 0 {
		return true
	}
	p := q.pair(now, m.Zone)
	if p == nil {
		return true
	}
	first, second := q.Lenders(m.Zone)
	bytes, peer := int(min(m.Bytes, maxGrant)), plane.PeerOf(&from.Member)
	switch {
	case t == wire.TypeLend && from.ID == first && bytes == 0: // others come first
		p.asks, p.again = 0, now.Add(plane.Jitter(q.env.Rand(), askAgain))
	case t == wire.TypeLend && from.ID == first:
		p.asks = 0
		q.credit(now, p, bytes)
	case t == wire.TypeLend && from.ID == second && p.asks > silentAsks:
		q.credit(now, p, bytes)
	case t == wire.TypeBorrow && first == q.env.ID():
		if q.enqueue(now, p, peer, bytes, p.granted()) {
			q.send(now, peer, wire.TypeLend, wire.Loan{Zone: p.zone})
		}
	case t == wire.TypeBorrow && second == q.env.ID():
		q.enqueue(now, p, peer, bytes, p.rate/standIn)
	}
	return true
}
