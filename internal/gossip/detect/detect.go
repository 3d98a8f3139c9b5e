// Package detect is the seam between a node and its failure detector. The detector decides which
// members are up. Membership and dissemination do not know which detector runs, and the detector
// does not know how news travels.
package detect

import (
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Detector is a pure state machine: time, packets and changes of membership go in, packets and
// verdicts come out through the Host that it was made with.
type Detector interface {
	// A Detector's Changed brings its own verdicts back. Its Receive answers a sender that is
	// unknown here, or dead, all the same.
	plane.Plane
	// Accused tells that a node suspects a member that the table holds as a suspect: once when the
	// member becomes one, and again for each node that says the same. It returns whether that is
	// worth passing on.
	Accused(now mono.Time, m member.Member, accuser member.ID) bool
	// Refuted tells that this node had to refute an accusation: others do not hear it in time.
	Refuted()
	// Health returns the local health: 0 is good, higher is worse.
	Health() int
	// RTT returns the smoothed round-trip time, 0 while unknown.
	RTT() time.Duration
}

// Host is what a detector may use of the node around it, from within the detector's own methods.
type Host interface {
	// Self returns this node.
	Self() member.ID
	// Table returns the known members. The detector only reads it.
	Table() *member.Table
	// Rand returns the node's source of chance.
	Rand() *rand.Rand
	// Send sends messages in a datagram of their own at once. The fingerprint and news ride along.
	Send(now mono.Time, to plane.Peer, messages []byte)
	// Suspect makes a live member a suspect, with this node as the accuser, and tells everybody.
	Suspect(now mono.Time, id member.ID)
	// Fail declares a live member failed, with the reasons, which the host keeps and tells to
	// everybody.
	Fail(now mono.Time, id member.ID, e Evidence)
}

// What follows is for a detector that examines members in private, with others. A Detector may
// implement Listener and Prober too; the node looks for them once, when it has made the detector.
// Every node is a Court.

// Listener is a Detector that hears of every datagram: a member that sends one lives.
type Listener interface {
	// Heard is called before the datagram's messages are read. The sender may be unknown here, or
	// dead.
	Heard(now mono.Time, from plane.Peer)
}

// Outcome is what came of an attempt to open a connection.
type Outcome uint8

// The outcomes. That nothing came of it needs no word.
const (
	Refused  Outcome = iota + 1 // the host answered that nobody listens there
	Accepted                    // the host took the connection, whether or not the process noticed
)

// Port is what a node knows of a member's TCP port.
type Port uint8

// The states of a port. Filtered is one that did not answer two tries.
const (
	PortUnknown Port = iota
	PortOpen
	PortRefused
	PortFiltered
)

// String returns the state's word; unknown is "".
func (p Port) String() string {
	return [...]string{"", "open", "refused", "filtered"}[min(p, PortFiltered)]
}

// Prober is a Detector that uses Court.Connect.
type Prober interface {
	// Connected tells what came of a Connect, if anything did.
	Connected(now mono.Time, to plane.Peer, o Outcome)
}

// Court is what a node offers a detector that holds inquests, beside Host.
type Court interface {
	Host
	// Ring returns the ring of the table's live members. It has changed already when the detector
	// is told of a change.
	Ring() *topology.Ring
	// Connect asks for a TCP connection to a member's address, which is closed as soon as it
	// stands. The answer is not waited for; it comes by Prober.Connected, within a few seconds or
	// not at all.
	Connect(now mono.Time, to plane.Peer)
	// RaiseAlarm tells this node's user, and on request those of the others, that a member does not
	// answer this node, or does again.
	RaiseAlarm(now mono.Time, id member.ID, on bool)
	// Unreachable tells this node's user, and no other node, that a live member cannot be reached
	// from here and that too few others can be asked about it, or that it is reached again.
	Unreachable(now mono.Time, id member.ID, on bool)
	// Spread has a message of the detector's told to all members, as news is; the next one of a key
	// takes its place. The bytes are kept.
	Spread(now mono.Time, key uint64, message []byte)
	// Silent tells this node's user that a whole other zone is silent from here, or is heard again;
	// both are spread in this zone by Spread.
	Silent(now mono.Time, zone uint16, on bool)
	// Isolated tells this node's user that it hears almost no member, or almost none hears it, and
	// so it fails none; or that this is over. unheard says that it hears others, and that none
	// answers what it sends.
	Isolated(now mono.Time, on, unheard bool)
}

// Evidence is why a member was declared failed.
type Evidence struct {
	Accuser member.ID     // the member that declared it
	Cause   wire.Cause    // what most voters saw, or what the accuser saw if no juror voted
	Pings   int           // that the accuser sent in vain
	Span    time.Duration // from the first of them to the verdict
	Seats   int           // of the jury, 0 without one
	// those of the jurors, none where the accuser alone could judge; under SWIM those of the nodes
	// that suspected it
	Votes []Vote
}

// Vote is one juror's.
type Vote struct {
	Juror member.ID
	Cause wire.Cause
	Pings int           // that it sent in vain
	Span  time.Duration // over which it did
}

// AppendDoubt tells a member that it is held a suspect, if it is, in a packet that goes to it
// anyway. It refutes if it lives (Lifeguard, section IV-C, calls this the buddy system).
func AppendDoubt(b []byte, m *member.Member, accuser member.ID) []byte {
	if m.State != member.Suspect {
		return b
	}
	return wire.AppendUpdate(b, &wire.Update{ID: m.ID, Check: m.Check, Claim: wire.Claim{
		Generation: m.Generation(), Incarnation: m.Incarnation, State: member.Suspect,
		Accuser: accuser,
	}})
}

// Loner is what a node offers a detector whose verdicts may stay its own, beside Host. Every node
// is a Loner.
type Loner interface {
	Host
	// FailHere declares a live member failed at this node, and tells its user, but no other node.
	FailHere(now mono.Time, id member.ID, e Evidence)
	// Forget drops a dead member from this node's table. A node that tells of it again brings it
	// back.
	Forget(now mono.Time, id member.ID)
}

// Doubter is a Court whose user hears of silence that nobody can judge. Every node is one.
type Doubter interface {
	// Undecided tells this node's user that so many live members are silent, and that too few
	// others answer to judge them: they are dead, or this node and those few are cut off. 0: that
	// is over.
	Undecided(now mono.Time, silent int)
}

// Parted is a Court that may be unable to send to some live members, those of the other IP version.
// Every node is one.
type Parted interface {
	// Bridged says whether somebody that sends to them has spoken since a moment, or there are no
	// such members. If not it asks, at most ten times a second.
	Bridged(now, since mono.Time) bool
}

// Lossy is a Detector that knows how many packets get lost; the node looks for it once, and spreads
// urgent news by it.
type Lossy interface {
	// Losses returns the share of round trips that fail, as failed of so many.
	Losses() (failed, of int)
}

// Accruer is a Detector that has a level of suspicion for each member that it watches; the node
// looks for it once.
type Accruer interface {
	// Phi returns −log10 of the probability that the member lives and is only late; ok is false
	// if it is not watched.
	Phi(now mono.Time, id member.ID) (phi float64, ok bool)
}

// Damper is a Detector that holds members which come and go to a longer silence; the node looks for
// it once.
type Damper interface {
	// Damped returns how long a member that came back lately in the same life may be silent now,
	// how long others may, and how many of its returns count still; 0 returns if it did not come
	// back.
	Damped(now mono.Time, id member.ID) (grace, usual time.Duration, returns int)
}
