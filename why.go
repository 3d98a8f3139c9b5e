package starling

// This file is what a node remembers of members that failed or came back, and why.

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// VerdictKind says what was found of a member, or done about it.
type VerdictKind uint8

// The kinds of verdicts.
const (
	VerdictFailed    VerdictKind = iota + 1 // it was declared failed
	VerdictRefuted                          // it had been declared failed, and contradicted
	VerdictRestarted                        // it had been, and came back in a new life
	VerdictForgotten                        // somebody had it forgotten (Forget), here or elsewhere
)

// The kinds have the core's numbers.
var _ = [1]struct{}{}[VerdictForgotten-VerdictKind(gossip.Forgotten)]

// String returns "failed", "refuted", "restarted" or "forgotten".
func (k VerdictKind) String() string { return gossip.VerdictKind(k).String() }

// Cause is what a node saw of a member that failed: "silent" (no answer of any kind), "refused"
// (its host says that nobody listens at its port), "stalled" (its host takes connections, but the
// process does not answer), "deaf" (it sends, and answers nobody: nothing that is sent to it
// arrives) or "forgotten" (somebody had it forgotten, or this node forgot all after a long sleep).
// The event of a life that ended unnoticed, since the next is there already, has "restarted".
type Cause string

// Verdict is that a member was declared failed and why, or that one that had been came back.
type Verdict struct {
	Time  time.Time // when it was declared failed, or came back
	Kind  VerdictKind
	After time.Duration // of one that came back: how long it had been failed

	// Of a failure. Explained says whether the evidence is known here; else the rest is empty: the
	// news of the failure came without.
	Explained bool
	Accuser   string // the member that declared it
	Cause     Cause  // what most voters saw
	// that the accuser sent in vain; 0 under SWIM, which does not count them
	Pings int
	Span  time.Duration // from the accuser's first doubt to the verdict
	Seats int           // of the jury, how many jurors were sought; 0 without one
	// those of the jurors; under SWIM, those of the nodes that suspected the member, without
	// figures
	Votes []Vote
	// HeardFrom is where datagrams of the member come from, if any came in the last ten seconds
	// though it failed: it sends, and does not hear. Only the last verdict about a member has it.
	HeardFrom netip.AddrPort
}

// Vote is that of one member.
type Vote struct {
	Juror string
	Cause Cause
	Pings int           // that it sent in vain
	Span  time.Duration // over which it did
}

// Why returns what this node remembers of a member's failures and returns, the oldest first;
// nothing if that is nothing. A node keeps the last 256 verdicts about all members, since its
// own start. The names of jurors that it has forgotten are their IDs in hexadecimal. The result is
// the caller's.
func (n *Node) Why(name string) (all []Verdict) {
	n.read(func() {
		for v := range n.core.Verdicts(member.IDOf(name)) {
			all = append(all, n.verdict(&v))
		}
		if last := len(all) - 1; last >= 0 && all[last].Kind == VerdictFailed {
			all[last].HeardFrom, _ = n.core.HeardFrom(member.IDOf(name))
		}
	})
	return all
}

func (n *Node) verdict(v *gossip.Verdict) Verdict {
	out := Verdict{Time: n.wall(v.At), Kind: VerdictKind(v.Kind), After: v.After,
		Explained: v.Explained}
	if !v.Explained {
		return out
	}
	e := &v.Evidence
	out.Accuser, out.Cause = n.nameOf(e.Accuser), cause(e.Cause)
	out.Pings, out.Span = e.Pings, e.Span
	out.Seats = e.Seats
	for _, x := range e.Votes {
		out.Votes = append(out.Votes, Vote{Juror: n.nameOf(x.Juror), Cause: cause(x.Cause),
			Pings: x.Pings, Span: x.Span})
	}
	return out
}

// Damping is that a member came and went lately, so that its silence is borne for longer: a link
// that flaps does not make the cluster flap. From the second return on it is granted twice the
// usual time, and up to eight times; half of the returns are forgiven each minute.
type Damping struct {
	Returns int           // in the same life, that count still
	Grace   time.Duration // silence that it is granted now
	Usual   time.Duration // that others are
}

// Damped returns how a member is damped; ok is false if it is not. Only the detector inquest damps.
func (n *Node) Damped(name string) (d Damping, ok bool) {
	n.read(func() { d.Grace, d.Usual, d.Returns = n.core.Damped(n.now(), member.IDOf(name)) })
	return d, d.Grace > d.Usual
}

// nameOf returns the name of a member, or what is known in its place.
func (n *Node) nameOf(id member.ID) string {
	if m, ok := n.core.Table().Get(id); ok {
		return m.Name()
	}
	return fmt.Sprintf("%016x", uint64(id))
}

func cause(c wire.Cause) Cause { return Cause(c.String()) }
