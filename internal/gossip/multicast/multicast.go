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
// One file holds one rule. ring.go is the places of members. job.go is a duty and its legs.
// split.go divides a span and chooses delegates. late.go is what happens when no answer comes, and
// answer.go what happens when one does. own.go is this node's own parcels. family.go is members of
// the other IP version. given.go is which members were given a parcel that a publisher waits for.
// extra.go is the copies beside the tree. lane.go puts into one datagram what goes the same way.
// path.go knows how long answers take and how many are lost.
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
	// Room returns how many bytes may be sent to each other zone now; 0 if the budget for one is
	// spent. Then what can wait does, until Resume is called or for a moment. Tight says whether
	// that for one zone is spent, or was of late: then no copies are sent there for safety.
	Room() int
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
	// Sent tells that this node's own pieces of a generation up to one are on their way. It is not
	// always the present one: what was published before this node took a new one still goes out.
	Sent(now mono.Time, generation, last uint64)
	// Waited says whether a publisher waits for a message whose last piece is one of this node's
	// own from first to last.
	Waited(generation, first, last uint64) bool
	// Confirmed tells how far some of this node's own pieces have come.
	Confirmed(now mono.Time, p Progress)
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
	// coalesce and ackDelay are how long pieces and confirmations to one peer wait for company
	// after the last
	coalesce = 2 * time.Millisecond
	ackDelay = 10 * time.Millisecond
	// orphanDelay: a piece that came beside the tree is passed on unless the tree brings it within
	orphanDelay = 20 * time.Millisecond
	pace        = 24 * time.Microsecond // between two parcels of a node's own, on average
)

// parcelRoom is how many bytes a parcel takes of a datagram at most. A node passes a parcel on as
// it came, so a parcel fits the least datagram, whatever Config.Size is. Where that is larger,
// several parcels share a datagram.
const parcelRoom = wire.MinRoom - wire.HeaderSize

// What keeps a node's memory bounded, and other numbers.
const (
	maxJobs    = 4096 // duties at once; the parent gives what comes on top to somebody else
	maxClosed  = 256  // duties whose end is remembered, for members that ask again
	maxOrphans = 256  // parcels for which the tree is waited for
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
	Carries, Extras, Offers uint64
	Repeats                 uint64 // of Carries and Offers: sent again for want of an answer
	Redelegated             uint64 // spans given to another delegate
	Unconfirmed             uint64 // members given up
	Orphans                 uint64 // parcels that the tree did not bring
	Refused                 uint64 // duties not taken: too many at once
	Jobs                    int    // duties under way now
}

// Relay is a node's part in all trees. It is not safe for concurrent use.
type Relay struct {
	plane.None
	cfg   Config
	host  Host
	store Store

	ring    *topology.Ring
	me      place // this node's own
	paths   paths
	helper  member.ID // it last reached a member that this node cannot send to
	ways    []way     // to members that this node asked others to reach
	oldWay  int       // the one of them that was replaced last
	silence silence
	flow    flow

	jobs    []job
	free    []int32
	at      map[parcel]int32 // the first job of a parcel
	tickets tickets
	mixed   mixed
	pools   []pool
	closed  []closed
	latest  int // the last of closed that was written
	debts   []debt
	moved   bool // something was given since debts were gone through

	lanes   []lane
	spare   [][]byte
	laneOf  map[member.ID]int32
	waiting []int32 // lanes with something to send
	hand    int
	bucket  bucket

	orphans  []orphan
	own      own
	packed   packed
	datagram []byte
	stats    Stats
}

// New makes a relay.
func New(cfg Config, host Host, store Store) *Relay {
	cfg = cfg.withDefaults()
	r := &Relay{cfg: cfg, host: host, ring: host.Ring(), store: store,
		at: make(map[parcel]int32), laneOf: make(map[member.ID]int32)}
	r.bucket = bucket{rate: int64(cfg.Rate), burst: int64(cfg.Rate) / 16}
	r.own.window = firstWindow
	r.own.next, r.own.due = 1, mono.Never
	return r
}

// Receive takes a message of the tree from a live member, and says whether it could be read.
func (r *Relay) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	r.packed.ok = false
	switch t {
	case wire.TypeCarry:
		b, pieces, ok := wire.ReadCarry(body)
		if !ok {
			return false
		}
		r.carried(now, from, &b, pieces)
	case wire.TypeOffer:
		b, ok := wire.ReadOffer(body)
		if !ok {
			return false
		}
		r.offered(now, from, &b)
	case wire.TypeConfirm:
		c, ok := wire.ReadConfirm(body)
		if !ok {
			return false
		}
		for m, more := c.Next(); more; m, more = c.Next() {
			r.answered(now, from, c.Instance, &m)
		}
	default:
		return false
	}
	return true
}

// Deadline returns the next moment that the relay needs, mono.Never if none.
func (r *Relay) Deadline() mono.Time {
	due := min(r.own.due, r.tickets.due())
	for i := range r.pools {
		due = min(due, r.pools[i].due)
	}
	for _, i := range r.waiting {
		due = min(due, r.lanes[i].due)
	}
	for i := range r.orphans {
		due = min(due, r.orphans[i].due)
	}
	return due
}

// Wake does what has fallen due.
func (r *Relay) Wake(now mono.Time) {
	r.packed.ok = false
	for i, ok := r.tickets.next(now); ok; i, ok = r.tickets.next(now) {
		if j := &r.jobs[i.job]; j.used && j.stamp == i.stamp && j.ticket == i.due {
			r.wakeJob(now, i.job)
		}
	}
	r.adopt(now)
}

// Flush ends a step: what can be sent is sent. It is called after all messages of a datagram were
// taken, and after each call of Wake, Publish or Changed, or several of them.
func (r *Relay) Flush(now mono.Time) {
	r.packed.ok = false
	r.settle(now)
	if r.own.due <= now {
		r.ship(now)
	}
	r.drain(now)
	r.flush(now)
}

// Heard tells that a datagram of any kind came from a member: it is not silent.
func (r *Relay) Heard(id member.ID) { r.silence.heard(id) }

// Changed tells that the table changed: before is the zero Member if the member is new.
func (r *Relay) Changed(now mono.Time, before, after member.Member) {
	if after.ID == r.host.Self() {
		r.me = topology.PlaceOf(&after)
	}
	if before.ID != 0 && before.State.Live() && !after.State.Live() {
		r.packed.ok = false
		r.bury(now, after.ID)
	}
	if after.State.Live() && !(before.ID != 0 && before.State.Live()) && after.ID != r.host.Self() {
		r.include(now, &after)
	}
}

// Stalled moves what is pending by the gap in which this process stood still, so that it blames
// nobody for answers that it was not there to hear.
func (r *Relay) Stalled(_ mono.Time, gap time.Duration) {
	r.tickets.list = r.tickets.list[:0]
	for i := range r.jobs {
		j := &r.jobs[i]
		if !j.used {
			continue
		}
		j.due = mono.Never
		for k := range j.legs {
			l := &j.legs[k]
			if l.due != mono.Never {
				l.due = l.due.Add(gap)
			}
			clear(l.sent[:])
			j.due = min(j.due, l.due)
		}
		j.due = min(j.due, j.mine.due())
		j.ticket = mono.Never
		r.schedule(int32(i), j.due)
	}
}

// Stats returns the counters.
func (r *Relay) Stats() Stats {
	s := r.stats
	s.Jobs = len(r.jobs) - len(r.free)
	return s
}

// flow knows whether so many parcels come that it pays to send them the same way.
type flow struct {
	from               mono.Time
	now, last          int
	others, lastOthers int // pieces of other origins in these
	bytes, lastBytes   int // of them
}

const (
	flowWindow = 64 * time.Millisecond
	flowBusy   = 8 // parcels in a window
)

func (f *flow) count(now mono.Time, parcels, others, bytes int) {
	f.turn(now)
	f.now += parcels
	f.others += others
	f.bytes += bytes
}

func (f *flow) turn(now mono.Time) {
	switch gone := now.Sub(f.from); {
	case gone >= 2*flowWindow:
		*f = flow{from: now}
	case gone >= flowWindow:
		f.from, f.now, f.last = f.from.Add(flowWindow), 0, f.now
		f.others, f.lastOthers, f.bytes, f.lastBytes = 0, f.others, 0, f.bytes
	}
}

func (f *flow) busy() bool { return max(f.now, f.last) >= flowBusy }

// busy says whether many parcels come, or would if the processors had the time.
func (r *Relay) busy() bool { return r.flow.busy() || r.paths.inside.back > 0 }
