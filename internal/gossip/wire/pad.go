package wire

import (
	"encoding/binary"
	"net/netip"
)

// TypePad and TypeSeen are the types of the messages by which a node finds out how long datagrams
// may be on the way to a member, and where that sees them come from.
const (
	TypeSeen Type = 0x17
	TypePad  Type = 0x1b

	// MinPad is how many bytes a Pad takes at least: as many as any Seen has to, so that no answer
	// is longer than its question.
	MinPad = 2 + seenBody

	seenBody = 4 + 19
)

// Seen answers a Pad of the same number: "it came, and from there".
type Seen struct {
	Number uint32
	From   netip.AddrPort // where the Pad came from
}

// Pad asks whether a datagram as long as the one that it comes in passes.
type Pad struct {
	Number uint32
	// Over is how long the datagrams are, in bytes before sealing, that its sender found not to
	// pass between it and the receiver; 0: it found none.
	Over uint16
}

// AppendPad writes a Pad that is filled up with zeros. The message has size bytes, or one less
// where its length would need one more; at least MinPad.
func AppendPad(b []byte, m *Pad, size int) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypePad), m.Number)
	return fill(binary.BigEndian.AppendUint16(b, m.Over), start, size)
}

// ReadPad reads the body of a Pad.
func ReadPad(body []byte) (m Pad, ok bool) {
	c := cursor{b: body}
	m = Pad{Number: c.u32(), Over: c.u16()}
	return m, !c.bad && len(body) >= seenBody
}

// AppendSeen writes a Seen that is filled up like a Pad.
func AppendSeen(b []byte, m *Seen, size int) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypeSeen), m.Number)
	return fill(appendAddr(b, m.From), start, size)
}

// ReadSeen reads the body of a Seen.
func ReadSeen(body []byte) (m Seen, ok bool) {
	c := cursor{b: body}
	m = Seen{Number: c.u32(), From: c.lone()}
	return m, !c.bad && len(body) >= seenBody
}

// fill closes a message that begins at start with zeros.
func fill(b []byte, start, size int) []byte {
	n := max(size-2, seenBody)
	for n > seenBody && SizeOf(n) > max(size, MinPad) {
		n--
	}
	for len(b)-start-MessageSize < n {
		b = append(b, 0)
	}
	return end(b, start)
}
