package wire

import (
	"encoding/binary"
	"math/bits"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The messages of the multicast tree (package multicast). A parcel is a few pieces that travel
// together: consecutive ones of one origin, or in a mixed parcel any, which a hub put together and
// numbered. Carry brings a parcel, and with it the duty to bring it to a
// span of the ring; Offer is a Carry without the bodies; Confirm says how far such duties are.

// The types of the tree.
const (
	TypeCarry   Type = 0x31
	TypeOffer   Type = 0x32
	TypeConfirm Type = 0x33
)

// MaxParcel is how many pieces one Carry can bring.
const MaxParcel = 64

// Span is a part of the ring: the places that begin with some bits. Two values of Bits stand for no
// part of it.
type Span struct {
	Bits   uint8  // 0 (everybody) to 64, or SpanSelf or SpanNone
	Prefix uint64 // the bits, at the high end
}

// Spans that are none.
const (
	SpanSelf = 0xfe // the receiver alone
	SpanNone = 0xff // nobody, and no Confirm is wanted: a copy beside the tree
)

// Branch is what Carry and Offer have in common.
type Branch struct {
	Origin     member.ID // or the hub of a mixed parcel
	Generation uint64    // of the origin
	First      uint64    // sequence of the parcel's first piece; of a mixed parcel, its number
	Span
	Attempt     uint8 // 0 to 15: Confirm says which one it answers
	Loss        uint8 // 0 to 3: how lossy the sender believes the network to be
	Count       uint8 // of pieces, 1 to MaxParcel
	MayDelayAck bool  // the Confirm may wait for others, to share a datagram with them
	Given       bool  // a publisher waits: the Confirm counts members given it, not those having it
	Mixed       bool  // the pieces are of any origins; First and Count do not tell their sequences
}

// Instance names the origin's life in a Confirm; of a mixed parcel, the hub's as a hub.
func (m *Branch) Instance() uint32 {
	i := member.Instance(m.Origin, uint32(m.Generation^m.Generation>>62))
	if m.Mixed {
		i ^= mixedLife
	}
	return i
}

// mixedLife tells a hub's mixed parcels from its own pieces.
const mixedLife = 0x6d697865

// MaxBranch is the most that a Carry costs beside its bodies, each of which costs at most MaxBody
// bytes more than itself; in a mixed parcel, MaxItem bytes.
const MaxBranch = MessageSize + 8 + 2*binary.MaxVarintLen64 + 1 + 1 + 8 + 1

const (
	delayAckBit = 1 << 2
	givenBit    = 1 << 3
	mixedBit    = 1 << 7 // of Count
)

// MaxItem is the most that a piece of a mixed parcel costs a Carry beside its body.
const MaxItem = MaxBody + 8 + 2*binary.MaxVarintLen64

func appendBranch(b []byte, m *Branch) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Origin))
	b = binary.AppendUvarint(b, m.Generation)
	b = binary.AppendUvarint(b, m.First)
	f := m.Attempt<<4 | m.Loss&3
	if m.MayDelayAck {
		f |= delayAckBit
	}
	if m.Given {
		f |= givenBit
	}
	b = append(b, f, m.Bits)
	if m.Bits <= 64 {
		for i := range (int(m.Bits) + 7) / 8 {
			b = append(b, byte(m.Prefix>>(56-8*i)))
		}
	}
	n := m.Count
	if m.Mixed {
		n |= mixedBit
	}
	return append(b, n)
}

// branch fails on a prefix that has more bits than it says.
func (c *cursor) branch() (m Branch) {
	m.Origin, m.Generation, m.First = member.ID(c.u64()), c.uvarint(), c.uvarint()
	f := c.u8()
	m.Attempt, m.Loss, m.MayDelayAck = f>>4, f&3, f&delayAckBit != 0
	m.Given = f&givenBit != 0
	m.Bits = c.u8()
	if m.Bits <= 64 {
		for i := range (int(m.Bits) + 7) / 8 {
			m.Prefix |= uint64(c.u8()) << (56 - 8*i)
		}
		c.bad = c.bad || m.Prefix != 0 && bits.TrailingZeros64(m.Prefix) < 64-int(m.Bits)
	}
	n := c.u8()
	m.Count, m.Mixed = n&^mixedBit, n&mixedBit != 0
	c.bad = c.bad || m.Origin == 0 || m.First == 0 || m.First+MaxParcel < m.First ||
		m.Count == 0 || m.Count > MaxParcel || m.Bits > 64 && m.Bits < SpanSelf
	return m
}

// BeginCarry opens a Carry at the end of b; the Count bodies follow, each by AppendBody, in a mixed
// parcel by AppendItem, and then EndCarry.
func BeginCarry(b []byte, m *Branch) []byte { return appendBranch(begin(b, TypeCarry), m) }

// AppendBody adds the next piece's body.
func AppendBody(b, body []byte) []byte { return appendBytes(b, body) }

// AppendItem adds the next piece of a mixed parcel.
func AppendItem(b []byte, p *Piece) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(p.Origin))
	b = binary.AppendUvarint(b, p.Generation)
	b = binary.AppendUvarint(b, p.Seq)
	return appendBytes(b, p.Body)
}

// EndCarry closes the Carry that BeginCarry opened at start.
func EndCarry(b []byte, start int) []byte { return end(b, start) }

// Pieces are those of a Carry.
type Pieces struct {
	next  Piece // without its body; of a mixed parcel it says nothing
	mixed bool
	rest  []byte
}

// Next returns the next piece; the caller counts.
func (p *Pieces) Next() (x Piece) {
	c := cursor{b: p.rest}
	if p.mixed {
		x = c.item()
	} else {
		x = p.next
		x.Body = c.bytes()
		p.next.Seq++
	}
	p.rest = c.b
	return x
}

// item reads a piece of a mixed parcel.
func (c *cursor) item() (p Piece) {
	p.Origin, p.Generation, p.Seq = member.ID(c.u64()), c.uvarint(), c.uvarint()
	c.bad = c.bad || p.Origin == 0 || p.Seq == 0
	p.Body = c.bytes()
	return p
}

// ReadCarry reads the body of a Carry; all pieces are there.
func ReadCarry(body []byte) (m Branch, pieces Pieces, ok bool) {
	c := cursor{b: body}
	m = c.branch()
	pieces.next = Piece{Origin: m.Origin, Generation: m.Generation, Seq: m.First}
	pieces.mixed, pieces.rest = m.Mixed, c.b
	for range m.Count {
		if m.Mixed {
			c.item()
		} else {
			c.bytes()
		}
	}
	return m, pieces, !c.bad
}

// AppendOffer writes an Offer.
func AppendOffer(b []byte, m *Branch) []byte {
	start := len(b)
	return end(appendBranch(begin(b, TypeOffer), m), start)
}

// ReadOffer reads the body of an Offer.
func ReadOffer(body []byte) (m Branch, ok bool) {
	c := cursor{b: body}
	m = c.branch()
	return m, !c.bad && m.Bits != SpanNone
}

// Verdict is how far a duty is.
type Verdict uint8

// The verdicts.
const (
	DutyDone  Verdict = iota // all that can be done for the span is done
	DutyTaken                // the receiver has the parcel and works on it; or was not given it yet
	DutyLacks                // it was offered and is not here: send it
	DutyVoid                 // it is from before the receiver's time, and never given to it
)

// Confirmed is what a Confirm says of one parcel. Of, Have, Digest and Missing are told of a done
// span alone.
type Confirmed struct {
	First   uint64 // of the parcel
	Attempt uint8  // of the Carry or Offer that it answers
	Verdict Verdict
	Bits    uint8  // of the span
	Of      uint32 // members of the span that the sender knows, itself included
	Have    uint32 // of them, those that have the parcel
	Digest  uint16 // XOR of the low 16 bits of the IDs of all of them
	Missing []byte // IDs, 8 bytes each, of some that do not have it: at most MaxMissing
}

// MaxMissing is how many members that lack a parcel a Confirmed names.
const MaxMissing = 16

// BeginConfirm opens a Confirm about parcels of one life of an origin at the end of b;
// AppendConfirmed adds to it.
func BeginConfirm(b []byte, instance uint32) []byte {
	start := len(b)
	b = begin(b, TypeConfirm)
	b = binary.BigEndian.AppendUint32(b, instance)
	return end(append(b, 0), start)
}

// ConfirmSize is the most that BeginConfirm appends; MaxConfirmed is the most that AppendConfirmed
// does.
const (
	ConfirmSize  = MessageSize + 5
	MaxConfirmed = 2 + binary.MaxVarintLen64 + 2*binary.MaxVarintLen32 + 3 + 8*MaxMissing
)

// AppendConfirmed adds a parcel to the Confirm that BeginConfirm opened at start. There may be up
// to 255.
func AppendConfirmed(b []byte, start int, m *Confirmed) []byte {
	b = append(reopen(b, start), m.Attempt<<4|byte(m.Verdict), m.Bits)
	b = binary.AppendUvarint(b, m.First)
	if m.Verdict == DutyDone && m.Bits <= 64 {
		b = binary.AppendUvarint(b, uint64(m.Of))
		b = binary.AppendUvarint(b, uint64(m.Have))
		b = binary.BigEndian.AppendUint16(b, m.Digest)
		b = append(b, byte(len(m.Missing)/8))
		b = append(b, m.Missing...)
	}
	b[start+ConfirmSize-1]++
	return end(b, start)
}

// Confirms goes through the parcels of a Confirm.
type Confirms struct {
	Instance uint32 // of the origin
	c        cursor
	left     uint8
}

// ReadConfirm reads the body of a Confirm.
func ReadConfirm(body []byte) (m Confirms, ok bool) {
	c := cursor{b: body}
	m = Confirms{Instance: c.u32(), left: c.u8()}
	m.c = c
	for range m.left {
		c.confirmed()
	}
	return m, !c.bad
}

// Next returns what is said of the next parcel; ok is false at the end.
func (m *Confirms) Next() (_ Confirmed, ok bool) {
	if m.left == 0 {
		return Confirmed{}, false
	}
	m.left--
	return m.c.confirmed(), true
}

func (c *cursor) confirmed() (m Confirmed) {
	f := c.u8()
	m.Attempt, m.Verdict, m.Bits = f>>4, Verdict(f&15), c.u8()
	m.First = c.uvarint()
	if m.Verdict == DutyDone && m.Bits <= 64 {
		m.Of, m.Have = c.uvarint32(), c.uvarint32()
		m.Digest = c.u16()
		n := int(c.u8())
		m.Missing = c.take(8 * n)
		c.bad = c.bad || n > MaxMissing
	}
	c.bad = c.bad || m.Verdict > DutyVoid || m.Bits > 64 && m.Bits != SpanSelf
	return m
}
