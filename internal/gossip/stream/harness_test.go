package stream

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A harness for these tests: nodes with Streams in virtual time, over a network that delays,
// reorders, loses and doubles. In place of a relay, an origin sends each piece to all once. A node
// that loses it has to find out and pull.

const probeEvery = time.Second

type world struct {
	tb      testing.TB
	now     mono.Time
	rng     *rand.Rand
	latency time.Duration // one way; up to four times as much
	loss    float64       // of fresh pieces
	lossAll float64       // of everything else
	double  float64
	quiet   bool // no probes
	cfg     Config
	nodes   []*node
	byID    map[member.ID]*node
	queue   eventQueue
	seq     int
	blocked func(from, to *node) bool
	longest int                                // datagrams of more bytes vanish; 0: none does
	further func(from, to *node) time.Duration // one way, on top of latency; nil: nothing
	onAsk   func(to *node)                     // a node is asked for its heads

	packets, bytes int // of SendStream
}

type event struct {
	at  mono.Time
	seq int
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// node is the least of a node around a Streams.
type node struct {
	tight      bool             // a budget for another zone is spent
	near       []topology.Place // of its zone, if there are several
	w          *world
	name, zone string
	id         member.ID
	generation uint64
	table      *member.Table
	rng        *rand.Rand
	s          *Streams
	asleep     bool
	silent     bool // it notes nothing
	room       int
	narrow     bool // for all that it knows, full pieces do not pass

	got      []Message
	lost     []Lost
	events   []string
	writable int
	twins    int
	kept     []wire.Piece
	marks    map[[2]uint64]Mark
	woken    mono.Time
	heard    map[member.ID]mono.Time
}

var _ Host = (*node)(nil)

func newWorld(tb testing.TB, seed uint64, n int, cfg Config) *world {
	w := &world{
		tb: tb, now: 1e12, rng: rand.New(rand.NewPCG(seed, 3)), latency: 250 * time.Microsecond,
		cfg: cfg, byID: map[member.ID]*node{},
	}
	for range n {
		w.add()
	}
	return w
}

// add makes one more node, which all know at once.
func (w *world) add() *node {
	n := &node{
		w: w, name: fmt.Sprintf("n%03d",
			len(w.nodes)), rng: rand.New(rand.NewPCG(w.rng.Uint64(), 1)),
		generation: 1, marks: map[[2]uint64]Mark{}, heard: map[member.ID]mono.Time{},
		woken: mono.Never, room: wire.MinRoom - wire.HeaderSize,
	}
	n.id = member.IDOf(n.name)
	n.table = new(member.Table)
	n.s = New(n, w.cfg)
	w.nodes = append(w.nodes, n)
	w.byID[n.id] = n
	for _, o := range w.nodes {
		o.learn(n)
		n.learn(o)
	}
	w.after(time.Duration(w.rng.Int64N(int64(probeEvery))), n.probe)
	return n
}

func (n *node) learn(o *node) { n.merge(o, member.Alive) }

func (n *node) merge(o *node, state member.State) {
	_, _, _, err := n.table.Merge(n.w.now, member.Fact{
		Record: member.Share(member.Record{
			Name: o.name, Generation: o.generation, Protocol: 1, Zone: o.zone,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(len(o.name)), 1}), 7747),
		}), State: state,
	})
	if err != nil {
		n.w.tb.Fatal(err)
	}
}

func (n *node) Self() member.ID      { return n.id }
func (n *node) Generation() uint64   { return n.generation }
func (n *node) Table() *member.Table { return n.table }
func (n *node) Rand() *rand.Rand     { return n.rng }
func (n *node) Room() int            { return n.room }

func (n *node) Near() []topology.Place { return n.near }
func (n *node) Short(member.ID) bool   { return false }
func (n *node) Tight() bool            { return n.tight }
func (n *node) Twin(mono.Time)         { n.twins++ }

func (n *node) Unanswered(mono.Time, member.ID) {}
func (n *node) Narrow(member.ID) bool           { return n.narrow }
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
		return n.name
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

func (w *world) after(d time.Duration, f func()) {
	w.seq++
	heap.Push(&w.queue, event{at: w.now.Add(d), seq: w.seq, do: f})
}

// deliver hands messages to a node, later, unless they get lost.
func (w *world) deliver(from, to *node, loss float64, messages []byte) {
	if to == nil || w.rng.Float64() < loss || w.blocked != nil && w.blocked(from, to) ||
		w.longest > 0 && len(messages) > w.longest {
		return
	}
	data := append([]byte(nil), messages...)
	copies := 1
	if w.rng.Float64() < w.double {
		copies = 2
	}
	further := time.Duration(0)
	if w.further != nil {
		further = w.further(from, to)
	}
	for range copies {
		w.after(further+w.latency+time.Duration(w.rng.Int64N(3*int64(w.latency)+1)),
			func() { to.receive(from, data) })
	}
}

func (n *node) receive(from *node, messages []byte) {
	if n.asleep {
		return
	}
	n.heard[from.id] = n.w.now
	m, known := n.table.Get(from.id)
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
			n.s.Take(n.w.now, pieces.Next())
		default:
			if t == wire.TypeAsk && n.w.onAsk != nil {
				n.w.onAsk(n)
			}
			n.s.Receive(n.w.now, plane.SenderOf(m), t, body)
		}
	}
	if known && probe && !heads {
		n.s.Headless(n.w.now, m)
	}
	n.schedule()
}

// schedule sees to a Wake at the deadline.
func (n *node) schedule() {
	d := n.s.Deadline()
	if d == mono.Never || d >= n.woken && n.woken > n.w.now {
		return
	}
	n.woken = d
	n.w.after(max(0, d.Sub(n.w.now)), func() {
		if d == n.woken {
			n.woken = mono.Never
		}
		if n.asleep {
			return
		}
		if n.w.now >= n.s.Deadline() {
			n.s.Wake(n.w.now)
			if d := n.s.Deadline(); d <= n.w.now {
				n.w.tb.Fatalf("%s: woken at %v and due again at %v", n.name, n.w.now, d)
			}
		}
		n.schedule()
	})
}

func (n *node) probe() {
	n.w.after(probeEvery, n.probe)
	if n.asleep || n.w.quiet {
		return
	}
	if m, ok := n.s.anybody(); ok {
		n.w.deliver(n, n.w.byID[m.ID], n.w.lossAll, n.s.AppendHeads(wire.AppendPing(nil, 1), 200))
	}
}

// publish appends a message and sends its pieces to everybody, each once.
func (n *node) publish(topic string, payload []byte) Published {
	n.w.tb.Helper()
	p, err := n.s.Append(n.w.now, topic, payload)
	n.s.Sent(n.w.now, p.Generation, p.Last)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	n.spread(p)
	return p
}

func (n *node) spread(p Published) {
	for seq := p.First; seq <= p.Last; seq++ {
		body, _ := n.s.Body(n.id, p.Generation, seq)
		b := wire.BeginCarry(nil, &wire.Branch{Origin: n.id, Generation: p.Generation,
			First: seq, Count: 1})
		b = wire.EndCarry(wire.AppendBody(b, body), 0)
		for _, o := range n.w.nodes {
			if o != n {
				n.w.deliver(n, o, n.w.loss, b)
			}
		}
		n.s.Closed(n.w.now, p.Generation, seq)
	}
	n.schedule()
}

func (n *node) sleep() { n.asleep = true }

func (n *node) wake(gap time.Duration) {
	n.asleep = false
	n.s.Stalled(n.w.now, gap)
	n.schedule()
}

// run goes on for a time, or until something holds, looked at every millisecond.
func (w *world) run(limit time.Duration, until func() bool) (took time.Duration, ok bool) {
	start := w.now
	for check := w.now; ; check = check.Add(time.Millisecond) {
		for len(w.queue) > 0 && w.queue[0].at <= check {
			e := heap.Pop(&w.queue).(event)
			w.now = max(w.now, e.at)
			e.do()
		}
		w.now = max(w.now, check)
		if until != nil && until() {
			return w.now.Sub(start), true
		}
		if w.now.Sub(start) >= limit {
			return w.now.Sub(start), until == nil
		}
	}
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

// checkOrder fails unless what a node got is each origin's messages without gap or repetition, in
// order.
func (n *node) checkOrder() {
	n.w.tb.Helper()
	next := map[[2]uint64]uint64{}
	for _, m := range n.got {
		k := [2]uint64{uint64(m.Origin), m.Generation}
		if m.Seq != next[k]+1 {
			n.w.tb.Errorf("%s got message %d after %d of one stream", n.name, m.Seq, next[k])
		}
		next[k] = m.Seq
	}
}
