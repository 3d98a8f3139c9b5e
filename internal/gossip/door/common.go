package door

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/settings"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Setup is what a door needs of a node's.
type Setup struct {
	Cluster      string // its name
	ClusterID    uint64 // that this node was in last; 0: none
	Detector     uint8
	DetectorName string
	Examines     bool // the detector can examine a member when it is asked to
	MTU          int
	JoinRetry    time.Duration
	Reseed       time.Duration
	Retention    time.Duration
	Grace        time.Duration // others may hold a node failed that was silent for longer
	LastRound    time.Duration // of news, after the first
	Settings     settings.Set
}

// Event is what a door tells.
type Event uint8

// What it tells. Package gossip has what each means.
const (
	SeedsWanted Event = iota
	Welcomed
	Refused
	Conflicted
	LeaveDone
	NameClaimed
	ClustersMerged
	SettingsDiffer
	KeyUnknown
	AddressTaken
	SeedMet
	Outlived
)

// Notice tells the user something. Err says what; Member is set for SeedMet, and Addr for that and
// KeyUnknown.
type Notice struct {
	Event  Event
	Err    error
	Addr   netip.AddrPort
	Member member.Member
}

// Host is the node around a door.
type Host interface {
	Tell(Notice)
	// Ended tells that this node forgets all the members that live, so many, to come in anew.
	Ended(live int)
}

// Detector is the failure detector, as a door needs it.
type Detector interface {
	Accused(now mono.Time, m member.Member, accuser member.ID) bool
}

// Reach is which members this node reaches (package reach), as a door needs it.
type Reach interface {
	Isolated() bool
	IsUnreachable(id member.ID) bool
	IsStale(now mono.Time, id member.ID) bool
	Stale(now mono.Time) int
	AwayFor(now mono.Time, id member.ID) time.Duration
}

// Called is whether this node's address leads to it (package called), as a door needs it.
type Called interface {
	IsLost() bool
	WaitsForCall() bool
	Said(incarnation uint32) uint32
}

// Streams are everybody's messages (package stream), as a door needs them.
type Streams interface {
	Founded()
	Joined(now mono.Time, by member.Member, took time.Duration)
	Greeted(now mono.Time, by member.Member)
	MessageOf(origin member.ID, generation, piece uint64) uint64
	FirstLone() (generation, seq uint64, ok bool)
	FirstWaiting() (seq uint64)
}

// Relay is how they travel (package multicast), as a door needs it.
type Relay interface {
	Unsettled(others int) (generation, piece uint64, late bool)
}

// Repair is anti-entropy (package reconcile), as a door needs it.
type Repair interface {
	Whole() bool
	Welcome(now mono.Time, from member.Member, live uint32)
}

// Parts are the node's other parts.
type Parts struct {
	Host     Host
	Detector Detector
	Reach    Reach
	Called   Called
	Streams  Streams
	Relay    Relay
	Repair   Repair
}

// Stats counts what came to a door.
type Stats struct {
	Malformed  uint64 // Joins that nobody could make
	Namesake   uint64 // datagrams of another node with this node's name
	NameClaims uint64 // times that another node claimed this node's name
}

// common is what the parts of a door share: where this node stands, and what is around it.
type common struct {
	Parts
	Stats
	cfg        Setup
	settings   wire.Hashes
	roster     *roster.Roster
	flow       *flow.Flow
	rng, proof *rand.Rand

	start, now mono.Time // of the current step
	welcomed   bool
	whole      bool // the first whole table is in
	leaving    bool
	stopped    bool
}

func (c *common) tell(e Event, err error) { c.Host.Tell(Notice{Event: e, Err: err}) }

// Begin opens a step of the node.
func (c *common) Begin(now mono.Time) { c.now = now }

// Welcomed says whether this node is in.
func (c *common) Welcomed() bool { return c.welcomed }

// Leaving says whether this node has told that it goes.
func (c *common) Leaving() bool { return c.leaving }

// Stopped says whether this node has left, or had to stop.
func (c *common) Stopped() bool { return c.stopped }

// IsWhole says whether this node was let in and has had the first whole table since. The first of
// its cluster is complete at once.
func (c *common) IsWhole() bool { return c.whole }

// InTouch says whether a live member is at an address, as far as this node knows, and can be
// reached from here.
func (c *common) InTouch(a netip.AddrPort) bool {
	if c.Reach.Isolated() {
		return false
	}
	t := c.roster.Table()
	for i := range t.Live() {
		if m := t.At(i); m.Addr() == a && !c.Reach.IsUnreachable(m.ID) {
			return true
		}
	}
	return false
}
