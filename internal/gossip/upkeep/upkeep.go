// Package upkeep is what a node does for the dead: it dials them again, says of a few that they are
// held dead here, and forgets them in the end.
package upkeep

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Reach is which members this node reaches (package reach), as far as upkeep needs it.
type Reach interface {
	Reachable() (reachable, of int)
	Absent() int
	At(i int) member.ID
	AwaySince(since mono.Time) []member.ID
	IsStale(now mono.Time, id member.ID) bool
	// CountAged counts a failed member that is forgotten for its age by a node of a minority;
	// AllCounted that all such are known to be gone.
	CountAged()
	AllCounted()
}

// Caller asks a member whether it lives (package called).
type Caller interface {
	Call(now mono.Time, m member.Member)
}

// Setup is how often the dead are dialled, one at a time, and for how long they are remembered.
type Setup struct {
	Reconnect, Retention time.Duration
	Private              bool // nobody is told of them
}

// tellsGone is of how many dead members a probe says that they are held dead here.
const tellsGone = 8

// Upkeep is that. It is a plane without messages of its own.
type Upkeep struct {
	plane.None
	cfg    Setup
	roster *roster.Roster
	flow   *flow.Flow
	rng    *rand.Rand
	reach  Reach
	caller Caller

	due   mono.Time // Never while nobody is dead or unreachable
	sweep mono.Time
	most  bool      // could be reached at the last sweep
	few   mono.Time // the last sweep at which no more than half could be; 0: there was none
	tell  bool      // the next probe says of some that they are dead here
	turn  int       // of which that was said last
}

// New returns what a node that starts does for the dead: nothing.
func New(now mono.Time, c Setup, r *roster.Roster, f *flow.Flow, rng *rand.Rand, reach Reach,
	caller Caller) *Upkeep {
	return &Upkeep{cfg: c, roster: r, flow: f, rng: rng, reach: reach, caller: caller,
		due: mono.Never, sweep: now}
}

// Receive reads nothing.
func (u *Upkeep) Receive(mono.Time, plane.Sender, wire.Type, []byte) bool { return false }

// Deadline is when it dials somebody, or looks for members to forget.
func (u *Upkeep) Deadline() mono.Time { return u.due }

// Changed begins the upkeep when somebody died.
func (u *Upkeep) Changed(now mono.Time, _, after member.Member) {
	if !after.State.Live() && u.due == mono.Never {
		u.due = now.Add(plane.Jitter(u.rng, u.cfg.Reconnect))
	}
}

// Missed begins it when a member is unreachable.
func (u *Upkeep) Missed(now mono.Time) { u.due = min(u.due, now.Add(u.sweepPause())) }

const (
	// so often at least the table is searched for members to be forgotten
	sweepEvery = time.Minute
	// so long one that failed is remembered where another member has its address since
	heirAfter = 10 * time.Minute
)

// sweepPause is the time between two searches of the table.
func (u *Upkeep) sweepPause() time.Duration { return min(sweepEvery, u.cfg.Retention/2) }

// Wake dials one of the dead, and now and then forgets some.
func (u *Upkeep) Wake(now mono.Time) {
	if u.sweep <= now {
		u.sweep = now.Add(u.sweepPause())
		u.forgetDead(now)
	}
	u.due = mono.Never
	if u.roster.Table().Len() > u.roster.Table().Live() || u.reach.Absent() > 0 {
		u.reconnect(now)
		u.tell = !u.cfg.Private
		u.due = now.Add(plane.Jitter(u.rng, u.cfg.Reconnect))
	}
}

// reconnect dials one failed member that it can send to, as likely as there are such for each live
// one: so the cluster dials each about once a period, and a node at most one. A partition that has
// healed is found so, and a process that was given up too soon. The dial asks the member too, so
// that it may refute at once.
func (u *Upkeep) reconnect(now mono.Time) {
	t := u.roster.Table()
	failed := 0
	var chosen member.Member
	for i := t.Live(); i < t.Len(); i++ {
		if m := t.At(i); m.State == member.Failed && !m.OutOfFamily {
			failed++
			if u.rng.IntN(failed) == 0 { // reservoir sampling of one
				chosen = m
			}
		}
	}
	if failed > 0 && u.rng.IntN(max(t.Live(), 1)) < failed {
		u.caller.Call(now, chosen)
	}
}

// forgetDead drops the members that have been dead for the time of retention, or whose address
// another one has. Of those that failed it keeps the number while no more than half of the last
// agreed view can be reached (Reach): the view of a minority never shrinks by age alone.
func (u *Upkeep) forgetDead(now mono.Time) {
	reachable, of := u.reach.Reachable()
	minority := 2*reachable <= of
	if !minority {
		u.reach.AllCounted()
		if u.most { // for long enough that each that lives has answered
			u.forgetStale()
		}
	}
	if u.most = !minority; minority {
		u.few = now
	}
	heirs := u.heirs(now)
	t := u.roster.Table()
	for i := t.Len() - 1; i >= t.Live(); i-- {
		m := t.At(i)
		dead := now.Sub(m.Since)
		if m.ID != u.roster.ID() && (dead > u.cfg.Retention || dead > heirAfter &&
			m.State == member.Failed && heirs[m.Handle.Value().Addr]) {
			if minority && m.State == member.Failed {
				u.reach.CountAged()
			}
			u.roster.Bury(&m)
		}
	}
}

// heirs returns the addresses of the live members, if anybody has been failed for so long that it
// matters. Only one that failed gives way to the member that has its address: it is dialled, in
// vain, and counts in the agreed view.
func (u *Upkeep) heirs(now mono.Time) map[netip.AddrPort]bool {
	t := u.roster.Table()
	var of map[netip.AddrPort]bool
	for i := t.Len() - 1; i >= t.Live() && of == nil; i-- {
		if m := t.At(i); m.State == member.Failed && now.Sub(m.Since) > heirAfter {
			of = map[netip.AddrPort]bool{}
		}
	}
	for i := 0; i < t.Live() && of != nil; i++ {
		m := t.At(i)
		of[m.Handle.Value().Addr] = true
	}
	return of
}

// appendGone says of some members, in turn, that they are held dead here, or unreachable for so
// long that nothing else is said of them. A node that knows that one was forgotten answers. How a
// verdict is told that is younger than an old one is the business of news.
func (u *Upkeep) appendGone(now mono.Time, start, reserve, most int) {
	t := u.roster.Table()
	dead := t.Len() - t.Live()
	all := dead + u.reach.Absent()
	for i := 0; i < all && most > 0; i++ {
		u.turn = (u.turn + 1) % all
		var m member.Member
		if at := u.turn; at < dead {
			m = t.At(t.Live() + at)
		} else {
			m, _ = t.Get(u.reach.At(at - dead))
		}
		if m.ID == 0 || m.ID == u.roster.ID() || m.State.Live() && !u.reach.IsStale(now, m.ID) ||
			!m.State.Live() && now.Sub(m.Since) < roster.OldVerdict {
			continue
		}
		before := len(u.flow.Bytes)
		u.roster.News.AppendMember(&m, false, 0)
		if u.flow.Room(start) < reserve {
			u.flow.Drop(before)
			return
		}
		most--
	}
}

// AppendGone adds, now and then, to a probe of one that is alive what AskMore says.
func (u *Upkeep) AppendGone(now mono.Time, to plane.Peer, start, reserve int) {
	if u.tell && u.isAlive(to) {
		u.tell = false
		u.appendGone(now, start, reserve, tellsGone)
	}
}

// isAlive says whether a datagram goes to a member that nobody doubts.
func (u *Upkeep) isAlive(to plane.Peer) bool {
	m, ok := u.roster.Table().Get(to.ID)
	return ok && m.State == member.Alive && m.Instance() == to.Instance
}

// AskMore goes on, once a member knew of one that is forgotten: it may know of others.
func (u *Upkeep) AskMore(now mono.Time, peer plane.Peer) {
	if _, ok := u.roster.LiveMember(peer); !ok || u.cfg.Private {
		return
	}
	start, ok := u.flow.Reply(peer)
	if !ok {
		return
	}
	u.appendGone(now, start, 0, roster.MaxEnds)
	if u.flow.IsEmpty(start) {
		u.flow.Drop(start)
		return
	}
	u.flow.CloseReply(start, peer)
}

// forgetStale forgets members that could not be reached for the time of retention while no more
// than half of all could be, once more can be again: those that could have told have forgotten
// them. One that lives comes back by its own word.
func (u *Upkeep) forgetStale() {
	for _, id := range u.reach.AwaySince(u.few.Add(-u.cfg.Retention)) {
		if m, ok := u.roster.Table().Get(id); ok {
			u.roster.ForgetHere(&m)
		}
	}
}
