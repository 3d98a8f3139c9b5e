package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A node's own way in and out: its seeds, the welcome, the leave.

// Errors that events and commands carry.
var (
	ErrNameConflict  = errors.New("another live node has this name")
	ErrWrongCluster  = errors.New("the seed belongs to another cluster")
	ErrOtherCluster  = errors.New("the seed belongs to another cluster of the same name")
	ErrWrongDetector = errors.New("the cluster runs another failure detector; all its nodes run " +
		"the same")
	ErrNotReached = errors.New("what the seed sends does not arrive here")
	ErrNameWaits  = errors.New("the name is another's, which does not answer")
	ErrRefused    = errors.New("the seed refused")
	ErrStopped    = errors.New("the node has stopped")
)

const (
	maxSeeds     = 64
	maxJoinPause = 5 * time.Second
	// the longest at first: where much is lost, many tries are needed
	hastyPause  = time.Second
	haste       = time.Minute            // how long that is
	steadyTries = 3                      // with the same pause, before it doubles
	provenPause = 100 * time.Millisecond // after a Challenge: the way is open
	// of a seed's cookie here; the seed takes it for a minute at least
	cookieLife  = 50 * time.Second
	numberLife  = time.Minute // of the number of this node's Joins
	redialPause = time.Second // between the tries of a round, once this node is in
	redialFor   = 3 * time.Second
	// between two rounds, at most, while this node hears from next to nobody
	lonelyPause = 10 * time.Second
	leaveLinger = 100 * time.Millisecond // after the last round of the news, for acks on their way
)

// seedKind says how far a seed may be of another cluster than this node. The higher ones may more.
type seedKind uint8

const (
	remembered seedKind = iota // a peer of a former life or of before a sleep: never
	configured                 // while this node is new, or its cluster is
	wished                     // a user said so
)

// seed is an address that is asked to let this node in.
type seed struct {
	addr   netip.AddrPort
	kind   seedKind
	cookie uint64 // of its last Challenge
	until  Time   // the cookie is good; 0: there is none
	shown  Time   // when a Challenge was last answered at once
	met    bool   // it has welcomed this node since Join last named it
}

// entry is where a node stands between its start and its end.
type entry struct {
	seeds []seed
	// that answers to this node's Joins bring back, but for the lowest bit; 0: none was drawn yet
	number   uint32
	numbered Time // when it was drawn
	next     Time // when the seeds are dialled again
	pause    time.Duration
	tries    int  // with this pause
	hasty    Time // until when pauses stay short
	// when the last round of dialling seeds that are no members began; 0: the next dial begins one
	round    Time
	seen     Sight
	welcomed bool
	host     bool          // it is in since it let another one in, and no seed has let it in yet
	deaf     bool          // after a long sleep, until the old datagrams that wait are read
	greeted  plane.Peer    // that said welcome in the current datagram
	greeting uint32        // how many members it knew
	took     time.Duration // from the Join that showed its cookie to that
	inside   bool          // this node was in its cluster before
	whole    bool          // the first whole table is in
	alone    bool          // this node is the first of its cluster
	draining bool          // it leaves once what it published is out
	drained  Time          // when it leaves in any case
	unsent   error
	leaving  bool
	gone     Time // when leaving ends
	door     door // to others
	claims   []claim
	rivals   []rival
	poll     poll
	claimed  Time // when the user was last told that another node claims this name; 0: never
	woke     Time // when a sleep or an isolation of more than a grace ended; 0: there was none
}

func (e *entry) state() member.State {
	if e.leaving {
		return member.Left
	}
	return member.Alive
}

func (e *entry) due() Time {
	switch {
	case e.leaving:
		return e.gone
	case e.draining:
		return min(e.next, e.drained)
	}
	return e.next
}

func (n *Node) launchEntry() {
	n.entry.next = Never
	n.entry.pause = n.cfg.JoinRetry
	n.out.Events = append(n.out.Events, Event{Kind: SeedsWanted})
}

// wakeEntry dials the seeds again, and ends a leave.
func (n *Node) wakeEntry() {
	e := &n.entry
	e.deaf = false
	if e.due() > n.now {
		return
	}
	if e.leaving {
		n.stopped = true
		n.out.Events = append(n.out.Events, Event{Kind: LeaveDone, Err: e.unsent})
		return
	}
	if e.draining && e.drained <= n.now {
		n.depart()
		return
	}
	switch e.tries++; {
	case e.welcomed && (!e.host || n.now >= e.hasty):
		e.pause = n.reseedPause()
	case e.tries >= steadyTries:
		most := maxJoinPause
		if n.now < e.hasty {
			most = hastyPause
		}
		e.pause, e.tries = min(2*e.pause, most), steadyTries
	}
	e.next = n.now.Add(plane.Jitter(n.rng, e.pause))
	// their names may mean other addresses now
	n.out.Events = append(n.out.Events, Event{Kind: SeedsWanted})
	for i := range e.seeds {
		n.dial(&e.seeds[i])
	}
}

// reseedPause is how long after a round of dialling seeds the next one is due. A node that hears
// from next to nobody looks sooner where its seeds' names lead: all others may be at other
// addresses, or it may itself.
func (n *Node) reseedPause() time.Duration {
	if n.reach.Isolated() || n.table.Live() == 1 {
		return min(n.cfg.Reseed, lonelyPause)
	}
	return n.cfg.Reseed
}

// lonely has the seeds dialled again soon, since this node hears from next to nobody.
func (n *Node) lonely() {
	if e := &n.entry; e.welcomed && e.next != Never {
		e.next = min(e.next, n.now.Add(plane.Jitter(n.rng, n.reseedPause())))
	}
}

// join takes in the seeds and dials those that are new. A node all of whose seeds are itself is the
// first of its cluster, for all that it can know; it looks them up again as others do, since the
// next to start may find itself the first as well.
func (n *Node) join(c Join) {
	e := &n.entry
	before := e.seeds
	e.seeds = nil
	for _, l := range [...]struct {
		addrs []netip.AddrPort
		kind  seedKind
	}{{c.Merge, wished}, {c.Seeds, configured}, {c.Peers, remembered}} {
		for _, a := range l.addrs {
			n.addSeed(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), l.kind, before)
		}
	}
	if len(e.seeds) == 0 {
		n.beFirst()
	}
	for i := range e.seeds {
		s := &e.seeds[i]
		known := slices.ContainsFunc(before, func(b seed) bool {
			return b.addr == s.addr &&
				b.kind >= s.kind
		})
		if !known {
			e.round = 0
		}
		if s.kind == wished {
			s.met = false
		}
		if e.welcomed || !known {
			n.dial(s)
		}
	}
	if e.next == Never && len(c.Seeds)+len(c.Peers)+len(c.Merge) > 0 {
		e.next = n.now.Add(plane.Jitter(n.rng, e.pause))
		e.hasty = n.now.Add(haste)
	}
}

// addSeed puts an address among the seeds, with the cookie that it had before.
func (n *Node) addSeed(a netip.AddrPort, kind seedKind, before []seed) {
	e := &n.entry
	is := func(s seed) bool { return s.addr == a }
	if a == n.self.Value().Addr || slices.ContainsFunc(e.seeds, is) || len(e.seeds) >= maxSeeds {
		return
	}
	s := seed{addr: a}
	if i := slices.IndexFunc(before, is); i >= 0 {
		s = before[i]
	}
	s.kind = kind
	e.seeds = append(e.seeds, s)
}

// seedAt returns the seed at an address that answered a Join with a number, and otherwise one that
// may do what all may of those that were asked with such a number: a seed may answer from another
// address, or have made way for others meanwhile. nil: the seed has been asked again since, as one
// that may more, or less.
func (n *Node) seedAt(a netip.AddrPort, number uint32) *seed {
	least := wished
	for i := range n.entry.seeds {
		s := &n.entry.seeds[i]
		switch {
		case s.addr != a:
		case n.entry.numberOf(s.kind) != number:
			return nil
		default:
			return s
		}
		if s.kind != remembered {
			least = min(least, s.kind)
		}
	}
	if number == n.entry.number {
		least = remembered
	}
	return &seed{addr: a, kind: least}
}

// beFirst makes this node the first of its cluster.
func (n *Node) beFirst() {
	n.entry.alone = true
	n.foundCluster()
	n.streams.Founded()
	n.welcome()
}

// joinNumber returns the number of this node's Joins to seeds of a kind, a new one now and then. A
// seed's cookie holds for one number.
func (n *Node) joinNumber(kind seedKind) uint32 {
	e := &n.entry
	if e.number == 0 || n.now.Sub(e.numbered) >= numberLife {
		e.number, e.numbered = max(uint32(n.proof.Uint64())&^1, 2), n.now
		for i := range e.seeds {
			e.seeds[i].until = 0
		}
	}
	return e.numberOf(kind)
}

// numberOf is the number of Joins to seeds of a kind: its lowest bit is that the cluster of the
// seed may be another, so that no answer to a Join that may not merge becomes one to a Join that
// may.
func (e *entry) numberOf(kind seedKind) uint32 {
	if kind == remembered {
		return e.number
	}
	return e.number | 1
}

// answers says whether a number is that of this node's Joins of late.
func (n *Node) answers(number uint32) bool {
	e := &n.entry
	return e.number != 0 && number&^1 == e.number && n.now.Sub(e.numbered) < numberLife+maxJoinPause
}

// dial asks a seed to let this node in, unless it is a live member already that can be reached, or
// this node has no routes there. One that a user named is to say so itself: the member that this
// node holds to be at that address may be elsewhere, which nobody has noticed yet.
func (n *Node) dial(s *seed) {
	if n.entry.welcomed {
		if n.InTouch(s.addr) && (s.met || s.kind != wished) || !n.serves(s.addr.Addr()) {
			return
		}
		n.redial()
	}
	n.sendJoin(s)
}

// InTouch says whether a live member is at an address, as far as this node knows, and can be
// reached from here.
func (v View) InTouch(a netip.AddrPort) bool {
	if v.n.reach.Isolated() {
		return false
	}
	for i := range v.n.table.Live() {
		if m := v.n.table.At(i); m.Addr() == a && !v.n.IsUnreachable(m.ID) {
			return true
		}
	}
	return false
}

// metSeed takes in that a live member has welcomed this node.
func (n *Node) metSeed(m *member.Member, from netip.AddrPort) {
	e := &n.entry
	told := false
	for i := range e.seeds {
		s := &e.seeds[i]
		if s.kind == wished {
			s.met = s.met || s.addr == from || s.addr == m.Addr()
			told = true
		}
	}
	if told {
		n.out.Events = append(n.out.Events, Event{Kind: SeedMet, Member: *m, Addr: from})
	}
}

func (n *Node) sendJoin(s *seed) {
	e := &n.entry
	fresh := !e.welcomed || n.identity.fresh > n.now
	start := n.open(0)
	j := wire.Join{
		Detector: uint8(n.cfg.Detector), Cluster: n.name, Number: n.joinNumber(s.kind),
		Settings: n.settings,
		Merge: s.kind == wished || s.kind == configured &&
			fresh, Alone: s.kind != remembered && n.table.Live() == 1,
		ClusterID: n.identity.id, HasCookie: s.until > n.now, Cookie: s.cookie,
	}
	r := n.self.Value()
	n.out.arena = wire.AppendJoin(n.out.arena, &j, &r, n.called.Said(n.inc))
	n.close(start, plane.Peer{Addr: s.addr})
}

// challenged shows a seed that what it sends arrives here.
func (n *Node) challenged(peer plane.Peer, c *wire.Challenge) {
	e := &n.entry
	if e.leaving || !n.answers(c.Number) {
		return
	}
	n.unproven.shown = peer.Addr
	e.seen = Sight{c.Seen, peer.Addr, n.now}
	s := n.seedAt(peer.Addr, c.Number)
	if s == nil {
		return
	}
	s.cookie, s.until = c.Cookie, n.now.Add(cookieLife)
	if s.shown != 0 && n.now.Sub(s.shown) < provenPause {
		return // where several nodes share an address, the cookie of one is nothing to the next
	}
	s.shown = n.now
	if !e.welcomed {
		e.pause, e.tries, e.hasty = provenPause, 0, n.now.Add(haste)
		e.next = n.now.Add(plane.Jitter(n.rng, e.pause))
	}
	n.sendJoin(s)
}

// redial has the seeds dialled again soon, a few times in each round: a Join may be lost, and a
// round is long.
func (n *Node) redial() {
	e := &n.entry
	if e.round == 0 || n.now.Sub(e.round) >= n.cfg.Reseed/2 {
		e.round = max(n.now, 1)
	}
	if n.now.Sub(e.round) < redialFor {
		e.next = min(e.next, n.now.Add(plane.Jitter(n.rng, redialPause)))
	}
}

// welcome ends the tries to get in.
func (n *Node) welcome() {
	e := &n.entry
	if !e.welcomed || e.host {
		e.pause = n.cfg.Reseed
		if e.next != Never {
			e.next = n.now.Add(plane.Jitter(n.rng, e.pause))
		}
	}
	n.enter(false)
}

// enter takes in that this node is in. As a host, it goes on to ask its seeds as before: of seeds
// that start together each may have let others in while their Joins to each other were lost.
func (n *Node) enter(host bool) {
	e := &n.entry
	if !e.welcomed {
		n.out.Events = append(n.out.Events, Event{Kind: Welcomed})
		if e.host = host; host {
			n.streams.Founded()
		}
	}
	e.welcomed, e.host = true, e.host && host
}

// rejoin forgets the live and comes in anew, through them. It keeps the dead for as long as before:
// it would tell others whose dead it has forgotten to forget them too.
func (n *Node) rejoin() {
	n.endAll(n.table.Live())
	e := &n.entry
	for i := 0; i < n.table.Live() && len(e.seeds) < maxSeeds/2; i++ {
		if m := n.table.At(i); m.ID != n.id {
			n.addSeed(m.Addr(), remembered, nil)
		}
	}
	for i := n.table.Len() - 1; i >= 0; i-- {
		if m := n.table.At(i); m.ID != n.id && m.State.Live() {
			n.tellOver(m, member.CauseForgotten)
			n.forget(m.ID)
		}
	}
	e.welcomed, e.host, e.whole, e.alone, e.deaf = false, false, false, false, true
	e.pause, e.tries, e.next, e.hasty = n.cfg.JoinRetry, 0, n.now, n.now.Add(haste)
}

// takeEntry handles the messages of coming in and going, and says whether they could be read.
func (n *Node) takeEntry(peer plane.Peer, t wire.Type, body []byte) (ok bool) {
	switch t {
	case wire.TypeJoin:
		var j wire.Join
		if j, ok = wire.ReadJoin(body); ok {
			n.answerJoin(peer, &j)
		}
	case wire.TypeChallenge:
		var c wire.Challenge
		if c, ok = wire.ReadChallenge(body); ok {
			n.challenged(peer, &c)
		}
	case wire.TypeWelcome:
		var w wire.Welcome
		if w, ok = wire.ReadWelcome(body); ok && n.answers(w.Number) && !n.entry.leaving {
			n.entry.seen = Sight{w.Seen, peer.Addr, n.now}
			n.unproven.shown = peer.Addr
			n.entry.inside = n.entry.welcomed && w.ClusterID != 0 && n.ofCluster(w.ClusterID)
			n.admitted(&w, peer)
			n.welcome()
			n.entry.greeted, n.entry.greeting, n.entry.took = peer, w.Live, 0
			if s := n.seedAt(peer.Addr, w.Number); s != nil && s.shown != 0 {
				n.entry.took = n.now.Sub(s.shown)
			}
			n.hushed = true // what rides along is known to all
			n.compareSettings(peer, peer.Addr.String(), w.Settings)
		}
	case wire.TypeRefuse:
		var r wire.Refuse
		if r, ok = wire.ReadRefuse(body); ok && n.answers(r.Number) {
			n.refused(peer, &r)
		}
	case wire.TypeConflict:
		var c wire.Conflict
		if c, ok = wire.ReadConflict(body); ok {
			n.hearClaim(peer, &c)
		}
	case wire.TypeMistaken:
		var m wire.Mistaken
		if m, ok = wire.ReadMistaken(body); ok {
			n.mistaken(peer, &m)
		}
	case wire.TypeUnopened:
		if ok = len(body) == 0; ok {
			n.hearUnopened(peer)
		}
	case wire.TypeMerged:
		var m wire.Merged
		if m, ok = wire.ReadMerged(body); ok {
			n.hearMerged(m)
		}
	}
	return ok
}

// mistaken hears that another node lives at a member's address. It is none of the cluster's for
// that: its record, which rides along, is taken only if its name is known here and it is of this
// cluster. A member that lost its memory and founded a cluster anew is asked for its own, so that
// the two become one.
func (n *Node) mistaken(peer plane.Peer, m *wire.Mistaken) {
	_, known := n.table.Get(peer.ID)
	own := n.ofCluster(m.ClusterID)
	if n.kin = known && (own || m.Founded && m.ClusterID != 0); n.kin {
		if !own {
			n.regain(peer.Addr)
		}
		return
	}
	if known && m.ClusterID == 0 {
		return // it is on its way into some cluster, perhaps this one
	}
	whose := ""
	if m.ClusterID != 0 && !own {
		whose = fmt.Sprintf("; its cluster of the same name is %016x, and this one %016x",
			m.ClusterID, n.identity.id)
	}
	n.out.Events = append(n.out.Events, Event{Kind: AddressTaken, Err: fmt.Errorf(
		"another node lives at %s, where a member was; it is no member of this "+
			"cluster%s", peer.Addr, whose)})
}

// regain asks a member to let this node into the cluster that it founded anew.
func (n *Node) regain(a netip.AddrPort) {
	e := &n.entry
	n.addSeed(a, wished, e.seeds)
	for i := range e.seeds {
		if s := &e.seeds[i]; s.addr == a {
			s.kind = wished
			n.sendJoin(s)
		}
	}
}

// passedOver says whether a record came with a Mistaken from a node that is no member for it.
func (n *Node) passedOver() bool { return n.wasAsked(wire.TypeMistaken) && !n.kin }

// Sight is what a seed told of where a node's datagrams come from.
type Sight struct {
	Addr netip.AddrPort // not valid: none has told anything
	By   netip.AddrPort // the seed
	At   Time           // when it did
}

// Seen returns what a seed told last.
func (v View) Seen() Sight { return v.n.entry.seen }

// dropSeed takes an address that leads back here off the seeds.
func (n *Node) dropSeed(a netip.AddrPort) {
	e := &n.entry
	e.seeds = slices.DeleteFunc(e.seeds, func(s seed) bool { return s.addr == a })
	if len(e.seeds) == 0 {
		n.beFirst()
	}
}

// Complete says whether this node was let in and has had the first whole table since: before that
// it does not know what the cluster is. The first of its cluster is complete at once.
func (v View) Complete() bool { return v.n.entry.whole }

// complete looks whether it is.
func (n *Node) complete() {
	if e := &n.entry; e.welcomed && !e.whole {
		e.whole = e.alone || n.repair.Whole()
	}
}

const (
	holders = 3              // others that have what this node published, before it leaves
	maxWait = 24 * time.Hour // for them
)

// leave has this node go, once what it published is out or the wait for that is over.
func (n *Node) leave(wait time.Duration) {
	e := &n.entry
	switch _, late := n.unsent(); {
	case e.leaving:
	case late && wait > 0:
		e.draining, e.drained = true, n.now.Add(min(wait, maxWait))
	default:
		n.depart()
	}
}

// drain lets this node go if what it published is out.
func (n *Node) drain() {
	if n.entry.draining && !n.entry.leaving {
		if _, late := n.unsent(); !late {
			n.depart()
		}
	}
}

// unsent returns the sequence of the first message of this node's that is not out, if any is not.
func (n *Node) unsent() (seq uint64, late bool) {
	generation, piece, late := n.relay.Unsettled(holders)
	if late {
		seq = n.streams.MessageOf(n.id, generation, piece)
	}
	return seq, late
}

// lacks says whether there are others, as far as this node knows, that a message is for and that
// may have gone without it: it is not in yet, or knows of a member that has not left.
func (n *Node) lacks() bool {
	if !n.entry.whole {
		return true
	}
	for i := range n.table.Len() {
		if m := n.table.At(i); m.ID != n.id && m.State != member.Left {
			return true
		}
	}
	return false
}

// Unsent returns an error that wraps ErrUnsent and names the first message of this node's that is
// not known to be out; nil if there is none. One that nobody else had when all others had failed is
// not out, though nobody is left to wait for. It may be called after the end too.
func (v View) Unsent() error {
	if v.n.relay == nil {
		return nil
	}
	seq, late := v.n.unsent()
	if generation, lone, ok := v.n.streams.FirstLone(); ok {
		if !late || generation < v.n.self.Value().Generation || lone < seq {
			seq, late = lone, true
		}
	}
	if late {
		return fmt.Errorf("%w: message %d, and perhaps others", ErrUnsent, seq)
	}
	return nil
}

// depart tells everybody that this node goes.
func (n *Node) depart() {
	e := &n.entry
	e.unsent = n.Unsent()
	e.leaving = true
	e.gone = n.now.Add(n.cfg.Rounds[len(n.cfg.Rounds)-1] + leaveLinger)
	n.inc++
	n.announce(false)
}
