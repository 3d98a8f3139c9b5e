package gossip

import (
	"iter"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// How the node takes part in everybody's streams (package stream) and brings fresh pieces of them
// to the others (package multicast). Messages have budgets of their own, so that news of members
// keeps its share, and they keep theirs.

// StreamStats returns what the node counts of messages, TreeStats of how they travel.
func (v View) StreamStats() stream.Stats {
	if v.n.streams == nil {
		return stream.Stats{}
	}
	return v.n.streams.Stats()
}

// Gaps yields the streams of which this node knows that it lacks something, by origin and
// generation, in no order that means anything.
func (v View) Gaps() iter.Seq2[member.ID, uint64] {
	if v.n.streams == nil {
		return func(func(member.ID, uint64) bool) {}
	}
	return v.n.streams.Gaps()
}

// TreeStats returns what the node counts of how messages travel.
func (v View) TreeStats() multicast.Stats {
	if v.n.relay == nil {
		return multicast.Stats{}
	}
	return v.n.relay.Stats()
}

// Topics returns what the node knows of the topics, by name.
func (v View) Topics() []stream.Topic {
	if v.n.streams == nil {
		return nil
	}
	return v.n.streams.Topics(v.n.now)
}

// Messages goes through the messages that were delivered here, or published, and are still held:
// those of one origin in order. Their bytes are never written to again.
func (v View) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		if v.n.streams == nil {
			return
		}
		for m := range v.n.streams.Messages() {
			if !yield(messageOf(v.n.roster.Table(), &m)) {
				return
			}
		}
	}
}

// streamHost is the node as its streams see it.
type streamHost struct{ env }

func (h streamHost) Self() member.ID         { return h.n.id }
func (h streamHost) Generation() uint64      { return h.n.roster.Record().Generation }
func (h streamHost) Short(to member.ID) bool { return h.n.quota.MustWait(h.n.now, to, lot) }

func (h streamHost) Tight() bool {
	return h.n.quota.AnyTight(h.n.now)
}

func (h streamHost) OwnZone() []topology.Place {
	if !h.n.roster.Ring().Mixed() {
		return nil
	}
	self := h.n.roster.Self()
	return h.n.roster.Ring().Zone(topology.PlaceOf(&self).Zone())
}

func (h streamHost) Room() int { return h.n.quota.Datagram(h.n.cfg.room()) }

// SendStream does not send the pieces that somebody asked for while the budget for its zone is
// spent, since it asks again; nor does it ask there, or the questions alone would take the budget.
func (h streamHost) SendStream(_ Time, to member.Member, messages []byte) {
	if len(messages) > 0 {
		if t := wire.Type(messages[0]); (t == wire.TypeSupply || t == wire.TypePull) &&
			h.n.quota.MustWait(h.n.now, to.ID, len(messages)) {
			return
		}
	}
	h.n.flow.Send(plane.PeerOf(&to), plane.Own, messages)
}

func (h streamHost) Narrow(id member.ID) bool { return h.n.ways.Narrow(id) }
func (h streamHost) RTT() time.Duration       { return h.n.detector.RTT() }

func (h streamHost) Unanswered(now Time, id member.ID) { h.n.ways.Unanswered(now, id) }

func (h streamHost) Heard(id member.ID) Time { return h.n.ways.Heard(id) }

func (h streamHost) Deliver(_ Time, m stream.Message) {
	if m.Origin == h.n.id {
		h.n.spreads.left(&m)
	}
	e := Event{Kind: MessageDelivered, Message: messageOf(h.Table(), &m)}
	h.n.out.Events = append(h.n.out.Events, e)
}

// messageOf is a message as the user sees it.
func messageOf(t *member.Table, m *stream.Message) Message {
	return Message{
		Origin: m.Origin, OriginName: nameIn(t, m.Origin), Generation: wire.LifeOf(m.Generation),
		Seq: m.Seq, Order: m.Order, Bulk: m.Generation&wire.Bulk > 0,
		Topic: m.Topic, Payload: m.Payload,
	}
}

func (h streamHost) Lose(_ Time, l stream.Lost) {
	ev := Lost{Origin: l.Origin, OriginName: nameIn(h.Table(), l.Origin),
		Generation: wire.LifeOf(l.Generation), Bulk: l.Generation&wire.Bulk > 0,
		Count: int(l.Count)}
	if l.Seq >= l.Count {
		ev.From, ev.To = l.Seq+1-l.Count, l.Seq
	}
	h.n.out.Events = append(h.n.out.Events, Event{Kind: MessagesLost, Lost: ev})
}

func (h streamHost) Twin(Time) { h.n.in.twin = true }

func (h streamHost) Writable(Time) {
	h.n.out.Events = append(h.n.out.Events, Event{Kind: Writable})
}

func (h streamHost) Keep(_ Time, p wire.Piece) {
	if h.n.cfg.Keep {
		h.n.out.Pieces = append(h.n.out.Pieces, p)
	}
}

func (h streamHost) Mark(_ Time, m stream.Mark) {
	h.n.relay.Moved()
	if h.n.cfg.Keep {
		h.n.out.Marks = append(h.n.out.Marks, m)
	}
}

func nameIn(t *member.Table, id member.ID) string {
	m, ok := t.Get(id)
	if !ok {
		return ""
	}
	return m.Name()
}

// relayHost is the node as its relay sees it.
type relayHost struct{ env }

func (h relayHost) Self() member.ID    { return h.n.id }
func (h relayHost) Generation() uint64 { return h.n.roster.Record().Generation }
func (h relayHost) RTT() time.Duration { return h.n.detector.RTT() }

func (h relayHost) Losses() (failed, of int) {
	if d, ok := h.n.detector.(detect.Lossy); ok {
		return d.Losses()
	}
	return 0, 1
}

func (h relayHost) Silent(zone uint16) bool {
	return h.n.reach.IsSilent(zone)
}

func (h relayHost) Budget() int            { return h.n.quota.Budget(h.n.now) }
func (h relayHost) Tight(zone uint16) bool { return h.n.quota.Tight(h.n.now, zone) }

// Epoch counts by the clock of the wall, as far as the generation shows it: a clock that is wrong
// costs some datagrams that could have been one.
func (h relayHost) Epoch(now Time) uint64 {
	const milliseconds = 10_000
	return (h.Generation() + uint64(now.Sub(h.n.start)/time.Millisecond)) / milliseconds
}

func (h relayHost) Send(_ Time, to plane.Peer, messages []byte) {
	h.n.flow.Send(to, plane.Own, messages)
}

func (h relayHost) Narrow(id member.ID) bool { return h.n.ways.Narrow(id) }

func (h relayHost) Waiting(bulk bool) multicast.Waiting {
	bytes, prompt := h.n.streams.Waiting(bulk)
	return multicast.Waiting{Bytes: bytes, Prompt: prompt, Waited: h.n.spreads.waiting()}
}

func (h relayHost) Cut(now Time, bulk bool, room int) multicast.Cut {
	return multicast.Cut(h.n.streams.Cut(now, bulk, room))
}

func (h relayHost) Sent(now Time, generation, last uint64) {
	h.n.streams.Sent(now, generation, last)
}

func (h relayHost) Waited(generation, first, last uint64) bool {
	return h.n.spreads.within(generation, first, last)
}

// Confirmed closes what all confirmed that could be asked, and tells the user of the messages that
// are waited for.
func (h relayHost) Unanswered(now Time, id member.ID) { h.n.ways.Unanswered(now, id) }

func (h relayHost) Confirmed(now Time, p multicast.Progress) {
	n := h.n
	if p.Done {
		for seq := p.First; seq <= p.Last; seq++ {
			n.streams.Closed(now, p.Generation, seq)
			n.streams.Lone(p.Generation, seq, p.Have <= 1 && n.door.Lacks())
		}
	}
	n.spreads.confirmed(n.out, &p)
}
