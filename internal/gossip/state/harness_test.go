package state

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

// net is some stores in virtual time, whose owners' tables agree. Each shows its fingerprint to
// another now and then.
type world struct {
	t      testing.TB
	now    mono.Time
	rng    *rand.Rand
	nodes  []*node
	queue  flights
	sent   int
	delay  time.Duration
	loss   float64
	jitter time.Duration       // of some packets, which so overtake others
	twice  float64             // of packets come twice
	split  func(a, b int) bool // no packet passes
	onSend func(a, b int)
	drop   func(t wire.Type) bool // packets that begin with a message of that type
	probes bool
}

// node is a host of one store, and checks what it is told.
type node struct {
	short   bool // of budget for others' zones
	left    int  // bytes that are left of it nevertheless
	w       *world
	i       int
	rec     member.Record
	table   member.Table
	ring    *topology.Ring
	store   *Store
	probe   mono.Time
	bytes   int
	packets int
	told    func(Change)
	void    func(member.ID) // told of a Reset
	asleep  bool            // it takes nothing and does nothing
	boots   int
	twins   int
	ttl     time.Duration // of what it writes now
}

type flight struct {
	at       mono.Time
	n        int
	from, to int
	data     []byte
}

type flights []flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].n < f[j].n
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}

func newWorld(t testing.TB, n int, seed uint64, cfg Config) *world {
	return newZones(t, n, 1, seed, cfg)
}

// newZones spreads the nodes over some zones in turn.
func newZones(t testing.TB, n, zones int, seed uint64, cfg Config) *world {
	w := &world{t: t, now: mono.Time(time.Second), rng: rand.New(rand.NewPCG(seed, 1)),
		delay: time.Millisecond, probes: true}
	for i := range n {
		w.nodes = append(w.nodes, &node{w: w, i: i, rec: member.Record{
			Name: fmt.Sprintf("n%d", i), Generation: 1, Protocol: 1,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747),
		}})
		if zones > 1 {
			w.nodes[i].rec.Zone = fmt.Sprintf("z%d/r%d", i%zones, i)
		}
	}
	for _, x := range w.nodes {
		x.boot(cfg)
	}
	return w
}

// boot gives a node a store that holds nothing.
func (x *node) boot(cfg Config) {
	x.table = member.Table{}
	x.store = New(x, cfg)
	x.probe = x.w.now.Add(time.Duration(x.w.rng.Int64N(int64(time.Second))))
	for _, y := range x.w.nodes {
		x.table.Merge(x.w.now, member.Fact{Record: member.Share(y.rec)})
	}
	x.ring = topology.NewRing(&x.table)
}

// learn has a node hear of another's new life or state.
func (x *node) learn(y *node, s member.State) {
	before, _, changed, err := x.table.Merge(x.w.now,
		member.Fact{Record: member.Share(y.rec), State: s})
	if err != nil {
		x.w.t.Fatal(err)
	}
	if changed {
		after, _ := x.table.Get(y.id())
		x.ring.Changed(before, after)
		x.store.Changed(x.w.now, before, after)
	}
}

func (x *node) id() member.ID        { return member.IDOf(x.rec.Name) }
func (x *node) Self() member.ID      { return x.id() }
func (x *node) Table() *member.Table { return &x.table }
func (x *node) Ring() *topology.Ring { return x.ring }
func (x *node) Rand() *rand.Rand     { return x.w.rng }
func (x *node) Room() int            { return wire.MinRoom - wire.HeaderSize }

func (x *node) Changed(_ mono.Time, c Change) {
	if x.told != nil {
		x.told(c)
	}
}
func (x *node) Reset(_ mono.Time, owner member.ID) {
	if x.void != nil {
		x.void(owner)
	}
}

func (x *node) Twin(mono.Time) { x.twins++ }

func (x *node) Short(member.ID) bool { return x.short }

func (x *node) Unanswered(mono.Time, member.ID) {}

func (x *node) SendState(now mono.Time, to member.Member, messages []byte) int {
	w := x.w
	if x.short && len(messages) > x.left {
		return 0
	}
	n := len(messages) + wire.HeaderSize + 28
	if n > wire.MinRoom+28 {
		w.t.Fatalf("a datagram of %d bytes", n)
	}
	x.bytes += n
	x.packets++
	for _, y := range w.nodes {
		if y.id() == to.ID && w.onSend != nil {
			w.onSend(x.i, y.i)
		}
		if y.id() == to.ID && w.rng.Float64() >= w.loss &&
			(w.drop == nil || !w.drop(wire.Type(messages[0]))) &&
			(w.split == nil || !w.split(x.i, y.i)) {
			for again := true; again; again = w.twice > 0 && w.rng.Float64() < w.twice {
				w.sent++
				d := w.delay + time.Duration(w.rng.Int64N(int64(w.delay)+1))
				if w.jitter > 0 && w.rng.IntN(4) == 0 {
					d += time.Duration(w.rng.Int64N(int64(w.jitter)))
				}
				heap.Push(&w.queue, flight{now.Add(d), w.sent, x.i, y.i,
					append([]byte(nil), messages...)})
			}
		}
	}
	return n
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); ; {
		next, who := mono.Never, -1
		for i, x := range w.nodes {
			if due := min(x.store.Deadline(), x.probe); due < next && !x.asleep {
				next, who = due, i
			}
		}
		if len(w.queue) > 0 && w.queue[0].at <= next {
			next, who = w.queue[0].at, -1
		}
		if next > end {
			w.now = end
			return
		}
		w.now = max(w.now, next)
		if who < 0 {
			f := heap.Pop(&w.queue).(flight)
			w.nodes[f.to].receive(w.nodes[f.from], f.data)
			continue
		}
		x := w.nodes[who]
		if x.probe <= w.now {
			x.probe = w.now.Add(time.Second)
			if y := w.nodes[w.rng.IntN(len(w.nodes))]; y != x && w.probes && !y.asleep &&
				(w.split == nil || !w.split(x.i, y.i)) {
				if m, _ := y.table.Get(x.id()); m.State.Live() {
					y.store.Compare(w.now, m, x.store.Fingerprint(), true)
					y.store.Flush(w.now)
				}
			}
		}
		if x.store.Deadline() <= w.now {
			x.store.Wake(w.now)
			x.store.Flush(w.now)
		}
	}
}

func (x *node) receive(from *node, data []byte) {
	m, ok := x.table.Get(from.id())
	if !ok || !m.State.Live() || x.asleep {
		return
	}
	open := wire.AppendHeader(nil, wire.Header{})
	_, r, _ := wire.Open(append(open, data...))
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		if !x.store.Receive(x.w.now, plane.SenderOf(m), t, body) {
			x.w.t.Fatalf("malformed: %x %x", t, body)
		}
	}
	if r.Malformed() {
		x.w.t.Fatal("a malformed datagram")
	}
	x.store.Flush(x.w.now)
}

func (x *node) set(key, value string, ttl time.Duration) {
	x.w.t.Helper()
	x.ttl = ttl
	if err := x.store.Set(x.w.now, key, []byte(value), ttl); err != nil {
		x.w.t.Fatal(err)
	}
	x.ttl = 0
	x.store.Flush(x.w.now)
}

func (x *node) unset(key string) {
	x.w.t.Helper()
	if err := x.store.Delete(x.w.now, key); err != nil {
		x.w.t.Fatal(err)
	}
	x.store.Flush(x.w.now)
}

// equal says in what stores differ from their owners' own, "" if in nothing.
func (w *world) equal() string {
	for _, o := range w.nodes {
		want := o.map_(o)
		for _, x := range w.nodes {
			got := x.map_(o)
			if len(got) != len(want) {
				return fmt.Sprintf("%s holds %d keys of %s, not %d", x.rec.Name, len(got),
					o.rec.Name, len(want))
			}
			for k, v := range want {
				if g := got[k]; g.Value != v.Value || g.Version != v.Version {
					return fmt.Sprintf("%s holds %q for %q of %s, not %q", x.rec.Name, g.Value,
						k, o.rec.Name, v.Value)
				}
			}
			if x.store.Fingerprint() != o.store.Fingerprint() {
				return fmt.Sprintf("%s and %s hold the same and their fingerprints differ",
					x.rec.Name, o.rec.Name)
			}
		}
	}
	return ""
}

func (x *node) map_(o *node) map[string]Value {
	m := map[string]Value{}
	for v := range x.store.Of(x.w.now, o.id()) {
		m[v.Key] = v
	}
	return m
}
