package wire

import "github.com/starling-gossip/starling/internal/gossip/member"

// MaxTopic bounds a topic's name, in bytes.
const MaxTopic = 255

// MaxPiece bounds a piece's body, in bytes. A full piece fits a Supply and a Carry in MinRoom, so
// that every node can bring it to every other; package stream holds that.
const MaxPiece = 1040

// MaxBody is the most that a body costs a Carry beside itself.
const MaxBody = 3

// Piece is one datagram's worth of what an origin publishes; Carry and Supply bring it. Its body
// belongs to package stream; it points into the datagram that it came in.
type Piece struct {
	Origin     member.ID
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's pieces of this generation, from 1
	Body       []byte
}
