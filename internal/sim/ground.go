package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Ground is the simulator's network and clock without the nodes: other protocols stand on it and
// meet the same links, sockets and chance. It is not safe for concurrent use. Equal calls give an
// equal run, on any machine.
type Ground struct {
	w      *World
	guests []guest
}

// Guest is one host's side of a protocol. It is called from Run alone.
type Guest interface {
	// Receive takes a datagram, which is the guest's until it returns.
	Receive(now gossip.Time, from int, datagram []byte)
	// Wake is called once when the moment of WakeAt has come.
	Wake(now gossip.Time)
}

// guest is a Guest with its socket: what comes while it works waits there, as far as there is room.
type guest struct {
	who   Guest
	cost  time.Duration // of each datagram, in or out
	alarm gossip.Time   // of its own
	busy  gossip.Time   // it works until then
	inbox []flight
	held  int // bytes in the inbox
}

// NewGround lays out hosts, numbered from 0, in zones in turn, with nobody there.
func NewGround(hosts, zones int, n Network, seed uint64) (*Ground, error) {
	w, err := newWorld(Options{Nodes: hosts, Zones: zones, Network: n, Seed: seed,
		Unchecked: true, Workers: 1})
	if err != nil {
		return nil, err
	}
	g := &Ground{w: w, guests: make([]guest, hosts)}
	for i := range g.guests {
		g.guests[i].alarm = gossip.Never
	}
	return g, nil
}

// Place puts a guest on a host; each datagram that it sends or takes in keeps it busy for cost.
func (g *Ground) Place(host int, who Guest, cost time.Duration) {
	g.guests[host].who, g.guests[host].cost = who, cost
	g.w.hosts[host].ground = g
}

// Now is the virtual time: within a call of a guest, that of the call.
func (g *Ground) Now() gossip.Time { return max(g.w.now, g.w.shards[0].now) }

// Send sends a copy of a datagram from one host to another, as the network's links have it.
func (g *Ground) Send(from, to int, datagram []byte) {
	s, x := g.w.shards[0], &g.guests[from]
	depart := max(g.Now(), x.busy)
	if x.cost > 0 {
		depart = depart.Add(x.cost)
		x.busy = depart
	}
	s.fates[g.w.transmit(s, depart, g.w.hosts[from], int32(to), datagram)]++
}

// WakeAt sets the one moment at which a host's guest is woken; gossip.Never: not at all.
func (g *Ground) WakeAt(host int, at gossip.Time) {
	g.guests[host].alarm = at
	g.schedule(int32(host))
}

// Source returns a source of chance of its own for whatever the numbers stand for.
func (g *Ground) Source(about ...uint64) rand.Source {
	s := newStream(g.w.seed, append([]uint64{3}, about...)...)
	return &s
}

// Run lets time pass until a moment. The error is a guest's panic, or that time stands still.
func (g *Ground) Run(until gossip.Time) error {
	w := g.w
	w.flush() // what was sent before
	w.advance(until)
	w.now = max(w.now, until)
	if p := w.shards[0].panic; p != "" {
		return errors.New(p)
	}
	return w.err
}

// Idle says whether nothing will ever happen again by itself.
func (g *Ground) Idle() bool { return g.w.shards[0].next() == gossip.Never }

// Overrun is how many datagrams found a socket full so far.
func (g *Ground) Overrun() uint64 { return g.w.shards[0].fates[full] }

// Dropped is how many datagrams a link had no room for so far.
func (g *Ground) Dropped() uint64 { return g.w.shards[0].fates[overrun] }

// Hash is over every arrival and wake-up so far: equal runs have equal ones.
func (g *Ground) Hash() uint64 { return g.w.hash() }

// arrive brings a datagram to a guest's socket.
func (g *Ground) arrive(f flight) {
	s, x := g.w.shards[0], &g.guests[f.dst]
	switch {
	case x.busy <= f.at && len(x.inbox) == 0:
		g.receive(f.at, f)
	case x.held+len(f.data)+skbOverhead > g.w.plan.buffer:
		s.fates[full]++
		s.pool.put(f.data)
	default:
		x.held += len(f.data) + skbOverhead
		x.inbox = append(x.inbox, f)
	}
	g.schedule(f.dst)
}

// receive hands a datagram to the guest.
func (g *Ground) receive(now gossip.Time, f flight) {
	x, h := &g.guests[f.dst], g.w.hosts[f.dst]
	h.heard++
	h.hash = mix(h.hash ^ mix(uint64(now)) + mix(uint64(f.src)<<40^f.seq))
	x.busy = max(now, x.busy).Add(x.cost)
	x.who.Receive(now, int(f.src), f.data)
	g.w.shards[0].pool.put(f.data)
}

// wake gives a guest its turn: first a datagram that waits, then its alarm.
func (g *Ground) wake(host int32, now gossip.Time) {
	x, h := &g.guests[host], g.w.hosts[host]
	switch {
	case x.busy > now:
	case len(x.inbox) > 0:
		f := x.inbox[0]
		x.inbox = x.inbox[1:]
		x.held -= len(f.data) + skbOverhead
		g.receive(now, f)
	case x.alarm <= now:
		x.alarm = gossip.Never
		h.hash = mix(h.hash ^ mix(uint64(now)) + 1)
		x.who.Wake(now)
	}
	g.schedule(host)
}

// schedule sets a host's one wake-up.
func (g *Ground) schedule(host int32) {
	x, t := &g.guests[host], gossip.Never
	if x.alarm != gossip.Never {
		t = max(x.alarm, x.busy, g.Now())
	}
	if len(x.inbox) > 0 {
		t = max(x.busy, g.Now())
	}
	g.w.shards[0].wakes.set(host, t)
}
