package gossip

import (
	"iter"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/reach"
)

// Isolated says whether the node hears from next to nobody, or next to nobody hears it, and
// therefore fails nobody; or all others are out of family (Unserved).
func (v View) Isolated() bool { return v.n.reach.Isolated() }

// Unheard says whether this node is isolated though it hears others: what it sends does not come to
// them.
func (v View) Unheard() bool { return v.n.reach.Unheard() }

// Unserved says whether there are other live members, and all of them are at addresses of an IP
// version that this node cannot send to: then nobody tells anybody of it, and it is isolated.
func (v View) Unserved() bool { return v.n.reach.Unserved() }

// Undecided returns how many live members are silent of which this node cannot say whether they are
// dead, since too few others answer to judge them; 0 if there are none. The detector counts them
// now and then, and what became of some of them since is known here.
func (v View) Undecided() int { return v.n.reach.Undecided() }

// SilentZone is another zone, the first part of the path, of which nobody is heard in this node's
// zone.
type SilentZone = reach.SilentZone

// SilentZones goes through the zones that are silent from here.
func (v View) SilentZones() iter.Seq[SilentZone] { return v.n.reach.SilentZones() }

// Reach returns how many members the cluster has, as far as this node knows, and how many of them
// it can reach, itself included. The cluster is the last view that all can have agreed on: all but
// those that left. A failed member is of it until an operator has it forgotten (Forget), or it is
// forgotten for its age at a node that reaches more than half: it may live on the other side of a
// cut. So of two sides that do not see each other not both have more than half, once the cut is
// noticed, unless members joined since. An isolated node reaches itself alone.
func (v View) Reach() (reachable, of int) { return v.n.reach.Reachable() }

// NoMajority says whether this node reaches no more than half of the live members, itself included,
// and cannot say of the others whether they are dead. Those whose zone is silent as a whole do not
// count: a cut between zones is told as what it is.
func (v View) NoMajority() bool { return v.n.reach.NoMajority() }

// Unreachable goes through the live members that this node cannot reach, while too few others can
// be asked about them, while their zone is silent, or while nobody connects this node with their IP
// version (Unbridged).
func (v View) Unreachable() iter.Seq[member.ID] { return v.n.reach.Unreachable() }

// IsUnreachable says whether a member is one of them.
func (v View) IsUnreachable(id member.ID) bool { return v.n.reach.IsUnreachable(id) }

// Unbridged says whether a live member is at an address of the IP version that this node cannot
// send to, and nobody connects the two.
func (v View) Unbridged(id member.ID) bool { return v.n.reach.Unbridged(id) }

// Deserted says whether this node had the last of the live members forgotten though it could not
// reach them, and has met no live one since: they may be a cluster without it.
func (v View) Deserted() bool { return v.n.roster.Deserted() }

// Broken returns the live members that do not answer this node, and that others hear, as far as the
// last half minute tells; only INQUEST knows. Nobody is broken to a node that is isolated, where it
// is not the way to one member, nor a member that is unreachable, of which nobody can tell by now.
func (v View) Broken(now Time) []member.ID {
	d, ok := v.n.detector.(interface{ Broken(Time) []member.ID })
	if !ok || v.n.reach.Isolated() {
		return nil
	}
	return slices.DeleteFunc(d.Broken(now), v.n.IsUnreachable)
}

// Filtered returns of how many members that this node watches the TCP port does not answer, as if
// filtered, and how many it watches; only INQUEST knows.
func (v View) Filtered(now Time) (filtered, of int) {
	if d, ok := v.n.detector.(interface{ Filtered(Time) (int, int) }); ok {
		return d.Filtered(now)
	}
	return 0, 0
}

// OwnFiltered says whether nobody comes to this node's own TCP port, though others were asked to
// try it: it is closed or filtered from outside. Only INQUEST knows.
func (v View) OwnFiltered(now Time) bool {
	d, ok := v.n.detector.(interface{ OwnFiltered(Time) bool })
	return ok && d.OwnFiltered(now)
}

// portOf returns what is known of a member's TCP port; only INQUEST tries those of others.
func (v View) portOf(now Time, id member.ID) detect.Port {
	if d, ok := v.n.detector.(interface {
		Port(Time, member.ID) detect.Port
	}); ok {
		return d.Port(now, id)
	}
	return detect.PortUnknown
}

// reachHost is the node as its reach sees it.
type reachHost struct{ env }

func (h reachHost) SendsTo(f Family) bool { return h.n.roster.SendsTo(f) }

func (h reachHost) IsLost() bool { return h.n.called.IsLost() }

func (h reachHost) Unreachable(now Time, m member.Member, on bool) {
	n := h.n
	n.tell(pick(on, MemberUnreachable, MemberReachable), m)
	if on {
		n.upkeep.Missed(now)
	} else {
		n.streams.Returned(now, m)
	}
	n.called.Settle()
}

func (h reachHost) ZoneSilent(now Time, z SilentZone, on bool) {
	n := h.n
	if on {
		n.stats.ZonesSilent++
	} else {
		n.relay.ZoneHeard(now, z.Key)
	}
	kind := pick(on, ZoneUnreachable, ZoneRecovered)
	n.out.Events = append(n.out.Events, Event{Kind: kind, Member: n.roster.Self(), Zone: z})
}

func (h reachHost) Isolated(_ Time, on bool, after time.Duration) {
	if on {
		h.n.door.Lonely()
	} else {
		h.n.door.Woke(after)
	}
	h.n.tell(pick(on, Isolated, Reunited), h.n.roster.Self())
}

func (h reachHost) Unheard(on bool) { h.n.tell(pick(on, Unheard, HeardAgain), h.n.roster.Self()) }

func (h reachHost) Undecided(silent int) {
	n := h.n
	n.out.Events = append(n.out.Events, Event{Kind: pick(silent > 0, Undecided, Decided),
		Member: n.roster.Self(), Silent: silent, Of: n.roster.Table().Live()})
}
