package gossip

import (
	"iter"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/roster"
)

// View is what a node knows. A driver reads it between the node's steps; nothing of it changes the
// node. Each plane's part stands in the file that binds the plane.
type View struct{ n *Node }

// Table returns what the node knows of all members, itself included. The caller only reads it,
// between steps.
func (v View) Table() *member.Table { return v.n.roster.Table() }

// Self returns what the node says of itself.
func (v View) Self() member.Member { return v.n.roster.Self() }

// Forgot says whether this node remembers that it has forgotten a member, for its age or by
// somebody's word.
func (v View) Forgot(id member.ID) bool { return v.n.roster.Forgot(id) }

// MaxVerdicts is how many verdicts a node remembers; the oldest make way.
const MaxVerdicts = roster.MaxVerdicts

// Verdict is that a member was declared failed or forgotten, or that one that had been came back.
type Verdict = roster.Verdict

// VerdictKind says what was found of a member.
type VerdictKind = roster.VerdictKind

// What is remembered of members.
const (
	Failed    = roster.Failed
	Refuted   = roster.Refuted
	Restarted = roster.Restarted
	Forgotten = roster.Forgotten
)

// Verdicts goes through what is remembered of a member, the oldest first.
func (v View) Verdicts(id member.ID) iter.Seq[Verdict] { return v.n.roster.Verdicts.Of(id) }

// Stopped says whether the node has left, or had to stop. It does nothing any more.
func (v View) Stopped() bool { return v.n.door.Stopped() }

// Complete says whether this node was let in and has had the first whole table since: before that
// it does not know what the cluster is. The first of its cluster is complete at once.
func (v View) Complete() bool { return v.n.door.IsWhole() }

// ClusterID returns the identity of this node's cluster, 0 while it has none. Equal ones mean the
// same cluster; of two clusters that become one the lower stays.
func (v View) ClusterID() uint64 { return v.n.door.ClusterID() }

// InTouch says whether a live member is at an address, as far as this node knows, and can be
// reached from here.
func (v View) InTouch(a netip.AddrPort) bool { return v.n.door.InTouch(a) }

// Sight is what a seed told of where a node's datagrams come from.
type Sight = door.Sight

// Seen returns what a seed told last.
func (v View) Seen() Sight { return v.n.door.Seen() }

// Unlike is a setting that another member has otherwise than this node.
type Unlike = door.Unlike

// Unlike goes through the settings in which live members differ from this node, of those that it
// let in or that let it in.
func (v View) Unlike() iter.Seq[Unlike] { return v.n.door.Unlike() }

// Unsent returns an error that wraps ErrUnsent and names the first message of this node's that is
// not known to be out; nil if there is none. One that nobody else had when all others had failed is
// not out, though nobody is left to wait for. It may be called after the end too.
func (v View) Unsent() error {
	if v.n.relay == nil {
		return nil
	}
	return v.n.door.Unsent()
}

// Health returns the detector's local health: 0 is good, higher is worse.
func (v View) Health() int {
	if v.n.detector == nil {
		return 0
	}
	return v.n.detector.Health()
}

// RTT returns the smoothed round-trip time to the members, 0 while unknown.
func (v View) RTT() time.Duration {
	if v.n.detector == nil {
		return 0
	}
	return v.n.detector.RTT()
}

// Phi returns the level of suspicion of a member at a moment, −log10 of the probability that it
// lives and is only late; ok is false if the detector has none, which only ACCRUAL does, or if this
// node does not watch the member.
func (v View) Phi(now Time, id member.ID) (phi float64, ok bool) {
	if d, is := v.n.detector.(detect.Accruer); is {
		return d.Phi(now, id)
	}
	return 0, false
}

// Damped returns how long a member that came back lately in the same life may be silent at a
// moment, how long others may, and how many of its returns count still; 0 returns if it did not
// come back, or if the detector does not damp, which only INQUEST does.
func (v View) Damped(now Time, id member.ID) (grace, usual time.Duration, returns int) {
	if d, ok := v.n.detector.(detect.Damper); ok {
		return d.Damped(now, id)
	}
	return 0, 0, 0
}
