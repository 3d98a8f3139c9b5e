package wire

import "github.com/starling-gossip/starling/internal/gossip/member"

// MaxTopic bounds a topic's name, in bytes.
const MaxTopic = 255

// MaxPiece bounds a piece's body, in bytes. A full piece fits a Supply and a Carry in MinRoom, so
// that every node can bring it to every other; package stream holds that.
const MaxPiece = 1040

// MaxBody is the most that a body costs a Carry beside itself.
const MaxBody = 3

// Bulk is set in the generation of a piece, and of all that tells of one, if the piece is of a
// large message: these are a stream of their own, beside that of small ones. LifeOf returns the
// generation of the origin itself.
const Bulk = 1 << 63

// LifeOf is told of at Bulk.
func LifeOf(generation uint64) uint64 { return generation &^ Bulk }

// Piece is one datagram's worth of what an origin publishes; Carry and Supply bring it. Its body
// belongs to package stream; it points into the datagram that it came in.
type Piece struct {
	Origin     member.ID
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's pieces of this generation, from 1
	Body       []byte
}
