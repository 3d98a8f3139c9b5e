package gossip

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
)

// This file is what a node holds of others in private: what its detector sees, the table does not say, and nobody else is
// told.

// private is of members that are live in the table; a change of state or life ends it.
type private struct {
	silent   []SilentZone // each once, the last to fall silent at the end
	isolated bool         // alone, or unserved
	alone    bool         // the detector says so
	unheard  bool         // the same, and that others are heard
	unserved bool         // all other live members are out of family
	mute     bool         // the user was told that nobody hears this node
	// it had the last live members forgotten unheard, and has met nobody since
	deserted    bool
	undecided   int       // live members that are silent, while too few can be asked about them
	unreachable []absence // by ID; the detector bounds how many
}

// absence is a live member that cannot be reached from here.
type absence struct {
	id      member.ID
	since   Time
	reasons absent
}

// absent is why it cannot be reached, a bit for each reason.
type absent uint8

const (
	unheard absent = 1 << iota // it is silent, or its zone is, as the detector says
	parted                     // it is at an address of the other IP version (across.go)
)

// Isolated says whether the node hears from next to nobody, or next to nobody hears it, and
// therefore fails nobody; or all others are out of family (Unserved).
func (n *Node) Isolated() bool { return n.private.isolated }

// Unheard says whether this node is isolated though it hears others: what it sends does not come to
// them.
func (n *Node) Unheard() bool { return n.private.unheard && !n.private.unserved }

// Unserved says whether there are other live members, and all of them are at addresses of an IP
// version that this node cannot send to: then nobody tells anybody of it, and it is isolated.
func (n *Node) Unserved() bool { return n.private.unserved }

// settleIsolation tells the user of the beginning and the end of an isolation.
func (n *Node) settleIsolation() {
	p := &n.private
	p.unserved = n.table.Served() < 2 && n.table.Live() > 1
	if n.Unheard() && !p.mute {
		p.mute = true
		n.out.Events = append(n.out.Events, Event{Kind: Unheard, Member: n.Self()})
	}
	on := p.alone || p.unserved
	if on == p.isolated {
		return
	}
	p.isolated = on
	if on {
		n.isolated = n.now
		n.lonely()
	} else {
		n.wake(n.now.Sub(n.isolated))
	}
	n.out.Events = append(n.out.Events, Event{Kind: pick(on, Isolated, Reunited), Member: n.Self()})
	if p.mute && !on {
		p.mute = false
		n.out.Events = append(n.out.Events, Event{Kind: HeardAgain, Member: n.Self()})
	}
}

// Deserted says whether this node had the last of the live members forgotten though it could not
// reach them, and has met no live one since: they may be a cluster without it.
func (n *Node) Deserted() bool { return n.private.deserted }

// Broken returns the live members that do not answer this node, and that others hear, as far as the
// last half minute tells; only INQUEST knows. Nobody is broken to a node that is isolated, where it
// is not the way to one member, nor a member that is unreachable, of which nobody can tell by now.
func (n *Node) Broken(now Time) []member.ID {
	d, ok := n.detector.(interface{ Broken(Time) []member.ID })
	if !ok || n.private.isolated {
		return nil
	}
	return slices.DeleteFunc(d.Broken(now), n.IsUnreachable)
}

// Filtered returns of how many members that this node watches the TCP port does not answer, as if filtered, and how many it
// watches; only INQUEST knows.
func (n *Node) Filtered(now Time) (filtered, of int) {
	if d, ok := n.detector.(interface{ Filtered(Time) (int, int) }); ok {
		return d.Filtered(now)
	}
	return 0, 0
}

// OwnFiltered says whether nobody comes to this node's own TCP port, though others were asked to
// try it: it is closed or filtered from outside. Only INQUEST knows.
func (n *Node) OwnFiltered(now Time) bool {
	d, ok := n.detector.(interface{ OwnFiltered(Time) bool })
	return ok && d.OwnFiltered(now)
}

// portOf returns what is known of a member's TCP port; only INQUEST tries those of others.
func (n *Node) portOf(now Time, id member.ID) detect.Port {
	if d, ok := n.detector.(interface {
		Port(Time, member.ID) detect.Port
	}); ok {
		return d.Port(now, id)
	}
	return detect.PortUnknown
}

// Undecided returns how many live members are silent of whom this node cannot say whether they are dead, since too few
// others answer to judge them; 0 if there are none. The detector counts them now and then, and what
// became of some of them since is known here.
func (n *Node) Undecided() int { return min(n.private.undecided, len(n.private.unreachable)) }

func (n *Node) undecided(silent int) {
	n.private.undecided = silent
	n.out.Events = append(n.out.Events, Event{Kind: pick(silent > 0, Undecided, Decided), Member: n.Self(), Silent: silent, Of: n.table.Live()})
}

// SilentZone is another zone, the first part of the path, of which nobody is heard in this node's zone.
type SilentZone struct {
	key     uint16
	Name    string
	Members int // that it had
	Since   Time
}

// SilentZones goes through the zones that are silent from here.
func (n *Node) SilentZones() iter.Seq[SilentZone] { return slices.Values(n.private.silent) }

// Reach returns how many members the cluster has, as far as this node knows, and how many of them it can reach, itself
// included. The cluster is the last view that all can have agreed on: all but those who left. Who fails is of it until somebody
// has it forgotten (Forget), or it is forgotten for its age at a node that reaches more than half: it may live on the other side
// of a cut. So of two sides that do not see each other not both have more than half, once the cut is noticed, unless members
// joined since. An isolated node reaches itself alone.
func (n *Node) Reach() (reachable, of int) {
	for m := range n.table.All() {
		if m.State != member.Left {
			of++
		}
	}
	reachable = n.table.Live() - len(n.private.unreachable)
	if n.private.isolated {
		reachable = 1
	}
	if 2*reachable <= of+n.aged {
		of += n.aged
	}
	return reachable, of
}

// NoMajority says whether this node reaches no more than half of the live members, itself included,
// and cannot say of the others whether they are dead. Those whose zone is silent as a whole do not
// count: a cut between zones is told as what it is.
func (n *Node) NoMajority() bool {
	live := n.table.Live()
	if 2*len(n.private.unreachable) < live {
		return false
	}
	left := live
	for _, a := range n.private.unreachable {
		if m, ok := n.table.Get(a.id); ok && !n.isSilent(topology.PlaceOf(&m).Zone()) {
			left--
		}
	}
	return 2*left <= live
}

func (n *Node) isSilent(zone uint16) bool {
	return slices.ContainsFunc(n.private.silent, func(z SilentZone) bool { return z.key == zone })
}

// Unreachable goes through the live members that this node cannot reach, while too few others can
// be asked about them, while their zone is silent, or while nobody connects this node with their IP
// version (Unbridged).
func (n *Node) Unreachable() iter.Seq[member.ID] {
	return func(yield func(member.ID) bool) {
		for _, a := range n.private.unreachable {
			if !yield(a.id) {
				return
			}
		}
	}
}

// IsUnreachable says whether a member is one of them.
func (n *Node) IsUnreachable(id member.ID) bool {
	_, found := n.private.find(id)
	return found
}

func (p *private) find(id member.ID) (i int, found bool) {
	return slices.BinarySearchFunc(p.unreachable, id, func(a absence, id member.ID) int { return cmp.Compare(a.id, id) })
}

// dreamt says whether a member is live here only since this node could not reach it for half of the
// time of retention: those who could may have forgotten by now that it is dead, so nobody is told
// of it.
func (n *Node) dreamt(id member.ID) bool {
	return n.awayFor(id) > n.cfg.Retention/2
}

// awayFor is for how long this node cannot reach a member; 0 if it can.
func (n *Node) awayFor(id member.ID) time.Duration {
	if i, found := n.private.find(id); found {
		return n.now.Sub(n.private.unreachable[i].since)
	}
	return 0
}

// dreams is how many those are.
func (n *Node) dreams() (k int) {
	for _, a := range n.private.unreachable {
		if n.dreamt(a.id) {
			k++
		}
	}
	return k
}

// wakeFromDreams forgets members that could not be reached for the time of retention while no more
// than half of all could be, once more can be again: those who could have told have forgotten them.
// One that lives comes back by its own word.
func (n *Node) wakeFromDreams() {
	for i := len(n.private.unreachable) - 1; i >= 0; i-- {
		a := n.private.unreachable[i]
		if m, ok := n.table.Get(a.id); ok && n.upkeep.few.Sub(a.since) > n.cfg.Retention {
			n.forgetHere(&m)
		}
	}
}

// setUnreachable takes in that there is a reason why a member cannot be reached, or is no more. It
// says whether the member is unreachable by that, or reachable.
func (p *private) setUnreachable(now Time, id member.ID, why absent, on bool) bool {
	i, found := p.find(id)
	switch {
	case on && !found:
		p.unreachable = slices.Insert(p.unreachable, i, absence{id, now, why})
		return true
	case on:
		p.unreachable[i].reasons |= why
	case found:
		if p.unreachable[i].reasons &^= why; p.unreachable[i].reasons == 0 {
			p.unreachable = slices.Delete(p.unreachable, i, i+1)
			return true
		}
	}
	return false
}

// silent takes in that a zone is silent, or is heard again: its members are unreachable with it. Who of them is dead is
// found out when the zone's grace is over, or when others of it are heard.
func (n *Node) silent(zone uint16, on bool) {
	z := SilentZone{key: zone, Since: n.now}
	p := &n.private
	var ids []member.ID
	for m := range n.table.All() {
		if topology.PlaceOf(&m).Zone() == zone {
			z.Name, _, _ = strings.Cut(m.Handle.Value().Zone, "/")
			if m.State.Live() {
				ids = append(ids, m.ID)
			}
		}
	}
	z.Members = len(ids)
	p.silent = slices.DeleteFunc(p.silent, func(x SilentZone) bool { return x.key == zone })
	if on {
		n.stats.ZonesSilent++
		p.silent = append(p.silent, z)
	}
	n.out.Events = append(n.out.Events, Event{Kind: pick(on, ZoneUnreachable, ZoneRecovered), Member: n.Self(), Zone: z})
	slices.Sort(ids)
	for _, id := range ids {
		n.unreachable(id, unheard, on)
	}
	if !on {
		n.relay.ZoneHeard(n.now, zone)
	}
}

// unreachable takes in that a member cannot be reached, or can again.
func (n *Node) unreachable(id member.ID, why absent, on bool) {
	m, ok := n.table.Get(id)
	live := ok && m.State.Live()
	if n.private.setUnreachable(n.now, id, why, on && live) && live {
		n.tell(pick(on, MemberUnreachable, MemberReachable), m)
		if on {
			n.upkeep.due = min(n.upkeep.due, n.now.Add(n.sweepPause()))
		} else {
			n.streams.Returned(n.now, m)
		}
		n.settleDeafened()
	}
}

// settle forgets what a change of the table makes obsolete.
func (p *private) settle(before, after *member.Member) {
	if before.ID != 0 && (!after.State.Live() || before.Generation() != after.Generation()) {
		p.setUnreachable(0, after.ID, unheard|parted, false)
	}
}
