// Package gossip is the protocol core of Starling: one Node, a pure function of its inputs.
//
// A Node does no I/O, reads no clock, starts no goroutine, takes no lock, and draws chance only
// from the source that it was given. Inputs go in with the current time: a datagram (Receive), a
// wish of the user (Do), the passing of time (Wake). What the node wants done comes out in an
// Outbox: packets to send, events to tell. The caller, a driver of sockets or a simulator, keeps to
// this contract:
//
//   - Calls of one Node do not overlap, and their times never decrease.
//   - When Deadline has come, the caller hands in the datagrams that wait, then calls Wake. A call
//     that comes more than
//     Config.Stall after the deadline tells the node that its own process stood still.
//   - After each call the caller sends Outbox.Packets and reads Outbox.Events before it calls
//     Outbox.Reset: their bytes
//     belong to the outbox.
//
// Equal inputs give equal bytes, on any machine.
package gossip

import (
	"iter"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Time is a moment on the caller's monotonic clock, in nanoseconds.
type Time = mono.Time

// Never is later than every other Time.
const Never = mono.Never

// Family is the IP version of the addresses that a node can send to.
type Family = member.Family

// The families.
const (
	AnyFamily = member.AnyFamily
	IPv4      = member.IPv4
	IPv6      = member.IPv6
)

// Self is what a node says of itself when it starts.
type Self struct {
	Name string // unique in the cluster
	// milliseconds of Unix time at the start; peers correct one that went back
	Generation uint64
	Addr       netip.AddrPort // where others reach this node
	// where those of other zones (of another first part) reach it; not valid: at Addr too
	Outside netip.AddrPort
	Zone    string
	Tags    member.Tags

	Family Family // of addresses that this node's socket can send to
	// of addresses that this node's host has routes to, as the command Routes tells it later
	Routes Family
	// of the cluster that this name was in last, as Node.ClusterID told it; 0: none
	ClusterID uint64
}

// Packet is a datagram to be sent.
type Packet = flow.Packet

// Connect is a TCP connection to be tried: closed as soon as it stands, never waited for. What came
// of it goes to Node.Connected, within a few seconds or not at all.
type Connect struct{ Peer plane.Peer }

// Outbox collects what a node wants done. The caller owns it and reuses it: one per worker, not one
// per node. The zero value is ready.
type Outbox struct {
	flow.Out // the Packets
	Events   []Event
	Connects []Connect
	// to be kept on disk, if Config.Keep; their bodies are never written to again
	Pieces []wire.Piece
	Marks  []stream.Mark // the same: how far streams are delivered
}

// Reset empties the outbox and keeps its memory.
func (o *Outbox) Reset() {
	clear(o.Events) // drop what they point to
	clear(o.Pieces)
	o.Out.Reset()
	o.Events, o.Connects = o.Events[:0], o.Connects[:0]
	o.Pieces, o.Marks = o.Pieces[:0], o.Marks[:0]
}

// EventKind says what an Event tells.
type EventKind uint8

// What a node tells.
const (
	// MemberJoined to MemberLeft tell of one member, as the table holds it now.
	// unknown before, or back in a new life; the end of the former one was told
	MemberJoined    = EventKind(roster.MemberJoined)
	MemberUpdated   = EventKind(roster.MemberUpdated)   // its record changed
	MemberSuspected = EventKind(roster.MemberSuspected) // it may have failed; act early if you like
	MemberRecovered = EventKind(roster.MemberRecovered) // it was suspect or failed, and lives
	MemberFailed    = EventKind(roster.MemberFailed)
	MemberLeft      = EventKind(roster.MemberLeft)
	// MessageDelivered brings a published message, one's own too: once, in the order of its origin.
	MessageDelivered = EventKind(iota + 1)
	// SeedsWanted asks the caller to look up its seeds and to hand their addresses in with Join: at
	// the start, until one let this node in; later seldom, so that clusters that lost sight of each
	// other meet again.
	SeedsWanted
	// Welcomed tells that a seed let this node in.
	Welcomed
	// Refused tells that a seed did not, and Err why. The node goes on asking.
	Refused
	// Conflicted tells that another live node has this node's name and was there first, or has
	// replaced it. This node has stopped.
	Conflicted
	// LeaveDone tells that the others were told of the leave; the node has stopped. Err is nil, or
	// wraps ErrUnsent if not all that this node published was out in time.
	LeaveDone
	// MemberUnreachable and MemberReachable tell of a live member that this node cannot reach,
	// while too few others can be asked about it, or while its zone is silent. The others are not
	// told.
	MemberUnreachable
	MemberReachable
	// Isolated and Reunited tell that this node hears from next to nobody, or next to nobody hears
	// it, and fails nobody for it; and that an answer came. It is so too while all others are out
	// of family (Node.Unserved).
	Isolated
	Reunited
	// MessagesLost tells that messages of an origin were skipped: nobody holds them any more. See
	// Lost.
	MessagesLost
	// MessageSpread tells how far one of this node's own messages has come: now and then, when all
	// that can be done for it at once is done, and whenever more is confirmed after that; until it
	// has come to all, is Ended, or is unfollowed. See Spread.
	MessageSpread
	// Writable tells that there is room for messages again, after Do refused a Publish with
	// ErrBackpressure.
	Writable
	// KeyChanged tells that a member, this node too, wrote a key, or that the key is gone. See
	// KeyEvent.
	KeyChanged
	// KeysReset tells that all that was held of a member's keys is void, since it began a new life
	// or is forgotten; what it writes from now on is told by KeyChanged.
	KeysReset
	// ZoneUnreachable tells that nobody of a whole other zone is heard, and ZoneRecovered that
	// somebody is again: once, beside MemberUnreachable and MemberReachable for each of its live
	// members. They are not failed before inquest.Config.ZoneGrace is over.
	ZoneUnreachable
	ZoneRecovered
	// Unreached and Reached tell that this node's address does not lead to it: others hear it, and
	// nothing that they send to the address of its record comes here; and that something does
	// again.
	Unreached
	Reached
	// Undecided tells that Silent live members of Of do not answer this node, and that too few
	// others do to judge them: they are dead, or this node is cut off with those few, and it cannot
	// tell. Each is told of by MemberUnreachable. One that knows that they are gone has them
	// forgotten (Forget). Told again when their number changes; Decided tells that it is over.
	Undecided
	Decided
	// Unheard tells, before Isolated or while that lasts, that this node hears others and nobody
	// answers what it sends: that does not leave here, or does not arrive. HeardAgain tells after
	// Reunited that it is over.
	Unheard
	HeardAgain
	// MemberLocated ends a Locate: Location has where the member stands, or Err is ErrNoAnswer.
	MemberLocated
	// NameClaimed tells that another node claims this node's name, and Err which one: once a minute
	// at most. It changes nothing.
	NameClaimed
	// ClustersMerged tells that this node's cluster and another one have become one, at the two
	// nodes that met: Err says which.
	ClustersMerged
	// SettingsDiffer tells that another node is set up otherwise than this one where all should be
	// alike, and Err in what.
	SettingsDiffer
	// KeyUnknown tells that a seed, at Addr, does not open what this node seals: it lacks the key,
	// or has none.
	KeyUnknown
	// StoodStill tells that this process, or its host, stood still for Gap: nothing was done
	// meanwhile, and what came in comes late. Gaps are longer than Config.Stall.
	StoodStill
	// HeldFailed tells that others hold this node failed, for Gap in whole seconds as they had it,
	// for the cause in Member. It contradicts at once, or as soon as it is asked something (see
	// WaitsForCall); whether that is heard, is told by nothing here. Once for each such verdict.
	HeldFailed
	// AddressTaken tells that a node that is no member lives where a member was, and Err where.
	AddressTaken
	// PathSmall tells that datagrams of Size bytes, as many as this node's longest have, do not
	// pass between it and a member, though short ones do; PathWhole that they do again.
	PathSmall
	PathWhole
	// SeedMet tells that a live member has welcomed this node, anew or as the member that it is,
	// while Join.Merge names seeds: Addr is where the Welcome came from, which may be another
	// address than that of the Member.
	SeedMet
	// Outlived tells that another process had this node's name while this one stood still or was
	// away, and is no more: Err says where it was and how it ended, as far as that is known. This
	// node has its name again, in a life above that one's.
	Outlived
)

// Event is something that a node tells.
type Event struct {
	Kind EventKind
	// for the Member and the Path kinds, and SeedMet; this node for Isolated, Reunited, Unreached,
	// Reached, Undecided, Decided, Unheard, HeardAgain, HeldFailed and the Zone kinds
	Member  member.Member
	Message Message // for MessageDelivered
	Lost    Lost    // for MessagesLost
	Spread  Spread  // for MessageSpread
	// for ZoneUnreachable and ZoneRecovered: with the live members that it has then
	Zone     SilentZone
	Key      KeyEvent       // for KeyChanged and KeysReset
	Location Location       // for MemberLocated
	Addr     netip.AddrPort // for KeyUnknown and SeedMet
	Gap      time.Duration  // for StoodStill and HeldFailed
	Size     int            // for PathSmall: before sealing
	Silent   int            // for Undecided
	Of       int            // the same: live members, this node included
	// for Refused, Conflicted, LeaveDone, MemberLocated, NameClaimed to AddressTaken, and Outlived
	Err error
}

// Message is a published message. Its bytes are shared and never written to again.
type Message struct {
	Origin     member.ID
	OriginName string // empty while the origin is not known here
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's messages in this generation, from 1
	// Large messages, of eight pieces and more, and all that follows one on its topic are delivered
	// beside the others (Bulk). Order counts what has ended of these or those, with this one: they
	// come one by one, and a message may come before one on another topic that was published
	// earlier
	Bulk    bool
	Order   uint64
	Topic   []byte
	Payload []byte
}

// Lost is a gap in what an origin published.
type Lost struct {
	Origin     member.ID
	OriginName string // empty if the origin is not known here
	Generation uint64 // of the origin
	Bulk       bool   // see Message
	// the Order of the first and the last message that may be missing; 0, 0 if nobody knows
	From, To uint64
	Count    int // messages, or pieces of them, at least 1
}

// Spread is how many of the live members have a message of this node's. A member counts in Have
// when its MessageDelivered for it was told, or when it holds all of the message and of what comes
// before it; never one that passed the message over (MessagesLost), or that holds it behind a gap.
// So Have is at most how many were given it when the event is told, or are at once.
//
// Of are the members that this node holds live, itself included: those that it learns of later too.
// Those that are declared dead, or leave, are no longer in it (in Have they stay if they confirmed
// before), and members that joined after the message was published, which do not get it, never are:
// those are Newer, as far as they said so. One that was started anew meanwhile is such a one too,
// unless its driver gave it back what it had kept (Restore).
type Spread struct {
	Generation uint64 // of this node when it published the message
	Seq        uint64 // of the message
	// members that were given it, and those there are; this node is among both
	Have, Of int
	Newer    int         // live members that joined after it was published; they are not in Of
	Missing  []member.ID // some of those that were not, while Done; valid until Outbox.Reset
	// all that could be done at once is done; those that lack it are asked again now and then
	Done bool
	// Ended says that this is the last word although some are missing: they are not asked any more,
	// since this node does not hold the message any more, or follows too many.
	Ended bool
}

// Command is a wish of the user (Join, Leave, Publish, Unfollow, Restore, SetTags, Set, Delete,
// Forget, Locate), or what the driver found out about its host (Moved).
type Command interface{ command() }

// Join asks the nodes at some addresses to let this one in, again and again until one does. An
// address of this node's own is passed over. With no address but its own, the node is the first of
// its cluster, and welcome.
//
// A seed may belong to another cluster of this name. The two become one by Merge, and by Seeds
// while this node is not welcome yet or its cluster is new; by Peers never: those are where members
// of this node's cluster were.
type Join struct{ Seeds, Peers, Merge []netip.AddrPort }

// Leave tells everybody that this node goes, and then stops; LeaveDone follows. Before that it
// waits, for Wait at most (and a day), until what this node published is out: each live member has
// it or is silent, and three others have it, all if there are fewer. Meanwhile nothing more can be
// published. A Leave without Wait ends that. Those that have failed are not waited for; a message
// that nobody else has is told as not out all the same.
type Leave struct{ Wait time.Duration }

// Publish sends a message to all members, this one included. Topic has 1 to wire.MaxTopic bytes,
// Payload at most MaxMessage; it is copied. Node.LastSeq tells its sequence. Do fails with
// ErrBackpressure while the others have not confirmed enough of what was published, or 1,024
// messages are followed; Writable tells when to try again. It fails with ErrLeaving after a Leave.
type Publish struct {
	Topic   string
	Payload []byte
	Confirm bool // follow it: tell by MessageSpread how far it has come
	Urgent  bool // it leaves before messages on other topics that wait
}

// Unfollow ends what a Publish with Confirm began: nobody waits for that message any more.
type Unfollow struct{ Generation, Seq uint64 }

// Restore gives back what a driver kept of Outbox.Pieces and Outbox.Marks in a former run: before
// anything else, right after the first Wake. Pieces are in rising order of each stream's sequence.
// What is whole and was not delivered is delivered now.
type Restore struct {
	Marks  iter.Seq[stream.Mark]
	Pieces iter.Seq[wire.Piece]
}

// Set writes a key of this node's own, for all to read. Key has 1 to MaxKey bytes, Value at most
// MaxValue; it is copied. With a TTL the key is deleted after it; 0 keeps it. Do fails with ErrKey,
// ErrValue, ErrTTL or ErrStateFull.
type Set struct {
	Key   string
	Value []byte
	TTL   time.Duration
}

// Delete deletes a key of this node's own. Do fails with ErrNoKey if it is not there.
type Delete struct{ Key string }

// Forget has members forgotten here at once, and everywhere else where they are held failed, left
// or unreachable; elsewhere they are examined. One that lives comes back by itself. All of them
// have to be failed, left or unreachable here, or forgotten already, which is said to all once
// more: else none is forgotten, and Do fails with ErrLives or ErrNoMember.
type Forget struct{ IDs []member.ID }

// SetTags replaces this node's tags.
type SetTags struct{ Tags member.Tags }

// Locate asks a live member where it stands; MemberLocated follows, after some seconds at most. Do
// fails with ErrNoMember, or with ErrLookups if 256 members are asked already. Asked for again
// meanwhile, the member is told of once.
type Locate struct{ ID member.ID }

// Moved tells that this node is reached at another address from now on: that of its host changed,
// or the one that it told first was a guess. All members are told, in the same life: the generation
// stays, the incarnation rises by one. The address where the node is already changes nothing. Do
// fails if nobody can send to the address, or if it is a link-local one of IPv6: what it means
// depends on the host.
type Moved struct {
	Addr    netip.AddrPort
	Outside netip.AddrPort // as in Self; not valid: it stays what it is
}

// Routes tells of which IP version this node's host has routes from now on: AnyFamily is both.
// Members at addresses of a version that is gone are out of family from then on, and those of one
// that came are sent to again. The socket's own family (Self.Family) stays what it is.
type Routes struct{ Family Family }

func (Moved) command()    {}
func (Routes) command()   {}
func (Join) command()     {}
func (Leave) command()    {}
func (Unfollow) command() {}
func (Publish) command()  {}
func (Restore) command()  {}
func (SetTags) command()  {}
func (Forget) command()   {}
func (Set) command()      {}
func (Delete) command()   {}
func (Locate) command()   {}
