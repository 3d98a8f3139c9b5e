package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/gossip/member"
)

// MaxTopic bounds a topic's name, in bytes.
const MaxTopic = 255

// Message is a published message on its way. Its bytes point into the datagram.
type Message struct {
	Origin     member.ID
	Generation uint64 // of the origin
	Seq        uint64 // counts the origin's messages of this generation, from 1
	Topic      []byte
	Payload    []byte
}

// AppendMessage writes a Message.
func AppendMessage(b []byte, m *Message) []byte {
	start := len(b)
	b = begin(b, TypeMessage)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Origin))
	b = binary.AppendUvarint(b, m.Generation)
	b = binary.AppendUvarint(b, m.Seq)
	b = appendBytes(b, m.Topic)
	b = appendBytes(b, m.Payload)
	return end(b, start)
}

// ReadMessage reads the body of a Message.
func ReadMessage(body []byte) (m Message, ok bool) {
	c := cursor{b: body}
	m.Origin = member.ID(c.u64())
	m.Generation = c.uvarint()
	m.Seq = c.uvarint()
	m.Topic = c.bytes()
	m.Payload = c.bytes()
	return m, !c.bad && m.Origin != 0 && m.Seq != 0 && len(m.Topic) <= MaxTopic
}
