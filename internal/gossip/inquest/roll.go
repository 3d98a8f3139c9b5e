package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// Many that die at once. Too few for a verdict cannot tell the death of the others from a cut. They
// call the roll once: they ping all, and hold those that do not answer for unreachable. So each of
// them says exactly which members it cannot judge, and its user, who can, has them forgotten.
//
//	         a case cannot be judged           the calls are made, and some time passed
//	 quiet --------------------------> called ------------------------------------------> quiet
//	   ^                                  |                                                 |
//	   +---- more than rollAnswers answer +            one of the absent is called each Period

const (
	rollRounds = 2
	rollPace   = 256 // members that are called in a Config.Period
	// members that answer; where more do it is no mass loss, or will not be for long
	rollAnswers = 64
	rollAgain   = time.Minute     // from one roll to the next
	rollSettle  = 2 * time.Second // after the last call, for answers
)

// roll is the call of all members.
type roll struct {
	*env
	zones *silences

	began mono.Time // the last; 0: never
	left  int       // calls that are still to be made
	// when those that have not answered are absent; mono.Never while calls are made, 0: no roll is
	// called
	end    mono.Time
	here   []member.ID // the members that were heard since it began
	absent []member.ID // in order: those that did not answer, and were not heard since
	told   int         // how many the user was told of
	missed bool        // members that may be absent are not in the list
}

// turn begins when too few jurors answer, goes on, and ends. It is called once in a Config.Period;
// stuck says that a case cannot be judged.
func (r *roll) turn(now mono.Time, stuck bool, by docket) {
	t := r.host.Table()
	switch {
	case r.end == 0 && stuck && (len(r.absent) == 0 || r.missed) &&
		(r.began == 0 || now.Sub(r.began) >= rollAgain):
		r.began, r.left, r.end = now, rollRounds*t.Served(), mono.Never
		r.here, r.missed = nil, false
	case r.end != 0 && len(r.here) > rollAnswers: // it is not most of them that are gone
		r.end, r.left, r.here = 0, 0, nil
	case r.end <= now && r.end != 0:
		r.finish(now)
	case r.end == 0 && len(r.absent) > 0:
		r.callAbsent(now, stuck, by)
	}
	for n := 0; r.left > 0 && n < rollPace; n++ {
		r.left--
		if r.left == 0 {
			r.end = now.Add(rollSettle)
		}
		if m := t.At(r.left % t.Served()); m.ID != r.host.Self() &&
			!slices.Contains(r.here, m.ID) && !r.zones.covers(&m) {
			r.probe(now, plane.PeerOf(&m))
		}
	}
}

// finish notes which members are absent, and tells the user of each.
func (r *roll) finish(now mono.Time) {
	t := r.host.Table()
	for i := range t.Served() {
		if m := t.At(i); m.ID != r.host.Self() && !slices.Contains(r.here, m.ID) &&
			!r.zones.covers(&m) {
			r.absent = append(r.absent, m.ID)
		}
	}
	r.end, r.here = 0, nil
	slices.Sort(r.absent)
	r.absent = slices.Compact(r.absent)
	for _, id := range r.absent {
		r.host.Unreachable(now, id, true)
	}
}

// missZone is called when a zone falls silent, which says why its members are unreachable, and when
// it is heard again: then some of them may be absent.
func (r *roll) missZone(zone uint16) {
	r.missed = true
	if r.zones.on(zone) {
		r.absent = slices.DeleteFunc(r.absent,
			func(id member.ID) bool { return r.zoneOf(id) == zone })
	}
}

// callAbsent asks one of the absent whether it is back; where a jury can be found, it has one
// examined.
func (r *roll) callAbsent(now mono.Time, stuck bool, by docket) {
	id := r.absent[r.host.Rand().IntN(len(r.absent))]
	m, ok := r.host.Table().Get(id)
	switch {
	case !ok || !m.State.Live() || m.OutOfFamily:
		r.present(now, id)
	case stuck:
		r.probe(now, plane.PeerOf(&m))
	default:
		by.accuse(now, plane.PeerOf(&m), now)
	}
}

// listens says whether the roll has a use for members that are heard.
func (r *roll) listens() bool { return r.end != 0 || len(r.absent) > 0 }

// present takes in that a member is there, or is not missed any more.
func (r *roll) present(now mono.Time, id member.ID) {
	if r.end != 0 && len(r.here) <= rollAnswers && !slices.Contains(r.here, id) {
		r.here = append(r.here, id)
	}
	if i, found := slices.BinarySearch(r.absent, id); found {
		r.absent = slices.Delete(r.absent, i, i+1)
		r.host.Unreachable(now, id, false)
	}
}

// misses says whether a member is absent.
func (r *roll) misses(id member.ID) bool {
	_, found := slices.BinarySearch(r.absent, id)
	return found
}

// tell tells the user how many members are silent that this node cannot judge, once all are called,
// and that it can. There are so many others beside the absent.
func (r *roll) tell(now mono.Time, others int) {
	silent := len(r.absent) + others
	if r.end != 0 || silent == r.told || silent > 0 && r.began == 0 {
		return
	}
	r.told = silent
	if u, ok := r.host.(detect.Doubter); ok {
		u.Undecided(now, silent)
	}
}
