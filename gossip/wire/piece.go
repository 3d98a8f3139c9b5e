package wire

import "github.com/starling-gossip/starling/gossip/member"

// MaxTopic bounds a topic's name, in bytes.
const MaxTopic = 255

// Piece is one datagram's worth of what an origin publishes; Carry and Supply bring it. Its body belongs to package
// stream; it points into the datagram that it came in.
type Piece struct {
	Origin     member.ID
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's pieces of this generation, from 1
	Body       []byte
}
