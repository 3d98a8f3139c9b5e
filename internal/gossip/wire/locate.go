package wire

import "encoding/binary"

// TypeLocate and TypeLocated are the types of the messages by which nodes find their coordinates,
// LocateSize and LocatedSize their lengths as messages at most.
const (
	TypeLocate  Type = 0x25
	TypeLocated Type = 0x26
	LocateSize       = MessageSize + 2
	LocatedSize      = MessageSize + 2 + 2*coordinateSize

	coordinateSize = 13
)

// MaxAxis bounds each part of a coordinate, in microseconds.
const MaxAxis = 1<<23 - 1

// Coordinate is where the sender stands; topology.Coordinate says what that means.
type Coordinate struct {
	Point  [3]int32 // microseconds, -MaxAxis to MaxAxis
	Height uint32   // microseconds, 1 to MaxAxis
	Error  uint8    // relative, in 1/64
}

// Located answers a Locate of the same sequence at once, so that the asker knows the round trip,
// too.
type Located struct {
	Seq    uint16
	Inside Coordinate // among the members of the sender's zone
	// among those of all zones; the zero Coordinate, and not on the wire, while it knows of no
	// others
	Outside Coordinate
}

// AppendLocate asks the receiver where it stands.
func AppendLocate(b []byte, seq uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, byte(TypeLocate), 2), seq)
}

// ReadLocate reads the body of a Locate.
func ReadLocate(body []byte) (seq uint16, ok bool) {
	c := cursor{b: body}
	return c.u16(), !c.bad
}

// AppendLocated writes a Located.
func AppendLocated(b []byte, m *Located) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(begin(b, TypeLocated), m.Seq)
	b = appendCoordinate(b, &m.Inside)
	if m.Outside.Height > 0 {
		b = appendCoordinate(b, &m.Outside)
	}
	return end(b, start)
}

func appendCoordinate(b []byte, at *Coordinate) []byte {
	for _, x := range at.Point {
		b = append24(b, uint32(x))
	}
	return append(append24(b, at.Height), at.Error)
}

// ReadLocated reads the body of a Located. It refuses a coordinate out of its bounds.
func ReadLocated(body []byte) (m Located, ok bool) {
	c := cursor{b: body}
	m.Seq = c.u16()
	m.Inside = c.coordinate()
	if len(c.b) >= coordinateSize {
		m.Outside = c.coordinate()
	}
	return m, !c.bad
}

func (c *cursor) coordinate() (at Coordinate) {
	for i := range at.Point {
		at.Point[i] = int32(c.u24()<<8) >> 8 // with its sign
		c.bad = c.bad || at.Point[i] < -MaxAxis
	}
	at.Height, at.Error = c.u24(), c.u8()
	c.bad = c.bad || at.Height == 0 || at.Height > MaxAxis
	return at
}

func append24(b []byte, x uint32) []byte { return append(b, byte(x>>16), byte(x>>8), byte(x)) }
