package stream

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The body of a piece: which message it is of, where in it, and bytes. Three numbers (uvarint),
// then, in the first piece of a message, the topic (uvarint length and bytes), then payload to the
// end:
//
//	seq      which message of its stream this is, from 1
//	index    which piece of the message, from 0
//	rest     how many pieces of the message follow
//
// docs/protocol.md has the same.

// MaxPayload is the most bytes of a message's payload, and MaxParts the most pieces of a message.
const (
	MaxPayload = 1 << 20
	MaxParts   = 1024
)

// The sizes of a piece: bodyHead is the most that a body costs beside topic and payload, topicHead
// what a topic costs beside itself, in the first piece of a message.
const (
	bodyHead  = binary.MaxVarintLen64 + 2 + 2
	topicHead = 2

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
	topic   []byte // of the first alone
	payload []byte
}

func appendPart(b []byte, p *part) []byte {
	b = binary.AppendUvarint(b, p.seq)
	b = binary.AppendUvarint(b, p.index)
	b = binary.AppendUvarint(b, p.rest)
	if p.index == 0 {
		b = binary.AppendUvarint(b, uint64(len(p.topic)))
		b = append(b, p.topic...)
	}
	return append(b, p.payload...)
}

// partSize returns what appendPart appends.
func partSize(p *part) int {
	n := uvarintLen(p.seq) + uvarintLen(p.index) + uvarintLen(p.rest) + len(p.payload)
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
		n := 0
		if *v, n = binary.Uvarint(b); n <= 0 {
			return p, false
		}
		b = b[n:]
	}
	if p.seq == 0 || p.index >= MaxParts || p.rest >= MaxParts || p.index+p.rest >= MaxParts {
		return p, false
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
