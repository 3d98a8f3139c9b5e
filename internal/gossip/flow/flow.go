// Package flow is how a node's datagrams are made, what pays for them, and what they are counted
// under.
package flow

import (
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// IPOverhead is what the headers of IPv4 and UDP take, which budgets count.
const IPOverhead = 28

// ReplyRate is how many bytes a second strangers and the dead can make a node send.
const ReplyRate = 32 << 10

// Packet is a datagram to be sent.
type Packet struct {
	To   netip.AddrPort
	Data []byte
}

// Out collects the datagrams of a step. Bytes is their memory.
type Out struct {
	Packets []Packet
	Bytes   []byte
}

// Reset empties it and keeps its memory.
func (o *Out) Reset() { o.Packets, o.Bytes = o.Packets[:0], o.Bytes[:0] }

// Meter is what a node's zone may send to others.
type Meter interface {
	Unmetered() bool
	Spend(now mono.Time, zone uint16, bytes int)
}

// Stats counts datagrams, and bytes without the headers of IP and UDP and without sealing.
type Stats struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	RepliesRefused       uint64 // answers not given: strangers and the dead asked for too many
}

// Flow is what leaves a node. A datagram is made at the end of Bytes, between Open and one of the
// methods that close it; one is made at a time.
type Flow struct {
	*Out // of the current step
	Stats
	Budget rate.Bucket // of all that has no budget of its own
	Meter  Meter

	now        mono.Time // of the current step
	mtu        int
	cluster    uint32
	id         member.ID
	generation uint32 // this node's
	table      *member.Table
	replies    rate.Bucket // for what strangers and the dead provoke
	strangers  strangers
	zones      zones
}

// New returns what a node of a cluster sends, in datagrams of so many bytes with what sealing adds.
func New(cluster uint32, mtu int, id member.ID, table *member.Table) *Flow {
	return &Flow{cluster: cluster, mtu: mtu, id: id, table: table}
}

// Start fills the budgets: rate bytes a second.
func (f *Flow) Start(now mono.Time, budget int) {
	f.Budget = rate.Full(budget, max(budget/4, 8*f.mtu), now)
	f.replies = rate.Full(ReplyRate, ReplyRate, now)
}

// Begin opens a step of the node.
func (f *Flow) Begin(now mono.Time, out *Out) {
	f.now, f.Out, f.strangers.source = now, out, netip.AddrPort{}
}

// SetGeneration says in which generation this node is.
func (f *Flow) SetGeneration(generation uint64) { f.generation = uint32(generation) }

// Longest returns how many bytes a datagram has at most, before sealing.
func (f *Flow) Longest() int { return wire.RoomOf(f.mtu) }

// Open begins a datagram to a life, 0 if none is known, and returns where it starts.
func (f *Flow) Open(to uint32) int {
	start := len(f.Bytes)
	f.Bytes = wire.AppendHeader(f.Bytes, wire.Header{
		Cluster: f.cluster, From: f.id, Generation: f.generation, To: to,
	})
	return start
}

// Room is how many bytes the datagram that began at start can still take.
func (f *Flow) Room(start int) int { return wire.RoomOf(f.mtu) - (len(f.Bytes) - start) }

// Drop gives up the datagram that began at start.
func (f *Flow) Drop(start int) { f.Bytes = f.Bytes[:start] }

// IsEmpty says whether the datagram that began at start has nothing but its header.
func (f *Flow) IsEmpty(start int) bool { return len(f.Bytes) == start+wire.HeaderSize }

// Close ends the datagram that Open began. Of a stranger the address alone is set. A probe never
// waits, so that a node cut off from many sends more than its budget; the news that waits for that
// is held up by no more than a burst.
func (f *Flow) Close(start int, to plane.Peer) (cost int) {
	cost = f.CloseFree(start, to)
	f.Budget.Take(cost)
	f.Budget.Tokens = max(f.Budget.Tokens, -f.Budget.Burst)
	return cost
}

// CloseFree is Close outside the budget, for what has one of its own. It returns what the datagram
// costs. A stranger's datagram has nothing sent to strangers beyond what it earned.
func (f *Flow) CloseFree(start int, to plane.Peer) int {
	data := f.Bytes[start:len(f.Bytes):len(f.Bytes)]
	if !f.earned(to, len(data)+IPOverhead) {
		f.Drop(start)
		f.RepliesRefused++
		return 0
	}
	f.Packets = append(f.Packets, Packet{To: to.Addr, Data: data})
	f.PacketsOut++
	f.BytesOut += uint64(len(data))
	f.sent(to.ID, len(data))
	return len(data) + IPOverhead
}

// Reply opens a datagram to one that asked for it or provoked it, within what such may cost; ok
// says whether it may be sent.
func (f *Flow) Reply(to plane.Peer) (start int, ok bool) {
	if !f.mayReply() {
		return 0, false
	}
	return f.Open(to.Instance), true
}

// mayReply says whether there is room in what strangers and the dead may provoke.
func (f *Flow) mayReply() bool {
	ok := f.replies.Ready(f.now)
	if !ok {
		f.RepliesRefused++
	}
	return ok
}

// CloseReply ends a datagram that Reply began.
func (f *Flow) CloseReply(start int, to plane.Peer) {
	f.replies.Take(len(f.Bytes) - start + IPOverhead)
	f.Close(start, to)
}

// Send sends messages in a datagram of their own, and returns what that costs; 0: they were not
// sent.
func (f *Flow) Send(to plane.Peer, c plane.Class, messages []byte) (cost int) {
	if c == plane.Reply && !f.mayReply() {
		return 0
	}
	start := f.Open(to.Instance)
	f.Bytes = append(f.Bytes, messages...)
	switch c {
	case plane.Own:
		return f.CloseFree(start, to)
	case plane.Reply:
		f.replies.Take(len(f.Bytes) - start + IPOverhead)
	}
	return f.Close(start, to)
}
