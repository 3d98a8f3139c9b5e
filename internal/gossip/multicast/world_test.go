package multicast

// A world of relays for tests: virtual time, seeded links that lose and delay, and stores that keep
// everything.

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// overhead is what a datagram costs beside its messages: IPv4 and UDP, sealing, and the header.
const overhead = 28 + 35 + wire.HeaderSize

type world struct {
	t     testing.TB
	rng   *rand.Rand
	now   mono.Time
	queue events
	count uint64
	nodes []*node
	byID  map[member.ID]*node

	loss    float64
	latency func() time.Duration
	cut     func(from, to *node) bool // packets that vanish
	trace   func(from, to *node, data []byte, lost bool)
	full    func(from, to *node) time.Duration
}

// node is a relay with its store and its table.
type node struct {
	*Relay
	w      *world
	i      int
	id     member.ID
	room   int                    // of the budget for other zones
	deaf   func(zone uint16) bool // zones that its detector holds silent
	peer   plane.Peer
	table  member.Table
	ring   *topology.Ring
	held   map[[2]uint64][]byte // by origin and sequence
	got    map[[2]uint64]mono.Time
	down   bool
	narrow bool      // for all that it knows, what is long does not pass
	asleep mono.Time // it takes nothing in before

	given   func(origin member.ID, seq uint64) wire.Verdict // nil: what is held
	waited  func(first, last uint64) bool                   // nil: nobody waits
	refuses func(seq uint64) bool
	let     bool // it holds no bodies any more

	lastWords int // datagrams after which it dies; 0: it lives

	copies, packets, bytes int
	told                   []Progress
	check                  func(Progress)
}

type event struct {
	at   mono.Time
	n    uint64
	to   *node
	from plane.Peer
	data []byte
	do   func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// newWorld makes n relays that know each other; zone names that of each.
func newWorld(t testing.TB, n int, seed uint64, cfg Config, zone func(i int) string) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: mono0, byID: map[member.ID]*node{}}
	// the issue's: 0.05 ms + lognormal(median 0.45 ms, sigma 0.4)
	w.latency = func() time.Duration {
		return 50*time.Microsecond +
			time.Duration(float64(450*time.Microsecond)*math.Exp(0.4*w.rng.NormFloat64()))
	}
	facts := make([]member.Fact, n)
	for i := range n {
		r := member.Record{
			Name: fmt.Sprintf("node-%d", i), Generation: 1, Protocol: 1,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8),
				byte(i)}), 7747),
		}
		if zone != nil {
			r.Zone = zone(i)
		}
		facts[i] = member.Fact{Record: member.Share(r)}
		id := member.IDOf(r.Name)
		w.nodes = append(w.nodes, &node{
			w: w, i: i, id: id, room: math.MaxInt, held: map[[2]uint64][]byte{},
			got:  map[[2]uint64]mono.Time{},
			peer: plane.Peer{ID: id, Instance: member.Instance(id, 1), Addr: r.Addr},
		})
		w.byID[id] = w.nodes[i]
	}
	for _, x := range w.nodes {
		for _, f := range facts {
			x.table.Merge(w.now, f)
		}
		x.ring = topology.NewRing(&x.table)
		x.Relay = New(cfg, x, x)
	}
	return w
}

func (x *node) Self() member.ID            { return x.id }
func (x *node) Generation() uint64         { return 1 }
func (x *node) Table() *member.Table       { return &x.table }
func (x *node) Ring() *topology.Ring       { return x.ring }
func (x *node) Rand() *rand.Rand           { return x.w.rng }
func (x *node) Epoch(now mono.Time) uint64 { return uint64(now / mono.Time(10*time.Second)) }

func (x *node) Sent(mono.Time, uint64, uint64) {}
func (x *node) Room() int                      { return x.room }
func (x *node) Tight(uint16) bool              { return false }
func (x *node) Silent(zone uint16) bool        { return x.deaf != nil && x.deaf(zone) }
func (x *node) RTT() time.Duration             { return time.Millisecond }
func (x *node) Losses() (failed, of int)       { return 0, 1 }

func (x *node) Take(now mono.Time, p wire.Piece) bool {
	x.copies++
	k := [2]uint64{uint64(p.Origin), p.Seq}
	if _, ok := x.held[k]; ok || x.refuses != nil && x.refuses(p.Seq) {
		return false
	}
	x.held[k], x.got[k] = slices.Clone(p.Body), now
	return true
}

func (x *node) Body(origin member.ID, _, seq uint64) ([]byte, bool) {
	b, ok := x.held[[2]uint64{uint64(origin), seq}]
	return b, ok && !x.let
}

func (x *node) PassedOver(member.ID, uint64, uint64) bool { return false }

func (x *node) Knows(origin member.ID, _, seq uint64) bool {
	_, ok := x.held[[2]uint64{uint64(origin), seq}]
	return ok
}

func (x *node) Given(origin member.ID, _, seq uint64) wire.Verdict {
	k := [2]uint64{uint64(origin), seq}
	if x.given != nil {
		return x.given(origin, seq)
	}
	if _, ok := x.held[k]; !ok {
		return wire.DutyLacks
	}
	return wire.DutyDone
}

func (x *node) Waited(_, first, last uint64) bool {
	return x.waited != nil &&
		x.waited(first, last)
}

func (x *node) Unanswered(mono.Time, member.ID) {}
func (x *node) Narrow(member.ID) bool           { return x.narrow }

func (x *node) Confirmed(_ mono.Time, p Progress) {
	p.Missing = slices.Clone(p.Missing)
	x.told = append(x.told, p)
	if x.check != nil {
		x.check(p)
	}
}

func (x *node) Send(_ mono.Time, to plane.Peer, messages []byte) {
	w := x.w
	if len(messages) > x.cfg.Size {
		w.t.Fatalf("a datagram of %d bytes", len(messages))
	}
	if x.down {
		return
	}
	if x.lastWords > 0 {
		if x.lastWords--; x.lastWords == 0 {
			defer func() { x.down = true }()
		}
	}
	x.packets++
	x.bytes += overhead + len(messages)
	y := w.byID[to.ID]
	lost := w.rng.Float64() < w.loss || w.cut != nil && w.cut(x, y)
	if w.trace != nil {
		w.trace(x, y, messages, lost)
	}
	if lost {
		return
	}
	d := w.latency()
	if w.full != nil {
		d = w.full(x, y)
	}
	w.at(event{at: w.now.Add(d), to: y, from: x.peer, data: slices.Clone(messages)})
}

func (w *world) at(e event) {
	w.count++
	e.n = w.count
	heap.Push(&w.queue, e)
}

// publish stores count pieces of some size as a node's own and sends them; it returns the last
// sequence.
func (x *node) publish(count, size int) uint64 {
	last := x.own.last
	for range count {
		last++
		k := [2]uint64{uint64(x.id), last}
		x.held[k], x.got[k] = make([]byte, size), x.w.now
	}
	x.Publish(x.w.now, last)
	x.Flush(x.w.now)
	x.arm()
	return last
}

// arm queues the next wake of a node.
func (x *node) arm() {
	if d := x.Deadline(); d != mono.Never && !x.down {
		x.w.at(event{at: max(d, x.w.now), to: x})
	}
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(event)
		w.now = max(w.now, e.at)
		switch {
		case e.do != nil:
			e.do()
		case e.to == nil || e.to.down:
		case e.to.asleep > w.now:
			e.at = e.to.asleep
			w.at(e)
		default:
			e.to.step(e)
		}
	}
	w.now = end
}

func (x *node) step(e event) {
	before := x.Deadline()
	if e.data == nil {
		if before > x.w.now {
			return // an old wake
		}
		x.Wake(x.w.now)
	} else {
		r := wire.Messages(e.data)
		for mt, body, ok := r.Next(); ok; mt, body, ok = r.Next() {
			if !x.Receive(x.w.now, plane.Sender{Peer: e.from}, mt, body) {
				x.w.t.Fatalf("%s of %x is refused", mt, body)
			}
		}
	}
	x.Flush(x.w.now)
	if d := x.Deadline(); d != before || e.data == nil {
		if d <= x.w.now && e.data == nil {
			x.w.t.Fatalf("woken at %d, due at %d", x.w.now, d)
		}
		x.arm()
	}
}

// crash takes a share of the nodes down, unknown to the others.
func (w *world) crash(share float64) {
	for _, i := range w.rng.Perm(len(w.nodes))[:int(share*float64(len(w.nodes)))] {
		w.nodes[i].down = true
	}
}

// bury tells all tables that a node is dead.
func (w *world) bury(dead *node) {
	for _, x := range w.nodes {
		before, _ := x.table.Get(dead.id)
		f := before.Fact()
		f.State = member.Failed
		x.table.Merge(w.now, f)
		after, _ := x.table.Get(dead.id)
		x.ring.Changed(before, after)
		x.Changed(w.now, before, after)
		x.Flush(w.now)
		x.arm()
	}
}

// spread is how one piece came to the live members.
type spread struct {
	t50, t99, t100 time.Duration
	missing        int
}

func (w *world) spreadOf(origin *node, seq uint64) (s spread) {
	k := [2]uint64{uint64(origin.id), seq}
	start := origin.got[k]
	var times []time.Duration
	live := 0
	for _, x := range w.nodes {
		if x.down {
			continue
		}
		live++
		if at, ok := x.got[k]; ok {
			times = append(times, at.Sub(start))
		}
	}
	slices.Sort(times)
	at := func(share float64) time.Duration {
		i := int(math.Ceil(share*float64(live))) - 1
		if i >= len(times) {
			return time.Hour
		}
		return times[i]
	}
	return spread{at(0.5), at(0.99), at(1), live - len(times)}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// mono0 is when a world begins.
const mono0 = mono.Time(time.Hour)

// idle checks that nothing is left to be done, and nothing remembered that should be forgotten.
func (w *world) idle() bool {
	w.t.Helper()
	for _, x := range w.nodes {
		jobs, parcels := x.Stats().Jobs, len(x.duties.at)
		lanes, orphans := len(x.outbox.waiting), len(x.orphans.list)
		if !x.down && (jobs+parcels+lanes+orphans > 0 || x.Deadline() != mono.Never) {
			w.t.Errorf("node %d still has %d jobs, %d parcels, %d lanes waiting, %d orphans, "+
				"and is due at %d", x.i, jobs, parcels, lanes, orphans, x.Deadline())
			return false
		}
	}
	return true
}
