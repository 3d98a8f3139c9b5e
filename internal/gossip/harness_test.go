package gossip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// peer is a node with its place in the world.
type peer struct {
	*Node
	addr   netip.AddrPort
	events []Event
	seeds  []netip.AddrPort
	down   bool
	paused bool
	socket []func() // what waits while paused

	told map[member.ID]bool // whether the last word of a member was that it is live
}

// resume lets a paused node go on: it reads what waits in its socket, then wakes.
func (w *world) resume(p *peer) {
	p.paused = false
	for _, receive := range p.socket {
		receive()
	}
	p.socket = nil
}

// world is a cluster in virtual time.
type world struct {
	planetest.Clock
	t       testing.TB
	latency time.Duration
	loss    float64
	cut     func(from, to netip.AddrPort) bool
	// bytes that pass at most; nil, and 0: all do
	narrow func(from, to netip.AddrPort) int
	// translates addresses; nil: they are what they seem
	route   func(p *peer, to netip.AddrPort) (from, where netip.AddrPort)
	rng     *rand.Rand
	nodes   []*peer
	out     Outbox
	onSend  func(from *peer, to netip.AddrPort, data []byte)
	onEvent func(p *peer, e Event)
	onStep  func(p *peer, out *Outbox)
	zone    func(i int) string   // of the node at the i-th address; nil: none
	self    func(i int, s *Self) // changes what the i-th node says of itself; nil: nothing
}

func newWorld(t testing.TB) *world {
	return &world{t: t, latency: 500 * time.Microsecond, rng: rand.New(rand.NewPCG(1, 2)),
		Clock: planetest.Clock{Now: Time(time.Second)}}
}

func addrOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)
}

// start adds a node at the i-th address, which dials the seeds.
func (w *world) start(name string, i int, generation uint64, cfg *Config, seeds ...int) *peer {
	w.t.Helper()
	self := Self{Name: name, Generation: generation, Addr: addrOf(i)}
	if w.zone != nil {
		self.Zone = w.zone(i)
	}
	if w.self != nil {
		w.self(i, &self)
	}
	n, err := New(cfg, self, rand.NewPCG(uint64(len(w.nodes)), 7),
		rand.NewPCG(uint64(len(w.nodes)), 8))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &peer{Node: n, addr: self.Addr}
	for _, s := range seeds {
		p.seeds = append(p.seeds, addrOf(s))
	}
	w.nodes = append(w.nodes, p)
	w.step(p, func(out *Outbox) { n.Wake(w.Now, out) })
	w.do(p, Join{Seeds: p.seeds})
	return p
}

// cluster starts n nodes, all through the first, and waits until all agree.
func (w *world) cluster(n int, cfg *Config) []*peer {
	w.t.Helper()
	for i := range n {
		seed := []int{0}
		if i == 0 {
			seed = nil
		}
		w.start(fmt.Sprintf("n%d", i), i, 1, cfg, seed...)
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(n) })
	return w.nodes
}

func (w *world) do(p *peer, c Command) error {
	var err error
	w.step(p, func(out *Outbox) { err = p.Do(w.Now, c, out) })
	return err
}

// step runs one step of a node and takes what it wants done.
func (w *world) step(p *peer, f func(out *Outbox)) {
	f(&w.out)
	for _, pk := range w.out.Packets {
		if w.onSend != nil {
			w.onSend(p, pk.To, pk.Data)
		}
		if len(pk.Data) > wire.RoomOf(p.cfg.MTU) {
			w.t.Errorf("%s sent %d bytes", p.addr, len(pk.Data))
		}
		if w.loss > 0 && w.rng.Float64() < w.loss || w.cut != nil && w.cut(p.addr, pk.To) ||
			w.narrow != nil && tooLong(len(pk.Data), w.narrow(p.addr, pk.To)) {
			continue
		}
		from, to := p.addr, pk.To
		if w.route != nil {
			from, to = w.route(p, to)
		}
		data := slices.Clone(pk.Data)
		w.After(w.latency, func() { w.arrive(from, to, data) })
	}
	if w.onStep != nil {
		w.onStep(p, &w.out)
	}
	for _, e := range w.out.Events {
		p.events = append(p.events, e)
		w.checkEnds(p, e)
		if w.onEvent != nil {
			w.onEvent(p, e)
		}
	}
	w.out.Reset()
}

// checkEnds sees that nobody is told that a member joined, in whatever life, without an end of what
// was told before.
func (w *world) checkEnds(p *peer, e Event) {
	switch e.Kind {
	case MemberJoined, MemberRecovered:
		if p.told == nil {
			p.told = make(map[member.ID]bool)
		}
		if e.Kind == MemberJoined && p.told[e.Member.ID] {
			w.t.Errorf("%s is told twice that %s joined, the second time in life %d", p.addr,
				e.Member.Name(), e.Member.Generation())
		}
		p.told[e.Member.ID] = true
	case MemberFailed, MemberLeft:
		delete(p.told, e.Member.ID)
	}
}

func tooLong(bytes, most int) bool { return most > 0 && bytes > most }

// advance moves on to the next thing that happens, if it does before the end.
func (w *world) advance(end Time) bool {
	deadline := func(i int) Time {
		if p := w.nodes[i]; !p.down && !p.paused {
			return p.Deadline()
		}
		return mono.Never
	}
	return w.Advance(end, len(w.nodes), deadline, func(i int) {
		p := w.nodes[i]
		w.step(p, func(out *Outbox) { p.Wake(w.Now, out) })
	})
}

// arrive has the latest node at an address take in a datagram, at once or when it is resumed.
func (w *world) arrive(from, to netip.AddrPort, data []byte) {
	for _, p := range slices.Backward(w.nodes) {
		if p.addr != to || p.down || p.Stopped() {
			continue
		}
		receive := func() {
			w.step(p, func(out *Outbox) { p.Receive(w.Now, from, data, out) })
		}
		if !p.paused {
			receive()
		} else if len(p.socket) < 200 {
			p.socket = append(p.socket, receive)
		}
		return
	}
}

func (w *world) run(d time.Duration) {
	for end := w.Now.Add(d); w.advance(end); {
	}
}

// until runs until something is so, and fails if that takes longer than d.
func (w *world) until(d time.Duration, what string, ok func() bool) time.Duration {
	w.t.Helper()
	start := w.Now
	for end := w.Now.Add(d); !ok(); {
		if !w.advance(end) {
			w.t.Fatalf("after %s: not so: %s\n%s", d, what, w.views())
		}
	}
	return w.Now.Sub(start)
}

// up calls f for each node that runs.
func (w *world) up() []*peer {
	var up []*peer
	for _, p := range w.nodes {
		if !p.down && !p.Stopped() {
			up = append(up, p)
		}
	}
	return up
}

// allSee says whether every running node sees so many live members.
func (w *world) allSee(n int) bool {
	for _, p := range w.up() {
		if p.Table().Live() != n {
			return false
		}
	}
	return true
}

// allHold says whether every running node but the member itself holds the member in a state.
func (w *world) allHold(name string, s member.State) bool {
	for _, p := range w.up() {
		if p.roster.Record().Name == name {
			continue
		}
		if m, ok := p.Table().Get(member.IDOf(name)); !ok || m.State != s {
			return false
		}
	}
	return true
}

func (w *world) views() string {
	s := ""
	for _, p := range w.nodes {
		s += fmt.Sprintf("%s down=%v live=%d of %d fingerprint=%x %+v\n", p.roster.Record().Name,
			p.down, p.Table().Live(), p.Table().Len(), p.Table().Fingerprint(), p.Agreement())
		if len(w.nodes) > 12 {
			break
		}
	}
	return s
}

func count(p *peer, k EventKind) int {
	n := 0
	for _, e := range p.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// allDetectors are those that there are.
func allDetectors() (all []Detector) {
	for i := range detectorRows {
		all = append(all, detectorRows[i].id)
	}
	return all
}

func zoneOf(p *peer) uint16 {
	self := p.Self()
	return topology.PlaceOf(&self).Zone()
}
