package reconcile

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A harness for these tests: many Repairs in virtual time, each behind the least of a node. Nodes
// probe and repair. A probe shows the fingerprint to a member drawn at random, which shows its own
// back. News does not travel otherwise, so all that converges does so by anti-entropy.

const (
	latency    = time.Millisecond
	probeEvery = time.Second
	suspicion  = 2 * time.Second
)

type world struct {
	planetest.Net[member.ID]
	loss    float64
	nodes   map[member.ID]*fakeNode
	order   []*fakeNode
	bytes   int // of datagrams of repair, with headers
	packets int
	legs    int // the longest chain of datagrams, each sent because of the one before
	depth   int // of the datagram that is being received
	onSend  func(messages []byte)
}

func newWorld(seed uint64) *world {
	w := &world{nodes: map[member.ID]*fakeNode{}}
	w.Now, w.Chance = 1e12, rand.New(rand.NewPCG(seed, 7))
	w.Delay = func(member.ID, member.ID) time.Duration {
		return latency + time.Duration(w.Chance.Int64N(int64(latency)/4))
	}
	return w
}

// until lets time pass until something holds.
func (w *world) until(limit time.Duration, ok func() bool) (took time.Duration, held bool) {
	return w.Until(limit, 10*time.Millisecond, ok)
}

// deliver hands something to a node after the latency, unless it gets lost.
func (w *world) deliver(from, to member.ID, do func(n *fakeNode)) {
	depth := w.depth + 1
	w.Send(from, to, w.loss, func() {
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
	planetest.Node
	planetest.Timer
	w      *world
	repair *Repair
	sent   int
	room   int
	refuse bool // Learn nothing
}

func (w *world) node(name string, cfg Config) *fakeNode {
	f := fact(name, 1, 0, member.Alive)
	n := &fakeNode{w: w, room: 1325, Node: planetest.Node{Record: f.Record.Value(),
		Chance: rand.New(rand.NewPCG(w.Chance.Uint64(), 1))}}
	n.repair = New(n, cfg)
	n.apply(f)
	w.nodes[n.ID()] = n
	w.order = append(w.order, n)
	return n
}

var _ Host = (*fakeNode)(nil)

func (n *fakeNode) Room() int { return n.room }

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
	datagram := wire.AppendHeader(nil, wire.Header{From: n.ID()})
	datagram = append(datagram, messages...)
	n.w.deliver(n.ID(), to.ID, func(r *fakeNode) { r.receive(datagram) })
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
	if m, _ := n.Members.Get(id); m.State == member.Alive && f.State == member.Failed &&
		id != n.ID() {
		n.suspect(id, f)
		m, _ := n.Members.Get(id)
		return m, m.Fact().Version().Compare(f.Version()) > 0
	}
	return n.apply(f)
}

// suspect is what becomes of a death that this node did not hear of as news: the member that is
// called dead may refute it.
func (n *fakeNode) suspect(id member.ID, f member.Fact) {
	n.apply(member.Fact{Record: f.Record, Incarnation: f.Incarnation, State: member.Suspect})
	n.w.deliver(n.ID(), id, func(x *fakeNode) {
		if x.ID() == id {
			x.apply(f)
		}
	})
	n.w.After(suspicion, func() {
		if m, _ := n.Members.Get(id); m.State == member.Suspect && m.Incarnation == f.Incarnation {
			n.apply(f)
		}
	})
}

// apply merges a fact. What kills this node it refutes.
func (n *fakeNode) apply(f member.Fact) (member.Member, bool) {
	before, held, changed := n.Merge(n.w.Now, f)
	if changed {
		n.repair.Changed(n.w.Now, before, held)
		if held.ID == n.ID() && held.State != member.Alive {
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
			n.Learn(n.w.Now, member.Member{}, t, body)
		} else if from, known := n.Members.Get(h.From); known {
			n.repair.Receive(n.w.Now, plane.SenderOf(from), t, body)
		}
	}
}

// schedule sees to a turn at the deadline.
func (n *fakeNode) schedule() { n.Arm(&n.w.Clock, n) }

func (n *fakeNode) Deadline() mono.Time { return n.repair.Deadline() }

func (n *fakeNode) Wake(now mono.Time) {
	n.repair.Wake(now)
	n.schedule()
}

// fingerprint shows this node's fingerprint to another, which shows its own back if that is asked
// for.
func (n *fakeNode) fingerprint(to member.ID, back bool) {
	fp := wire.Fingerprint{Hash: n.Members.Fingerprint(), Live: uint32(n.Members.Live())}
	n.w.deliver(n.ID(), to, func(r *fakeNode) {
		if from, known := r.Members.Get(n.ID()); known {
			r.repair.Fingerprint(r.w.Now, from, fp)
		}
		if back {
			r.fingerprint(n.ID(), false)
		}
	})
}

// probe has a node probe for ever.
func (n *fakeNode) probe() {
	n.w.After(time.Duration(n.w.Chance.Int64N(int64(probeEvery))), func() { n.probeOnce() })
}

func (n *fakeNode) probeOnce() {
	if to, ok := n.repair.anybody(); ok {
		n.fingerprint(to.ID, true)
	}
	n.w.After(probeEvery, n.probeOnce)
}

// agreed says whether all nodes have the same live members.
func (w *world) agreed() bool {
	for _, n := range w.order {
		if n.Members.Fingerprint() != w.order[0].Members.Fingerprint() {
			return false
		}
	}
	return true
}

func (w *world) complete(n int) func() bool {
	return func() bool {
		for i := len(w.order) - 1; i >= 0; i-- {
			if w.order[i].Members.Live() != n {
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
