package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/gossip/member"
)

// The messages of coming in and of being kept out.

// Join asks a seed to let the sender in.
type Join struct {
	Detector uint8  // which failure detector the sender runs: all members run the same
	Cluster  []byte // the cluster's name, in full, so that a refusal can be clear
	Record   Record // the sender
}

// AppendJoin writes a Join of the member with record r at an incarnation.
func AppendJoin(b []byte, detector uint8, cluster string, r *member.Record, incarnation uint32) []byte {
	start := len(b)
	b = begin(b, TypeJoin)
	b = append(b, detector)
	b = appendBytes(b, cluster)
	b = appendRecord(b, r, &Claim{Incarnation: incarnation})
	return end(b, start)
}

// ReadJoin reads the body of a Join.
func ReadJoin(body []byte) (m Join, ok bool) {
	c := cursor{b: body}
	m.Detector = c.u8()
	m.Cluster = c.bytes()
	m.Record = c.record()
	return m, !c.bad
}

// AppendWelcome says yes to a Join. The records in the same datagram are a sample of the table, the sender's own first.
func AppendWelcome(b []byte, live uint32) []byte {
	b = append(b, byte(TypeWelcome), 4)
	return binary.BigEndian.AppendUint32(b, live)
}

// ReadWelcome reads the body of a Welcome: how many live members the sender knows.
func ReadWelcome(body []byte) (live uint32, ok bool) {
	c := cursor{b: body}
	return c.u32(), !c.bad
}

// Reason says why a Join was refused.
type Reason uint8

// The reasons.
const (
	WrongCluster  Reason = 1 // Text: the name of the cluster that the seed belongs to
	WrongDetector Reason = 2 // Text: the detector that the cluster runs
	OldGeneration Reason = 3 // Generation: the one that the cluster knows; come again with a higher one
	WrongProtocol Reason = 4 // no common protocol version
	TableFull     Reason = 5
)

// Refuse says no to a Join.
type Refuse struct {
	Reason     Reason
	Generation uint64
	Text       []byte
}

// AppendRefuse writes a Refuse.
func AppendRefuse(b []byte, reason Reason, generation uint64, text string) []byte {
	start := len(b)
	b = begin(b, TypeRefuse)
	b = append(b, byte(reason))
	b = binary.AppendUvarint(b, generation)
	b = appendBytes(b, text)
	return end(b, start)
}

// ReadRefuse reads the body of a Refuse.
func ReadRefuse(body []byte) (m Refuse, ok bool) {
	c := cursor{b: body}
	m = Refuse{Reason: Reason(c.u8()), Generation: c.uvarint(), Text: c.bytes()}
	return m, !c.bad
}

// Conflict tells a member that another live one claims its name. The one that has been up for longer stays, the other
// stops; no clocks are compared. Of the two, the one with the lower address judges, so that they never both stay.
type Conflict struct {
	Uptime uint64 // of the claimant, in microseconds
	Stop   bool   // the judgement: the receiver stops
	Record Record // the claimant
}

// AppendConflict writes a Conflict.
func AppendConflict(b []byte, uptime uint64, stop bool, r *member.Record, incarnation uint32) []byte {
	start := len(b)
	b = begin(b, TypeConflict)
	b = binary.AppendUvarint(b, uptime)
	if stop {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = appendRecord(b, r, &Claim{Incarnation: incarnation})
	return end(b, start)
}

// ReadConflict reads the body of a Conflict.
func ReadConflict(body []byte) (m Conflict, ok bool) {
	c := cursor{b: body}
	m.Uptime = c.uvarint()
	m.Stop = c.u8() != 0
	m.Record = c.record()
	return m, !c.bad
}

// AppendMistaken answers a datagram that was meant for another instance: "that one is not here any more". The
// sender's own record rides along.
func AppendMistaken(b []byte, instance uint32) []byte {
	b = append(b, byte(TypeMistaken), 4)
	return binary.BigEndian.AppendUint32(b, instance)
}

// ReadMistaken reads the body of a Mistaken.
func ReadMistaken(body []byte) (instance uint32, ok bool) {
	c := cursor{b: body}
	return c.u32(), !c.bad
}
