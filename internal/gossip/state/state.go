// Package state is what a node holds of everybody's versioned keys. Each member owns a map from key
// to value, which it alone writes and all others read, in the manner of Cassandra's gossip. What
// differs is reconciled as in Scuttlebutt (van Renesse, Dumitriu, Gough, Thomas, "Efficient
// Reconciliation and Flow Control for Anti-Entropy Protocols", 2008).
//
// A write has a version, which counts the owner's writes in its present life. A node holds of each
// owner all that was written up to some version and not overwritten since, and tells that version
// alone to say what it has. A delta says at which version it begins and at which it ends, and lists
// what stands between. It is taken in only where it continues what is held.
//
// Store composes the parts below. Each has its own state and methods, and calls only parts that
// stand above it in this list; what a part exports is exported by Store.
//
//	owner     owner.go               one owner's map: items by version, tombstones, what lapses
//	catalog   catalog.go, rebuild.go the maps of all owners, and how one is taken in anew
//	packer    delta.go               deltas are cut to the datagram
//	links     push.go                the peers that writes go to next, and what waits for them
//	ring      ring.go                which peers those are, so that a write comes to all at once
//	writer    own.go                 this node's own keys: writes, times to live, tombstones
//	asks      asks.go                the owners that are asked for
//	digests   asks.go                how far owners are held here, as it is told
//	exchange  repair.go, serve.go    what differs is found by fingerprint and sketch, and served
//	earlies   take.go                deltas that overtook others
//	intake    take.go                deltas come in
//
// Store is a pure state machine in the manner of the other rooms of gossip.
package state

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Bounds of a map, the same at all nodes: a receiver refuses what goes beyond them.
const (
	MaxKey   = 128       // bytes
	MaxValue = 64 << 10  // bytes
	MaxNode  = 256 << 10 // bytes of one owner's keys and values, ItemCost for each pair included
	ItemCost = 32

	// MaxTombstones is how many deleted keys an owner remembers; more make it forget the older
	// half.
	MaxTombstones = 1024
	// MaxMarks is how many forgotten owners are remembered by how far their writes were held here.
	MaxMarks = 65536
	// MinTTL and MaxTTL bound a time to live.
	MinTTL = time.Millisecond
	MaxTTL = 365 * 24 * time.Hour
)

// Errors of Set and Delete.
var (
	ErrKey   = errors.New("not a key")
	ErrValue = errors.New("the value is too large")
	ErrFull  = errors.New("this node's keys take too much room")
	ErrTTL   = errors.New("not a time to live")
	ErrNoKey = errors.New("there is no such key")
)

// Host is what a Store may use of the node around it, and tell it, from within the store's own
// methods.
type Host interface {
	// Self returns this node; it is in the table.
	Self() member.ID
	Table() *member.Table
	Rand() *rand.Rand
	Ring() *topology.Ring // of the table
	// Room returns how many bytes of messages fit one datagram.
	Room() int
	// SendState sends messages to a member, in a datagram of their own, and returns what that
	// costs: nothing if they were not sent, since the budget for the member's zone is spent. It
	// copies them.
	SendState(now mono.Time, to member.Member, messages []byte) int
	// Unanswered tells that a member did not answer what was sent to it, and that either was long:
	// perhaps such datagrams do not pass.
	Unanswered(now mono.Time, id member.ID)
	// Short says whether the budget for what is sent to a member's zone has no room for a whole
	// datagram: what can wait does, for a moment.
	Short(to member.ID) bool
	// Changed tells of a key that was written or is gone, this node's own too. Reset tells that all
	// that was held of an owner is void, since it began a new life or is forgotten.
	Changed(now mono.Time, c Change)
	Reset(now mono.Time, owner member.ID)
	// Twin tells that others have more of this node's own keys than it wrote in its present life: a
	// process before it was in the same generation.
	Twin(now mono.Time)
}

// Change is one change of one owner's map. A key that is gone has no value; it may have lapsed, or
// been deleted.
type Change struct {
	Owner   member.ID
	Version uint64
	Key     string
	Value   string
	Gone    bool
}

// Value is what is held under a key.
type Value struct {
	Key     string
	Value   string
	Version uint64
	TTL     time.Duration // that remains; 0 if the key does not lapse
}

// Config is how a store works. The zero value of each field means its default, which is right for a
// LAN.
type Config struct {
	// between two datagrams over one link, at least; the first goes at once; default 20 ms
	Coalesce time.Duration
	Rate     int // bytes a second that this node sends of keys, at most; default 1 MiB
	// between two exchanges that this node starts, at least, a quarter of it after one that nobody
	// answered; default 1 s
	Interval time.Duration
	Follow   time.Duration // and between two while they bring much; default 100 ms
	// what came in so lately may be on its way to others too; default 250 ms
	Settle time.Duration
	// how long a deleted key is remembered, and up to half as long again; default an hour
	Tombstone time.Duration
	// bytes of all owners' maps that this node holds, at most; default 1 GiB
	Total int
}

func (c Config) withDefaults() Config {
	def(&c.Coalesce, 20*time.Millisecond)
	def(&c.Rate, 1<<20)
	def(&c.Interval, time.Second)
	def(&c.Follow, 100*time.Millisecond)
	def(&c.Settle, 250*time.Millisecond)
	def(&c.Tombstone, time.Hour)
	def(&c.Total, 1<<30)
	return c
}

func def[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Stats counts what a store did. Counters only rise; those at the end are of now.
type Stats struct {
	Sets, Deletes, Lapsed uint64 // of this node's own keys
	Applied               uint64 // changes of others' keys taken in
	Stale                 uint64 // deltas that brought nothing new
	Gaps                  uint64 // deltas that did not continue what is held
	Resets                uint64 // maps that were taken in anew
	Unknown               uint64 // deltas of owners that are not members in that life
	Refused               uint64 // deltas beyond a bound
	Malformed             uint64 // messages that could not be read
	Pushed, Served        uint64 // datagrams of deltas sent: over links; to members that asked
	Exchanges             uint64 // begun by this node
	Undecoded             uint64 // sketches that told nothing
	BytesOut              uint64 // of all datagrams about keys

	Owners, Keys, Bytes int // held
}

// Store is what one node holds of all members' keys. It is not safe for concurrent use. It embeds
// the parts that export methods; its own need several of them.
type Store struct {
	plane.None
	env
	catalog
	packer packer
	links  links
	ring   ring
	writer
	exchange
	intake intake
}

// New returns the store of a node.
func New(host Host, cfg Config) *Store {
	cfg = cfg.withDefaults()
	s := &Store{env: env{host: host, cfg: cfg, budget: rate.Full(cfg.Rate, cfg.Rate/8, 0)}}
	e, c := &s.env, &s.catalog
	s.catalog = catalog{env: e, lapses: mono.Never,
		forgotten: marks.Table[member.ID, mark]{Max: MaxMarks}}
	s.packer = packer{env: e, known: c}
	s.links = links{env: e, known: c, packer: &s.packer}
	s.ring = ring{env: e, links: &s.links}
	s.writer = writer{env: e, known: c, ring: &s.ring}
	s.exchange = exchange{env: e, known: c, packer: &s.packer, own: &s.writer,
		digests: digests{env: e, known: c}, follow: mono.Never, retry: mono.Never}
	s.intake = intake{env: e, known: c, own: &s.writer, ring: &s.ring, asks: &s.asks,
		exchange: &s.exchange}
	return s
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	st := s.stats
	st.Bytes = s.bytes
	for _, o := range s.owners {
		st.Keys += len(o.items) - o.dead - (o.lapsing - len(o.lapse))
		if o.version > 0 {
			st.Owners++
		}
	}
	return st
}

// Changed tells that the table changed; before is the zero Member if the member is new.
func (s *Store) Changed(now mono.Time, before, after member.Member) {
	o := s.owner(after.ID)
	if o == nil {
		return
	}
	if in := after.Instance(); in != o.instance {
		s.reborn(now, o, in)
	}
	if live := after.State.Live(); live != o.live {
		o.live = live
		s.count(o)
	}
}

// reborn makes an owner's map that of a new life. This node's own goes on: it is the same process
// under another generation.
func (s *Store) reborn(now mono.Time, o *owner, instance uint32) {
	s.links.unqueueAll(o)
	o.instance = instance
	if o.id != s.host.Self() {
		held := len(o.items) > 0
		s.dropNext(o)
		s.bytes -= o.size
		*o = owner{id: o.id, instance: instance, live: o.live, counted: o.counted}
		if held {
			s.host.Reset(now, o.id)
		}
	}
	s.count(o)
	if o.id == s.host.Self() && o.version > 0 {
		s.writer.push(now, o, 0)
	}
}

// Forget drops a member that the table forgot. How far its writes were held stays known: if it is
// met again in the same life, nothing older is shown.
func (s *Store) Forget(now mono.Time, id member.ID) {
	i, ok := s.find(id)
	if !ok || id == s.host.Self() {
		return
	}
	o := s.owners[i]
	if v := max(o.version, o.least); v > 0 {
		s.forgotten.Put(id, mark{o.instance, v})
	}
	o.live = false
	s.count(o)
	s.links.unqueueAll(o)
	s.dropNext(o)
	s.bytes -= o.size
	s.owners = slices.Delete(s.owners, i, i+1)
	if len(o.items) > 0 {
		s.host.Reset(now, id)
	}
}

// Deadline returns the next moment that the store needs, mono.Never if none.
func (s *Store) Deadline() mono.Time {
	x := &s.exchange
	return min(s.lapses, s.links.due(), x.follow, x.retry, x.asks.due(), s.writer.due())
}

// Wake does what has fallen due.
func (s *Store) Wake(now mono.Time) {
	s.writer.catchUp(now)
	s.writer.forgetTombstones(now)
	s.exchange.wake(now)
}

// Receive takes a message about keys from a live member, and says whether it could be read.
func (s *Store) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Member
	s.writer.catchUp(now)
	switch t {
	case wire.TypeKeySketch:
		ok = s.exchange.receiveSketch(now, from, body)
	case wire.TypeKeyDigest:
		ok = s.exchange.receiveDigest(now, from, body)
	case wire.TypeDeltas:
		ok = s.intake.takeDeltas(now, from.ID, body)
	}
	if !ok {
		s.stats.Malformed++
	}
	return ok
}

// Flush ends a step: what may be sent is sent. It is called after all messages of a datagram were
// taken, and after each Set, Delete or Wake, or several of them.
func (s *Store) Flush(now mono.Time) {
	s.writer.catchUp(now)
	s.intake.takeEarly(now)
	s.links.flush(now)
	s.exchange.sendAsks(now)
}
