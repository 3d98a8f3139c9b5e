package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// Many who die at once. Juries are drawn among all members, and most of those are dead. So jurors
// that are asked in vain are replaced by members that were heard lately; and an accuser that had to
// ask four members for each vote examines three more of which nothing was heard. That grows where
// nearly all are dead, and where half are, the members that watch the dead suffice. Where there are
// zones, the witness (silence.go) and the look around (zones.go) add to that; a zone that is silent
// as a whole is left out.
//
// Too few for a verdict cannot tell the death of the others from a cut. They call the roll once:
// they ping all, and hold those who do not answer for unreachable. So each of them says exactly
// whom it cannot tell, and its user, who can, has them forgotten.

const (
	heardJuror = 10 * time.Second // a juror out of turn was heard so lately
	// members not heard for so long are examined where most are dead
	heardRecent = 5 * time.Second
	mostSilent  = 4 // times as many are asked as vote where most are dead
	examined    = 3 // members that an accuser examines then
	// alarms with which it examines no more: each costs many inquiries a second
	mostExamined = 48

	rollRounds = 2
	rollPace   = 256 // members that are called in a Config.Period
	// members that answer; where more do it is no mass loss, or will not be for long
	rollAnswers = 64
	rollAgain   = time.Minute     // from one roll to the next
	rollSettle  = 2 * time.Second // after the last call, for answers
)

// nextHeard puts somebody who was heard lately next in turn to be a juror, if there is one who is
// not asked yet.
func (d *Detector) nextHeard(now mono.Time, a *alarm) bool {
	j := &a.jury
	for i := range d.lately {
		h := &d.lately[i]
		if h.id == 0 || h.id == a.peer.ID || h.id == d.host.Self() ||
			now.Sub(h.at) >= heardJuror || d.alarmOf(h.id) >= 0 {
			continue
		}
		k := slices.IndexFunc(j.list, func(x juror) bool { return x.id == h.id })
		if m, ok := d.host.Table().Get(h.id); k >= 0 && k < j.asked || !ok ||
			!m.State.Live() || m.OutOfFamily {
			continue
		}
		if k < 0 {
			k = len(j.list)
			j.list = append(j.list, juror{id: h.id})
		}
		j.list[k], j.list[j.asked] = j.list[j.asked], j.list[k]
		return true
	}
	return false
}

// fewAnswer says whether the jury of a verdict found most members that it asked silent.
func (j *jury) fewAnswer(votes int) bool { return votes > 0 && j.asked >= mostSilent*votes }

// examineOther raises an alarm about a member of which nothing was heard lately.
func (d *Detector) examineOther(now mono.Time) {
	if len(d.alarms) >= mostExamined {
		return
	}
	t := d.host.Table()
	for range 8 {
		m := t.At(d.host.Rand().IntN(t.Served()))
		if m.ID != d.host.Self() && !d.lately.within(now, m.ID, heardRecent) &&
			d.alarmOf(m.ID) < 0 && !d.gone(&m) {
			d.accuse(now, detect.PeerOf(&m), now)
			return
		}
	}
}

// roll is the call of all members.
type roll struct {
	began mono.Time // the last; 0: never
	left  int       // calls that are still to be made
	// when those who have not answered are absent; mono.Never while calls are made, 0: no roll is
	// called
	end    mono.Time
	here   []member.ID // who was heard since it began
	absent []member.ID // in order: who did not answer, and was not heard since
	told   int         // how many the user was told of
	missed bool        // members that may be absent are not in the list
}

// callTheRoll begins when too few jurors answer, goes on, and ends. It is called once in a
// Config.Period.
func (d *Detector) callTheRoll(now mono.Time) {
	r, t := &d.roll, d.host.Table()
	stuck := slices.ContainsFunc(d.alarms, func(a alarm) bool { return a.unreachable })
	switch {
	case r.end == 0 && stuck && (len(r.absent) == 0 || r.missed) &&
		(r.began == 0 || now.Sub(r.began) >= rollAgain):
		*r = roll{began: now, left: rollRounds * t.Served(), end: mono.Never, told: r.told,
			absent: r.absent}
	case r.end != 0 && len(r.here) > rollAnswers: // it is not most of them who are gone
		r.end, r.left, r.here = 0, 0, nil
	case r.end <= now && r.end != 0:
		d.endRoll(now)
	case r.end == 0 && len(r.absent) > 0:
		d.callAbsent(now, stuck)
	}
	for n := 0; r.left > 0 && n < rollPace; n++ {
		r.left--
		if r.left == 0 {
			r.end = now.Add(rollSettle)
		}
		if m := t.At(r.left % t.Served()); m.ID != d.host.Self() &&
			!slices.Contains(r.here, m.ID) && !d.gone(&m) {
			d.probe(now, detect.PeerOf(&m))
		}
	}
	d.tellUndecided(now)
}

// gone says whether a member is of a zone that is silent as a whole: all of it is unreachable for
// that.
func (d *Detector) gone(m *member.Member) bool {
	return len(d.silences) > 0 && d.isSilent(topology.PlaceOf(m).Zone())
}

// endRoll notes who is absent, and tells the user of each.
func (d *Detector) endRoll(now mono.Time) {
	r, t := &d.roll, d.host.Table()
	for i := range t.Served() {
		if m := t.At(i); m.ID != d.host.Self() && !slices.Contains(r.here, m.ID) && !d.gone(&m) {
			r.absent = append(r.absent, m.ID)
		}
	}
	r.end, r.here = 0, nil
	slices.Sort(r.absent)
	r.absent = slices.Compact(r.absent)
	for _, id := range r.absent {
		d.host.Unreachable(now, id, true)
	}
}

// missZone is called when a zone falls silent, which says why its members are unreachable, and when
// it is heard again: then some of them may be absent.
func (d *Detector) missZone(zone uint16) {
	r := &d.roll
	r.missed = true
	if d.isSilent(zone) {
		r.absent = slices.DeleteFunc(r.absent,
			func(id member.ID) bool { return d.zoneOf(id) == zone })
	}
}

// callAbsent asks one of the absent whether it is back; where a jury can be found, it has one
// examined.
func (d *Detector) callAbsent(now mono.Time, stuck bool) {
	id := d.roll.absent[d.host.Rand().IntN(len(d.roll.absent))]
	m, ok := d.host.Table().Get(id)
	switch {
	case !ok || !m.State.Live() || m.OutOfFamily:
		d.present(now, id)
	case stuck:
		d.probe(now, detect.PeerOf(&m))
	default:
		d.accuse(now, detect.PeerOf(&m), now)
	}
}

// present takes in that a member is there, or is not missed any more.
func (d *Detector) present(now mono.Time, id member.ID) {
	r := &d.roll
	if r.end != 0 && len(r.here) <= rollAnswers && !slices.Contains(r.here, id) {
		r.here = append(r.here, id)
	}
	if i, found := slices.BinarySearch(r.absent, id); found {
		r.absent = slices.Delete(r.absent, i, i+1)
		d.host.Unreachable(now, id, false)
	}
}

// tellUndecided tells the user how many are silent of whom this node cannot say whether they are
// dead, once all are called, and that it can.
func (d *Detector) tellUndecided(now mono.Time) {
	r := &d.roll
	silent := len(r.absent)
	for i := range d.alarms {
		a := &d.alarms[i]
		if _, found := slices.BinarySearch(r.absent, a.peer.ID); a.unreachable && !found &&
			!d.isSilent(d.zoneOf(a.peer.ID)) {
			silent++
		}
	}
	if r.end != 0 || silent == r.told || silent > 0 && r.began == 0 {
		return
	}
	r.told = silent
	if u, ok := d.host.(detect.Doubter); ok {
		u.Undecided(now, silent)
	}
}
