package gossip

import (
	"errors"
	"fmt"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/rumor"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Errors of Do.
var (
	ErrTooLarge     = errors.New("the message does not fit a datagram")
	ErrTopic        = errors.New("not a topic")
	ErrBackpressure = errors.New("too many messages wait to be sent")
)

// messageOverhead is what a message costs beside topic and payload: type and length, origin, generation, sequence, two
// lengths.
const messageOverhead = wire.MessageSize + 8 + 10 + 10 + 2 + 3

// Do carries out a command. An error means that nothing was done.
func (n *Node) Do(now Time, cmd Command, out *Outbox) error {
	if !n.begin(now, out) {
		return ErrStopped
	}
	defer n.finish()
	switch c := cmd.(type) {
	case Join:
		n.join(c)
	case Leave:
		n.leave()
	case Publish:
		return n.publish(c)
	case SetTags:
		return n.setTags(c.Tags)
	default:
		return fmt.Errorf("no such command: %T", cmd)
	}
	return nil
}

// MaxPayload returns how many bytes a message on a topic may have.
func (n *Node) MaxPayload(topic string) int {
	return n.cfg.MTU - wire.HeaderSize - messageOverhead - len(topic)
}

func (n *Node) setTags(t member.Tags) error {
	r := n.self.Value()
	r.Tags = t
	if err := r.Validate(); err != nil {
		return err
	}
	n.setSelf(member.Share(r))
	n.inc++
	n.announce(true)
	return nil
}

func (n *Node) publish(c Publish) error {
	switch limit := n.MaxPayload(c.Topic); {
	case c.Topic == "" || len(c.Topic) > wire.MaxTopic:
		return fmt.Errorf("%w: %q has %d bytes, from 1 to %d are allowed", ErrTopic, c.Topic, len(c.Topic), wire.MaxTopic)
	case len(c.Payload) > limit:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed on the topic %q", ErrTooLarge, len(c.Payload), limit, c.Topic)
	case n.messages.Bytes() > rumor.MaxBytes/2 || n.messages.Len() > rumor.MaxItems/2:
		return fmt.Errorf("%w: %d bytes", ErrBackpressure, n.messages.Bytes())
	}
	n.seq++
	m := wire.Message{
		Origin: n.id, Generation: n.self.Value().Generation, Seq: n.seq,
		Topic: []byte(c.Topic), Payload: c.Payload,
	}
	n.spread(&m, wire.AppendMessage(nil, &m))
	return nil
}

// hear takes in a message from another node, the first time that it comes.
func (n *Node) hear(m *wire.Message, body []byte) {
	if m.Origin == n.id && m.Generation == n.self.Value().Generation {
		n.stats.Duplicates++
		n.messages.Heard(messageKey(m))
		return
	}
	switch n.seen.note(m) {
	case heardBefore:
		n.stats.Duplicates++
		n.messages.Heard(messageKey(m))
	case tooOld:
		n.stats.TooOld++
	case fresh:
		data := make([]byte, 0, wire.MessageSize+len(body))
		n.spread(m, append(append(data, byte(wire.TypeMessage), byte(len(body)>>8), byte(len(body))), body...))
	}
}

// spread delivers a message here and begins to pass it on. data is the message on the wire, the node's to keep; what
// the event carries points into it.
func (n *Node) spread(m *wire.Message, data []byte) {
	n.stats.Delivered++
	kept, _ := wire.ReadMessage(data[wire.MessageSize:])
	ev := Message{Origin: m.Origin, Generation: m.Generation, Seq: m.Seq, Topic: kept.Topic, Payload: kept.Payload}
	if o, ok := n.table.Get(m.Origin); ok {
		ev.OriginName = o.Name()
	}
	n.out.Events = append(n.out.Events, Event{Kind: MessageDelivered, Message: ev})
	if len(data) > n.cfg.MTU-wire.HeaderSize { // its origin has a larger MTU: it cannot be passed on from here
		n.stats.TooLarge++
		return
	}
	n.messages.Put(n.now, rumor.Item{Key: messageKey(m), Data: data})
}

// messageKey stands for a message in the queue. Two messages that meet in it cost one of them its remaining pushes.
func messageKey(m *wire.Message) uint64 {
	return uint64(m.Origin)*0x9e3779b97f4a7c15 ^ m.Generation<<40 ^ m.Seq
}
