package reconcile

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
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A harness for these tests: many Repairs in virtual time, over a network that delays and loses,
// each behind the least of a node. Nodes probe and repair. A probe shows the fingerprint to a
// member drawn at random, which shows its own back. News does not travel otherwise, so all that
// converges does so by anti-entropy.

const (
	latency    = time.Millisecond
	probeEvery = time.Second
	suspicion  = 2 * time.Second
)

type world struct {
	now     mono.Time
	rng     *rand.Rand
	loss    float64
	queue   eventQueue
	seq     int
	nodes   map[member.ID]*fakeNode
	order   []*fakeNode
	blocked func(from, to member.ID) bool
	bytes   int // of datagrams of repair, with headers
	packets int
	legs    int // the longest chain of datagrams, each sent because of the one before
	depth   int // of the datagram that is being received
	onSend  func(messages []byte)
}

func newWorld(seed uint64) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 7)), nodes: map[member.ID]*fakeNode{}, now: 1e12}
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

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{at: w.now.Add(d), seq: w.seq, do: do})
}

// run goes on until until holds, looked at every 10 ms, or until the time is over.
func (w *world) run(limit time.Duration, until func() bool) (took time.Duration, ok bool) {
	start := w.now
	for check := w.now; ; check = check.Add(10 * time.Millisecond) {
		for len(w.queue) > 0 && w.queue[0].at <= check {
			e := heap.Pop(&w.queue).(event)
			w.now = max(w.now, e.at)
			e.do()
		}
		w.now = max(w.now, check)
		if until() {
			return w.now.Sub(start), true
		}
		if w.now.Sub(start) > limit {
			return w.now.Sub(start), false
		}
	}
}

// deliver hands something to a node after the latency, unless it gets lost.
func (w *world) deliver(from, to member.ID, do func(n *fakeNode)) {
	if w.rng.Float64() < w.loss || w.blocked != nil && w.blocked(from, to) {
		return
	}
	depth := w.depth + 1
	w.after(latency+time.Duration(w.rng.Int64N(int64(latency)/4)), func() {
		if n := w.nodes[to]; n != nil {
			w.depth, w.legs = depth, max(w.legs, depth)
			do(n)
			w.depth = 0
			n.schedule()
		}
	})
}

// fakeNode is the least of a node around a Repair.
type fakeNode struct {
	w      *world
	self   member.ID
	table  member.Table
	rng    *rand.Rand
	repair *Repair
	woken  mono.Time
	sent   int
	room   int
	refuse bool // Learn nothing
}

func (w *world) node(name string, cfg Config) *fakeNode {
	n := &fakeNode{w: w, self: member.IDOf(name), rng: rand.New(rand.NewPCG(w.rng.Uint64(),
		1)), woken: mono.Never, room: 1325}
	n.repair = New(n, cfg)
	n.apply(fact(name, 1, 0, member.Alive))
	w.nodes[n.self] = n
	w.order = append(w.order, n)
	return n
}

var _ Host = (*fakeNode)(nil)

func (n *fakeNode) Self() member.ID      { return n.self }
func (n *fakeNode) Table() *member.Table { return &n.table }
func (n *fakeNode) Rand() *rand.Rand     { return n.rng }
func (n *fakeNode) Room() int            { return n.room }

func (n *fakeNode) Unanswered(mono.Time, member.ID) {}

func (n *fakeNode) SendRepair(_ mono.Time, to member.Member, messages []byte) {
	if len(messages) == 0 || len(messages) > n.room {
		panic(fmt.Sprintf("a datagram of %d bytes, with room for %d", len(messages), n.room))
	}
	n.sent++
	n.w.packets++
	n.w.bytes += wire.HeaderSize + len(messages)
	if n.w.onSend != nil {
		n.w.onSend(messages)
	}
	datagram := wire.AppendHeader(nil, wire.Header{From: n.self})
	datagram = append(datagram, messages...)
	n.w.deliver(n.self, to.ID, func(r *fakeNode) { r.receive(datagram) })
}

func (n *fakeNode) AppendRecord(b []byte, now mono.Time, m member.Member) []byte {
	r := m.Record()
	c := wire.Claim{Incarnation: m.Incarnation, State: m.State}
	if m.State == member.Suspect {
		c.State = member.Alive
	}
	return wire.AppendRecord(b, &r, &c)
}

func (n *fakeNode) Learn(_ mono.Time, _ member.Member, t wire.Type,
	body []byte) (member.Member, bool) {
	rec, ok := wire.ReadRecord(body)
	if t != wire.TypeRecord || !ok || n.refuse {
		return member.Member{}, false
	}
	f, err := rec.Fact()
	if err != nil {
		return member.Member{}, false
	}
	id := member.IDOf(string(rec.Name))
	if m, _ := n.table.Get(id); m.State == member.Alive && f.State == member.Failed &&
		id != n.self {
		n.suspect(id, f)
		m, _ := n.table.Get(id)
		return m, m.Fact().Version().Compare(f.Version()) > 0
	}
	return n.apply(f)
}

// suspect is what becomes of a death that this node did not hear of as news: the member that is
// called dead may refute it.
func (n *fakeNode) suspect(id member.ID, f member.Fact) {
	n.apply(member.Fact{Record: f.Record, Incarnation: f.Incarnation, State: member.Suspect})
	n.w.deliver(n.self, id, func(x *fakeNode) {
		if x.self == id {
			x.apply(f)
		}
	})
	n.w.after(suspicion, func() {
		if m, _ := n.table.Get(id); m.State == member.Suspect && m.Incarnation == f.Incarnation {
			n.apply(f)
		}
	})
}

// apply merges a fact. What kills this node it refutes.
func (n *fakeNode) apply(f member.Fact) (member.Member, bool) {
	before, _, changed, err := n.table.Merge(n.w.now, f)
	if err != nil {
		panic(err)
	}
	r := f.Record.Value()
	id := member.IDOf(r.Name)
	held, _ := n.table.Get(id)
	if changed {
		n.repair.Changed(n.w.now, before, held)
		if id == n.self && held.State != member.Alive {
			return n.apply(member.Fact{Record: f.Record, Incarnation: f.Incarnation + 1})
		}
	}
	return held, held.Fact().Version().Compare(f.Version()) > 0
}

func (n *fakeNode) receive(datagram []byte) {
	h, messages, err := wire.Open(datagram)
	if err != nil {
		panic(err)
	}
	for {
		t, body, ok := messages.Next()
		if !ok {
			return
		}
		if t == wire.TypeRecord {
			n.Learn(n.w.now, member.Member{}, t, body)
		} else if from, known := n.table.Get(h.From); known {
			n.repair.Receive(n.w.now, plane.SenderOf(from), t, body)
		}
	}
}

// schedule sees to a Wake at the deadline.
func (n *fakeNode) schedule() {
	d := n.repair.Deadline()
	if d == mono.Never || d >= n.woken && n.woken > n.w.now {
		return
	}
	n.woken = d
	n.w.after(max(0, d.Sub(n.w.now)), func() {
		if d == n.woken {
			n.woken = mono.Never
		}
		if n.w.now >= n.repair.Deadline() {
			n.repair.Wake(n.w.now)
		}
		n.schedule()
	})
}

// fingerprint shows this node's fingerprint to another, which shows its own back if that is asked
// for.
func (n *fakeNode) fingerprint(to member.ID, back bool) {
	fp := wire.Fingerprint{Hash: n.table.Fingerprint(), Live: uint32(n.table.Live())}
	n.w.deliver(n.self, to, func(r *fakeNode) {
		if from, known := r.table.Get(n.self); known {
			r.repair.Fingerprint(r.w.now, from, fp)
		}
		if back {
			r.fingerprint(n.self, false)
		}
	})
}

// probe has a node probe for ever.
func (n *fakeNode) probe() {
	n.w.after(time.Duration(n.w.rng.Int64N(int64(probeEvery))), func() { n.probeOnce() })
}

func (n *fakeNode) probeOnce() {
	if to, ok := n.repair.anybody(); ok {
		n.fingerprint(to.ID, true)
	}
	n.w.after(probeEvery, n.probeOnce)
}

// agreed says whether all nodes have the same live members.
func (w *world) agreed() bool {
	for _, n := range w.order {
		if n.table.Fingerprint() != w.order[0].table.Fingerprint() {
			return false
		}
	}
	return true
}

func (w *world) complete(n int) func() bool {
	return func() bool {
		for i := len(w.order) - 1; i >= 0; i-- {
			if w.order[i].table.Live() != n {
				return false
			}
		}
		return true
	}
}

func name(i int) string { return fmt.Sprintf("node-%05d.dc1.example", i) }

func fact(name string, generation uint64, incarnation uint32, s member.State) member.Fact {
	id := uint64(member.IDOf(name))
	a := netip.AddrFrom4([4]byte{10, byte(id >> 16), byte(id >> 8), byte(id)})
	return member.Fact{
		Record: member.Share(member.Record{
			Name: name, Generation: 1_700_000_000_000 +
				generation, Addr: netip.AddrPortFrom(a, 7747), Zone: "dc1/a", Protocol: 1,
		}),
		Incarnation: incarnation,
		State:       s,
	}
}

func report(t testing.TB, w *world, took time.Duration) {
	t.Helper()
	t.Logf("%v, %d datagrams, %d bytes of repair", took, w.packets, w.bytes)
}
