package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// TypeCounters is the message of the detectors that go by heartbeat counters.
const TypeCounters Type = 0x24

// Counter is how often a member's heart has beaten in one life, as far as the sender knows.
type Counter struct {
	ID       member.ID
	Instance uint32 // the life that is meant
	Count    uint32
}

// MaxCounter is the most bytes that one Counter takes in a Counters message.
const MaxCounter = 8 + 4 + binary.MaxVarintLen32

// BeginCounters opens a Counters message with the sender's own count. AppendCounter adds others',
// EndCounters closes it.
func BeginCounters(b []byte, own uint32) []byte {
	b = append(begin(b, TypeCounters), 0, 0) // how many follow
	return binary.AppendUvarint(b, uint64(own))
}

// AppendCounter adds a counter to a Counters message.
func AppendCounter(b []byte, c Counter) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(c.ID))
	b = binary.BigEndian.AppendUint32(b, c.Instance)
	return binary.AppendUvarint(b, uint64(c.Count))
}

// EndCounters closes the message that BeginCounters opened at start, with how many counters were
// added.
func EndCounters(b []byte, start, count int) []byte {
	binary.BigEndian.PutUint16(b[start+MessageSize:], uint16(count))
	return end(b, start)
}

// ReadCounters reads the body of a Counters message. It returns the sender's own count, and calls
// each with the others. ok is false if the body ends within a counter; each was called with those
// before it.
func ReadCounters(body []byte, each func(Counter)) (own uint32, ok bool) {
	c := cursor{b: body}
	count := c.u16()
	own = c.uvarint32()
	for range count {
		if c.bad {
			break
		}
		x := Counter{ID: member.ID(c.u64()), Instance: c.u32(), Count: c.uvarint32()}
		if !c.bad {
			each(x)
		}
	}
	return own, !c.bad
}
