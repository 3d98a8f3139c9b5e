// Package plane is the contract between a node and the parts of it that speak with their like at
// other nodes: its planes.
//
// A plane is a pure state machine. Time, messages and changes of the table go in; what it wants
// done goes out through its Env. It imports neither another plane nor the node. If it needs more
// than an Env, it declares that as a small interface of its own, and package gossip binds it: so
// planes meet in one file.
package plane

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Plane is a part of a node. Calls of one do not overlap, and their times never decrease.
// Values go in, not pointers: a pointer would escape through the interface, at an allocation for
// each message.
type Plane interface {
	// Receive takes a message of one of the plane's types (wire.Specs) and says whether it could
	// be read. It keeps nothing of body.
	Receive(now mono.Time, from Sender, t wire.Type, body []byte) (ok bool)
	// Wake is called when now >= Deadline().
	Wake(now mono.Time)
	// Deadline returns the next moment that the plane needs, mono.Never if none. It changes in
	// calls of the plane alone.
	Deadline() mono.Time
	// Changed tells that the table changed: before is the zero Member if the member is new.
	Changed(now mono.Time, before, after member.Member)
	// Forget tells that a member leaves the table, which drops it when all planes have returned.
	Forget(now mono.Time, id member.ID)
	// Stalled tells that this node's own process stood still for a gap: what was due meanwhile is
	// nobody's fault.
	Stalled(now mono.Time, gap time.Duration)
}

// Ender is a Plane that remembers something of a datagram.
type Ender interface {
	// EndDatagram is called once all messages of a datagram are in. What the plane remembers of
	// the datagram ends here.
	EndDatagram(now mono.Time)
}

// Rider is a Plane that adds to the probes of the detector: most of what it says costs no datagrams
// of its own.
type Rider interface {
	// Ride appends what goes with a probe whose first message is of a type.
	Ride(now mono.Time, b []byte, to Peer, first wire.Type) []byte
	// Rode is called when the probe has left.
	Rode(now mono.Time)
}

// None does nothing. A plane embeds it for what it has no use for: all but Receive and Deadline.
type None struct{}

// Wake does nothing.
func (None) Wake(mono.Time) {}

// Changed does nothing.
func (None) Changed(mono.Time, member.Member, member.Member) {}

// Forget does nothing.
func (None) Forget(mono.Time, member.ID) {}

// Stalled does nothing.
func (None) Stalled(mono.Time, time.Duration) {}

// Peer is somebody to send a packet to: a member, or a node that sent us one.
type Peer struct {
	ID       member.ID
	Instance uint32 // the life that is meant
	Addr     netip.AddrPort
}

// PeerOf returns where a member is reached.
func PeerOf(m *member.Member) Peer {
	r := m.Handle.Value()
	return Peer{ID: m.ID, Instance: member.Instance(m.ID, uint32(r.Generation)), Addr: m.Addr()}
}

// Sender is the node that a message came from. Member is what the table holds of it if the type is
// for members alone (wire.Spec), else the zero Member. Size is that of the datagram, in bytes
// before sealing.
type Sender struct {
	Peer
	Member member.Member
	Size   int
}

// SenderOf returns a member as a Sender.
func SenderOf(m member.Member) Sender { return Sender{Peer: PeerOf(&m), Member: m} }

// Env is what a plane may use of the node around it, from within the plane's own methods.
type Env interface {
	// ID returns this node's ID, Self what the table holds of it.
	ID() member.ID
	Self() member.Member
	// Table returns the members that are known, Ring the ring of the live ones. The plane only
	// reads them. They have changed already when it is told of a change.
	Table() *member.Table
	Ring() *topology.Ring
	// Rand returns the node's source of chance.
	Rand() *rand.Rand
	// Send sends a copy of messages in a datagram of its own at once, and returns what that costs
	// in bytes, with IP and UDP headers; 0: it was not sent.
	Send(now mono.Time, to Peer, c Class, messages []byte) (cost int)
	// Spread has a message told to all members, as news is. The next one of a key takes its place.
	// The bytes are kept. Heard tells that another member spreads the same.
	Spread(now mono.Time, key uint64, message []byte)
	Heard(key uint64)
}

// Class says which budget a datagram is paid from.
type Class uint8

// The classes.
const (
	Control Class = iota // that of all but messages, which it may overdraw
	Own                  // one that the plane keeps itself
	Reply                // that of what strangers and the dead provoke: it may not be sent
)

// Jitter returns a time within a quarter of d, so that nodes that started together do not stay in
// step.
func Jitter(chance *rand.Rand, d time.Duration) time.Duration {
	return d*3/4 + time.Duration(chance.Int64N(int64(d)/2+1))
}

// Anybody returns a random live member that can be sent to, other than this node.
func Anybody(chance *rand.Rand, t *member.Table, self member.ID) (member.Member, bool) {
	for range 4 { // this node is drawn but seldom, except in the smallest clusters
		if t.Served() < 2 {
			break
		}
		if m := t.At(chance.IntN(t.Served())); m.ID != self {
			return m, true
		}
	}
	return member.Member{}, false
}

// ErrNoMember is that of a command about a member that is not there.
var ErrNoMember = errors.New("no such live member")

// LiveMember returns what the table holds of a peer, if that is a live member in the life that is
// meant.
func LiveMember(t *member.Table, p Peer) (member.Member, bool) {
	if i, ok := t.LiveAt(p.ID, p.Instance); ok {
		return t.At(i), true
	}
	return member.Member{}, false
}

// IsLive says whether a peer is a live member in the life that is meant.
func IsLive(t *member.Table, p Peer) bool {
	_, ok := t.LiveAt(p.ID, p.Instance)
	return ok
}
