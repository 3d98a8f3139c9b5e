package gossip

import (
	"iter"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
)

// This file is what a node holds of others in private: what its detector sees, the table does not say, and nobody else is
// told.

// private is of members that are live in the table; a change of state or life ends it.
type private struct {
	silent      []SilentZone // each once, the last to fall silent at the end
	isolated    bool
	undecided   int         // live members that are silent, while too few can be asked about them
	unreachable []member.ID // in order; the detector bounds how many
}

// Isolated says whether the node hears from next to nobody, and therefore fails nobody.
func (n *Node) Isolated() bool { return n.private.isolated }

// Broken returns the live members that do not answer this node, and that others hear; only INQUEST knows.
func (n *Node) Broken(now Time) []member.ID {
	if d, ok := n.detector.(interface{ Broken(Time) []member.ID }); ok {
		return d.Broken(now)
	}
	return nil
}

// Filtered returns of how many members that this node watches the TCP port does not answer, as if filtered, and how many it
// watches; only INQUEST knows.
func (n *Node) Filtered(now Time) (filtered, of int) {
	if d, ok := n.detector.(interface{ Filtered(Time) (int, int) }); ok {
		return d.Filtered(now)
	}
	return 0, 0
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
// others answer to judge them; 0 if there are none.
func (n *Node) Undecided() int { return n.private.undecided }

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

// Unreachable goes through the live members that this node cannot reach, while too few others can be asked about them, or
// while their zone is silent.
func (n *Node) Unreachable() iter.Seq[member.ID] { return slices.Values(n.private.unreachable) }

// IsUnreachable says whether a member is one of them.
func (n *Node) IsUnreachable(id member.ID) bool {
	_, found := slices.BinarySearch(n.private.unreachable, id)
	return found
}

// setUnreachable says whether that is new.
func (p *private) setUnreachable(id member.ID, on bool) bool {
	i, found := slices.BinarySearch(p.unreachable, id)
	switch {
	case on && !found:
		p.unreachable = slices.Insert(p.unreachable, i, id)
	case !on && found:
		p.unreachable = slices.Delete(p.unreachable, i, i+1)
	}
	return on != found
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
		n.unreachable(id, on)
	}
	if !on {
		n.relay.ZoneHeard(n.now, zone)
	}
}

// unreachable takes in that a member cannot be reached, or can again.
func (n *Node) unreachable(id member.ID, on bool) {
	if m, ok := n.table.Get(id); n.private.setUnreachable(id, on && ok && m.State.Live()) && ok && m.State.Live() {
		n.tell(pick(on, MemberUnreachable, MemberReachable), m)
		if !on {
			n.streams.Returned(n.now, m)
		}
	}
}

// settle forgets what a change of the table makes obsolete.
func (p *private) settle(before, after *member.Member) {
	if before.ID != 0 && (!after.State.Live() || before.Generation() != after.Generation()) {
		p.setUnreachable(after.ID, false)
	}
}
