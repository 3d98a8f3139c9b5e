package inquest

// A small cluster in virtual time: detectors, each with a table, and a network between them that
// loses packets, cuts links, and has kernels that answer for processes. News of verdicts reaches
// all that can be reached after a few milliseconds; how it does is not this package's matter.

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

const newsDelay = 5 * time.Millisecond

type world struct {
	t     testing.TB
	cfg   Config
	now   mono.Time
	rng   *rand.Rand
	nodes []*node
	queue events
	count uint64

	filtered   bool // no TCP passes
	filteredAt int  // the node to which none passes; -1: all

	loss float64
	cut  func(from, to int) bool // no packet passes

	verdicts []verdict
	packets  map[wire.Type]int
	zones    []int          // how many members each zone has; none: no zones
	across   map[[2]int]int // packets, by zones
}

// verdict is one node's.
type verdict struct {
	at       mono.Time
	by, of   int
	evidence detect.Evidence
}

// node is a detector with what a node around it would be.
type node struct {
	w          *world
	i          int
	d          *Detector
	table      member.Table
	ring       *topology.Ring
	generation uint64
	rng        *rand.Rand

	up, hostUp  bool
	pausedUntil mono.Time
	waiting     []func() // what came in meanwhile
	last        mono.Time

	alarms, unreachable map[int]bool
	isolated, unheard   bool
	undecided           int
	silent              map[uint16]bool
	told                int // of zones that fell silent
	connects            int
}

type event struct {
	at  mono.Time
	seq uint64
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any     { o := *q; e := o[len(o)-1]; *q = o[:len(o)-1]; return e }

func (w *world) at(t mono.Time, do func()) {
	w.count++
	heap.Push(&w.queue, event{t, w.count, do})
}

// newWorld makes a cluster of n that has run for a while.
func newWorld(t testing.TB, n int, seed uint64, cfg Config) *world {
	return newWorldOf(t, []int{n}, seed, cfg)
}

// newWorldOf makes a cluster of zones with so many members each, that are 20 to 40 ms apart. One
// alone has no name.
func newWorldOf(t testing.TB, zones []int, seed uint64, cfg Config) *world {
	w := &world{t: t, cfg: cfg, now: mono.Time(time.Hour), rng: rand.New(rand.NewPCG(seed, 7)),
		packets: map[wire.Type]int{}, filteredAt: -1}
	w.zones, w.across = zones, map[[2]int]int{}
	n := 0
	for _, size := range zones {
		n += size
	}
	for i := range n {
		w.nodes = append(w.nodes, &node{w: w, i: i, generation: 1, hostUp: true,
			rng: rand.New(rand.NewPCG(seed, uint64(i)))})
	}
	for _, x := range w.nodes {
		x.start()
	}
	for _, x := range w.nodes {
		for k := range n {
			x.learn(k, 1, 0, member.Alive)
		}
	}
	w.run(10 * time.Second)
	return w
}

func name(i int) string  { return fmt.Sprintf("m%d", i) }
func id(i int) member.ID { return member.IDOf(name(i)) }
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)
}

// zoneOf returns the zone's number.
func (w *world) zoneOf(i int) (z int) {
	for ; z < len(w.zones)-1 && i >= w.zones[z]; z++ {
		i -= w.zones[z]
	}
	return z
}

// zone returns its name.
func (w *world) zone(i int) string {
	if len(w.zones) == 1 {
		return ""
	}
	return fmt.Sprintf("z%d", w.zoneOf(i))
}

func (w *world) indexOf(m member.ID) int {
	for i := range w.nodes {
		if id(i) == m {
			return i
		}
	}
	return -1
}

func (w *world) peer(i int) plane.Peer {
	return plane.Peer{ID: id(i), Instance: member.Instance(id(i),
		uint32(w.nodes[i].generation)), Addr: addr(i)}
}

// run lets the time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(event)
		w.now = max(w.now, e.at)
		e.do()
	}
	w.now = end
}

func (x *node) start() {
	x.table, x.up, x.hostUp, x.waiting = member.Table{}, true, true, nil
	x.alarms, x.unreachable, x.isolated = map[int]bool{}, map[int]bool{}, false
	x.silent, x.told = map[uint16]bool{}, 0
	x.ring = topology.NewRing(&x.table)
	x.d = New(x.w.cfg, x, x.w.now)
	x.last = x.w.now
	x.learn(x.i, x.generation, 0, member.Alive)
	x.schedule()
}

// restart starts the process again, in a new life, which knows the others and is known to them at
// once.
func (w *world) restart(i int) {
	x := w.nodes[i]
	x.generation++
	x.start()
	for k, y := range w.nodes {
		if y.up {
			x.learn(k, y.generation, 0, member.Alive)
			y.learn(i, x.generation, 0, member.Alive)
		}
	}
}

func (w *world) crash(i int) { w.nodes[i].up, w.nodes[i].hostUp = false, false } // with its host
// the process alone
func (w *world) kill(i int) { w.nodes[i].up = false }

func (w *world) pause(i int, d time.Duration) { w.nodes[i].pausedUntil = w.now.Add(d) }

// learn puts a fact into the table and tells the detector, as a node does.
func (x *node) learn(k int, generation uint64, inc uint32, s member.State) {
	r := member.Record{Name: name(k), Generation: generation, Addr: addr(k), Zone: x.w.zone(k)}
	before, _, changed, err := x.table.Merge(x.w.now,
		member.Fact{Record: member.Share(r), Incarnation: inc, State: s})
	if err != nil {
		x.w.t.Fatal(err)
	}
	if changed {
		after, _ := x.table.Get(id(k))
		x.ring.Changed(before, after)
		x.d.Changed(x.w.now, before, after)
		x.schedule()
	}
}

// holds returns what a node holds of another.
func (w *world) holds(by, of int) member.State {
	m, _ := w.nodes[by].table.Get(id(of))
	return m.State
}

func (x *node) schedule() {
	d, lives := x.d, x.up
	if due := x.d.Deadline(); lives && due != mono.Never {
		x.w.at(max(due, x.w.now), func() {
			if x.d == d && x.d.Deadline() <= x.w.now {
				x.input(func() {
					if x.d.Deadline() <= x.w.now {
						x.d.Wake(x.w.now)
					}
				})
			}
		})
	}
}

// input hands something to the process when it runs, and tells it how long it stood still.
func (x *node) input(do func()) {
	w := x.w
	if !x.up {
		return
	}
	if x.pausedUntil > w.now {
		if len(x.waiting) == 0 {
			w.at(x.pausedUntil, x.resume)
		}
		x.waiting = append(x.waiting, do)
		return
	}
	if gap := w.now.Sub(max(x.last, min(x.d.Deadline(), w.now))); gap > 100*time.Millisecond {
		x.d.Stalled(w.now, gap)
	}
	x.last = w.now
	do()
	x.schedule()
}

func (x *node) resume() {
	list := x.waiting
	x.waiting = nil
	for _, do := range list {
		x.input(do)
	}
}

func (w *world) passes(from, to int) bool {
	return (w.cut == nil || !w.cut(from, to)) && w.rng.Float64() >= w.loss
}

func (w *world) delay(from, to int) (far time.Duration) {
	if w.zoneOf(from) != w.zoneOf(to) {
		far = 20*time.Millisecond + time.Duration(w.rng.Int64N(int64(20*time.Millisecond)))
	}
	return far + 300*time.Microsecond + time.Duration(w.rng.Int64N(int64(300*time.Microsecond)))
}

// What follows is detect.Court.

func (x *node) Self() member.ID      { return id(x.i) }
func (x *node) Table() *member.Table { return &x.table }
func (x *node) Ring() *topology.Ring { return x.ring }
func (x *node) Rand() *rand.Rand     { return x.rng }
func (x *node) Suspect(mono.Time, member.ID) {
	x.w.t.Error("Inquest suspects nobody " +
		"in public")
}
func (x *node) Fail(_ mono.Time, id member.ID)         { x.w.t.Error("Inquest gives no evidence") }
func (x *node) Isolated(_ mono.Time, on, unheard bool) { x.isolated, x.unheard = on, unheard }
func (x *node) Silent(_ mono.Time, zone uint16, on bool) {
	x.silent[zone] = on
	if on {
		x.told++
	}
}
func (x *node) Spread(now mono.Time, _ uint64, message []byte) {
	for _, y := range x.w.nodes {
		if y != x && x.w.zoneOf(y.i) == x.w.zoneOf(x.i) {
			x.Send(now, x.w.peer(y.i), message)
		}
	}
}
func (x *node) Unreachable(_ mono.Time, m member.ID, on bool) { x.unreachable[x.w.indexOf(m)] = on }
func (x *node) Alarm(_ mono.Time, m member.ID, on bool)       { x.alarms[x.w.indexOf(m)] = on }

func (x *node) Send(_ mono.Time, to plane.Peer, messages []byte) {
	w := x.w
	k := w.indexOf(to.ID)
	_, r, err := wire.Open(append(wire.AppendHeader(nil, wire.Header{}), messages...))
	if err != nil || k < 0 {
		w.t.Fatalf("%v, to %x", err, to.ID)
	}
	from := w.peer(x.i)
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		w.packets[t]++
		w.across[[2]int{w.zoneOf(x.i), w.zoneOf(k)}]++
		if !w.passes(x.i, k) {
			continue
		}
		y := w.nodes[k]
		w.at(w.now.Add(w.delay(x.i, k)), func() {
			y.input(func() {
				if to.Instance == w.peer(k).Instance {
					y.d.Heard(w.now, from)
					y.d.Receive(w.now, plane.Sender{Peer: from}, t, body)
				}
			})
		})
	}
}

func (x *node) Connect(_ mono.Time, to plane.Peer) {
	w := x.w
	x.connects++
	k := w.indexOf(to.ID)
	if !w.passes(x.i, k) || !w.passes(k, x.i) || w.filtered || k == w.filteredAt {
		return
	}
	w.at(w.now.Add(w.delay(x.i, k)), func() {
		if y := w.nodes[k]; y.hostUp {
			o := detect.Refused
			if y.up {
				o = detect.Accepted
				y.input(func() { y.d.Taken(w.now) })
			}
			w.at(w.now.Add(w.delay(k, x.i)), func() {
				x.input(func() {
					x.d.Connected(w.now, to,
						o)
				})
			})
		}
	})
}

func (x *node) FailWith(_ mono.Time, m member.ID, e detect.Evidence) {
	w := x.w
	held, ok := x.table.Get(m)
	if !ok || !held.State.Live() {
		w.t.Errorf("m%d fails somebody who is not live", x.i)
	}
	k := w.indexOf(m)
	w.verdicts = append(w.verdicts, verdict{w.now, x.i, k, e})
	g, inc := held.Generation(), held.Incarnation
	x.learn(k, g, inc, member.Failed)
	for _, y := range w.nodes {
		if y != x && y.i != k && (w.cut == nil || !w.cut(x.i, y.i)) {
			w.at(w.now.Add(newsDelay), func() {
				y.input(func() {
					y.learn(k, g, inc,
						member.Failed)
				})
			})
		}
	}
}

// refuted spreads that a member that was failed lives.
func (w *world) refuted(i int) {
	for _, y := range w.nodes {
		if m, ok := y.table.Get(id(i)); ok && y.up {
			y.learn(i, m.Generation(), m.Incarnation+1, member.Alive)
		}
	}
}
