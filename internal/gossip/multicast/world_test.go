package multicast

// A world of relays for tests: virtual time, seeded links that lose and delay, and stores that keep
// everything.

import (
	"fmt"
	"math"
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

// overhead is what a datagram costs beside its messages: IPv4 and UDP, sealing, and the header.
const overhead = 28 + 35 + wire.HeaderSize

type world struct {
	planetest.Net[*node]
	t       testing.TB
	nodes   []*node
	byID    map[member.ID]*node
	loss    float64
	latency func() time.Duration
	trace   func(from, to *node, data []byte, lost bool)
}

// node is a relay with its store and its table.
type node struct {
	planetest.Node
	*Relay
	timer  planetest.Timer
	w      *world
	i      int
	room   int                    // of the budget for other zones
	deaf   func(zone uint16) bool // zones that its detector holds silent
	held   map[[2]uint64][]byte   // by origin and sequence
	got    map[[2]uint64]mono.Time
	down   bool
	narrow bool      // for all that it knows, what is long does not pass
	asleep mono.Time // it takes nothing in before
	rtt    time.Duration
	failed int // probes of a hundred

	given   func(origin member.ID, seq uint64) wire.Verdict // nil: what is held
	waited  func(first, last uint64) bool                   // nil: nobody waits
	refuses func(seq uint64) bool
	let     bool // it holds no bodies any more

	published, left uint64 // its own pieces, and those of them that have left
	batch           uint64 // of the last publish

	lastWords int // datagrams after which it dies; 0: it lives

	copies, packets, bytes int
	told                   []Progress
	check                  func(Progress)
}

// newWorld makes n relays that know each other; zone names that of each.
func newWorld(t testing.TB, n int, seed uint64, cfg Config, zone func(i int) string) *world {
	w := &world{t: t, byID: map[member.ID]*node{}}
	w.Now, w.Chance = mono0, rand.New(rand.NewPCG(seed, 1))
	// the issue's: 0.05 ms + lognormal(median 0.45 ms, sigma 0.4)
	w.latency = func() time.Duration {
		return 50*time.Microsecond +
			time.Duration(float64(450*time.Microsecond)*math.Exp(0.4*w.Chance.NormFloat64()))
	}
	w.Delay = func(_, _ *node) time.Duration { return w.latency() }
	facts := make([]member.Fact, n)
	for i := range n {
		r := planetest.Record(fmt.Sprintf("node-%d", i), i)
		if zone != nil {
			r.Zone = zone(i)
		}
		facts[i] = member.Fact{Record: member.Share(r)}
		x := &node{w: w, i: i, room: math.MaxInt, held: map[[2]uint64][]byte{},
			got: map[[2]uint64]mono.Time{}, Node: planetest.Node{Record: r, Chance: w.Chance}}
		w.nodes = append(w.nodes, x)
		w.byID[x.ID()] = x
	}
	for _, x := range w.nodes {
		for _, f := range facts {
			x.Merge(w.Now, f)
		}
		x.Relay = New(cfg, x, x)
	}
	return w
}

func (x *node) Generation() uint64         { return 1 }
func (x *node) Epoch(now mono.Time) uint64 { return uint64(now / mono.Time(10*time.Second)) }

func (x *node) Sent(mono.Time, uint64, uint64) {}

func (x *node) Waiting(bulk bool) (w Waiting) {
	if bulk != (x.batch >= 8) {
		return w
	}
	for seq := x.left + 1; seq <= x.published; seq++ {
		w.Bytes += wire.MaxBody + len(x.held[[2]uint64{uint64(x.ID()), seq}])
	}
	w.Prompt = w.Bytes > 0 && x.batch > 1
	w.Waited = w.Bytes > 0 && x.Waited(1, x.left+1, x.published)
	return w
}

func (x *node) Cut(_ mono.Time, _ bool, room int) Cut {
	c := Cut{Generation: 1, First: x.left + 1, Large: x.batch >= 8}
	for x.left < x.published && c.Count < wire.MaxParcel {
		size := wire.MaxBody + len(x.held[[2]uint64{uint64(x.ID()), x.left + 1}])
		if c.Count > 0 && c.Size+size > room {
			break
		}
		c.Size += size
		c.Count++
		x.left++
	}
	return c
}

func (x *node) Budget() int              { return x.room }
func (x *node) Tight(uint16) bool        { return false }
func (x *node) Silent(zone uint16) bool  { return x.deaf != nil && x.deaf(zone) }
func (x *node) RTT() time.Duration       { return max(x.rtt, time.Millisecond) }
func (x *node) Losses() (failed, of int) { return x.failed, 100 }

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
	data := slices.Clone(messages)
	passed := w.Send(x, y, w.loss, func() {
		if y != nil {
			y.takes(x.Peer(), data)
		}
	})
	if w.trace != nil {
		w.trace(x, y, data, !passed)
	}
}

// publish stores count pieces of some size as a node's own and sends them; it returns the last
// sequence.
func (x *node) publish(count, size int) uint64 {
	sizes := make([]int, count)
	for i := range sizes {
		sizes[i] = size
	}
	return x.publishSizes(sizes...)
}

// publishSizes is publish for pieces of these sizes.
func (x *node) publishSizes(sizes ...int) uint64 {
	for _, size := range sizes {
		x.published++
		k := [2]uint64{uint64(x.ID()), x.published}
		x.held[k], x.got[k] = make([]byte, size), x.w.Now
	}
	x.batch = uint64(len(sizes))
	x.Publish(x.w.Now)
	x.Flush(x.w.Now)
	x.arm()
	return x.published
}

// waiting returns how many of its own pieces have not left.
func (x *node) waiting() int { return int(x.published - x.left) }

// arm sees to the next turn of a node.
func (x *node) arm() { x.timer.Arm(&x.w.Clock, x) }

// rests says whether a node does nothing, and puts what it would do off until it wakes.
func (x *node) rests(do func()) bool {
	if x.asleep > x.w.Now && !x.down {
		x.w.At(x.asleep, do)
		return true
	}
	return x.down
}

func (x *node) Wake(now mono.Time) {
	if x.rests(x.arm) {
		return
	}
	x.Relay.Wake(now)
	x.Flush(now)
	if d := x.Deadline(); d <= now {
		x.w.t.Fatalf("woken at %d, due at %d", now, d)
	}
	x.arm()
}

// takes has a node take in a datagram.
func (x *node) takes(from plane.Peer, data []byte) {
	if x.rests(func() { x.takes(from, data) }) {
		return
	}
	r := wire.Messages(data)
	for mt, body, ok := r.Next(); ok; mt, body, ok = r.Next() {
		if !x.Receive(x.w.Now, plane.Sender{Peer: from}, mt, body) {
			x.w.t.Fatalf("%s of %x is refused", mt, body)
		}
	}
	x.Flush(x.w.Now)
	x.arm()
}

// learn has a node's table take in a fact, and tells the relay.
func (x *node) learn(f member.Fact) {
	before, after, _ := x.Merge(x.w.Now, f)
	x.Changed(x.w.Now, before, after)
	x.Flush(x.w.Now)
	x.arm()
}

// crash takes a share of the nodes down, unknown to the others.
func (w *world) crash(share float64) {
	for _, i := range w.Chance.Perm(len(w.nodes))[:int(share*float64(len(w.nodes)))] {
		w.nodes[i].down = true
	}
}

// bury tells all tables that a node is dead.
func (w *world) bury(dead *node) {
	for _, x := range w.nodes {
		m := x.Get(dead.ID())
		f := m.Fact()
		f.State = member.Failed
		x.learn(f)
	}
}

// spread is how one piece came to the live members.
type spread struct {
	t50, t99, t100 time.Duration
	missing        int
}

func (w *world) spreadOf(origin *node, seq uint64) (s spread) {
	k := [2]uint64{uint64(origin.ID()), seq}
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
		lanes, unclaimed := len(x.outbox.waiting), len(x.unclaimed.list)
		if !x.down && (jobs+parcels+lanes+unclaimed > 0 || x.Deadline() != mono.Never) {
			w.t.Errorf("node %d still has %d jobs, %d parcels, %d lanes waiting, %d unclaimed, "+
				"and is due at %d", x.i, jobs, parcels, lanes, unclaimed, x.Deadline())
			return false
		}
	}
	return true
}
