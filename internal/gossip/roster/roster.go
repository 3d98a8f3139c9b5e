// Package roster is the members that a node knows: their table, what the node says of itself, how
// it weighs what others say, and the news that it spreads.
//
// A claim about a member is learned if it prevails over what the table holds (learn.go); about the
// node itself it is refuted (self.go). What ended and is forgotten stays forgotten (forget.go). The
// Host tells the node's other parts and the user what changes, the queue of news tells other
// members (news.go).
package roster

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Setup is what a roster needs of a node's.
type Setup struct {
	Self member.Record
	// IP versions that this node's socket, and its host's routes, can send to
	Family, Routes member.Family
	Private        bool // each node judges for itself, and believes no other that a member failed
	Fanout         int
	Rounds         []time.Duration
	Coalesce       time.Duration
}

// Event is what a roster tells of a member.
type Event uint8

// What it tells.
const (
	MemberJoined Event = iota + 1
	MemberUpdated
	MemberSuspected
	MemberRecovered
	MemberFailed
	MemberLeft
)

// Host is the node around a roster.
type Host interface {
	// Changed tells the node's other parts that the table changed, Forget that a member leaves it.
	Changed(before, after member.Member)
	Forget(id member.ID)
	// Tell tells the user.
	Tell(e Event, m member.Member)
}

// Detector is the failure detector, as a roster needs it.
type Detector interface {
	// Accused takes in that a member is suspected, and says whether that confirms a suspicion.
	Accused(now mono.Time, m member.Member, accuser member.ID) bool
	// Refuted takes in that this node had to contradict.
	Refuted()
}

// Called is whether this node's address leads to it (package called), as a roster needs it.
type Called interface {
	Contradicts(now mono.Time, c wire.Claim) bool
	IsHeldFailed(now mono.Time, c wire.Claim)
	AskCall(now mono.Time, peer plane.Peer, incarnation uint32)
	AskCallers(now mono.Time)
	Haunted(now mono.Time, m member.Member, peer plane.Peer)
	NewLife()
	Unasked(now mono.Time) bool
	Hold(incarnation uint32)
	Untold() bool
	Said(incarnation uint32) uint32
}

// Reach is which members this node reaches (package reach), as a roster needs it.
type Reach interface {
	IsUnreachable(id member.ID) bool
	IsStale(now mono.Time, id member.ID) bool
	AllCounted()
}

// Keys are what members wrote (package state).
type Keys interface{ Fingerprint() uint64 }

// Door is this node's way in and out (package door), as a roster needs it.
type Door interface {
	Welcomed() bool // this node is in
	Leaving() bool
	// Outlived tells the user that another process had this node's name in a generation, and is no
	// more. at, its address, is valid and state Failed or Left if that is known.
	Outlived(generation uint64, at netip.AddrPort, state member.State, cause member.Cause)
	// AskRival asks what lives at an address whether it has this node's name.
	AskRival(at netip.AddrPort)
}

// Parts are the node's other parts.
type Parts struct {
	Host     Host
	Detector Detector
	Called   Called
	Reach    Reach
	Keys     Keys
	Door     Door
	Losses   func() (failed, of int) // of round trips; nil: the detector does not count them
}

// Stats counts what a roster heard.
type Stats struct {
	Malformed    uint64 // claims that nobody could make
	StaleNews    uint64 // news older than the table
	Doubted      uint64 // old verdicts about live members, passed to them and not believed
	Refuted      uint64 // accusations that this node refuted
	TableRefused uint64 // members not taken in: the table is full, or an ID is taken
}

// Roster is what a node knows of members, itself included.
type Roster struct {
	Stats
	News     News
	Verdicts Verdicts
	In       Inbound
	Graves   Graves
	Parts

	*ground
	private  bool
	again    rate.Bucket // of questions for records that were not taken
	deserted bool        // it had the last live members forgotten unheard, and has met nobody since
}

// New returns the roster of a node that starts: it knows itself. The table is empty.
func New(c Setup, f *flow.Flow, t *member.Table, rng *rand.Rand) *Roster {
	g := &ground{id: member.IDOf(c.Self.Name), flow: f, rng: rng, table: t, family: c.Family,
		routes: c.Routes}
	r := &Roster{ground: g, private: c.Private, Graves: NewGraves()}
	r.News = newNews(&c, g, &r.Verdicts, &r.Parts)
	t.SetHome(c.Self.Zone)
	r.setFamily()
	r.setSelf(member.Share(c.Self))
	return r
}

// Start puts this node into its table. Its Parts are set next.
func (r *Roster) Start(now mono.Time) {
	r.Begin(now)
	r.again = rate.Full(againRate, againBurst, now)
	r.table.Merge(now, member.Fact{Record: r.self, Incarnation: r.inc})
	r.ring = topology.NewRing(r.table)
}

// Begin opens a step of the node.
func (r *Roster) Begin(now mono.Time) { r.now = now }

// Deserted says whether this node had the last of the live members forgotten though it could not
// reach them, and has met no live one since.
func (r *Roster) Deserted() bool { return r.deserted }
