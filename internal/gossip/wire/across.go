package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// TypeAcross and TypeBridge are the types of the messages by which a node finds out which members
// connect it with members at addresses of the other IP version, and with which of those.
const (
	TypeAcross Type = 0x1c
	TypeBridge Type = 0x1d

	// MaxLacks is how many members a Bridge names.
	MaxLacks = 128
)

// AppendAcross asks the receiver whether it sends to addresses of an IP version, 4 or 6.
func AppendAcross(b []byte, family uint8) []byte {
	return append(b, byte(TypeAcross), 1, family)
}

// ReadAcross reads the body of an Across.
func ReadAcross(body []byte) (family uint8, ok bool) {
	c := cursor{b: body}
	family = c.u8()
	return family, !c.bad && (family == 4 || family == 6)
}

// Bridge answers an Across.
type Bridge struct {
	Family uint8     // that was asked about
	By     member.ID // the sender, if it does; else a member that told it so, 0: it knows of none
	// Lacks are the live members at such addresses that By cannot reach, a u64 each; of another
	// than the sender nothing is said.
	Lacks []byte
}

// AppendBridge writes a Bridge.
func AppendBridge(b []byte, m *Bridge) []byte {
	start := len(b)
	b = append(begin(b, TypeBridge), m.Family)
	b = binary.BigEndian.AppendUint64(b, uint64(m.By))
	return end(append(b, m.Lacks...), start)
}

// ReadBridge reads the body of a Bridge. Lacks points into the body.
func ReadBridge(body []byte) (m Bridge, ok bool) {
	c := cursor{b: body}
	m = Bridge{Family: c.u8(), By: member.ID(c.u64())}
	m.Lacks = c.b[:min(len(c.b)/8, MaxLacks)*8]
	return m, !c.bad && (m.Family == 4 || m.Family == 6)
}

// LacksAt returns the i-th member that a Bridge names.
func (m *Bridge) LacksAt(i int) member.ID {
	return member.ID(binary.BigEndian.Uint64(m.Lacks[8*i:]))
}
