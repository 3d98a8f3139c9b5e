// Package wire turns messages into bytes and back. docs/protocol.md describes every byte.
//
// A datagram is a header and then messages, each a type, a length and a body. A reader skips a type
// that it does not know and ignores what follows the fields that it knows, so that versions can
// mix. Every datagram stands alone. Encoding appends to a slice of the caller's; decoding points
// into the datagram: neither allocates.
package wire

import (
	"encoding/binary"
	"errors"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Sizes, in bytes.
const (
	Magic       = 0xA3 // the first byte of a datagram in the clear, version 2 of the protocol
	HeaderSize  = 21
	MessageSize = 3 // the most that type and length take, before a body of less than 16,384 bytes

	// of UDP payload, with what sealing adds: less than every IPv6 link and usual tunnel carries
	DefaultMTU = 1200
	MinMTU     = 1200
	MaxMTU     = 65507

	// SealSize is what each datagram leaves free for sealing, in the clear too: so messages are cut
	// into the same pieces everywhere, and sealing can be turned on and off.
	SealSize = 35
	// SumSize is what a checksum adds to a datagram in the clear.
	SumSize = 4
	// MinRoom is what every node can send in one datagram, before sealing, whatever its MTU. Each
	// message fits it.
	MinRoom = MinMTU - SealSize
)

// RoomOf returns how many bytes a datagram may have before sealing, for an MTU.
func RoomOf(mtu int) int {
	if mtu > longBody { // there is a byte left for the length of each body that is so long
		return mtu - SealSize - MaxMTU/longBody
	}
	return mtu - SealSize
}

const longBody = 1 << 14

// SizeOf returns how many bytes a message with a body of n takes.
func SizeOf(n int) int {
	size := 2 + n
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// OnWire returns how many bytes of UDP payload a datagram has on the wire, for its bytes before
// sealing or the checksum of one in the clear.
func OnWire(plain int, sealed bool) int {
	if sealed {
		return plain + SealSize
	}
	return plain + SumSize
}

// Header opens every datagram.
type Header struct {
	Cluster    uint32    // hash of the cluster's name: packets of another cluster are dropped
	From       member.ID // the sender
	Generation uint32    // the sender's, its low 32 bits
	To         uint32    // the instance that the datagram is meant for; 0: any that receives it
}

// Type says what a message is.
type Type uint8

// The types. Numbers are never used again for something else.
const (
	TypePing        Type = 0x01
	TypeAck         Type = 0x02
	TypePingReq     Type = 0x03
	TypeNack        Type = 0x04
	TypeFingerprint Type = 0x05
	TypeUpdate      Type = 0x06
	TypeRecord      Type = 0x07
	TypeRequest     Type = 0x08
	TypeJoin        Type = 0x09
	TypeWelcome     Type = 0x0a
	TypeRefuse      Type = 0x0b
	TypeConflict    Type = 0x0c
	TypeMistaken    Type = 0x0d

	// 0x0e was a published message of one datagram. 0x0f: evidence.go. 0x10 to 0x1f: anti-entropy,
	// repair.go; but 0x1a: silence.go, 0x17 and 0x1b: pad.go. 0x20 to 0x2f: detectors beyond ping,
	// ack, ping-req and nack, inquest.go, alarm.go, counters.go; but 0x25 and 0x26: locate.go. 0x31
	// to 0x37: tree.go. 0x38 to 0x3f: stream.go. 0x40 to 0x47: state.go.
)

// Errors of Open. They are values, so that a flood of bad packets costs no memory.
var (
	ErrShort = errors.New("wire: datagram too short for a header")
	ErrMagic = errors.New("wire: not a datagram of this protocol version")
)

// AppendHeader opens a datagram.
func AppendHeader(b []byte, h Header) []byte {
	b = append(b, Magic)
	b = binary.BigEndian.AppendUint32(b, h.Cluster)
	b = binary.BigEndian.AppendUint64(b, uint64(h.From))
	b = binary.BigEndian.AppendUint32(b, h.Generation)
	return binary.BigEndian.AppendUint32(b, h.To)
}

// Open reads a datagram's header and returns a reader of its messages.
func Open(datagram []byte) (Header, Reader, error) {
	if len(datagram) < HeaderSize {
		return Header{}, Reader{}, ErrShort
	}
	if datagram[0] != Magic {
		return Header{}, Reader{}, ErrMagic
	}
	return Header{
		Cluster:    binary.BigEndian.Uint32(datagram[1:]),
		From:       member.ID(binary.BigEndian.Uint64(datagram[5:])),
		Generation: binary.BigEndian.Uint32(datagram[13:]),
		To:         binary.BigEndian.Uint32(datagram[17:]),
	}, Reader{rest: datagram[HeaderSize:]}, nil
}

// Reader goes through the messages of a datagram.
type Reader struct {
	rest []byte
	bad  bool
}

// Messages returns a reader of messages in a row that have no header before them.
func Messages(b []byte) Reader { return Reader{rest: b} }

// Next returns the next message's type and body; ok is false at the end, and at a message that is
// cut short, or whose length is written longer than it need be.
func (r *Reader) Next() (t Type, body []byte, ok bool) {
	if len(r.rest) == 0 {
		return 0, nil, false
	}
	t = Type(r.rest[0])
	n, size := binary.Uvarint(r.rest[1:])
	if size <= 0 || size > 1 && r.rest[size] == 0 || n > uint64(len(r.rest)-1-size) {
		r.bad, r.rest = true, nil
		return 0, nil, false
	}
	r.rest = r.rest[1+size:]
	body, r.rest = r.rest[:n:n], r.rest[n:]
	return t, body, true
}

// Body returns the body of a message that an Append function of this package wrote.
func Body(message []byte) []byte {
	r := Messages(message)
	_, body, _ := r.Next()
	return body
}

// Malformed says whether the datagram ended within a message.
func (r *Reader) Malformed() bool { return r.bad }

// ClusterHash is what stands for a cluster's name in a header.
func ClusterHash(name string) uint32 { return uint32(member.IDOf(name)) }

// begin opens a message whose length end fills in. The body starts MessageSize bytes later, until
// then.
func begin(b []byte, t Type) []byte { return append(b, byte(t), 0, 0) }

// end closes the message that begin opened at start. The body moves to where its length ends.
func end(b []byte, start int) []byte {
	n := len(b) - start - MessageSize
	switch at := start + MessageSize; {
	case n < 0x80:
		copy(b[at-1:], b[at:])
		b = b[:len(b)-1]
	case n >= longBody:
		b = append(b, 0)
		copy(b[at+1:], b[at:])
	}
	binary.PutUvarint(b[start+1:], uint64(n))
	return b
}

// reopen undoes end.
func reopen(b []byte, start int) []byte {
	_, size := binary.Uvarint(b[start+1:])
	at := start + 1 + size
	switch size {
	case 1:
		b = append(b, 0)
		copy(b[at+1:], b[at:])
	case 3:
		copy(b[at-1:], b[at:])
		b = b[:len(b)-1]
	}
	return b
}
