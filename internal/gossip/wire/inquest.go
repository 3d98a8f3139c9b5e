package wire

import (
	"encoding/binary"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The messages of the detector Inquest beside Ping and Ack: a ping with a promise, a juror's
// summons, what it says.

// The types.
const (
	TypeLease   Type = 0x20
	TypeInquiry Type = 0x21
	TypeFinding Type = 0x22
)

// Lease is a ping that promises the next one. The receiver acks it, and may doubt the sender when
// the next does not come.
type Lease struct {
	Seq uint32
	// the sender pings again within; whole milliseconds up to MaxLease; 0: no promise
	Next time.Duration
}

// MaxLease is the longest promise that a Lease can make.
const MaxLease = 65535 * time.Millisecond

// AppendLease writes a Lease; its promise is cut to MaxLease and to whole milliseconds.
func AppendLease(b []byte, m Lease) []byte {
	b = append(b, byte(TypeLease), 6)
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	return binary.BigEndian.AppendUint16(b, uint16(min(max(m.Next, 0), MaxLease)/time.Millisecond))
}

// ReadLease reads the body of a Lease.
func ReadLease(body []byte) (m Lease, ok bool) {
	c := cursor{b: body}
	m = Lease{Seq: c.u32(), Next: time.Duration(c.u16()) * time.Millisecond}
	return m, !c.bad
}

// Inquiry asks the receiver to be a juror: to find out whether a member lives. It may be asked
// again and again.
type Inquiry struct {
	Seq      uint32 // of the asker's case; the answer has it too
	Target   member.ID
	Instance uint32 // the life of the target that is meant
	// since the asker last heard the target, or since it first did not answer; whole milliseconds
	Age   time.Duration
	Heard bool // the asker hears the target, which does not answer
}

// AppendInquiry writes an Inquiry.
func AppendInquiry(b []byte, m Inquiry) []byte {
	start := len(b)
	b = begin(b, TypeInquiry)
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Target))
	b = binary.BigEndian.AppendUint32(b, m.Instance)
	b = appendMillis(b, m.Age)
	if m.Heard {
		b = append(b, 1)
	}
	return end(b, start)
}

// ReadInquiry reads the body of an Inquiry.
func ReadInquiry(body []byte) (m Inquiry, ok bool) {
	c := cursor{b: body}
	m = Inquiry{Seq: c.u32(), Target: member.ID(c.u64()), Instance: c.u32(), Age: c.millis()}
	if len(c.b) > 0 {
		m.Heard = c.u8()&1 == 1
	}
	return m, !c.bad
}

// Word is what a juror says of the member that it was asked about.
type Word uint8

// The words.
const (
	// the juror does not know it in that life, or has too much to do: ask another
	WordUnknown Word = iota
	WordOpen         // not decided yet
	WordAcquit       // it lives: the juror has heard from it
	WordGuilty       // the juror votes for declaring it failed
	// the juror cannot send to it, whose address is of the other IP version: it is none
	WordCannot
	// the juror holds no such member: it has no vote, but is on the accuser's side
	WordStranger
)

// String returns the word as traces and scripts have it.
func (w Word) String() string {
	return [...]string{
		WordUnknown: "unknown", WordOpen: "open", WordAcquit: "acquit", WordGuilty: "guilty",
		WordCannot: "cannot", WordStranger: "stranger",
	}[w]
}

// Cause is what a juror saw.
type Cause = member.Cause

// The causes. CauseForgotten is nothing that anybody saw: it stands in Claims alone.
const (
	CauseSilent    = member.CauseSilent
	CauseRefused   = member.CauseRefused
	CauseStalled   = member.CauseStalled
	CauseDeaf      = member.CauseDeaf
	CauseForgotten = member.CauseForgotten
)

// Finding answers an Inquiry, at once and again when the juror has made up its mind.
type Finding struct {
	Seq   uint32 // of the Inquiry
	Word  Word
	Cause Cause
	Pings uint32        // that the juror sent
	Span  time.Duration // over which it has examined the member; whole milliseconds
}

// AppendFinding writes a Finding.
func AppendFinding(b []byte, m Finding) []byte {
	start := len(b)
	b = begin(b, TypeFinding)
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	b = append(b, byte(m.Word), byte(m.Cause))
	b = binary.AppendUvarint(b, uint64(m.Pings))
	b = appendMillis(b, m.Span)
	return end(b, start)
}

// ReadFinding reads the body of a Finding.
func ReadFinding(body []byte) (m Finding, ok bool) {
	c := cursor{b: body}
	m = Finding{Seq: c.u32(), Word: Word(c.u8()), Cause: Cause(c.u8()), Pings: c.uvarint32(),
		Span: c.millis()}
	return m, !c.bad && m.Word <= WordStranger && m.Cause <= CauseDeaf
}

func appendMillis(b []byte, d time.Duration) []byte {
	return binary.AppendUvarint(b, uint64(max(d, 0)/time.Millisecond))
}

func (c *cursor) millis() time.Duration { return time.Duration(c.uvarint32()) * time.Millisecond }
