package door

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is this node's own way in.

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
)

// MaxSeeds bounds the addresses that are asked to let a node in.
const MaxSeeds = 64

const (
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

// Sight is what a seed told of where a node's datagrams come from.
type Sight struct {
	Addr netip.AddrPort // not valid: none has told anything
	By   netip.AddrPort // the seed
	At   mono.Time      // when it did
}

// Wake dials the seeds again, and ends a leave.
func (d *Door) Wake(mono.Time) {
	d.deaf = false
	if d.leaving {
		d.stopped = true
		d.tell(LeaveDone, d.late)
		return
	}
	if d.draining && d.drained <= d.now {
		d.depart()
		return
	}
	switch d.tries++; {
	case d.welcomed && (!d.host || d.now >= d.hasty):
		d.pause = d.reseedPause()
	case d.tries >= steadyTries:
		most := maxJoinPause
		if d.now < d.hasty {
			most = hastyPause
		}
		d.pause, d.tries = min(2*d.pause, most), steadyTries
	}
	d.next = d.now.Add(plane.Jitter(d.rng, d.pause))
	// their names may mean other addresses now
	d.tell(SeedsWanted, nil)
	for i := range d.seeds.list {
		d.dial(&d.seeds.list[i])
	}
}

// reseedPause is how long after a round of dialling seeds the next one is due. A node that hears
// from next to nobody looks sooner where its seeds' names lead: all others may be at other
// addresses, or it may itself.
func (d *Door) reseedPause() time.Duration {
	if d.Reach.Isolated() || d.roster.Table().Live() == 1 {
		return min(d.cfg.Reseed, lonelyPause)
	}
	return d.cfg.Reseed
}

// Lonely has the seeds dialled again soon, since this node hears from next to nobody.
func (d *Door) Lonely() {
	if d.welcomed && d.next != mono.Never {
		d.next = min(d.next, d.now.Add(plane.Jitter(d.rng, d.reseedPause())))
	}
}

// Join takes in the seeds and dials those that are new. A node all of whose seeds are itself is the
// first of its cluster, for all that it can know; it looks them up again as others do, since the
// next to start may find itself the first as well.
func (d *Door) Join(to, peers, merge []netip.AddrPort) {
	before := d.seeds.list
	d.seeds.list = nil
	for _, l := range [...]struct {
		addrs []netip.AddrPort
		kind  seedKind
	}{{merge, wished}, {to, configured}, {peers, remembered}} {
		for _, a := range l.addrs {
			d.seeds.add(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), l.kind, before)
		}
	}
	if len(d.seeds.list) == 0 {
		d.beFirst()
	}
	for i := range d.seeds.list {
		s := &d.seeds.list[i]
		known := slices.ContainsFunc(before, func(b seed) bool {
			return b.addr == s.addr &&
				b.kind >= s.kind
		})
		if !known {
			d.round = 0
		}
		if s.kind == wished {
			s.met = false
		}
		if d.welcomed || !known {
			d.dial(s)
		}
	}
	if d.next == mono.Never && len(to)+len(peers)+len(merge) > 0 {
		d.next = d.now.Add(plane.Jitter(d.rng, d.pause))
		d.hasty = d.now.Add(haste)
	}
}

// beFirst makes this node the first of its cluster.
func (d *Door) beFirst() {
	d.alone = true
	d.cluster.found()
	d.Streams.Founded()
	d.welcome()
}

// dial asks a seed to let this node in, unless it is a live member already that can be reached, or
// this node has no routes there. One that a user named is to say so itself: the member that this
// node holds to be at that address may be elsewhere, which nobody has noticed yet.
func (d *Door) dial(s *seed) {
	if d.welcomed {
		if d.InTouch(s.addr) && (s.met || s.kind != wished) || !d.roster.Serves(s.addr.Addr()) {
			return
		}
		d.redial()
	}
	d.sendJoin(s)
}

// metSeed takes in that a live member has welcomed this node.
func (d *Door) metSeed(m *member.Member, from netip.AddrPort) {
	told := false
	for i := range d.seeds.list {
		s := &d.seeds.list[i]
		if s.kind == wished {
			s.met = s.met || s.addr == from || s.addr == m.Addr()
			told = true
		}
	}
	if told {
		d.Host.Tell(Notice{Event: SeedMet, Member: *m, Addr: from})
	}
}

func (d *Door) sendJoin(s *seed) {
	fresh := !d.welcomed || d.cluster.fresh > d.now
	start := d.flow.Open(0)
	j := wire.Join{
		Detector: d.cfg.Detector, Cluster: []byte(d.cfg.Cluster), Number: d.seeds.next(s.kind),
		Settings: d.settings,
		Merge: s.kind == wished || s.kind == configured &&
			fresh, Alone: s.kind != remembered && d.roster.Table().Live() == 1,
		ClusterID: d.cluster.id, HasCookie: s.until > d.now, Cookie: s.cookie,
	}
	r := d.roster.Record()
	d.flow.Bytes = wire.AppendJoin(d.flow.Bytes, &j, &r, d.Called.Said(d.roster.Incarnation()))
	d.flow.Close(start, plane.Peer{Addr: s.addr})
}

// challenged shows a seed that what it sends arrives here.
func (d *Door) challenged(peer plane.Peer, c *wire.Challenge) {
	if d.leaving || !d.seeds.answers(c.Number) {
		return
	}
	d.flow.Proven(peer.Addr)
	d.seen = Sight{c.Seen, peer.Addr, d.now}
	s := d.seeds.at(peer.Addr, c.Number)
	if s == nil {
		return
	}
	s.cookie, s.until = c.Cookie, d.now.Add(cookieLife)
	if s.shown != 0 && d.now.Sub(s.shown) < provenPause {
		return // where several nodes share an address, the cookie of one is nothing to the next
	}
	s.shown = d.now
	if !d.welcomed {
		d.pause, d.tries, d.hasty = provenPause, 0, d.now.Add(haste)
		d.next = d.now.Add(plane.Jitter(d.rng, d.pause))
	}
	d.sendJoin(s)
}

// redial has the seeds dialled again soon, a few times in each round: a Join may be lost, and a
// round is long.
func (d *Door) redial() {
	if d.round == 0 || d.now.Sub(d.round) >= d.cfg.Reseed/2 {
		d.round = max(d.now, 1)
	}
	if d.now.Sub(d.round) < redialFor {
		d.next = min(d.next, d.now.Add(plane.Jitter(d.rng, redialPause)))
	}
}

// welcome ends the tries to get in.
func (d *Door) welcome() {
	if !d.welcomed || d.host {
		d.pause = d.cfg.Reseed
		if d.next != mono.Never {
			d.next = d.now.Add(plane.Jitter(d.rng, d.pause))
		}
	}
	d.enter(false)
}

// enter takes in that this node is in. As a host, it goes on to ask its seeds as before: of seeds
// that start together each may have let others in while their Joins to each other were lost.
func (d *Door) enter(host bool) {
	if !d.welcomed {
		d.tell(Welcomed, nil)
		if d.host = host; host {
			d.Streams.Founded()
		}
	}
	d.welcomed, d.host = true, d.host && host
}

// rejoin forgets the live and comes in anew, through them. It keeps the dead for as long as before:
// it would tell others whose dead it has forgotten to forget them too.
func (d *Door) rejoin() {
	d.Host.Ended(d.roster.Table().Live())
	for i := 0; i < d.roster.Table().Live() && len(d.seeds.list) < MaxSeeds/2; i++ {
		if m := d.roster.Table().At(i); m.ID != d.roster.ID() {
			d.seeds.add(m.Addr(), remembered, nil)
		}
	}
	for i := d.roster.Table().Len() - 1; i >= 0; i-- {
		if m := d.roster.Table().At(i); m.ID != d.roster.ID() && m.State.Live() {
			d.roster.TellOver(m, member.CauseForgotten)
			d.roster.Forget(m.ID)
		}
	}
	d.welcomed, d.host, d.whole, d.alone, d.deaf = false, false, false, false, true
	d.pause, d.tries, d.next, d.hasty = d.cfg.JoinRetry, 0, d.now, d.now.Add(haste)
}

// regain asks a member to let this node into the cluster that it founded anew.
func (d *Door) regain(a netip.AddrPort) {
	d.seeds.add(a, wished, d.seeds.list)
	for i := range d.seeds.list {
		if s := &d.seeds.list[i]; s.addr == a {
			s.kind = wished
			d.sendJoin(s)
		}
	}
}

// dropSeed takes an address that leads back here off the seeds.
func (d *Door) dropSeed(a netip.AddrPort) {
	d.seeds.list = slices.DeleteFunc(d.seeds.list, func(s seed) bool { return s.addr == a })
	if len(d.seeds.list) == 0 {
		d.beFirst()
	}
}

// Complete looks whether this node has the first whole table.
func (d *Door) Complete() {
	if d.welcomed && !d.whole {
		d.whole = d.alone || d.Repair.Whole()
	}
}
