package stream

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The body of a piece: which message it is of, where in it, and bytes. Numbers (uvarint), then, in
// the first piece of a message, the topic (uvarint length and bytes), then payload to the end:
//
//	seq      which message of its origin this is, from 1
//	shape    which piece of the message, from 0, times 4; 1 more if a lead follows, 2 if an after
//	rest     how many pieces of the message follow
//	apart    how many pieces of other messages lie before it and after the piece of its own that
//	         comes before; not in the first
//	lead     in the last piece, zigzag: how many more messages its origin had published before
//	         it than ended before it in this stream
//	after    in the first piece, of a large message alone: the piece of the origin's small
//	         messages up to which these come first
//
// docs/protocol.md has the same.

// MaxPayload is the most bytes of a message's payload, and MaxParts the most pieces of a message.
const (
	MaxPayload = 1 << 20
	MaxParts   = 1040
)

// The sizes of a piece: bodyHead is the most that a body costs beside topic and payload, topicHead
// what a topic costs beside itself, in the first piece of a message.
const (
	bodyHead  = binary.MaxVarintLen64 + 2 + 2 + apartSize + leadSize
	topicHead = 2 + afterSize - apartSize

	apartSize = 3 // of what maxOpen messages put between two pieces of one
	leadSize  = 5
	afterSize = binary.MaxVarintLen64

	// of a datagram that brings a pulled piece, beside the body
	overhead = wire.SupplySize + wire.SupplyPieceSize
)

// A full piece fits a datagram of the least room, beside the header: as an answer to a request, and
// as a parcel of its own. The longest payload on the longest topic fits MaxParts pieces. A change
// that breaks one of these does not compile.
const (
	_ = uint(wire.MinRoom - wire.HeaderSize - overhead - wire.MaxPiece)
	_ = uint(wire.MinRoom - wire.HeaderSize - wire.MaxBranch - wire.MaxBody - wire.MaxPiece)
	_ = uint(MaxParts*(wire.MaxPiece-bodyHead) - topicHead - wire.MaxTopic - MaxPayload)
)

// part is a piece's body, read.
type part struct {
	seq     uint64
	index   uint64
	rest    uint64
	apart   uint64
	lead    int64
	after   uint64
	topic   []byte // of the first alone
	payload []byte
}

// order returns where among its origin's messages one ends that ends with this piece, from 1.
func (p *part) order() uint64 { return p.seq - uint64(p.lead) }

// before returns the piece of the message before the one at a sequence, 0 if there is none.
func (p *part) before(at uint64) uint64 {
	if p.index == 0 || p.apart >= at {
		return 0
	}
	return at - 1 - p.apart
}

func appendPart(b []byte, p *part) []byte {
	b = binary.AppendUvarint(b, p.seq)
	b = binary.AppendUvarint(b, p.shape())
	b = binary.AppendUvarint(b, p.rest)
	if p.index > 0 {
		b = binary.AppendUvarint(b, p.apart)
	}
	if p.lead != 0 {
		b = binary.AppendVarint(b, p.lead)
	}
	if p.after > 0 {
		b = binary.AppendUvarint(b, p.after)
	}
	if p.index == 0 {
		b = binary.AppendUvarint(b, uint64(len(p.topic)))
		b = append(b, p.topic...)
	}
	return append(b, p.payload...)
}

func (p *part) shape() uint64 {
	n := 4 * p.index
	if p.lead != 0 {
		n++
	}
	if p.after > 0 {
		n += 2
	}
	return n
}

// partSize returns what appendPart appends.
func partSize(p *part) int {
	n := uvarintLen(p.seq) + uvarintLen(p.shape()) + uvarintLen(p.rest) + len(p.payload)
	if p.index > 0 {
		n += uvarintLen(p.apart)
	}
	if p.lead != 0 {
		n += uvarintLen(uint64(p.lead<<1) ^ uint64(p.lead>>63))
	}
	if p.after > 0 {
		n += uvarintLen(p.after)
	}
	if p.index == 0 {
		n += uvarintLen(uint64(len(p.topic))) + len(p.topic)
	}
	return n
}

func uvarintLen(v uint64) (n int) {
	for n = 1; v >= 0x80; n++ {
		v >>= 7
	}
	return n
}

// MessageOf returns which message of its stream a piece is of, and which piece of the message it
// is, from 0. It is for observers, as the simulator.
func MessageOf(body []byte) (seq uint64, index int, ok bool) {
	p, ok := readPart(body)
	return p.seq, int(p.index), ok
}

func readPart(b []byte) (p part, ok bool) {
	for _, v := range [...]*uint64{&p.seq, &p.index, &p.rest} {
		if b, ok = readUvarint(b, v); !ok {
			return p, false
		}
	}
	leads, waits := p.index&1 > 0, p.index&2 > 0
	p.index /= 4
	if p.seq == 0 || p.index >= MaxParts || p.rest >= MaxParts || p.index+p.rest >= MaxParts ||
		leads && p.rest > 0 || waits && p.index > 0 {
		return p, false
	}
	if p.index > 0 {
		if b, ok = readUvarint(b, &p.apart); !ok {
			return p, false
		}
	}
	if leads {
		n := 0
		if p.lead, n = binary.Varint(b); n <= 0 || p.lead == 0 || p.lead >= int64(p.seq) ||
			p.lead < -maxLead {
			return p, false
		}
		b = b[n:]
	}
	if waits {
		if b, ok = readUvarint(b, &p.after); !ok || p.after == 0 {
			return p, false
		}
	}
	if p.index == 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size == 0 || size > wire.MaxTopic || size > uint64(len(b)-n) {
			return p, false
		}
		p.topic, b = b[n:n+int(size):n+int(size)], b[n+int(size):]
	}
	p.payload = b
	return p, true
}

func readUvarint(b []byte, v *uint64) ([]byte, bool) {
	n := 0
	if *v, n = binary.Uvarint(b); n <= 0 {
		return b, false
	}
	return b[n:], true
}

// maxLead is how many messages may overtake one.
const maxLead = 1 << (7*leadSize - 2)
