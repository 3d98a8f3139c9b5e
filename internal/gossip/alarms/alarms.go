// Package alarms is which members do not answer which: the alarms of this node's detector, and
// those that others share. They become events for the user and nothing else: the table and the
// detector do not hear of them.
package alarms

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Bounds of what is shared. If a few say the same, all learn enough; in a storm, the verdicts come
// soon anyway.
const (
	MaxShared   = 256              // alarms of others that are remembered
	MaxAccusers = 3                // whose alarms about one member are spread
	shareAgain  = 20 * time.Second // until an alarm that stands is told again
	shareLife   = time.Minute      // after which one that is told no more is over
)

// Host is the node, as far as Alarms needs more of it than an Env.
type Host interface {
	plane.Env
	// Suspected tells the user that a live member does not answer somebody, or answers all again.
	Suspected(m member.Member, on bool)
}

// alarm is one. That it ended is kept for a while, so that a late copy does not raise it again.
type alarm struct {
	wire.Alarm
	told bool      // to the others; of this node's own
	due  mono.Time // to be told again or forgotten
}

// Alarms holds the alarms about live members.
type Alarms struct {
	plane.None
	env   Host
	share bool
	list  []alarm
	due   mono.Time
	seq   uint32
}

// New returns the alarms of a node that starts; share says whether it tells the others of its own.
func New(env Host, share bool) *Alarms { return &Alarms{env: env, share: share, due: mono.Never} }

// Deadline is when the next alarm is told again, or is over.
func (a *Alarms) Deadline() mono.Time { return a.due }

// Len returns how many alarms are held.
func (a *Alarms) Len() int { return len(a.list) }

// Accusers counts the members, this node among them, to which a member does not answer.
func (a *Alarms) Accusers(target member.ID) (n int) {
	for i := range a.list {
		if a.list[i].On && a.list[i].Target == target {
			n++
		}
	}
	return n
}

func (a *Alarms) find(accuser, target member.ID) int {
	return slices.IndexFunc(a.list, func(x alarm) bool {
		return x.Accuser == accuser && x.Target == target
	})
}

// schedule finds out when the next alarm is due.
func (a *Alarms) schedule() {
	a.due = mono.Never
	for i := range a.list {
		a.due = min(a.due, a.list[i].due)
	}
}

// drop forgets alarms, and says which members were accused in them.
func (a *Alarms) drop(which func(*alarm) bool) (cleared []member.ID) {
	a.list = slices.DeleteFunc(a.list, func(x alarm) bool {
		gone := which(&x)
		if gone && x.On {
			cleared = append(cleared, x.Target)
		}
		return gone
	})
	a.schedule()
	return cleared
}

// Raise takes in an alarm of this node's own detector, or its end.
func (a *Alarms) Raise(now mono.Time, id member.ID, on bool) {
	m, ok := a.env.Table().Get(id)
	if !ok || !m.State.Live() {
		return
	}
	own := a.env.ID()
	before := a.Accusers(id)
	i := a.find(own, id)
	if i < 0 && on {
		i = len(a.list)
		x := wire.Alarm{Accuser: own, Target: id, Instance: m.Instance()}
		a.list = append(a.list, alarm{Alarm: x, due: mono.Never})
	}
	if i >= 0 {
		x := &a.list[i]
		x.On = on
		if a.share && (x.told || on && before < MaxAccusers) {
			a.tell(now, x)
		}
		if !on {
			a.list = slices.Delete(a.list, i, i+1)
		}
		a.schedule()
	}
	a.tellUser(&m, before)
}

// tell tells all members of an alarm of this node's own.
func (a *Alarms) tell(now mono.Time, x *alarm) {
	self := a.env.Self()
	a.seq++
	x.By, x.Seq, x.told, x.due = self.Instance(), a.seq, true, now.Add(shareAgain)
	a.spread(now, &x.Alarm)
}

// spread passes on the last word of an accuser about a target; it takes the place of the one
// before.
func (a *Alarms) spread(now mono.Time, x *wire.Alarm) {
	a.env.Spread(now, keyOf(x), wire.AppendAlarm(make([]byte, 0, wire.AlarmSize), *x))
}

func keyOf(x *wire.Alarm) uint64 {
	return uint64(x.Accuser) ^ uint64(x.Target)*0x9e3779b97f4a7c15
}

// Receive takes in what another member says of a third. Both have to live in the lives that are
// meant.
func (a *Alarms) Receive(now mono.Time, _ plane.Sender, _ wire.Type, body []byte) bool {
	x, ok := wire.ReadAlarm(body)
	if !ok {
		return false
	}
	by, known := a.env.Table().Get(x.Accuser)
	m, live := a.env.Table().Get(x.Target)
	own := a.env.ID()
	if x.Accuser == own || x.Target == own || x.Accuser == x.Target ||
		!known || !by.State.Live() || by.Instance() != x.By ||
		!live || !m.State.Live() || m.Instance() != x.Instance {
		return true
	}
	before := a.Accusers(x.Target)
	i := a.find(x.Accuser, x.Target)
	switch {
	case i >= 0 && x.Seq == a.list[i].Seq:
		a.env.Heard(keyOf(&x))
		return true
	case i >= 0 && x.Seq < a.list[i].Seq:
		return true
	case i < 0 && (len(a.list) >= MaxShared || x.On && before >= MaxAccusers):
		return true
	case i < 0:
		i = len(a.list)
		a.list = append(a.list, alarm{})
	}
	a.list[i] = alarm{Alarm: x, due: now.Add(shareLife)}
	a.schedule()
	a.spread(now, &x)
	a.tellUser(&m, before)
	return true
}

// tellUser tells of the first alarm about a member, and of the end of the last.
func (a *Alarms) tellUser(m *member.Member, before int) {
	after := a.Accusers(m.ID)
	if before == 0 && after > 0 || before > 0 && after == 0 {
		a.env.Suspected(*m, after > 0)
	}
}

// tellCleared tells of members that nobody accuses any more.
func (a *Alarms) tellCleared(cleared []member.ID) {
	slices.Sort(cleared)
	for _, id := range slices.Compact(cleared) {
		if m, ok := a.env.Table().Get(id); ok && m.State.Live() {
			a.tellUser(&m, 1)
		}
	}
}

// Wake tells alarms again that stand, and forgets those that are told no more.
func (a *Alarms) Wake(now mono.Time) {
	for i := range a.list {
		if x := &a.list[i]; x.due <= now && x.Accuser == a.env.ID() {
			a.tell(now, x)
		}
	}
	a.tellCleared(a.drop(func(x *alarm) bool { return x.due <= now }))
}

// Changed forgets the alarms that a change of the table ends: by and about members that died, left
// or live anew, and about those that raised their incarnation, which only the living do.
func (a *Alarms) Changed(_ mono.Time, before, after member.Member) {
	if len(a.list) == 0 || before.ID == 0 || after.ID == a.env.ID() {
		return
	}
	over := !after.State.Live() || before.Generation() != after.Generation()
	refuted := before.Incarnation != after.Incarnation
	cleared := a.drop(func(x *alarm) bool {
		return over && (x.Target == after.ID || x.Accuser == after.ID) ||
			refuted && x.Target == after.ID
	})
	if over { // which is told in other words
		cleared = slices.DeleteFunc(cleared, func(id member.ID) bool { return id == after.ID })
	}
	a.tellCleared(cleared)
}

// Stalled waits that much longer for word of each.
func (a *Alarms) Stalled(_ mono.Time, gap time.Duration) {
	for i := range a.list {
		a.list[i].due = a.list[i].due.Add(gap)
	}
	a.schedule()
}
