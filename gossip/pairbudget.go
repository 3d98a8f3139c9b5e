package gossip

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file bounds what the members of one zone send to another, all together: links between zones are what costs. None of
// them sees what the others send, so the budget is divided. A part of it all share alike, and nobody needs to ask for that. The
// rest is lent, in small sums that are not kept for long, to those who have something to send, by one member of the zone, which
// all find by a hash over the live view (distributed rate limiting; Raghavan et al. 2007 have the members gossip what they
// need). If it dies or is unreachable, the next in rank lends; where views differ, two may.
// Until that is known, one that gets no word from it asks the next in rank as well, which lends
// little.
//
// Probes, news of members and what strangers provoke is always sent, and paid for afterwards. Messages, keys and repair wait:
// who publishes slows down, a link for keys is passed over for a while, and an answer that can be asked for again is not given.

// PairBudget bounds what one zone sends to another, each way.
type PairBudget struct {
	Zones [2]string // the first parts of their paths; either may be empty, for members without a zone
	Rate  int       // bytes a second, with IP and UDP headers, before sealing
}

// MinPairBudget is the least that can be set, in bytes a second: less would leave little beside what is always sent. Who wants
// more than MaxPairBudget needs no bound.
const MinPairBudget, MaxPairBudget = 16 << 10, 1 << 30

const (
	lot        = wire.MinMTU     // bytes of a datagram that waits, at most: see datagramRoom
	shareAlike = 4               // a budget's part by this that all share alike
	loanSpan   = 16              // of a second's: what is lent at once beyond what is owed already
	maxLoan    = 256 << 10       // bytes at once
	loanLife   = time.Second     // after which what is left of a loan is void
	longLife   = 5 * time.Second // the same while something waits that is asked for, or shown, again: that may take seconds
	askAgain   = time.Second     // for a loan that does not come
	noWord     = askAgain / 2    // the same if the lender did not say either that others come first
	silentAsks = 2               // of those in a row, then the next in rank is asked too
	// of a budget this part is what it lends, while the lender may live
	standIn  = 10
	tightFor = time.Second // after a budget was spent no copies are made for safety
)

// pairBudget is this node's part in what its zone may send to another.
type pairBudget struct {
	zone  uint16
	rate  int
	own   bucket    // its share; in debt after what could not wait
	lent  int       // bytes, of the last loans
	until Time      // they are good
	again Time      // not asked for more before
	asked member.ID // for the last loan
	asks  int       // without a word of it
	tight Time
	wait  Time // until then something other than messages is taken to wait

	pool  bucket // what it lends to others, if it is the lender
	queue []wish // who waits for that, each once, in turn
}

// wish is a loan that somebody waits for.
type wish struct {
	peer  detect.Peer
	bytes int
}

// validatePairs says what is wrong with the budgets.
func (c *Config) validatePairs() error {
	const possible = "from %d to %d bytes a second are possible"
	fits := func(rate int) bool { return rate >= MinPairBudget && rate <= MaxPairBudget }
	if c.ZoneBudget != 0 && !fits(c.ZoneBudget) {
		return fmt.Errorf("%w: a budget of %d from zone to zone; "+possible+", and 0 is no bound", ErrConfig, c.ZoneBudget, MinPairBudget, MaxPairBudget)
	}
	seen := map[[2]string]bool{}
	for _, p := range c.PairBudgets {
		a, b := member.Top(p.Zones[0]), member.Top(p.Zones[1])
		switch {
		case a == b:
			return fmt.Errorf("%w: a budget between the zone %q and itself; two zones are wanted, told apart by the first parts of their paths", ErrConfig, a)
		case seen[[2]string{a, b}]:
			return fmt.Errorf("%w: the budget between the zones %q and %q is there twice; it is for each way, so once is enough", ErrConfig, a, b)
		case !fits(p.Rate):
			return fmt.Errorf("%w: a budget of %d between the zones %q and %q; "+possible, ErrConfig, p.Rate, a, b, MinPairBudget, MaxPairBudget)
		}
		seen[[2]string{a, b}], seen[[2]string{b, a}] = true, true
	}
	return nil
}

// pairRate returns how many bytes a second this node's zone may send to another, all its members together; 0: no bound.
func (n *Node) pairRate(zone uint16) int {
	own := n.zone()
	if zone == own {
		return 0
	}
	for _, p := range n.cfg.PairBudgets {
		a, b := topology.ZoneKey(member.Top(p.Zones[0])), topology.ZoneKey(member.Top(p.Zones[1]))
		if a == own && b == zone || b == own && a == zone {
			return p.Rate
		}
	}
	return n.cfg.ZoneBudget
}

// pair returns the budget for what this node sends to a zone, nil if there is none.
func (n *Node) pair(zone uint16) *pairBudget {
	if n.unmetered || zone == n.zone() {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].zone == zone {
			return &n.pairs[i]
		}
	}
	rate := n.pairRate(zone)
	if rate == 0 || len(n.pairs) == maxMetered {
		return nil
	}
	n.pairs = append(n.pairs, pairBudget{
		zone: zone, rate: rate, own: bucket{at: n.now}, pool: bucket{burst: lot, at: n.now},
	})
	p := &n.pairs[len(n.pairs)-1]
	p.pool.rate = p.lendable()
	return p
}

// lendable returns how many bytes a second the lender lends.
func (p *pairBudget) lendable() int { return p.rate - p.rate/shareAlike }

// zone is this node's own.
func (n *Node) zone() uint16 {
	self := n.Self()
	return topology.PlaceOf(&self).Zone()
}

// spend takes what is sent to a zone from its budget.
func (n *Node) spend(zone uint16, bytes int) {
	p := n.pair(zone)
	if p == nil {
		return
	}
	if p.until < n.now {
		p.lent = 0
	}
	loan := min(p.lent, bytes)
	p.lent -= loan
	p.own.take(bytes - loan)
}

// short says whether what can wait, so many bytes, has to, before it is sent to a zone. It asks for a loan then.
func (n *Node) short(p *pairBudget, bytes int) bool {
	if n.solvent(p, bytes) {
		return false
	}
	n.borrow(p)
	if n.solvent(p, bytes) { // it lent to itself
		return false
	}
	n.stats.PairWaits++
	p.tight = n.now.Add(tightFor)
	return true
}

// solvent says whether so many bytes can be paid for. What the share saves up is a second's: in a large zone it is enough for what
// is always sent, and who wants more borrows. What is owed is no more than a second's part of all, or
// a datagram: nobody used the rest when it was spent, and who was quiet for hours does not pay for that when it publishes.
func (n *Node) solvent(p *pairBudget, bytes int) bool {
	part := max(p.rate/max(len(n.ring.Zone(n.zone())), 1), 1)
	p.own.rate = max(part/shareAlike, 1)
	p.own.burst = p.own.rate
	p.own.tokens = max(p.own.tokens, -max(part, lot))
	p.own.ready(n.now)
	if p.until < n.now {
		p.lent = 0
	}
	return p.own.tokens+p.lent >= bytes
}

// tight says whether a budget is spent, or was of late.
func (n *Node) tight(zone uint16) bool {
	p := n.pair(zone)
	return p != nil && (p.tight > n.now || !n.solvent(p, lot))
}

// roomEverywhere returns how many bytes a message to all may take now, 0 if it has to wait.
func (n *Node) roomEverywhere() int {
	room := math.MaxInt
	if n.unmetered || !n.ring.Mixed() {
		return room
	}
	for places := range n.ring.Zones() {
		p := n.pair(places[0].Zone())
		if p == nil {
			continue
		}
		if left := n.left(p); n.short(p, lot+left) {
			room = 0
		} else {
			room = min(room, p.own.tokens+p.lent-left)
		}
	}
	for i := range n.pairs { // who waits for one loan keeps the others
		p := &n.pairs[i]
		p.until = max(p.until, n.now.Add(loanLife))
	}
	return room
}

// datagramRoom returns how many bytes of messages fit a datagram that may have to wait. Where there are budgets that is what fits
// the least MTU: a loan has to be for a whole one, and of one for the largest a small message leaves most to lapse.
func (n *Node) datagramRoom() int {
	if n.unmetered {
		return n.cfg.room()
	}
	return wire.MinRoom - wire.HeaderSize
}

// left is what messages leave of a budget: a datagram, while keys or answers wait, which who publishes all the time would never let
// pass.
func (n *Node) left(p *pairBudget) int {
	if p.wait > n.now {
		return lot
	}
	return 0
}

// shortTo says whether what can wait, so many bytes without headers, and is no message, has to, before it is sent to a member.
func (n *Node) shortTo(id member.ID, bytes int) bool {
	m, ok := n.table.Get(id)
	if n.unmetered || !ok {
		return false
	}
	p := n.pair(topology.PlaceOf(&m).Zone())
	if p == nil {
		return false
	}
	if n.short(p, min(bytes+wire.HeaderSize+ipOverhead, lot)) {
		p.wait = n.now.Add(tightFor)
		return true
	}
	p.wait = 0
	return false
}

// borrow asks the lender for what this node owes, and for some more.
func (n *Node) borrow(p *pairBudget) {
	if p.again > n.now {
		return
	}
	turn := max(p.rate/loanSpan, 2*lot)
	want := min(max(-p.own.tokens, 0)+max(n.relay.PendingBytes(turn), lot)+n.left(p), maxLoan)
	first, second := n.lenders(p.zone)
	if p.asked != first {
		p.asked, p.asks = first, 0
	}
	p.again = n.now.Add(n.jitter(noWord))
	n.askLoan(p, first, want, p.lendable())
	if p.asks >= silentAsks && first != n.id {
		n.askLoan(p, second, want, p.rate/standIn)
	}
	p.asks++
}

// askLoan asks a member for a loan, perhaps this node itself, which lends so much a second.
func (n *Node) askLoan(p *pairBudget, lender member.ID, bytes, rate int) {
	switch m, ok := n.table.Get(lender); {
	case !ok:
	case m.ID == n.id:
		n.wish(p, detect.PeerOf(&m), bytes, rate)
	default:
		n.sendLoan(detect.PeerOf(&m), wire.TypeBorrow,
			wire.Loan{Zone: p.zone, Bytes: uint32(bytes)})
	}
}

func (n *Node) sendLoan(to detect.Peer, t wire.Type, m wire.Loan) {
	start := n.open(to.Instance)
	n.out.arena = wire.AppendLoan(n.out.arena, t, m)
	n.close(start, to)
}

// lenders returns the member that lends what this node's zone may send to another, and its stand-in
// while it gives no word: the first two in rank (Thaler and Ravishankar 1998) of those that are not
// unreachable. The few that are left fail nobody, and a dead lender lends nothing.
func (n *Node) lenders(zone uint16) (first, second member.ID) {
	var most, next uint64
	for _, p := range n.ring.Zone(n.zone()) {
		if n.IsUnreachable(p.ID) {
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

// wish puts somebody in the queue for a loan, of so much a second, and says whether it has to wait.
// One that waits already keeps its place.
func (n *Node) wish(p *pairBudget, peer detect.Peer, bytes, rate int) (waits bool) {
	p.pool.rate = rate
	of := func(w wish) bool { return w.peer.ID == peer.ID }
	i := slices.IndexFunc(p.queue, of)
	if i < 0 {
		i = len(p.queue)
		p.queue = append(p.queue, wish{})
	}
	p.queue[i] = wish{peer, min(bytes, maxLoan)}
	n.lend(p)
	return slices.ContainsFunc(p.queue, of)
}

// lend gives those who wait, one after the other, what they asked for, as the budget allows.
func (n *Node) lend(p *pairBudget) {
	for len(p.queue) > 0 && p.pool.ready(n.now) {
		w := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		if _, live := n.liveMember(w.peer); !live {
			continue
		}
		p.pool.take(w.bytes)
		if w.peer.ID == n.id {
			n.repay(p, w.bytes)
		} else {
			n.sendLoan(w.peer, wire.TypeLend, wire.Loan{Zone: p.zone, Bytes: uint32(w.bytes)})
		}
	}
}

// pairsDue returns when somebody who waits can be lent something.
func (n *Node) pairsDue() Time {
	due := Never
	for i := range n.pairs {
		if p := &n.pairs[i]; len(p.queue) > 0 {
			due = min(due, p.pool.next)
		}
	}
	return due
}

func (n *Node) wakePairs() {
	for i := range n.pairs {
		n.lend(&n.pairs[i])
	}
}

// repay takes in a loan: what is owed first.
func (n *Node) repay(p *pairBudget, sum int) {
	owed := min(max(1-p.own.tokens, 0), sum)
	p.own.tokens += owed
	if p.until < n.now {
		p.lent = 0
	}
	p.lent = min(p.lent+sum-owed, maxLoan)
	p.until, p.again = n.now.Add(loanLife), n.now
	if p.wait > n.now {
		p.until = n.now.Add(longLife)
	}
	n.relay.Resume(n.now)
}

// takeLoan reads a Borrow or a Lend, and says whether it could.
func (n *Node) takeLoan(from member.Member, t wire.Type, body []byte) bool {
	m, ok := wire.ReadLoan(body)
	if ok {
		n.loan(&from, t, m)
	}
	return ok
}

// loan takes a Borrow or a Lend of a member of this node's zone.
func (n *Node) loan(from *member.Member, t wire.Type, m wire.Loan) {
	if topology.PlaceOf(from).Zone() != n.zone() || len(n.ring.Zone(m.Zone)) == 0 { // budgets are remembered of zones that there are
		return
	}
	p := n.pair(m.Zone)
	if p == nil {
		return
	}
	first, second := n.lenders(m.Zone)
	bytes := int(min(m.Bytes, maxLoan))
	switch {
	case t == wire.TypeLend && from.ID == first && bytes == 0: // others come first
		p.asks, p.again = 0, n.now.Add(n.jitter(askAgain))
	case t == wire.TypeLend && from.ID == first:
		p.asks = 0
		n.repay(p, bytes)
	case t == wire.TypeLend && from.ID == second && p.asks > silentAsks:
		n.repay(p, bytes)
	case t == wire.TypeBorrow && first == n.id:
		if peer := detect.PeerOf(from); n.wish(p, peer, bytes, p.lendable()) {
			n.sendLoan(peer, wire.TypeLend, wire.Loan{Zone: p.zone})
		}
	case t == wire.TypeBorrow && second == n.id:
		n.wish(p, detect.PeerOf(from), bytes, p.rate/standIn)
	}
}
