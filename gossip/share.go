package gossip

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/rumor"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file is who does not answer whom: the alarms of this node's detector, and those that others share. They become
// events for the user and nothing else: the table and the detector do not hear of them.

// Bounds of what is shared. Of a few who say the same all learn enough; in a storm, the verdicts come soon anyway.
const (
	maxShared   = 256              // alarms of others that are remembered
	maxAccusers = 3                // whose alarms about one member are spread
	shareAgain  = 20 * time.Second // until an alarm that stands is told again
	shareLife   = time.Minute      // after which one that is told no more is over
)

// shared is an alarm. One that ended is kept for a while, so that a late copy does not raise it again.
type shared struct {
	wire.Alarm
	told bool // to the others; of this node's own
	due  Time // to be told again or forgotten
}

// shares holds the alarms about live members.
type shares struct {
	list   []shared
	due    Time
	seq    uint32
	rumors rumor.Queue
}

func newShares(rounds []time.Duration) shares {
	return shares{due: Never, rumors: rumor.NewQueue(rounds, enough)}
}

func (s *shares) find(accuser, target member.ID) int {
	return slices.IndexFunc(s.list, func(x shared) bool { return x.Accuser == accuser && x.Target == target })
}

// accusers counts those to whom a member does not answer.
func (s *shares) accusers(target member.ID) (n int) {
	for i := range s.list {
		if s.list[i].On && s.list[i].Target == target {
			n++
		}
	}
	return n
}

// schedule finds out when the next alarm is due.
func (s *shares) schedule() {
	s.due = Never
	for i := range s.list {
		s.due = min(s.due, s.list[i].due)
	}
}

// stalled waits that much longer for word of each.
func (s *shares) stalled(gap time.Duration) {
	for i := range s.list {
		s.list[i].due = s.list[i].due.Add(gap)
	}
	s.schedule()
}

// drop forgets alarms, and says who was accused in them.
func (s *shares) drop(which func(*shared) bool) (cleared []member.ID) {
	s.list = slices.DeleteFunc(s.list, func(x shared) bool {
		gone := which(&x)
		if gone && x.On {
			cleared = append(cleared, x.Target)
		}
		return gone
	})
	s.schedule()
	return cleared
}

// alarmed takes in an alarm of this node's own detector, or its end.
func (n *Node) alarmed(id member.ID, on bool) {
	m, ok := n.table.Get(id)
	if !ok || !m.State.Live() {
		return
	}
	if !on {
		n.streams.Heard(n.now)
	}
	s := &n.shares
	before := s.accusers(id)
	i := s.find(n.id, id)
	if i < 0 && on {
		i = len(s.list)
		s.list = append(s.list, shared{Alarm: wire.Alarm{Accuser: n.id, Target: id, Instance: m.Instance()}, due: Never})
	}
	if i >= 0 {
		x := &s.list[i]
		x.On = on
		if n.cfg.ShareSuspicions && (x.told || on && before < maxAccusers) {
			n.share(x)
		}
		if !on {
			s.list = slices.Delete(s.list, i, i+1)
		}
		s.schedule()
	}
	n.tellSuspicion(&m, before)
}

// share tells all members of an alarm of this node's own.
func (n *Node) share(x *shared) {
	n.shares.seq++
	x.By, x.Seq, x.told, x.due = n.instance, n.shares.seq, true, n.now.Add(shareAgain)
	n.spread(&x.Alarm)
}

// spread passes on the last word of an accuser about a target; it takes the place of the one before.
func (n *Node) spread(a *wire.Alarm) {
	n.shares.rumors.SetRounds(n.rounds())
	n.shares.rumors.Put(n.now, rumor.Item{Key: keyOf(a), Data: wire.AppendAlarm(make([]byte, 0, wire.AlarmSize), *a)})
}

func keyOf(a *wire.Alarm) uint64 { return uint64(a.Accuser) ^ uint64(a.Target)*0x9e3779b97f4a7c15 }

// hearAlarm takes in what another member says of a third. Both have to live in the lives that are meant.
func (n *Node) hearAlarm(a *wire.Alarm) {
	by, known := n.table.Get(a.Accuser)
	m, ok := n.table.Get(a.Target)
	if a.Accuser == n.id || a.Target == n.id || a.Accuser == a.Target || !known || !by.State.Live() || by.Instance() != a.By ||
		!ok || !m.State.Live() || m.Instance() != a.Instance {
		return
	}
	s := &n.shares
	before := s.accusers(a.Target)
	i := s.find(a.Accuser, a.Target)
	switch {
	case i >= 0 && a.Seq == s.list[i].Seq:
		s.rumors.Heard(keyOf(a))
		return
	case i >= 0 && a.Seq < s.list[i].Seq:
		return
	case i < 0 && (len(s.list) >= maxShared || a.On && before >= maxAccusers):
		return
	case i < 0:
		i = len(s.list)
		s.list = append(s.list, shared{})
	}
	s.list[i] = shared{Alarm: *a, due: n.now.Add(shareLife)}
	s.schedule()
	n.spread(a)
	n.tellSuspicion(&m, before)
}

// tellSuspicion makes an event of the first alarm about a member and of the end of the last.
func (n *Node) tellSuspicion(m *member.Member, before int) {
	if after := n.shares.accusers(m.ID); before == 0 && after > 0 || before > 0 && after == 0 {
		n.tell(pick(after > 0, MemberSuspected, MemberRecovered), *m)
	}
}

// tellRecovered tells of those whom nobody accuses any more.
func (n *Node) tellRecovered(cleared []member.ID) {
	slices.Sort(cleared)
	for _, id := range slices.Compact(cleared) {
		if m, ok := n.table.Get(id); ok && m.State.Live() {
			n.tellSuspicion(&m, 1)
		}
	}
}

// wakeShares tells alarms that stand again, and forgets those that are told no more.
func (n *Node) wakeShares() {
	s := &n.shares
	if s.due > n.now {
		return
	}
	for i := range s.list {
		if x := &s.list[i]; x.due <= n.now && x.Accuser == n.id {
			n.share(x)
		}
	}
	n.tellRecovered(s.drop(func(x *shared) bool { return x.due <= n.now }))
}

// settleShares forgets the alarms that a change of the table ends: of and about those who died, left or live anew, and
// about those who raised their incarnation, which only the living do.
func (n *Node) settleShares(before, after *member.Member) {
	if len(n.shares.list) == 0 || before.ID == 0 || after.ID == n.id {
		return
	}
	over := !after.State.Live() || before.Generation() != after.Generation()
	refuted := before.Incarnation != after.Incarnation
	cleared := n.shares.drop(func(x *shared) bool {
		return over && (x.Target == after.ID || x.Accuser == after.ID) || refuted && x.Target == after.ID
	})
	if over { // which is told in other words
		cleared = slices.DeleteFunc(cleared, func(id member.ID) bool { return id == after.ID })
	}
	n.tellRecovered(cleared)
}

// packAlarms adds the alarms that are due.
func (n *Node) packAlarms(start int) {
	q := &n.shares.rumors
	for {
		it := q.Peek(n.now)
		if it == nil || len(it.Data) > n.room(start) {
			return
		}
		n.out.arena = append(n.out.arena, it.Data...)
		q.Pushed(n.now, it)
	}
}
