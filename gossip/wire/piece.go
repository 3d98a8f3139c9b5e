package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/gossip/member"
)

// TypePiece is the type of a Piece that travels by itself.
const TypePiece Type = 0x30

// PieceOverhead is the most that a Piece costs beside its body.
const PieceOverhead = MessageSize + 8 + 2*binary.MaxVarintLen64 + 3

// Piece is one datagram's worth of what an origin publishes. Its body belongs to package stream; it points into the
// datagram.
type Piece struct {
	Origin     member.ID
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's pieces of this generation, from 1
	Body       []byte
}

// AppendPiece writes a Piece.
func AppendPiece(b []byte, m *Piece) []byte {
	start := len(b)
	b = begin(b, TypePiece)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Origin))
	b = binary.AppendUvarint(b, m.Generation)
	b = binary.AppendUvarint(b, m.Seq)
	b = appendBytes(b, m.Body)
	return end(b, start)
}

// ReadPiece reads the body of a Piece message.
func ReadPiece(body []byte) (m Piece, ok bool) {
	c := cursor{b: body}
	m.Origin = member.ID(c.u64())
	m.Generation = c.uvarint()
	m.Seq = c.uvarint()
	m.Body = c.bytes()
	return m, !c.bad && m.Origin != 0 && m.Seq != 0
}
