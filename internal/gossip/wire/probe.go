package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The messages of probing (SWIM, section 3.1; Lifeguard adds the nack), and the fingerprint that
// rides beside them.

// AppendPing asks for an ack of the same sequence.
func AppendPing(b []byte, seq uint32) []byte { return appendSeq(b, TypePing, seq) }

// AppendAck answers a ping, the sender's own or one that it relays.
func AppendAck(b []byte, seq uint32) []byte { return appendSeq(b, TypeAck, seq) }

// AppendAckTry answers a ping, and asks its sender to try this node's TCP port.
func AppendAckTry(b []byte, seq uint32) []byte {
	b = append(b, byte(TypeAck), 5)
	return append(binary.BigEndian.AppendUint32(b, seq), ackTry)
}

// ackTry is the flag of an ack that asks its receiver to try the sender's TCP port.
const ackTry = 1

// AckTries says whether the body of an ack, which ReadSeq reads, asks for a try of its sender's TCP
// port.
func AckTries(body []byte) bool { return len(body) > 4 && body[4]&ackTry != 0 }

// AppendNack answers an indirect ping: "I am here, but the target does not answer me".
func AppendNack(b []byte, seq uint32) []byte { return appendSeq(b, TypeNack, seq) }

// ReadSeq reads the body of a ping, an ack or a nack.
func ReadSeq(body []byte) (seq uint32, ok bool) {
	c := cursor{b: body}
	return c.u32(), !c.bad
}

func appendSeq(b []byte, t Type, seq uint32) []byte {
	b = append(b, byte(t), 4)
	return binary.BigEndian.AppendUint32(b, seq)
}

// PingReq asks the receiver to ping another member and to relay its ack (SWIM's indirect ping).
type PingReq struct {
	Seq      uint32
	Target   member.ID
	Instance uint32 // the life of the target that is meant
}

// AppendPingReq writes a PingReq.
func AppendPingReq(b []byte, m PingReq) []byte {
	b = append(b, byte(TypePingReq), 16)
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Target))
	return binary.BigEndian.AppendUint32(b, m.Instance)
}

// ReadPingReq reads the body of a PingReq.
func ReadPingReq(body []byte) (m PingReq, ok bool) {
	c := cursor{b: body}
	m = PingReq{Seq: c.u32(), Target: member.ID(c.u64()), Instance: c.u32()}
	return m, !c.bad
}

// Fingerprint shows the sender's view of the live members, as of after the news in the same
// datagram.
type Fingerprint struct {
	Hash uint64
	Live uint32 // how many; 24 bits on the wire
	Keys uint64 // the same for versioned keys; 0, and not on the wire, while nobody has written any
}

// AppendFingerprint writes a Fingerprint.
func AppendFingerprint(b []byte, m Fingerprint) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint64(begin(b, TypeFingerprint), m.Hash)
	b = append(b, byte(m.Live>>16), byte(m.Live>>8), byte(m.Live))
	if m.Keys != 0 {
		b = binary.BigEndian.AppendUint64(b, m.Keys)
	}
	return end(b, start)
}

// ReadFingerprint reads the body of a Fingerprint.
func ReadFingerprint(body []byte) (m Fingerprint, ok bool) {
	c := cursor{b: body}
	m.Hash = c.u64()
	m.Live = uint32(c.u8())<<16 | uint32(c.u16())
	if len(c.b) >= 8 {
		m.Keys = c.u64()
	}
	return m, !c.bad
}
