package starling

// This file is what a node counts. All counts are since its start.

import (
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/store"
)

// ProtocolStats are counts of what the protocol did.
type ProtocolStats struct {
	ProbesOut    uint64 // datagrams that the failure detector sent
	Malformed    uint64 // datagrams or messages in them that could not be read
	UnknownType  uint64 // messages in them of types that this version does not know, passed over
	OtherCluster uint64 // datagrams of a cluster of another name
	Misaddressed uint64 // datagrams meant for a former owner of this address, or a former life
	Namesake     uint64 // datagrams of another node with this node's name
	NameClaims   uint64 // times that another node claimed this node's name
	Refuted      uint64 // accusations that this node contradicted
	Stalls       uint64 // times that this node's own process stood still
	ZonesSilent  uint64 // times that a whole zone fell silent
	PairWaits    uint64 // times that something waited since the rate to another zone was spent
	QueueDropped uint64 // news of members let go over the queue's bounds
	NewsQueued   int    // news of members that waits to be sent now

	ChecksPassed     uint64 // times that datagrams of Info.Longest bytes passed there and back
	ChecksSmall      uint64 // times that they did not, and short ones did
	ChecksUnanswered uint64 // times that neither was to be found out
}

// MessageStats are counts of published messages. A message travels as one piece or several, some of
// them in one parcel.
type MessageStats struct {
	Delivered    uint64 // messages that came in for the first time, and this node's own
	Lost         uint64 // messages that were passed over, since nobody held them any more
	Duplicates   uint64 // pieces that were here already
	Pulled       uint64 // pieces that were missing, and came when asked for
	TooLarge     uint64 // pieces asked for here that cannot be sent: longer than is allowed
	Backpressure uint64 // publishes that were refused or had to wait

	Held      int // pieces that are held for others now
	HeldBytes int // bytes of them
	Open      int // bytes that this node published and not all have confirmed yet
	Queued    int // pieces of this node's messages that are not on their way yet

	TreeOut   uint64 // parcels sent down the tree
	BesideOut uint64 // parcels sent beside the tree, against loss
	OffersOut uint64 // parcels offered, without their bodies
	Repeats   uint64 // of TreeOut and OffersOut: sent again for want of an answer
}

// KeyStats are counts of versioned keys.
type KeyStats struct {
	Sets, Deletes, Lapsed uint64 // of this node's own keys; a key lapses at the end of its TTL
	Applied               uint64 // changes of others' keys that came in
	BytesOut              uint64 // of all datagrams about keys that were sent

	Held      int // keys of all members that are held here now
	HeldBytes int // bytes of them
}

// StoreStats tell of the file in which messages are kept.
type StoreStats struct {
	Path    string // of the file
	Held    int    // pieces in it
	Bytes   int64  // of them
	Dropped uint64 // pieces that were not kept: the disk was full, broken or too slow
	Failed  uint64 // times that the file could not be opened, read or written
	Damaged uint64 // times that it was damaged, moved aside and begun anew
	Removed uint64 // times that it was removed, or replaced by another, while it was open
	Err     error  // why nothing is kept now; nil if all is well
}

// SocketStats are counts of a node's UDP socket. Bytes are UDP payload, sealing included, without
// the headers of IP and UDP.
type SocketStats struct {
	DatagramsIn, BytesIn   uint64
	DatagramsOut, BytesOut uint64
	Truncated              uint64 // longer than 9,216 bytes and the MTU, dropped
	ReadErrors             uint64 // reported by reads and survived
	SendErrors             uint64 // that the kernel refused: no route, forbidden, too long
	SendDropped            uint64 // dropped since the socket's send buffer was full
	KernelDrops            uint64 // dropped by the kernel since nobody read in time; Linux only
}

// ZoneTraffic counts what went between a node and the members of one zone; bytes as in SocketStats.
// The TCP connections of Inquest are not in it.
type ZoneTraffic struct {
	Zone string // the first part of the path; empty for members without a zone
	// Unknown says that this is no zone, but what belongs to none that is known: seeds that have
	// not answered yet, newcomers, strangers, what cannot be read.
	Unknown bool

	PacketsOut, BytesOut uint64
	PacketsIn, BytesIn   uint64

	// Budget is how many bytes a second, with the headers of IP and UDP, all members of this node's
	// zone together may send to that one (Tuning.ZoneRate, PairRates); 0: no bound.
	Budget int
}

func (n *Node) stats() (p ProtocolStats, m MessageStats) {
	c, s, t := n.core.Stats(), n.core.StreamStats(), n.core.TreeStats()
	p = ProtocolStats{
		ProbesOut: c.ProbesOut, Malformed: c.Malformed, UnknownType: c.UnknownType,
		OtherCluster: c.OtherCluster, Misaddressed: c.Misaddressed, Namesake: c.Namesake,
		NameClaims: c.NameClaims, Refuted: c.Refuted, Stalls: c.Stalls,
		ZonesSilent: c.ZonesSilent, PairWaits: c.PairWaits, QueueDropped: c.QueueDropped,
		NewsQueued: c.NewsQueued, ChecksPassed: c.ChecksPassed, ChecksSmall: c.ChecksSmall,
		ChecksUnanswered: c.ChecksUnanswered,
	}
	m = MessageStats{
		Delivered: c.Delivered, Lost: c.Lost, Duplicates: c.Duplicates, Pulled: s.Pulled,
		TooLarge: s.TooLarge, Backpressure: s.Backpressure, Held: s.Held, HeldBytes: s.Bytes,
		Open: s.Open, Queued: c.MessagesQueued, TreeOut: t.Carries, BesideOut: t.Redundant,
		OffersOut: t.Offers, Repeats: t.Repeats,
	}
	return p, m
}

func (n *Node) keyStats() KeyStats {
	s := n.core.Keys().Stats()
	return KeyStats{Sets: s.Sets, Deletes: s.Deletes, Lapsed: s.Lapsed, Applied: s.Applied,
		BytesOut: s.BytesOut, Held: s.Keys, HeldBytes: s.Bytes}
}

func storeStats(s store.Stats) StoreStats {
	return StoreStats{Path: s.Path, Held: s.Held, Bytes: s.Bytes, Dropped: s.Dropped,
		Failed: s.Failed, Damaged: s.Damaged, Removed: s.Removed, Err: s.Err}
}

func (n *Node) estimateErrors() (near, far float64) {
	at := n.core.Location()
	near, far = at.Inside.ErrorTo(&at.Inside), -1
	if at.Outside != topology.Start {
		far = at.Outside.ErrorTo(&at.Outside)
	}
	return near, far
}

// traffic is the core's, with what sealing or a checksum adds.
func (n *Node) traffic() []ZoneTraffic {
	core := n.core.Traffic()
	zones := make([]ZoneTraffic, len(core))
	for i, z := range core {
		z.BytesOut += z.PacketsOut * uint64(n.envelope())
		z.BytesIn += z.PacketsIn * uint64(n.envelope())
		zones[i] = ZoneTraffic(z)
	}
	return zones
}
