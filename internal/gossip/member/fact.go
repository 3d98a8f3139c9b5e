// Package member holds the members of the cluster: their records, the order of precedence of what
// is said about them, and the table of them all.
package member

import (
	"cmp"
	"fmt"
)

// State is what is held of a member. The order of the values is the order of precedence.
type State uint8

// The states. Suspect members count as live: nothing is decided about them yet.
const (
	Alive State = iota
	Suspect
	Failed
	Left
)

// States are all states, in order.
var States = [...]State{Alive, Suspect, Failed, Left}

// Live says whether the state is one of a member that takes part.
func (s State) Live() bool { return s <= Suspect }

// String returns the state's name as it stands in the command line's output.
func (s State) String() string {
	switch s {
	case Alive:
		return "alive"
	case Suspect:
		return "suspect"
	case Failed:
		return "failed"
	case Left:
		return "left"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Cause is why a member is held failed. Of two words about one failure the higher one prevails.
type Cause uint8

// The causes.
const (
	CauseSilent    Cause = iota // no answer of any kind
	CauseRefused                // its host lives and says that nobody listens at the port
	CauseStalled                // its host took a connection, but the process does not answer
	CauseDeaf                   // it sends, and answers nobody: nothing that is sent to it arrives
	CauseForgotten              // somebody had it forgotten
	// a later life of its name is there; told to the user alone, and of the life before
	CauseRestarted
)

// String returns the cause's name as it stands in the command line's output.
func (c Cause) String() string {
	switch c {
	case CauseSilent:
		return "silent"
	case CauseRefused:
		return "refused"
	case CauseStalled:
		return "stalled"
	case CauseDeaf:
		return "deaf"
	case CauseForgotten:
		return "forgotten"
	case CauseRestarted:
		return "restarted"
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// Fact is one thing said of a member: "in this life, at this incarnation, with this record, it is
// in this state".
type Fact struct {
	Record      Handle
	Incarnation uint32
	State       State
	Cause       Cause // of Failed; else 0
}

// Version is what decides between two facts about one name: generation, then incarnation, then
// state, then the cause of a failure, then (for a tie that no honest member makes) the record
// itself. The order is total, so merging by the larger is commutative, associative and idempotent:
// a join-semilattice.
type Version struct {
	Generation  uint64
	Incarnation uint32
	State       State
	Cause       Cause
	Check       uint32
}

// Version returns the version of a fact.
func (f Fact) Version() Version {
	r := f.Record.Value()
	return Version{Generation: r.Generation, Incarnation: f.Incarnation, State: f.State,
		Cause: f.Cause, Check: r.Check()}
}

// Compare returns -1, 0 or +1 as v is below, at or above w in the order of precedence.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Generation, w.Generation),
		cmp.Compare(v.Incarnation, w.Incarnation),
		cmp.Compare(v.State, w.State),
		cmp.Compare(v.Cause, w.Cause),
		cmp.Compare(v.Check, w.Check),
	)
}

// Merge returns the fact that prevails of two about the same name.
func Merge(a, b Fact) Fact {
	if a.Version().Compare(b.Version()) < 0 {
		return b
	}
	return a
}
