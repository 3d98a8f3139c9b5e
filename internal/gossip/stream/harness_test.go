package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/invariants"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A harness for these tests: nodes with Streams in virtual time, over a network that delays,
// reorders, loses and doubles. In place of a relay, an origin sends each piece to all once. A node
// that loses it has to find out and pull.

const probeEvery = time.Second

type world struct {
	planetest.Net[*node]
	tb      testing.TB
	latency time.Duration // one way; up to four times as much
	loss    float64       // of fresh pieces
	lossAll float64       // of everything else
	quiet   bool          // no probes
	cfg     Config
	nodes   []*node
	byID    map[member.ID]*node
	longest int                                // datagrams of more bytes vanish; 0: none does
	further func(from, to *node) time.Duration // one way, on top of latency; nil: nothing
	onAsk   func(to *node)                     // a node is asked for its heads

	packets, bytes int // of SendStream
}

// node is the least of a node around a Streams.
type node struct {
	planetest.Node
	planetest.Timer
	tight  bool             // a budget for another zone is spent
	near   []topology.Place // of its zone, if there are several
	w      *world
	s      *Streams
	asleep bool
	silent bool // it notes nothing
	room   int
	narrow bool // for all that it knows, full pieces do not pass
	rtt    time.Duration

	got      []Message
	lost     []Lost
	events   []string
	writable int
	twins    int
	kept     []wire.Piece
	marks    map[[2]uint64]Mark
	heard    map[member.ID]mono.Time
}

var _ Host = (*node)(nil)

func newWorld(tb testing.TB, seed uint64, n int, cfg Config) *world {
	w := &world{tb: tb, latency: 250 * time.Microsecond, cfg: cfg, byID: map[member.ID]*node{}}
	w.Now, w.Chance = 1e12, rand.New(rand.NewPCG(seed, 3))
	w.Delay = func(from, to *node) (d time.Duration) {
		if w.further != nil {
			d = w.further(from, to)
		}
		return d + w.latency + time.Duration(w.Chance.Int64N(3*int64(w.latency)+1))
	}
	for range n {
		w.add()
	}
	return w
}

// add makes one more node, which all know at once.
func (w *world) add() *node {
	i := len(w.nodes)
	n := &node{w: w, room: wire.MinRoom - wire.HeaderSize, marks: map[[2]uint64]Mark{},
		heard: map[member.ID]mono.Time{}, Node: planetest.Node{
			Record: planetest.Record(fmt.Sprintf("n%03d", i), i),
			Chance: rand.New(rand.NewPCG(w.Chance.Uint64(), 1)),
		}}
	n.s = New(n, w.cfg)
	w.nodes = append(w.nodes, n)
	w.byID[n.ID()] = n
	for _, o := range w.nodes {
		o.learn(n)
		n.learn(o)
	}
	w.After(time.Duration(w.Chance.Int64N(int64(probeEvery))), n.probe)
	return n
}

// dead returns a node that does nothing, and that no other knows yet.
func (w *world) dead() *node {
	n := &node{w: w, asleep: true, Node: planetest.Node{Record: planetest.Record("dead", 0)}}
	w.byID[n.ID()] = n
	return n
}

func (n *node) learn(o *node) { n.merge(o, member.Alive) }

func (n *node) merge(o *node, state member.State) { n.Know(n.w.Now, &o.Node, state) }

func (n *node) Generation() uint64 { return n.Record.Generation }
func (n *node) Room() int          { return n.room }

func (n *node) OwnZone() []topology.Place { return n.near }
func (n *node) Short(member.ID) bool      { return false }
func (n *node) Tight() bool               { return n.tight }
func (n *node) Twin(mono.Time)            { n.twins++ }

func (n *node) Unanswered(mono.Time, member.ID) {}
func (n *node) Narrow(member.ID) bool           { return n.narrow }
func (n *node) RTT() time.Duration              { return n.rtt }
func (n *node) Heard(id member.ID) mono.Time    { return n.heard[id] }

func (n *node) SendStream(_ mono.Time, to member.Member, messages []byte) {
	if len(messages) == 0 || len(messages) > n.room {
		n.w.tb.Fatalf("a datagram of %d bytes, with room for %d", len(messages), n.room)
	}
	n.w.packets++
	n.w.bytes += len(messages) + wire.HeaderSize
	n.w.deliver(n, n.w.byID[to.ID], n.w.lossAll, messages)
}

func (n *node) Deliver(_ mono.Time, m Message) {
	if n.silent {
		return
	}
	n.got = append(n.got, m)
	n.events = append(n.events, fmt.Sprintf("%s/%d %d", n.w.nameOf(m.Origin), m.Generation, m.Seq))
}

func (n *node) Lose(_ mono.Time, l Lost) {
	n.lost = append(n.lost, l)
	n.events = append(n.events, fmt.Sprintf("lost %s/%d %d-%d: %d to %d", n.w.nameOf(l.Origin),
		l.Generation, l.From, l.To, l.Count, l.Seq))
}

func (w *world) nameOf(id member.ID) string {
	if n := w.byID[id]; n != nil {
		return n.Record.Name
	}
	return "somebody"
}

func (n *node) Writable(mono.Time) { n.writable++ }

func (n *node) Keep(_ mono.Time, p wire.Piece) {
	if !n.silent {
		n.kept = append(n.kept, p)
	}
}

func (n *node) Mark(_ mono.Time, m Mark) { n.marks[[2]uint64{uint64(m.Origin), m.Generation}] = m }

// deliver hands messages to a node, later, unless they get lost.
func (w *world) deliver(from, to *node, loss float64, messages []byte) {
	if to == nil || w.longest > 0 && len(messages) > w.longest {
		return
	}
	data := slices.Clone(messages)
	w.Send(from, to, loss, func() { to.receive(from, data) })
}

func (n *node) receive(from *node, messages []byte) {
	if n.asleep {
		return
	}
	n.heard[from.ID()] = n.w.Now
	m, known := n.Members.Get(from.ID())
	_, r, _ := wire.Open(append(wire.AppendHeader(nil, wire.Header{}), messages...))
	probe, heads := false, false
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		probe = probe || t == wire.TypePing || t == wire.TypeAck
		heads = heads || t == wire.TypeHeads
		switch {
		case !known || t == wire.TypeAck:
		case t == wire.TypePing:
			n.w.deliver(n, from, n.w.lossAll, n.s.AppendHeads(wire.AppendAck(nil, 1), 200))
		case t == wire.TypeCarry:
			_, pieces, _ := wire.ReadCarry(body)
			n.s.Take(n.w.Now, pieces.Next())
		default:
			if t == wire.TypeAsk && n.w.onAsk != nil {
				n.w.onAsk(n)
			}
			n.s.Receive(n.w.Now, plane.SenderOf(m), t, body)
		}
	}
	if known && probe && !heads {
		n.s.Headless(n.w.Now, m)
	}
	n.schedule()
}

// schedule sees to a turn at the deadline.
func (n *node) schedule() {
	if invariants.On {
		n.checkSums()
	}
	n.Arm(&n.w.Clock, n)
}

func (n *node) Deadline() mono.Time { return n.s.Deadline() }

func (n *node) Wake(now mono.Time) {
	if n.asleep {
		return
	}
	n.s.Wake(now)
	if d := n.s.Deadline(); d <= now {
		n.w.tb.Fatalf("%s: woken at %v and due again at %v", n.Record.Name, now, d)
	}
	n.schedule()
}

func (n *node) probe() {
	n.w.After(probeEvery, n.probe)
	if n.asleep || n.w.quiet {
		return
	}
	if m, ok := n.s.anybody(); ok {
		n.w.deliver(n, n.w.byID[m.ID], n.w.lossAll, n.s.AppendHeads(wire.AppendPing(nil, 1), 200))
	}
}

// published is a message of which all pieces have left. Its generation is that of its stream.
type published struct {
	Published
	First, Last uint64
}

// cutAll appends a message, and has all that waits leave.
func cutAll(s *Streams, now mono.Time, topic string, payload []byte) (published, error) {
	p, err := s.Append(now, topic, payload, false)
	if err != nil {
		return published{}, err
	}
	m := published{Published: p}
	for _, bulk := range [2]bool{false, true} {
		for c := s.Cut(now, bulk, 1); c.Count > 0; c = s.Cut(now, bulk, 1) {
			m.Generation, m.Last = c.Generation, c.First+uint64(c.Count)-1
			if m.First == 0 {
				m.First = c.First
			}
		}
	}
	return m, nil
}

// topicKey is what one life of an origin publishes on a topic.
type topicKey struct {
	origin     member.ID
	generation uint64
	topic      string
}

// publish appends a message and sends its pieces to everybody, each once.
func (n *node) publish(topic string, payload []byte) published {
	n.w.tb.Helper()
	p, err := cutAll(n.s, n.w.Now, topic, payload)
	n.s.Sent(n.w.Now, p.Generation, p.Last)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	n.spread(p)
	return p
}

func (n *node) spread(p published) {
	for seq := p.First; seq <= p.Last; seq++ {
		body, _ := n.s.Body(n.ID(), p.Generation, seq)
		b := wire.BeginCarry(nil, &wire.Branch{Origin: n.ID(), Generation: p.Generation,
			First: seq, Count: 1})
		b = wire.EndCarry(wire.AppendBody(b, body), 0)
		for _, o := range n.w.nodes {
			if o != n {
				n.w.deliver(n, o, n.w.loss, b)
			}
		}
		n.s.Closed(n.w.Now, p.Generation, seq)
	}
	n.schedule()
}

func (n *node) sleep() { n.asleep = true }

func (n *node) wake(gap time.Duration) {
	n.asleep = false
	n.s.Stalled(n.w.Now, gap)
	n.schedule()
}

// run goes on for a time, or until something holds.
func (w *world) run(limit time.Duration, until func() bool) (took time.Duration, ok bool) {
	if until == nil {
		w.Run(limit)
		return limit, true
	}
	return w.Until(limit, time.Millisecond, until)
}

// all says whether every node has got so many messages.
func (w *world) all(count int) func() bool {
	return func() bool {
		for _, n := range w.nodes {
			if len(n.got) < count {
				return false
			}
		}
		return true
	}
}

// checkOrder fails unless what a node got is the messages of each stream without gap or repetition,
// in the order in which they end, and those of each topic in the order in which they were
// published.
func (n *node) checkOrder() {
	n.w.tb.Helper()
	next, last := map[streamKey]uint64{}, map[topicKey]uint64{}
	for _, m := range n.got {
		k := streamKey{m.Origin, m.Generation}
		if m.Order != next[k]+1 {
			n.w.tb.Errorf("%s got message %d after %d of one stream", n.Record.Name, m.Order,
				next[k])
		}
		next[k] = m.Order
		t := topicKey{m.Origin, wire.LifeOf(m.Generation), string(m.Topic)}
		if m.Seq <= last[t] {
			n.w.tb.Errorf("%s got message %d of %s/%d after %d of one topic", n.Record.Name, m.Seq,
				n.w.nameOf(m.Origin), m.Generation, last[t])
		}
		last[t] = m.Seq
	}
}
