package roster

import (
	"fmt"
	"iter"
	"time"
	"unique"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is what a node remembers of those that failed and of those that came back, and why. The
// evidence travels with the news, where there is room for it, and nothing depends on it.

// MaxVerdicts is how many a node remembers; the oldest make way.
const MaxVerdicts = 256

// VerdictKind says what was found of a member.
type VerdictKind uint8

// What is remembered.
const (
	Failed    VerdictKind = iota + 1 // it was declared failed
	Refuted                          // it had been declared failed, and contradicted
	Restarted                        // it had been declared failed, and came back in a new life
	Forgotten                        // an operator had it forgotten, here or elsewhere
)

// String returns the kind as the API has it.
func (k VerdictKind) String() string {
	switch k {
	case Failed:
		return "failed"
	case Refuted:
		return "refuted"
	case Restarted:
		return "restarted"
	case Forgotten:
		return "forgotten"
	}
	return fmt.Sprintf("VerdictKind(%d)", uint8(k))
}

// Verdict is that a member was declared failed or forgotten, or that one that had been came back.
type Verdict struct {
	Kind        VerdictKind
	At          mono.Time     // when it was declared failed, or came back
	After       time.Duration // of Refuted and Restarted: how long it had been failed
	Explained   bool          // of Failed: whether the evidence is known here
	Evidence    detect.Evidence
	Incarnation uint32 // of the member, after it
}

// verdict is one of them. The evidence is a message as it stands on the wire, which all nodes of a
// process share.
type verdict struct {
	id                    member.ID
	instance, incarnation uint32
	kind                  VerdictKind
	at                    mono.Time
	after                 time.Duration
	evidence              unique.Handle[string]
}

var unexplained unique.Handle[string]

func (x *verdict) public() Verdict {
	v := Verdict{Kind: x.kind, At: x.at, After: x.after, Incarnation: x.incarnation}
	if x.evidence == unexplained {
		return v
	}
	e, _ := wire.ReadEvidence(wire.Body([]byte(x.evidence.Value())))
	v.Explained = true
	v.Evidence = detect.Evidence{
		Accuser: e.Accuser, Cause: e.Cause, Pings: int(e.Pings), Span: e.Span, Seats: e.Seats,
	}
	for _, w := range e.Votes[:e.Count] {
		v.Evidence.Votes = append(v.Evidence.Votes,
			detect.Vote{Juror: w.Juror, Cause: w.Cause, Pings: int(w.Pings), Span: w.Span})
	}
	return v
}

// Verdicts are the last of them: a ring.
type Verdicts struct {
	list []verdict
	next int // the oldest
}

// Of goes through what is remembered of a member, the oldest first.
func (v *Verdicts) Of(id member.ID) iter.Seq[Verdict] {
	return func(yield func(Verdict) bool) {
		for i := range v.list {
			x := &v.list[(v.next+i)%len(v.list)]
			if x.id == id && !yield(x.public()) {
				return
			}
		}
	}
}

func (v *Verdicts) add(x verdict) {
	if len(v.list) < MaxVerdicts {
		v.list = append(v.list, x)
		return
	}
	v.list[v.next] = x
	v.next = (v.next + 1) % MaxVerdicts
}

// failure returns the verdict that one life of a member had failed at an incarnation, nil if there
// is none.
func (v *Verdicts) failure(id member.ID, instance, incarnation uint32) *verdict {
	for i := range v.list {
		x := &v.list[i]
		if x.id == id && x.kind == Failed && x.instance == instance &&
			x.incarnation == incarnation {
			return x
		}
	}
	return nil
}

// remember notes what a change of the table says of a member.
func (v *Verdicts) remember(now mono.Time, before, after *member.Member) {
	x := verdict{id: after.ID, instance: after.Instance(), incarnation: after.Incarnation,
		kind: Failed, at: after.Since}
	switch {
	case after.Cause == member.CauseForgotten: // that is remembered as what it is
		return
	case before.State.Live() && after.State == member.Failed:
	case before.State == member.Failed && after.State.Live():
		x.kind, x.at, x.after = Refuted, now, now.Sub(before.Since)
		if before.Generation() != after.Generation() {
			x.kind = Restarted
		}
	default:
		return
	}
	v.add(x)
}

// explain keeps the evidence of a verdict that has none yet. What there is no such verdict for
// takes no memory.
func (v *Verdicts) explain(e *wire.Evidence) {
	x := v.failure(e.Target, e.Instance, e.Incarnation)
	if x == nil || x.evidence != unexplained {
		return
	}
	var room [wire.MaxEvidence]byte
	x.evidence = unique.Make(string(wire.AppendEvidence(room[:0], e)))
}
