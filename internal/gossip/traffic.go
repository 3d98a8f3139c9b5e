package gossip

import (
	"slices"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// What a node sends and receives, by the zone at the other end: links between zones are what costs.
// Summed over the nodes of a zone this is the traffic of each pair of zones; no node can know that
// sum by itself, and metrics add it up.

// ZoneTraffic counts datagrams between a node and the members of one zone since the node started.
// Bytes are those of UDP's payload before sealing.
type ZoneTraffic struct {
	Zone string // the widest part of the path; empty for members without a zone
	// not a zone: seeds that have not answered yet, newcomers, strangers, what cannot be read
	Unknown bool

	PacketsOut, BytesOut uint64
	PacketsIn, BytesIn   uint64

	// Budget is how many bytes a second, with IP and UDP headers, all members of this node's zone
	// together may send to that one; 0: no bound.
	Budget int
}

// maxMetered bounds how many zones are told apart; what goes to and comes from more counts as
// unknown.
const maxMetered = 256

// traffic counts by zone. Two zones with the same 16 bits are one here, as they are for all that is
// sent (docs/protocol.md).
type traffic struct {
	keys    []uint16 // topology's, of zones
	zones   []ZoneTraffic
	unknown ZoneTraffic
}

// of returns the counters for a member's zone.
func (t *traffic) of(table *member.Table, id member.ID) *ZoneTraffic {
	m, ok := table.Get(id)
	if !ok {
		return &t.unknown
	}
	key := topology.PlaceOf(&m).Zone()
	i := slices.Index(t.keys, key)
	if i < 0 {
		if len(t.keys) == maxMetered {
			return &t.unknown
		}
		i = len(t.keys)
		t.keys = append(t.keys, key)
		t.zones = append(t.zones, ZoneTraffic{Zone: member.Top(m.Handle.Value().Zone)})
	}
	return &t.zones[i]
}

// sent counts a datagram to a member; received one from it.
func (n *Node) sent(to member.ID, bytes int) {
	z := n.traffic.of(&n.table, to)
	z.PacketsOut++
	z.BytesOut += uint64(bytes)
	if n.quota.Unmetered() {
		return
	}
	if m, ok := n.table.Get(to); ok {
		n.quota.Spend(n.now, topology.PlaceOf(&m).Zone(), bytes)
	}
}

func (n *Node) received(from member.ID, bytes int) {
	z := n.traffic.of(&n.table, from)
	z.PacketsIn++
	z.BytesIn += uint64(bytes)
}

// Traffic returns what went to and came from each zone so far, by name; what belongs to none that
// is known comes last. The sums are those of Stats.
func (v View) Traffic() []ZoneTraffic {
	all := slices.Clone(v.n.traffic.zones)
	for i := range all {
		all[i].Budget = v.n.quota.Rate(v.n.traffic.keys[i])
	}
	slices.SortFunc(all, func(a, b ZoneTraffic) int { return strings.Compare(a.Zone, b.Zone) })
	if u := v.n.traffic.unknown; u.PacketsIn+u.PacketsOut > 0 {
		u.Unknown = true
		all = append(all, u)
	}
	return all
}
