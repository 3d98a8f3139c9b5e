package wire

import (
	"encoding/binary"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// TypeEvidence is the type of Evidence.
const TypeEvidence Type = 0x0f

// MaxVotes bounds the votes of one Evidence; MaxEvidence is the length of the longest as a message.
const (
	MaxVotes    = 15
	MaxEvidence = MessageSize + 38 + MaxVotes*(9+2*binary.MaxVarintLen32)
)

// Evidence says why a member was declared failed. It follows the news of that in the same datagram,
// where there is room; nothing depends on it.
type Evidence struct {
	Target      member.ID
	Instance    uint32 // the life of the target that failed
	Incarnation uint32 // at which it did
	Accuser     member.ID
	Cause       Cause
	Pings       uint32        // that the accuser sent in vain
	Span        time.Duration // from its first doubt to the verdict; whole milliseconds
	Seats       int           // of the jury, at most 255; 0 without one
	Count       int           // of Votes
	Votes       [MaxVotes]Vote
}

// Vote is that of a juror or, under SWIM, of a node that suspected the member too.
type Vote struct {
	Juror member.ID
	Cause Cause
	Pings uint32
	Span  time.Duration // whole milliseconds
}

// AppendEvidence writes an Evidence.
func AppendEvidence(b []byte, m *Evidence) []byte {
	start := len(b)
	b = begin(b, TypeEvidence)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Target))
	b = binary.BigEndian.AppendUint32(b, m.Instance)
	b = binary.AppendUvarint(b, uint64(m.Incarnation))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Accuser))
	b = appendSeen(b, m.Cause, m.Pings, m.Span)
	b = append(b, byte(m.Seats), byte(m.Count))
	for i := range m.Count {
		v := &m.Votes[i]
		b = binary.BigEndian.AppendUint64(b, uint64(v.Juror))
		b = appendSeen(b, v.Cause, v.Pings, v.Span)
	}
	return end(b, start)
}

// ReadEvidence reads the body of an Evidence.
func ReadEvidence(body []byte) (m Evidence, ok bool) {
	c := cursor{b: body}
	m.Target, m.Instance, m.Incarnation = member.ID(c.u64()), c.u32(), c.uvarint32()
	m.Accuser = member.ID(c.u64())
	m.Cause, m.Pings, m.Span = c.seen()
	m.Seats, m.Count = int(c.u8()), int(c.u8())
	if m.Count > MaxVotes {
		return Evidence{}, false
	}
	for i := range m.Count {
		v := &m.Votes[i]
		v.Juror = member.ID(c.u64())
		v.Cause, v.Pings, v.Span = c.seen()
	}
	return m, !c.bad && m.Target != 0
}

// appendSeen writes what one node saw of the target.
func appendSeen(b []byte, cause Cause, pings uint32, span time.Duration) []byte {
	b = append(b, byte(cause))
	b = binary.AppendUvarint(b, uint64(pings))
	return appendMillis(b, min(span, maxTold))
}

func (c *cursor) seen() (cause Cause, pings uint32, span time.Duration) {
	cause, pings, span = Cause(c.u8()), c.uvarint32(), c.millis()
	c.bad = c.bad || cause > CauseDeaf
	return cause, pings, span
}

// maxTold is the longest time that the reader takes.
const maxTold = (1<<32 - 1) * time.Millisecond
