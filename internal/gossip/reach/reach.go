// Package reach is which members a node reaches. It has what the detector sees of the others and
// the table does not say, and how the node is connected with members at addresses of the other IP
// version. Nobody else is told of it.
package reach

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// Host is the node, as far as Reach needs more of it than an Env.
type Host interface {
	plane.Env
	// SendsTo says whether this node sends to addresses of an IP version.
	SendsTo(f member.Family) bool
	// IsLost says whether this node's own address does not lead to it.
	IsLost() bool
	// Unreachable tells the user that a live member cannot be reached from here, or can again.
	Unreachable(now mono.Time, m member.Member, on bool)
	// ZoneSilent tells the user that nobody of a whole other zone is heard, or somebody is again.
	ZoneSilent(now mono.Time, z SilentZone, on bool)
	// Isolated tells the user that this node reaches nobody, or that after a time it does again.
	Isolated(now mono.Time, on bool, after time.Duration)
	// Unheard tells the user that nobody hears this node, though it hears others, or that this is
	// over.
	Unheard(on bool)
	// Undecided tells the user that so many live members are silent, and that too few others answer
	// to judge them; 0: that is over.
	Undecided(silent int)
}

// Reach is what a node holds of members that are live in the table. A change of state or life ends
// it.
type Reach struct {
	plane.None
	env    Host
	stale  time.Duration
	across across
	buf    []byte

	silent   []SilentZone // each once, the last to fall silent at the end
	isolated bool         // alone, or unserved
	since    mono.Time    // when that began
	alone    bool         // the detector says so
	unheard  bool         // the same, and that others are heard
	unserved bool         // all other live members are out of family
	mute     bool         // the user was told that nobody hears this node
	// live members that are silent, while too few can be asked about them
	undecided int
	absences  []absence // by ID; the detector bounds how many

	// aged is how many failed members were forgotten for their age, while this node was of a
	// minority.
	aged int
}

// absence is a live member that cannot be reached from here.
type absence struct {
	id      member.ID
	since   mono.Time
	reasons reason
}

// reason is why a member cannot be reached, a bit for each.
type reason uint8

const (
	silent reason = 1 << iota // it is silent, or its zone is, as the detector says
	parted                    // it is at an address of the other IP version (across.go)
)

// New returns the reach of a node that starts, at which an absence is stale after a time: the
// others may have forgotten by then that the member is dead.
func New(now mono.Time, env Host, stale time.Duration) *Reach {
	r := &Reach{env: env, stale: stale}
	r.across = across{due: mono.Never, answers: rate.Full(acrossRate, 2*acrossRate, now)}
	return r
}

// Isolated says whether the node hears from next to nobody, or next to nobody hears it, and
// therefore fails nobody; or all others are out of family (Unserved).
func (r *Reach) Isolated() bool { return r.isolated }

// Unheard says whether this node is isolated though it hears others: what it sends does not come to
// them.
func (r *Reach) Unheard() bool { return r.unheard && !r.unserved }

// Unserved says whether there are other live members, and all of them are at addresses of an IP
// version that this node cannot send to. Then none can pass on its news, and it is isolated.
func (r *Reach) Unserved() bool { return r.unserved }

// Settle tells the user of the beginning and the end of an isolation.
func (r *Reach) Settle(now mono.Time) {
	t := r.env.Table()
	r.unserved = t.Served() < 2 && t.Live() > 1
	if r.Unheard() && !r.mute {
		r.mute = true
		r.env.Unheard(true)
	}
	on := r.alone || r.unserved
	if on == r.isolated {
		return
	}
	after := now.Sub(r.since)
	r.isolated, r.since = on, now
	r.env.Isolated(now, on, after)
	if r.mute && !on {
		r.mute = false
		r.env.Unheard(false)
	}
}

// SetAlone takes in whether the detector hears from next to nobody, or next to nobody hears this
// node; unheard says that it hears others.
func (r *Reach) SetAlone(now mono.Time, on, unheard bool) {
	r.alone, r.unheard = on, unheard
	r.Settle(now)
}

// Undecided returns how many live members are silent and cannot be judged, since too few others
// answer: this node cannot say whether they are dead. It is 0 if there are none. The detector
// counts them now and then, and what became of some of them since is known here.
func (r *Reach) Undecided() int { return min(r.undecided, len(r.absences)) }

// SetUndecided takes in how many those are.
func (r *Reach) SetUndecided(silent int) {
	r.undecided = silent
	r.env.Undecided(silent)
}

// SilentZone is another zone, the first part of the path, of which nobody is heard in this node's
// zone.
type SilentZone struct {
	Key     uint16 // its place on the ring
	Name    string
	Members int // that it had
	Since   mono.Time
}

// SilentZones goes through the zones that are silent from here.
func (r *Reach) SilentZones() iter.Seq[SilentZone] { return slices.Values(r.silent) }

// IsSilent says whether a zone is one of them.
func (r *Reach) IsSilent(zone uint16) bool {
	return slices.ContainsFunc(r.silent, func(z SilentZone) bool { return z.Key == zone })
}

// Reachable returns how many members the cluster has, as far as this node knows, and how many of
// them it can reach, itself included. The cluster is the last view that all can have agreed on: all
// but those that left. A failed member counts until an operator has it forgotten, or it is
// forgotten for its age at a node that reaches more than half. Until then it may live on the other
// side of a cut. So of two sides that do not see each other not both have more than half, once the
// cut is noticed, unless members joined since. An isolated node reaches itself alone.
func (r *Reach) Reachable() (reachable, of int) {
	t := r.env.Table()
	for m := range t.All() {
		if m.State != member.Left {
			of++
		}
	}
	reachable = t.Live() - len(r.absences)
	if r.isolated {
		reachable = 1
	}
	if 2*reachable <= of+r.aged {
		of += r.aged
	}
	return reachable, of
}

// CountAged counts a failed member that is forgotten for its age by a node of a minority.
func (r *Reach) CountAged() { r.aged++ }

// AllCounted tells that all such are known to be gone.
func (r *Reach) AllCounted() { r.aged = 0 }

// NoMajority says whether this node reaches no more than half of the live members, itself included,
// and cannot say of the others whether they are dead. Those whose zone is silent as a whole do not
// count: a cut between zones is told as what it is.
func (r *Reach) NoMajority() bool {
	live := r.env.Table().Live()
	if 2*len(r.absences) < live {
		return false
	}
	left := live
	for _, a := range r.absences {
		if m, ok := r.env.Table().Get(a.id); ok && !r.IsSilent(topology.PlaceOf(&m).Zone()) {
			left--
		}
	}
	return 2*left <= live
}

// Absent returns how many live members this node cannot reach.
func (r *Reach) Absent() int { return len(r.absences) }

// At returns one of them.
func (r *Reach) At(i int) member.ID { return r.absences[i].id }

// Silent goes through those of them that the detector does not hear.
func (r *Reach) Silent() iter.Seq[member.ID] {
	return func(yield func(member.ID) bool) {
		for _, a := range r.absences {
			if a.reasons&silent != 0 && !yield(a.id) {
				return
			}
		}
	}
}

// Unreachable goes through the live members that this node cannot reach, while too few others can
// be asked about them, while their zone is silent, or while no member connects this node with their
// IP version (Unbridged).
func (r *Reach) Unreachable() iter.Seq[member.ID] {
	return func(yield func(member.ID) bool) {
		for _, a := range r.absences {
			if !yield(a.id) {
				return
			}
		}
	}
}

// IsUnreachable says whether a member is one of them.
func (r *Reach) IsUnreachable(id member.ID) bool {
	_, found := r.find(id)
	return found
}

func (r *Reach) find(id member.ID) (i int, found bool) {
	return slices.BinarySearchFunc(r.absences, id, func(a absence, id member.ID) int {
		return cmp.Compare(a.id, id)
	})
}

// IsStale says whether a member is live here only because this node could not reach it for long.
// Members that could may have forgotten by now that it is dead, so the user is not told of it.
func (r *Reach) IsStale(now mono.Time, id member.ID) bool { return r.AwayFor(now, id) > r.stale }

// AwayFor is for how long this node cannot reach a member; 0 if it can.
func (r *Reach) AwayFor(now mono.Time, id member.ID) time.Duration {
	if i, found := r.find(id); found {
		return now.Sub(r.absences[i].since)
	}
	return 0
}

// Stale is how many members are stale.
func (r *Reach) Stale(now mono.Time) (k int) {
	for _, a := range r.absences {
		if now.Sub(a.since) > r.stale {
			k++
		}
	}
	return k
}

// AwaySince returns the members that could not be reached since a moment, or an earlier one.
func (r *Reach) AwaySince(since mono.Time) (ids []member.ID) {
	for _, a := range slices.Backward(r.absences) {
		if a.since < since {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// note takes in that there is a reason why a member cannot be reached, or is no more. It says
// whether the member is unreachable by that, or reachable.
func (r *Reach) note(now mono.Time, id member.ID, why reason, on bool) bool {
	i, found := r.find(id)
	switch {
	case on && !found:
		r.absences = slices.Insert(r.absences, i, absence{id, now, why})
		return true
	case on:
		r.absences[i].reasons |= why
	case found:
		if r.absences[i].reasons &^= why; r.absences[i].reasons == 0 {
			r.absences = slices.Delete(r.absences, i, i+1)
			return true
		}
	}
	return false
}

// SetZoneSilent takes in that a zone is silent, or is heard again: its members are unreachable with
// it. Which of them are dead is found out when the zone's grace is over, or when others of it are
// heard.
func (r *Reach) SetZoneSilent(now mono.Time, zone uint16, on bool) {
	z := SilentZone{Key: zone, Since: now}
	var ids []member.ID
	for m := range r.env.Table().All() {
		if topology.PlaceOf(&m).Zone() == zone {
			z.Name, _, _ = strings.Cut(m.Handle.Value().Zone, "/")
			if m.State.Live() {
				ids = append(ids, m.ID)
			}
		}
	}
	z.Members = len(ids)
	r.silent = slices.DeleteFunc(r.silent, func(x SilentZone) bool { return x.Key == zone })
	if on {
		r.silent = append(r.silent, z)
	}
	r.env.ZoneSilent(now, z, on)
	slices.Sort(ids)
	for _, id := range ids {
		r.set(now, id, silent, on)
	}
}

// SetSilent takes in that the detector does not hear a member, or does again.
func (r *Reach) SetSilent(now mono.Time, id member.ID, on bool) { r.set(now, id, silent, on) }

// set takes in that a member cannot be reached, or can again.
func (r *Reach) set(now mono.Time, id member.ID, why reason, on bool) {
	m, ok := r.env.Table().Get(id)
	live := ok && m.State.Live()
	if r.note(now, id, why, on && live) && live {
		r.env.Unreachable(now, m, on)
	}
}

// Changed forgets what a change of the table makes obsolete.
func (r *Reach) Changed(now mono.Time, before, after member.Member) {
	if before.ID != 0 && (!after.State.Live() || before.Generation() != after.Generation()) {
		r.note(now, after.ID, silent|parted, false)
	}
	if before.OutOfFamily && !after.OutOfFamily {
		r.set(now, after.ID, parted, false)
	}
	r.settleAcross(now, &after)
}

// Forget forgets a member.
func (r *Reach) Forget(now mono.Time, id member.ID) { r.note(now, id, silent|parted, false) }
