package flow

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

// MaxMetered bounds how many zones are told apart; what goes to and comes from more counts as
// unknown.
const MaxMetered = 256

// zones counts by zone. Two zones with the same 16 bits are one here, as they are for all that is
// sent (docs/protocol.md).
type zones struct {
	keys    []uint16 // topology's, of zones
	list    []ZoneTraffic
	unknown ZoneTraffic

	// the member that was last asked for, where its zone's counters are, and the table's Changes
	// then: an answer goes where its question came from
	last    member.ID
	at      int
	changes uint64
}

// of returns the counters for a member's zone.
func (z *zones) of(table *member.Table, id member.ID) *ZoneTraffic {
	if id != 0 && id == z.last && z.changes == table.Changes() {
		return &z.list[z.at]
	}
	m, ok := table.Get(id)
	if !ok {
		return &z.unknown
	}
	key := topology.PlaceOf(&m).Zone()
	i := slices.Index(z.keys, key)
	if i < 0 {
		if len(z.keys) == MaxMetered {
			return &z.unknown
		}
		i = len(z.keys)
		z.keys = append(z.keys, key)
		z.list = append(z.list, ZoneTraffic{Zone: member.Top(m.Handle.Value().Zone)})
	}
	z.last, z.at, z.changes = id, i, table.Changes()
	return &z.list[i]
}

// sent counts a datagram to a member.
func (f *Flow) sent(to member.ID, bytes int) {
	z := f.zones.of(f.table, to)
	z.PacketsOut++
	z.BytesOut += uint64(bytes)
	if f.Meter.Unmetered() {
		return
	}
	if m, ok := f.table.Get(to); ok {
		f.Meter.Spend(f.now, topology.PlaceOf(&m).Zone(), bytes)
	}
}

// Received counts a datagram from a member; 0: from somebody else.
func (f *Flow) Received(from member.ID, bytes int) {
	f.PacketsIn++
	f.BytesIn += uint64(bytes)
	z := f.zones.of(f.table, from)
	z.PacketsIn++
	z.BytesIn += uint64(bytes)
}

// Traffic returns what went to and came from each zone so far, by name; what belongs to none that
// is known comes last. budget returns that of a zone. The sums are those of Stats.
func (f *Flow) Traffic(budget func(zone uint16) int) []ZoneTraffic {
	all := slices.Clone(f.zones.list)
	for i := range all {
		all[i].Budget = budget(f.zones.keys[i])
	}
	slices.SortFunc(all, func(a, b ZoneTraffic) int { return strings.Compare(a.Zone, b.Zone) })
	if u := f.zones.unknown; u.PacketsIn+u.PacketsOut > 0 {
		u.Unknown = true
		all = append(all, u)
	}
	return all
}
