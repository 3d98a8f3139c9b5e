package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// world is some stores in virtual time, whose owners' tables agree. Each shows its fingerprint to
// another now and then.
type world struct {
	planetest.Net[int]
	t      testing.TB
	nodes  []*node
	delay  time.Duration
	loss   float64
	jitter time.Duration // of some packets, which so overtake others
	onSend func(a, b int)
	drop   func(t wire.Type) bool // packets that begin with a message of that type
	last   []byte                 // packet that was not lost
	probes bool
}

// node is a host of one store, and checks what it is told.
type node struct {
	planetest.Node
	short   bool // of budget for others' zones
	left    int  // bytes that are left of it nevertheless
	w       *world
	i       int
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

func newWorld(t testing.TB, n int, seed uint64, cfg Config) *world {
	return newZones(t, n, 1, seed, cfg)
}

// newZones spreads the nodes over some zones in turn.
func newZones(t testing.TB, n, zones int, seed uint64, cfg Config) *world {
	w := &world{t: t, delay: time.Millisecond, probes: true}
	w.Now, w.Chance = mono.Time(time.Second), rand.New(rand.NewPCG(seed, 1))
	w.Delay = func(int, int) time.Duration {
		d := w.delay + time.Duration(w.Chance.Int64N(int64(w.delay)+1))
		if w.jitter > 0 && w.Chance.IntN(4) == 0 {
			d += time.Duration(w.Chance.Int64N(int64(w.jitter)))
		}
		return d
	}
	for i := range n {
		x := &node{w: w, i: i, Node: planetest.Node{
			Record: planetest.Record(fmt.Sprintf("n%d", i), i), Chance: w.Chance}}
		if zones > 1 {
			x.Record.Zone = fmt.Sprintf("z%d/r%d", i%zones, i)
		}
		w.nodes = append(w.nodes, x)
	}
	for _, x := range w.nodes {
		x.boot(cfg)
	}
	return w
}

// boot gives a node a store that holds nothing.
func (x *node) boot(cfg Config) {
	x.boots++
	x.Boot()
	x.store = New(x, cfg)
	x.probe = x.w.Now.Add(time.Duration(x.w.Chance.Int64N(int64(time.Second))))
	for _, y := range x.w.nodes {
		x.Know(x.w.Now, &y.Node, member.Alive)
	}
}

// learn has a node hear of another's new life or state.
func (x *node) learn(y *node, s member.State) {
	if before, after, changed := x.Know(x.w.Now, &y.Node, s); changed {
		x.store.Changed(x.w.Now, before, after)
	}
}

func (x *node) Room() int { return wire.MinRoom - wire.HeaderSize }

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
	i := slices.IndexFunc(w.nodes, func(y *node) bool { return y.ID() == to.ID })
	if i < 0 {
		return n
	}
	if w.onSend != nil {
		w.onSend(x.i, i)
	}
	y, data, loss := w.nodes[i], slices.Clone(messages), w.loss
	if w.drop != nil && w.drop(wire.Type(messages[0])) {
		loss = 1
	}
	here, there := x.boots, y.boots
	if w.Send(x.i, i, loss, func() {
		if x.boots == here && y.boots == there { // nothing is between two lives
			y.receive(x, data)
		}
	}) {
		w.last = data
	}
	return n
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	deadline := func(i int) mono.Time { return w.nodes[i].deadline() }
	wake := func(i int) { w.nodes[i].wake() }
	for end := w.Now.Add(d); w.Advance(end, len(w.nodes), deadline, wake); {
	}
}

func (x *node) deadline() mono.Time {
	if x.asleep {
		return mono.Never
	}
	return min(x.store.Deadline(), x.probe)
}

func (x *node) wake() {
	w := x.w
	if x.probe <= w.Now {
		x.probe = w.Now.Add(time.Second)
		if y := w.nodes[w.Chance.IntN(len(w.nodes))]; y != x && w.probes && !y.asleep &&
			(w.Cut == nil || !w.Cut(x.i, y.i)) {
			if m, _ := y.Members.Get(x.ID()); m.State.Live() {
				y.store.Compare(w.Now, m, x.store.Fingerprint(), true)
				y.store.Flush(w.Now)
			}
		}
	}
	if x.store.Deadline() <= w.Now {
		x.store.Wake(w.Now)
		x.store.Flush(w.Now)
	}
}

func (x *node) receive(from *node, data []byte) {
	m, ok := x.Members.Get(from.ID())
	if !ok || !m.State.Live() || x.asleep {
		return
	}
	open := wire.AppendHeader(nil, wire.Header{})
	_, r, _ := wire.Open(append(open, data...))
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		if !x.store.Receive(x.w.Now, plane.SenderOf(m), t, body) {
			x.w.t.Fatalf("malformed: %x %x", t, body)
		}
	}
	if r.Malformed() {
		x.w.t.Fatal("a malformed datagram")
	}
	x.store.Flush(x.w.Now)
}

func (x *node) set(key, value string, ttl time.Duration) {
	x.w.t.Helper()
	x.ttl = ttl
	if err := x.store.Set(x.w.Now, key, []byte(value), ttl); err != nil {
		x.w.t.Fatal(err)
	}
	x.ttl = 0
	x.store.Flush(x.w.Now)
}

func (x *node) unset(key string) {
	x.w.t.Helper()
	if err := x.store.Delete(x.w.Now, key); err != nil {
		x.w.t.Fatal(err)
	}
	x.store.Flush(x.w.Now)
}

// equal says in what stores differ from their owners' own, "" if in nothing.
func (w *world) equal() string {
	for _, o := range w.nodes {
		want := o.map_(o)
		for _, x := range w.nodes {
			got := x.map_(o)
			if len(got) != len(want) {
				return fmt.Sprintf("%s holds %d keys of %s, not %d", x.Record.Name, len(got),
					o.Record.Name, len(want))
			}
			for k, v := range want {
				if g := got[k]; g.Value != v.Value || g.Version != v.Version {
					return fmt.Sprintf("%s holds %q for %q of %s, not %q", x.Record.Name, g.Value,
						k, o.Record.Name, v.Value)
				}
			}
			if x.store.Fingerprint() != o.store.Fingerprint() {
				return fmt.Sprintf("%s and %s hold the same and their fingerprints differ",
					x.Record.Name, o.Record.Name)
			}
		}
	}
	return ""
}

func (x *node) map_(o *node) map[string]Value {
	m := map[string]Value{}
	for v := range x.store.Of(x.w.Now, o.ID()) {
		m[v.Key] = v
	}
	return m
}
