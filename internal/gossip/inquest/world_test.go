package inquest

// A small cluster in virtual time: detectors, each with a table, and a network between them that
// loses packets, cuts links, and has kernels that answer for processes. News of verdicts reaches
// all that can be reached after a few milliseconds; how it does is not this package's matter.

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

const newsDelay = 5 * time.Millisecond

type world struct {
	planetest.Net[int]
	t     testing.TB
	cfg   Config
	nodes []*node
	loss  float64

	filtered   bool // no TCP passes
	filteredAt int  // the node to which none passes; -1: all

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
	planetest.Node
	planetest.Timer
	w *world
	i int
	d *Detector

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

// newWorld makes a cluster of n that has run for a while.
func newWorld(t testing.TB, n int, seed uint64, cfg Config) *world {
	return newWorldOf(t, []int{n}, seed, cfg)
}

// newWorldOf makes a cluster of zones with so many members each, that are 20 to 40 ms apart. One
// alone has no name.
func newWorldOf(t testing.TB, zones []int, seed uint64, cfg Config) *world {
	w := &world{t: t, cfg: cfg, packets: map[wire.Type]int{}, filteredAt: -1, zones: zones,
		across: map[[2]int]int{}}
	w.Now, w.Chance = mono.Time(time.Hour), rand.New(rand.NewPCG(seed, 7))
	w.Delay = w.delay
	n := 0
	for _, size := range zones {
		n += size
	}
	for i := range n {
		w.nodes = append(w.nodes, w.node(i, seed))
	}
	for _, x := range w.nodes {
		x.start()
	}
	for _, x := range w.nodes {
		for k := range n {
			x.learn(k, 1, 0, member.Alive)
		}
	}
	w.Run(10 * time.Second)
	return w
}

// node makes one that does not run yet.
func (w *world) node(i int, seed uint64) *node {
	return &node{w: w, i: i, Node: planetest.Node{Record: planetest.Record(name(i), i),
		Chance: rand.New(rand.NewPCG(seed, uint64(i)))}}
}

func name(i int) string  { return fmt.Sprintf("m%d", i) }
func id(i int) member.ID { return member.IDOf(name(i)) }

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

func (w *world) peer(i int) plane.Peer { return w.nodes[i].Peer() }

func (x *node) start() {
	x.Boot()
	x.up, x.hostUp, x.waiting = true, true, nil
	x.alarms, x.unreachable, x.isolated = map[int]bool{}, map[int]bool{}, false
	x.silent, x.told = map[uint16]bool{}, 0
	x.d = New(x.w.cfg, x, x.w.Now)
	x.last = x.w.Now
	x.learn(x.i, x.Record.Generation, 0, member.Alive)
	x.schedule()
}

// restart starts the process again, in a new life, which knows the others and is known to them at
// once.
func (w *world) restart(i int) {
	x := w.nodes[i]
	x.Record.Generation++
	x.start()
	for k, y := range w.nodes {
		if y.up {
			x.learn(k, y.Record.Generation, 0, member.Alive)
			y.learn(i, x.Record.Generation, 0, member.Alive)
		}
	}
}

func (w *world) crash(i int) { w.nodes[i].up, w.nodes[i].hostUp = false, false } // with its host
// the process alone
func (w *world) kill(i int) { w.nodes[i].up = false }

func (w *world) pause(i int, d time.Duration) { w.nodes[i].pausedUntil = w.Now.Add(d) }

// learn puts a fact into the table and tells the detector, as a node does.
func (x *node) learn(k int, generation uint64, inc uint32, s member.State) {
	r := planetest.Record(name(k), k)
	r.Generation, r.Zone = generation, x.w.zone(k)
	before, after, changed := x.Merge(x.w.Now,
		member.Fact{Record: member.Share(r), Incarnation: inc, State: s})
	if changed {
		x.d.Changed(x.w.Now, before, after)
		x.schedule()
	}
}

// holds returns what a node holds of another.
func (w *world) holds(by, of int) member.State {
	m, _ := w.nodes[by].Members.Get(id(of))
	return m.State
}

// schedule sees to a turn at the deadline.
func (x *node) schedule() { x.Arm(&x.w.Clock, x) }

func (x *node) Deadline() mono.Time { return x.d.Deadline() }

func (x *node) Wake(mono.Time) {
	x.input(func() {
		if x.d.Deadline() <= x.w.Now {
			x.d.Wake(x.w.Now)
		}
	})
}

// input hands something to the process when it runs, and tells it how long it stood still.
func (x *node) input(do func()) {
	w := x.w
	if !x.up {
		return
	}
	if x.pausedUntil > w.Now {
		if len(x.waiting) == 0 {
			w.At(x.pausedUntil, x.resume)
		}
		x.waiting = append(x.waiting, do)
		return
	}
	if gap := w.Now.Sub(max(x.last, min(x.d.Deadline(), w.Now))); gap > 100*time.Millisecond {
		x.d.Stalled(w.Now, gap)
	}
	x.last = w.Now
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

func (w *world) passes(from, to int) bool { return w.Passes(from, to, w.loss) }

func (w *world) delay(from, to int) (far time.Duration) {
	if w.zoneOf(from) != w.zoneOf(to) {
		far = 20*time.Millisecond + time.Duration(w.Chance.Int64N(int64(20*time.Millisecond)))
	}
	return far + 300*time.Microsecond + time.Duration(w.Chance.Int64N(int64(300*time.Microsecond)))
}

// What follows is detect.Court.

func (x *node) Suspect(mono.Time, member.ID) {
	x.w.t.Error("Inquest suspects nobody in public")
}
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
func (x *node) RaiseAlarm(_ mono.Time, m member.ID, on bool)  { x.alarms[x.w.indexOf(m)] = on }

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
		y := w.nodes[k]
		w.Send(x.i, k, w.loss, func() {
			y.input(func() {
				if to.Instance == w.peer(k).Instance {
					y.d.Heard(w.Now, from)
					y.d.Receive(w.Now, plane.Sender{Peer: from}, t, body)
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
	w.After(w.delay(x.i, k), func() {
		if y := w.nodes[k]; y.hostUp {
			o := detect.Refused
			if y.up {
				o = detect.Accepted
				y.input(func() { y.d.Taken(w.Now) })
			}
			w.After(w.delay(k, x.i), func() {
				x.input(func() { x.d.Connected(w.Now, to, o) })
			})
		}
	})
}

func (x *node) Fail(_ mono.Time, m member.ID, e detect.Evidence) {
	w := x.w
	held, ok := x.Members.Get(m)
	if !ok || !held.State.Live() {
		w.t.Errorf("m%d fails somebody who is not live", x.i)
	}
	k := w.indexOf(m)
	w.verdicts = append(w.verdicts, verdict{w.Now, x.i, k, e})
	g, inc := held.Generation(), held.Incarnation
	x.learn(k, g, inc, member.Failed)
	for _, y := range w.nodes {
		if y != x && y.i != k && (w.Cut == nil || !w.Cut(x.i, y.i)) {
			w.After(newsDelay, func() {
				y.input(func() { y.learn(k, g, inc, member.Failed) })
			})
		}
	}
}

// refuted spreads that a member that was failed lives.
func (w *world) refuted(i int) {
	for _, y := range w.nodes {
		if m, ok := y.Members.Get(id(i)); ok && y.up {
			y.learn(i, m.Generation(), m.Incarnation+1, member.Alive)
		}
	}
}
