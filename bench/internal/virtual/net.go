// Package virtual is a network in memory, for programs that run in a bubble of testing/synctest,
// where clocks are virtual. Whatever runs on it, Starling's core or an unmodified memberlist, meets
// the same latency, loss, pauses and partitions, and its packets are counted in the same place.
//
// How long a packet takes and how much a socket holds are the simulator's: sim.LAN and
// sim.DefaultBuffer. A process that is paused stands still where it next sends or receives, as in
// the experiments of the Lifeguard paper (Dadgar, Phillips, Currey: Lifeguard: Local Health
// Awareness for More Accurate Failure Detection, 2018). A goroutine of another library cannot be
// stopped anywhere else.
package virtual

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-gossip/starling/internal/sim"
)

const (
	median   = 300 * time.Microsecond // of a packet's way, lognormal as in sim.LAN
	sigma    = 0.4
	shortest = 50 * time.Microsecond

	ipAndUDP = sim.Overhead
	skbSize  = 768 // what Linux takes for a packet in a socket's buffer beside its bytes
	portUsed = 7946
)

// Net is the network. It is made and used inside one bubble.
type Net struct {
	mu          sync.Mutex
	rng         *rand.Rand
	hosts       map[netip.AddrPort]*Host
	loss        float64
	streamsGone bool
	cut         bool // nothing passes between hosts of different sides

	packets, bytes atomic.Int64
}

// New makes a network; all its chance comes from the seed.
func New(seed uint64) *Net {
	return &Net{rng: rand.New(rand.NewPCG(seed, 0x5747)), hosts: map[netip.AddrPort]*Host{}}
}

// SetLoss makes each packet and each segment of a stream get lost with a probability from now on.
func (n *Net) SetLoss(p float64) { n.mu.Lock(); n.loss = p; n.mu.Unlock() }

// BlockStreams makes every new connection time out from now on, as a firewall does that lets UDP
// alone through.
func (n *Net) BlockStreams() { n.mu.Lock(); n.streamsGone = true; n.mu.Unlock() }

// Cut separates some hosts from all the others until Heal.
func (n *Net) Cut(some []*Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = true
	for _, h := range some {
		h.side = 1
	}
}

// Heal ends a Cut.
func (n *Net) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = false
	for _, h := range n.hosts {
		h.side = 0
	}
}

// Sent is what has been sent so far: datagrams and the segments of streams, in bytes with IP and
// UDP or TCP headers.
func (n *Net) Sent() (packets, bytes int64) { return n.packets.Load(), n.bytes.Load() }

func (n *Net) count(packets, bytes int) {
	n.packets.Add(int64(packets))
	n.bytes.Add(int64(bytes))
}

// Host adds a host with one process.
func (n *Net) Host() *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := len(n.hosts)
	h := &Host{
		net: n,
		addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8),
			byte(i)}), portUsed),
		Packets: make(chan Packet, sim.DefaultBuffer/skbSize),
		Conns:   make(chan *Conn, 4096), // Linux's SOMAXCONN
	}
	n.hosts[h.addr] = h
	return h
}

// fate decides how long something takes from one host to another, and whether it arrives.
func (n *Net) fate(from *Host, to *Host) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	late := max(shortest, time.Duration(float64(median)*math.Exp(sigma*n.rng.NormFloat64())))
	lost := n.loss > 0 && n.rng.Float64() < n.loss
	return late, !lost && n.joined(from, to)
}

// joined says whether anything passes between two hosts. The lock is held.
func (n *Net) joined(from, to *Host) bool {
	return from.state.Load() != dark && to.state.Load() != dark && !(n.cut && from.side != to.side)
}

func (n *Net) find(addr string) (*Host, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("virtual network: %w", err)
	}
	return n.host(a), nil
}

func (n *Net) host(a netip.AddrPort) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts[a]
}
