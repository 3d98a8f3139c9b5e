package wire

import "encoding/binary"

// The messages of anti-entropy (package reconcile). A view tells what the sender holds in a range
// of the members' IDs, as a Sketch or, where that is no longer, as a List of items. Push brings
// records, and Want asks for some. Done and Busy answer a view that asks for an answer. Each stands
// alone and may be lost or come twice.

// The types of anti-entropy.
const (
	TypeSketch Type = 0x10
	TypeList   Type = 0x11
	TypeWant   Type = 0x12
	TypePush   Type = 0x13
	TypeDone   Type = 0x14
	TypeBusy   Type = 0x15
)

// Range is the members whose ID starts with some bits.
type Range struct {
	Bits   uint8  // how many, 0 (everybody) to MaxRangeBits
	Prefix uint16 // the bits, at the low end
}

// Bounds of views. The larger sketch, with its estimate, fits the smallest datagram.
const (
	MaxRangeBits  = 16
	MaxCells      = 132 // of a sketch
	EstimateWords = 12
)

const flagReport = 0x80 // in the byte of Range.Bits

// View is what a Sketch and a List have in common.
type View struct {
	Range
	Salt   uint32 // of the items, fresh for each view
	Count  uint32 // how many items the sender has in the range; 24 bits on the wire
	Report bool   // the sender waits for Done or Busy
}

func appendView(b []byte, v *View) []byte {
	b = binary.BigEndian.AppendUint32(b, v.Salt)
	b = appendRange(b, v.Range, v.Report)
	return append(b, byte(v.Count>>16), byte(v.Count>>8), byte(v.Count))
}

func (c *cursor) view() (v View) {
	v.Salt = c.u32()
	v.Range, v.Report = c.ranged()
	v.Count = uint32(c.u8())<<16 | uint32(c.u16())
	return v
}

func appendRange(b []byte, r Range, flag bool) []byte {
	bits := r.Bits
	if flag {
		bits |= flagReport
	}
	return append(b, bits, byte(r.Prefix>>8), byte(r.Prefix))
}

// ranged fails on a prefix that has more bits than it says.
func (c *cursor) ranged() (r Range, flag bool) {
	bits := c.u8()
	r = Range{Bits: bits &^ flagReport, Prefix: c.u16()}
	if r.Bits > MaxRangeBits || uint32(r.Prefix)>>r.Bits != 0 {
		c.bad = true
	}
	return r, bits&flagReport != 0
}

// Words are 64-bit numbers in a datagram.
type Words []byte

// Len returns how many there are.
func (w Words) Len() int { return len(w) / 8 }

// At returns the one at a position.
func (w Words) At(i int) uint64 { return binary.BigEndian.Uint64(w[8*i:]) }

// Sketch is an invertible Bloom lookup table of the sender's items.
type Sketch struct {
	View
	Cells    Words  // at most MaxCells
	Estimate []byte // EstimateWords 32-bit numbers, or empty
}

// AppendSketch writes a Sketch; estimate may be empty.
func AppendSketch(b []byte, v *View, cells []uint64, estimate []uint32) []byte {
	start := len(b)
	b = appendView(begin(b, TypeSketch), v)
	b = append(b, byte(len(cells)))
	for _, c := range cells {
		b = binary.BigEndian.AppendUint64(b, c)
	}
	for _, e := range estimate {
		b = binary.BigEndian.AppendUint32(b, e)
	}
	return end(b, start)
}

// ReadSketch reads the body of a Sketch.
func ReadSketch(body []byte) (m Sketch, ok bool) {
	c := cursor{b: body}
	m.View = c.view()
	n := int(c.u8())
	m.Cells = Words(c.take(8 * n))
	if len(c.b) >= 4*EstimateWords {
		m.Estimate = c.take(4 * EstimateWords)
	}
	return m, !c.bad && n <= MaxCells
}

// EstimateAt returns a word of the estimate, which must not be empty.
func (m *Sketch) EstimateAt(i int) uint32 { return binary.BigEndian.Uint32(m.Estimate[4*i:]) }

// AppendList writes all of the sender's items in a range.
func AppendList(b []byte, v *View, items []uint64) []byte {
	start := len(b)
	b = appendView(begin(b, TypeList), v)
	for _, it := range items {
		b = binary.BigEndian.AppendUint64(b, it)
	}
	return end(b, start)
}

// ReadList reads the body of a List.
func ReadList(body []byte) (v View, items Words, ok bool) {
	c := cursor{b: body}
	v = c.view()
	n := len(c.b) / 8
	return v, Words(c.take(8 * n)), !c.bad && n <= MaxCells && v.Count == uint32(n)
}

// MaxWant is how many records one Want can ask for.
const MaxWant = 256

// AppendWant asks for the records of the members with some tags, at most MaxWant.
func AppendWant(b []byte, salt uint32, tags []uint32) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypeWant), salt)
	for _, t := range tags[:min(len(tags), MaxWant)] {
		b = binary.BigEndian.AppendUint32(b, t)
	}
	return end(b, start)
}

// ReadWant reads the body of a Want and appends its tags to a slice.
func ReadWant(body []byte, tags []uint32) (salt uint32, _ []uint32, ok bool) {
	c := cursor{b: body}
	salt = c.u32()
	if c.bad {
		return 0, tags, false
	}
	for n := 0; len(c.b) >= 4 && n < MaxWant; n++ {
		tags = append(tags, c.u32())
	}
	return salt, tags, true
}

// BeginPush opens a Push at the end of b; Record messages follow, and EndPush. With answer set, the
// receiver answers those records for which it holds something newer.
func BeginPush(b []byte, answer bool) []byte {
	b = begin(b, TypePush)
	if answer {
		return append(b, 1)
	}
	return append(b, 0)
}

// PushSize is what BeginPush appends.
const PushSize = MessageSize + 1

// EndPush closes the Push that BeginPush opened at start.
func EndPush(b []byte, start int) []byte { return end(b, start) }

// ReadPush reads the body of a Push and returns a reader of the messages in it.
func ReadPush(body []byte) (answer bool, records Reader, ok bool) {
	c := cursor{b: body}
	flags := c.u8()
	return flags&1 != 0, Reader{rest: c.b}, !c.bad
}

// AppendDone says that the sender has told all that it holds in a range.
func AppendDone(b []byte, r Range) []byte {
	start := len(b)
	return end(appendRange(begin(b, TypeDone), r, false), start)
}

// ReadDone reads the body of a Done.
func ReadDone(body []byte) (r Range, ok bool) {
	c := cursor{b: body}
	r, _ = c.ranged()
	return r, !c.bad
}

// AppendBusy says that the sender has served enough for now: ask about the range again after some
// milliseconds, or ask somebody else.
func AppendBusy(b []byte, r Range, retry uint16) []byte {
	start := len(b)
	b = appendRange(begin(b, TypeBusy), r, false)
	return end(binary.BigEndian.AppendUint16(b, retry), start)
}

// ReadBusy reads the body of a Busy.
func ReadBusy(body []byte) (r Range, retry uint16, ok bool) {
	c := cursor{b: body}
	r, _ = c.ranged()
	return r, c.u16(), !c.bad
}
