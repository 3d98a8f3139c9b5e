package gossip

import (
	"iter"

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
