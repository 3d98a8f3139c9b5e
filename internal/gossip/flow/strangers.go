package flow

import (
	"encoding/binary"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// An address that nobody is known at may be made up: a node that sends in its name has this node
// send there. So what goes to such an address, headers of IP and UDP counted, is at most
// strangerShare times what came from it. It is known once a member is recorded there, or has
// brought back a number or a cookie that was sent there.

const (
	strangerShare = 3
	// addresses whose share is saved up; one that shares a slot with another one has what its last
	// datagram earned
	maxStrangers = 256
	maxSaved     = 4 << 10 // bytes that one may have saved up
)

// strangers is what is owed to addresses that nobody is known at.
type strangers struct {
	slots  []saved        // nil before the first stranger came
	source netip.AddrPort // of the current datagram, if nobody is known there
	shown  netip.AddrPort // the address that the current datagram has proven
}

// saved is what may be sent to an address.
type saved struct {
	addr  netip.AddrPort
	bytes int
}

// of returns the slot of an address.
func (s *strangers) of(a netip.AddrPort) *saved {
	if s.slots == nil {
		s.slots = make([]saved, maxStrangers)
	}
	ip := a.Addr().As16()
	key := binary.BigEndian.Uint64(ip[:]) ^
		member.Mix(binary.BigEndian.Uint64(ip[8:])^uint64(a.Port()))
	x := &s.slots[member.Mix(key)%maxStrangers]
	if x.addr != a {
		*x = saved{addr: a}
	}
	return x
}

// Meet looks whether the sender of the current datagram is known at its address, in any life
// and state, and otherwise notes what it may be sent for it.
func (f *Flow) Meet(id member.ID, from netip.AddrPort, size int) {
	f.strangers.shown = netip.AddrPort{}
	if m, ok := f.table.Get(id); ok && m.Addr() == from {
		f.strangers.source = netip.AddrPort{}
		return
	}
	f.strangers.source = from
	x := f.strangers.of(from)
	x.bytes = min(x.bytes+strangerShare*(size+IPOverhead), maxSaved)
}

// IsStrange says whether what is sent to somebody in the current step counts against what its
// datagram earned.
func (f *Flow) IsStrange(to plane.Peer) bool {
	s := &f.strangers
	if !s.source.IsValid() || to.Addr == s.shown {
		return false
	}
	m, ok := f.table.Get(to.ID)
	return !ok || m.Addr() != to.Addr
}

// Proven tells that the current datagram proves an address: it brings back what was sent there.
func (f *Flow) Proven(a netip.AddrPort) { f.strangers.shown = a }

// requestSize is what a question for one record takes, with headers of IP and UDP.
const requestSize = wire.HeaderSize + wire.MessageSize + 8 + IPOverhead

// Unearned returns by how much a datagram with so much room is to stay below that, since it goes to
// a stranger. A question for its record can follow.
func (f *Flow) Unearned(to plane.Peer, room int) int {
	if !f.IsStrange(to) {
		return 0
	}
	saved := f.strangers.of(f.strangers.source).bytes
	return max(room-(saved-wire.HeaderSize-IPOverhead-requestSize), 0)
}

// earned says whether so many bytes may be sent to somebody in the current step, and counts them.
func (f *Flow) earned(to plane.Peer, size int) bool {
	if !f.IsStrange(to) {
		return true
	}
	x := f.strangers.of(f.strangers.source)
	if x.bytes < size {
		return false
	}
	x.bytes -= size
	return true
}
