// Package multicast brings what a node publishes to all others along a tree that needs no set-up.
// Each node knows all members. So a node that has a parcel can give parts of the ring to others,
// which do the same.
//
// Trees are fast and cheap and break when inner nodes fail; gossip is robust and pays in copies.
// Here each part of the ring is delegated, the delegate confirms, and a delegate that does not
// answer is replaced by another. So the tree is made anew for each parcel, around silent members.
// Parts are confirmed upward, so the origin knows when all members have a parcel. A few copies
// beside the tree, to fixed places of the ring, more of them where packets are lost, hide most
// losses. What all this misses is found by the digests of package stream.
//
// Relay composes the parts below. Each has its own state and methods, and calls only parts that
// stand above it in this list; what a part exports is exported by Relay. A duty, which is what most
// parts are about, is told of in job.go.
//
//	env        env.go        the node around, and where members stand as seen from here
//	job        job.go        a duty and its legs
//	paths      path.go       how long answers take, how many are lost, which members are silent
//	parcels    parcel.go     which pieces a parcel has, and how it stands here
//	outbox     lane.go       what goes the same way shares a datagram
//	duties     duties.go     all jobs, when they wake, and how earlier ones ended
//	copies     redundant.go  copies beside the tree
//	           zones.go      and those to other zones
//	asks       send.go       which member is asked for a leg
//	           helper.go     and which helper in its place
//	tree       split.go      a span is divided into legs
//	own        own.go        this node's own pieces, within a window
//	lingering  linger.go     own parcels that some members lack
//	ends       finish.go     a duty is done
//	retries    late.go       no answer comes, or a member dies
//	debts      given.go      confirmations that are owed
//	starts     begin.go      a duty is begun
//	hub        mixed.go      the parcels of many become one
//	answers    answer.go     an answer comes
//	unclaimed  unclaimed.go  a parcel came beside the tree, and not by it
//	intake     take.go       a parcel or a duty comes
//	publisher  publish.go    own parcels leave
package multicast

import (
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Store holds pieces. Bodies that it returns are valid until its next call.
type Store interface {
	// Take takes in a piece that may be new; it does not keep the body's memory. It says whether
	// the piece was new.
	Take(now mono.Time, p wire.Piece) (fresh bool)
	// Knows says whether a piece is held, or was. PassedOver says whether it was given up without.
	Knows(origin member.ID, generation, seq uint64) bool
	PassedOver(origin member.ID, generation, seq uint64) bool
	// Given says how a piece stands with this node's programs. DutyDone: they were given it, or it
	// is ready to be given. DutyTaken: they were not, or not yet. DutyLacks: it is not here.
	// DutyVoid: it is from before this node's time.
	Given(origin member.ID, generation, seq uint64) wire.Verdict
	// Body returns the body of a piece that is held.
	Body(origin member.ID, generation, seq uint64) ([]byte, bool)
}

// Host is what a relay may use of the node around it, from within the relay's own methods.
type Host interface {
	Self() member.ID
	Generation() uint64 // of this node
	Table() *member.Table
	Ring() *topology.Ring // of the table
	Rand() *rand.Rand
	RTT() time.Duration // a first guess at the time that an answer takes, 0 if there is none
	// Losses returns a first guess at the share of round trips that fail, as failed of so many.
	Losses() (failed, of int)
	// Silent says whether nobody of a zone is heard here.
	Silent(zone uint16) bool
	// Budget returns how many bytes may be sent to each other zone now; 0 if the budget for one is
	// spent. Then what can wait does, until Resume is called or for a moment. Tight says whether
	// that for one zone is spent, or was of late: then no copies are sent there for safety.
	Budget() int
	Tight(zone uint16) bool
	// Epoch returns a number that rises every few seconds, and is mostly the same at all nodes.
	// While many small parcels come, all choose the same delegates in one epoch, and others in the
	// next.
	Epoch(now mono.Time) uint64
	// Send sends messages in a datagram of their own at once.
	Send(now mono.Time, to plane.Peer, messages []byte)
	// Unanswered tells that a member did not answer what was sent to it, and that either was long:
	// perhaps such datagrams do not pass.
	Unanswered(now mono.Time, id member.ID)
	// Narrow says whether the way to a member is known to drop what is as long as a full parcel.
	Narrow(id member.ID) bool
	// Waiting returns what this node published and that has not left: the small or the large
	// messages (wire.Bulk). Cut takes out the next parcel of it: some pieces, which get their
	// sequences by that, and which take so many bytes in a Carry at most. Sent tells that these and
	// all before are on their way.
	Waiting(bulk bool) Waiting
	Cut(now mono.Time, bulk bool, room int) Cut
	Sent(now mono.Time, generation, last uint64)
	// Waited says whether a publisher waits for a message whose last piece is one of this node's
	// own from first to last.
	Waited(generation, first, last uint64) bool
	// Confirmed tells how far some of this node's own pieces have come.
	Confirmed(now mono.Time, p Progress)
}

// Waiting is what a node published and that has not left.
type Waiting struct {
	Bytes  int  // about so many in Carries; 0: nothing waits
	Prompt bool // some of it waits for no company: it is urgent, or a message of several pieces
	Waited bool // its publisher waits for some of it
}

// Cut is a parcel of this node's own. Its generation is not always the present one: what was
// published before this node took a new one still goes out.
type Cut struct {
	Generation, First uint64
	Count             int
	Size              int  // bytes in a Carry, about
	Large             bool // it is of a large message
}

// Progress is how far the pieces First to Last of this node have come.
type Progress struct {
	Generation  uint64 // of this node when they were published
	First, Last uint64
	// live members that confirmed, and that there are; this node is among both
	Have, Of int
	Newer    int         // live members that joined later, and do not get it; they are not in Of
	Missing  []member.ID // some of those that did not; valid during the call
	// all was done that can be done at once: a member that is missing is silent, or has it behind a
	// gap
	Done bool
	// a member that is missing is not asked any more: nothing more will be told of these pieces
	Ended bool
}

// Config is how a relay works. The zero value of each field means its default, which is right for a
// LAN.
type Config struct {
	// bytes of messages that one datagram takes; default what fits every node's
	Size   int
	Rate   int // bytes a second of pieces that a node sends at most; default 32 MiB
	Window int // parcels of this node's own that may be under way; default 320
	// pieces of others within 64 ms from which on a node gives its own to a hub; default 32
	Share int
}

// What waits for what.
const (
	// coalesce and ackDelay are how long pieces and confirmations to one peer wait after the last,
	// to share a datagram
	coalesce = 2 * time.Millisecond
	ackDelay = 10 * time.Millisecond
	// unclaimedDelay: a piece that came beside the tree is passed on unless the tree brings it
	// within
	unclaimedDelay = 20 * time.Millisecond
	pace           = 24 * time.Microsecond // between two parcels of a node's own, on average
)

// parcelRoom is how many bytes a parcel takes of a datagram at most. A node passes a parcel on as
// it came, so a parcel fits the least datagram, whatever Config.Size is. Where that is larger,
// several parcels share a datagram.
const parcelRoom = wire.MinRoom - wire.HeaderSize

// What keeps a node's memory bounded, and other numbers.
const (
	maxJobs      = 4096 // duties at once; the parent gives what comes on top to somebody else
	maxClosed    = 256  // duties whose end is remembered, for members that ask again
	maxUnclaimed = 256  // parcels for which the tree is waited for
	// parcels of this node's own that are still offered to members that were silent
	maxLinger  = 128
	maxWaited  = 1024    // of them that a publisher waits for; fewer in a large cluster:
	waitedLegs = 1 << 17 // legs that these have at most, if each has one for each member
	maxDebts   = 256     // confirmations owed for parcels that this node was not given yet
	maxWays    = 16      // members for which the helper that reached them is remembered
	// members that are asked, one after the other, to reach one in this node's place
	maxDetours = 4
	// peers whose last datagram is remembered, beyond the peers for which something waits
	idleLanes = 64
)

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		v *int
		d int
	}{{&c.Size, parcelRoom}, {&c.Rate, 32 << 20}, {&c.Window, 320}, {&c.Share, 32}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return c
}

// Stats counts what a relay did. Counters only rise.
type Stats struct {
	// sent: parcels along the tree, copies beside it, parcels without bodies
	Carries, Redundant, Offers uint64
	Repeats                    uint64 // of Carries and Offers: sent again for want of an answer
	Redelegated                uint64 // spans given to another delegate
	Unconfirmed                uint64 // members given up
	Unclaimed                  uint64 // parcels that the tree did not bring
	Refused                    uint64 // duties not taken: too many at once
	Jobs                       int    // duties under way now
}

// Relay is a node's part in all trees. It is not safe for concurrent use.
type Relay struct {
	plane.None
	env
	paths
	parcels parcels
	outbox  outbox
	duties  duties
	copies  copies
	asks    asks
	tree    tree
	own
	lingering
	ends    ends
	retries retries
	debts
	starts    starts
	hub       hub
	answers   answers
	unclaimed unclaimedParcels
	intake    intake
	publisher publisher
}

// core is what the parts below duties stand on.
type core struct {
	*env
	paths   *paths
	parcels *parcels
	outbox  *outbox
	duties  *duties
}

// New makes a relay.
func New(cfg Config, host Host, store Store) *Relay {
	r := &Relay{env: env{cfg: cfg.withDefaults(), host: host, store: store, ring: host.Ring()}}
	e := &r.env
	r.paths, r.parcels = paths{env: e}, parcels{env: e}
	r.outbox = outbox{env: e, paths: &r.paths, parcels: &r.parcels, bucket: newBucket(e.cfg.Rate),
		laneOf: make(map[member.ID]int32)}
	r.duties = duties{env: e, paths: &r.paths, parcels: &r.parcels, at: make(map[parcel]int32)}
	c := core{e, &r.paths, &r.parcels, &r.outbox, &r.duties}
	r.copies, r.asks = copies{c}, asks{core: c}
	r.tree = tree{c, &r.copies, &r.asks}
	r.own = own{core: c, window: firstWindow, due: mono.Never,
		waits: [2]mono.Time{mono.Never, mono.Never}}
	r.lingering = lingering{core: c, own: &r.own}
	r.ends = ends{c, &r.lingering}
	r.retries = retries{c, &r.asks, &r.tree, &r.own, &r.lingering, &r.ends}
	r.debts = debts{core: c, ends: &r.ends}
	r.starts = starts{c, &r.tree, &r.debts}
	r.hub = hub{core: c, copies: &r.copies, tree: &r.tree, ends: &r.ends, starts: &r.starts}
	r.answers = answers{c, &r.asks, &r.tree, &r.lingering, &r.ends}
	r.unclaimed = unclaimedParcels{core: c, copies: &r.copies, ends: &r.ends, starts: &r.starts}
	r.intake = intake{c, &r.copies, &r.tree, &r.ends, &r.debts, &r.starts, &r.hub, &r.unclaimed}
	r.publisher = publisher{c, &r.copies, &r.tree, &r.own, &r.ends, &r.starts, &r.hub}
	return r
}

// Receive takes a message of the tree from a live member, and says whether it could be read.
func (r *Relay) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	r.parcels.unpack()
	switch t {
	case wire.TypeCarry:
		b, pieces, ok := wire.ReadCarry(body)
		if !ok {
			return false
		}
		r.intake.carried(now, from, &b, &pieces)
	case wire.TypeOffer:
		b, ok := wire.ReadOffer(body)
		if !ok {
			return false
		}
		r.intake.offered(now, from, &b)
	case wire.TypeConfirm:
		c, ok := wire.ReadConfirm(body)
		if !ok {
			return false
		}
		for m, more := c.Next(); more; m, more = c.Next() {
			r.answers.answered(now, from, c.Instance, &m)
		}
	default:
		return false
	}
	return true
}

// Deadline returns the next moment that the relay needs, mono.Never if none.
func (r *Relay) Deadline() mono.Time {
	return min(r.own.due, r.duties.tickets.due(), r.hub.due(), r.outbox.due(), r.unclaimed.due())
}

// Wake does what has fallen due.
func (r *Relay) Wake(now mono.Time) {
	r.parcels.unpack()
	for i, ok := r.duties.next(now); ok; i, ok = r.duties.next(now) {
		r.retries.wakeJob(now, i)
	}
	r.unclaimed.adopt(now)
}

// Flush ends a step: what can be sent is sent. It is called after all messages of a datagram were
// taken, and after each call of Wake, Publish or Changed, or several of them.
func (r *Relay) Flush(now mono.Time) {
	r.parcels.unpack()
	r.debts.settle(now)
	if r.own.due <= now {
		r.publisher.sendOwn(now)
	}
	r.hub.drain(now)
	r.outbox.flush(now)
}

// Changed tells that the table changed: before is the zero Member if the member is new.
func (r *Relay) Changed(now mono.Time, before, after member.Member) {
	if after.ID == r.host.Self() {
		r.me = topology.PlaceOf(&after)
	}
	if before.ID != 0 && before.State.Live() && !after.State.Live() {
		r.parcels.unpack()
		r.retries.bury(now, after.ID)
	}
	if after.State.Live() && !(before.ID != 0 && before.State.Live()) && after.ID != r.host.Self() {
		r.lingering.include(now, &after)
	}
}

// Stalled moves what is pending by the gap in which this process stood still, so that it blames
// nobody for answers that it was not there to hear.
func (r *Relay) Stalled(_ mono.Time, gap time.Duration) {
	r.duties.stalled(gap)
}

// Stats returns the counters.
func (r *Relay) Stats() Stats {
	s := r.stats
	s.Jobs = r.duties.underway()
	return s
}
