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
//   - owner.go: what is held of one owner, and how a delta changes it.
//   - own.go: this node's own keys: writes, times to live, tombstones.
//   - ring.go, push.go: a write is brought to all at once, over few links that each carry the
//     writes of many owners.
//   - early.go: deltas that overtook others.
//   - rebuild.go: a map that is taken in anew beside the one that is shown.
//   - delta.go: deltas as they are sent, cut to the datagram, and taken in.
//   - repair.go, serve.go: what differs is found by fingerprint and sketch, asked for, and served.
//
// Store is a pure state machine in the manner of the other rooms of gossip.
package state

import (
	"errors"
	"fmt"
	"iter"
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

// Store is what one node holds of all members' keys. It is not safe for concurrent use.
type Store struct {
	plane.None
	cfg   Config
	host  Host
	stats Stats

	owners      []*owner // by ID
	fingerprint uint64
	bytes       int // of all maps
	building    int // of those that are built anew
	lapses      mono.Time
	graves      []grave   // of this node's own keys, the oldest first
	raised      mono.Time // when its floor rose last
	forgotten   marks.Table[member.ID, mark]

	links  []link
	budget rate.Bucket
	repair repair
	early  []early
	taking []byte        // the body of Deltas that is being taken in
	again  *early        // it was kept before as this
	waited time.Duration // so long
	moved  bool          // something was taken in since takeEarly looked

	opened       wire.KeyDigest // that is being written
	buf, marks   []byte         // for reuse, as are these:
	spare        [][]byte
	rest, answer []pending
	tags         []uint32
}

// New returns the store of a node.
func New(host Host, cfg Config) *Store {
	cfg = cfg.withDefaults()
	return &Store{cfg: cfg, host: host, lapses: mono.Never,
		budget: rate.Full(cfg.Rate, cfg.Rate/8, 0), repair: repair{follow: mono.Never,
			retry: mono.Never},
		forgotten: marks.Table[member.ID, mark]{Max: MaxMarks}}
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

func (s *Store) find(id member.ID) (int, bool) {
	return slices.BinarySearchFunc(s.owners, id, func(o *owner, id member.ID) int {
		switch {
		case o.id < id:
			return -1
		case o.id > id:
			return 1
		}
		return 0
	})
}

// owner returns what is held of a member, nil if nothing.
func (s *Store) owner(id member.ID) *owner {
	if i, ok := s.find(id); ok {
		return s.owners[i]
	}
	return nil
}

// ensure returns what is held of a member, and makes room for it.
func (s *Store) ensure(m *member.Member) *owner {
	i, ok := s.find(m.ID)
	if !ok {
		o := &owner{id: m.ID, instance: m.Instance(), live: m.State.Live()}
		if k, ok := s.forgotten.Take(o.id); ok && k.instance == o.instance {
			o.least = k.version
		}
		s.owners = slices.Insert(s.owners, i, o)
	}
	return s.owners[i]
}

// Get returns what is held under a key of a member, whether it lives or not.
func (s *Store) Get(now mono.Time, id member.ID, key string) (Value, bool) {
	if o := s.owner(id); o != nil {
		if i := o.index(key); i >= 0 {
			return o.value(now, i)
		}
	}
	return Value{}, false
}

// All goes through all that is held, owners by ID, their keys in the order in which they were
// written. The store must not change meanwhile.
func (s *Store) All(now mono.Time) iter.Seq2[member.ID, Value] {
	return func(yield func(member.ID, Value) bool) {
		for _, o := range s.owners {
			for v := range o.values(now) {
				if !yield(o.id, v) {
					return
				}
			}
		}
	}
}

// Of goes through what is held of one member, as All does.
func (s *Store) Of(now mono.Time, id member.ID) iter.Seq[Value] {
	o := s.owner(id)
	if o == nil {
		return func(func(Value) bool) {}
	}
	return o.values(now)
}

// Version returns up to which version this node holds what a member wrote.
func (s *Store) Version(id member.ID) uint64 {
	if o := s.owner(id); o != nil {
		return o.version
	}
	return 0
}

// Fingerprint returns an order-free hash over the live owners' lives, versions and keys with their
// values. Two stores with equal ones hold the same, but for tombstones and what remains of times to
// live. It is 0 while nobody has written anything.
func (s *Store) Fingerprint() uint64 { return s.fingerprint }

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
	s.unqueueAll(o)
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
		s.push(now, o, 0)
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
	s.unqueueAll(o)
	s.dropNext(o)
	s.bytes -= o.size
	s.owners = slices.Delete(s.owners, i, i+1)
	if len(o.items) > 0 {
		s.host.Reset(now, id)
	}
}

// count brings the fingerprint up to what is held of an owner now. A map that is built is not of a
// live one.
func (s *Store) count(o *owner) {
	s.fingerprint ^= o.counted
	o.counted = 0
	if o.live && o.version > 0 {
		o.counted = o.hash()
	}
	s.fingerprint ^= o.counted
}

// setVersion gives an owner's map a version.
func (s *Store) setVersion(o *owner, version uint64) {
	o.version = version
	s.count(o)
}

// Deadline returns the next moment that the store needs, mono.Never if none.
func (s *Store) Deadline() mono.Time {
	return min(s.lapses, s.linksDue(), s.repair.follow, s.repair.retry, s.asksDue(), s.gravesDue())
}

// Wake does what has fallen due.
func (s *Store) Wake(now mono.Time) {
	s.catchUp(now)
	s.forgetTombstones(now)
	if s.repair.follow <= now {
		s.repair.follow = mono.Never
		if m, ok := s.anybody(); ok {
			s.repair.tries = 0
			s.exchange(now, m)
		}
	}
	if s.repair.retry <= now {
		s.beginAgain(now)
	}
}

// catchUp ends what is over before anything is told or taken: a node that slept wakes with keys
// whose time is over.
func (s *Store) catchUp(now mono.Time) {
	if s.lapses <= now {
		s.lapse(now)
	}
}

// anybody returns a random live member other than this node.
func (s *Store) anybody() (member.Member, bool) {
	t := s.host.Table()
	for range 4 { // this node is drawn but seldom, except in the smallest clusters
		if t.Served() < 2 {
			break
		}
		if m := t.At(s.host.Rand().IntN(t.Served())); m.ID != s.host.Self() {
			return m, true
		}
	}
	return member.Member{}, false
}

// CheckKey says whether a key may be used.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("%w: it has %d bytes, 1 to %d are allowed", ErrKey, len(key), MaxKey)
	}
	return nil
}
