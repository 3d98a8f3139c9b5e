// Package member knows who is in the cluster: records, the order of precedence of what is said about them, and the
// table of them all.
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

// Fact is one thing said of a member: "in this life, at this incarnation, with this record, it is in this state".
type Fact struct {
	Record      Handle
	Incarnation uint32
	State       State
}

// Version is what decides between two facts about one name: generation, then incarnation, then state, then (for a
// tie that no honest member makes) the record itself. The order is total, so merging by the larger is commutative,
// associative and idempotent: a join-semilattice.
type Version struct {
	Generation  uint64
	Incarnation uint32
	State       State
	Check       uint32
}

// Version returns the version of a fact.
func (f Fact) Version() Version {
	r := f.Record.Value()
	return Version{Generation: r.Generation, Incarnation: f.Incarnation, State: f.State, Check: r.Check()}
}

// Compare returns -1, 0 or +1 as v is below, at or above w in the order of precedence.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Generation, w.Generation),
		cmp.Compare(v.Incarnation, w.Incarnation),
		cmp.Compare(v.State, w.State),
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
