package wire

import (
	"encoding/binary"
	"time"
)

// TypeSilence is the type of Silence; SilenceSize is its length as a message.
const (
	TypeSilence Type = 0x1a
	SilenceSize      = MessageSize + 12
)

// Silence says that a whole zone is silent from another one, or is heard again. It is spread in the
// zone that it is from.
type Silence struct {
	From, Zone uint16 // by their places on the ring
	// of beginnings and ends of silences, as From counts them: odd while the zone is silent
	Count uint32
	Age   time.Duration // since the last of them, in milliseconds, at most 2³²-1
}

// AppendSilence writes a Silence.
func AppendSilence(b []byte, m Silence) []byte {
	start := len(b)
	b = begin(b, TypeSilence)
	b = binary.BigEndian.AppendUint16(b, m.From)
	b = binary.BigEndian.AppendUint16(b, m.Zone)
	b = binary.BigEndian.AppendUint32(b, m.Count)
	age := uint32(min(max(m.Age/time.Millisecond, 0), 1<<32-1))
	return end(binary.BigEndian.AppendUint32(b, age), start)
}

// ReadSilence reads the body of a Silence.
func ReadSilence(body []byte) (m Silence, ok bool) {
	c := cursor{b: body}
	m = Silence{From: c.u16(), Zone: c.u16(), Count: c.u32()}
	m.Age = time.Duration(c.u32()) * time.Millisecond
	return m, !c.bad
}
