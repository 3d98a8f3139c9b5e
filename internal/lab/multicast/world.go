package multicast

// This file is the world that a protocol runs in: members on the simulator's links, what a member
// may do, and the meter.

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/sim"
	"github.com/starling-gossip/starling/internal/transport"
)

// kind is what a datagram is; its name is in kindNames.
type kind byte

const (
	data      kind = iota + 1 // the payload
	ack                       // "I have it"
	nack                      // "I lack it", to all
	session                   // "this is what there is", to all
	heartbeat                 // "are you there, parent?"
	alive                     // "I am"
	status                    // "this I have and that I lack", to a designated receiver
	advert                    // "send acks to me"
	offer                     // CHECK: "do you want it?"
	yes                       // 238: "send it"
	no                        // 438: "I have it"
	later                     // 431: "somebody else is about to send it"
	want                      // a pull
	// a digest that rides on a probe: no datagram of the protocol's own, and not counted as one
	probe
	kinds
)

var kindNames = [kinds]string{data: "data", ack: "ack", nack: "nack", session: "session",
	heartbeat: "heartbeat", alive: "alive",
	status: "status", advert: "advert", offer: "offer", yes: "yes", no: "no", later: "later",
	want: "want", probe: "probe"}

// Every protocol's datagrams open with as many bytes as Starling's header and sealing take, and
// name the message as Starling does, by origin, generation and sequence: what is compared is the
// protocols.
const (
	envelope = wire.HeaderSize + wire.MessageSize + transport.SealOverhead
	idSize   = 8 + 8 + 4
	maxArgs  = 4
)

// node is one member's side of a protocol.
type node interface {
	sim.Guest // each embeds its member, which is one
	start()   // before the message
	publish() // it is the origin
	// fresh: the datagram brought the payload for the first time
	receive(from int, k kind, args []uint32, fresh bool)
	// an alarm; it comes late while the node is busy
	timer(what int, due gossip.Time)
}

// Load is what went through a node, headers of IP and UDP included.
type Load struct {
	Sent          float64 `json:"sent"`
	Received      float64 `json:"received"`
	SentBytes     float64 `json:"sent_bytes"`
	ReceivedBytes float64 `json:"received_bytes"`
}

// world is one run.
type world struct {
	o       *Options
	g       *sim.Ground
	tree    *routers // nil: no multicast by the network
	members []*member
	up      []bool
	due     int           // members that live, without the origin
	got     []gossip.Time // when the live got it, in order
	loads   []Load
	counts  [kinds]uint64
	copies  uint64   // of the payload that arrived at processes
	hops    uint64   // datagrams between routers
	peers   [][]int  // the flooding's graph
	cluster *cluster // delegation's table of all
	payload []byte
	buf     []byte
}

// member is what every node has of the world.
type member struct {
	w      *world
	me     int
	rng    *rand.Rand
	has    bool
	node   node
	alarms []alarm // a heap by time
	args   [maxArgs]uint32
}

// alarm is a moment at which a node wants to look at something; it has to know by itself whether
// that still matters.
type alarm struct {
	at   gossip.Time
	what int
}

func (m *member) now() gossip.Time { return m.w.g.Now() }

// send sends a datagram to a member; one of kind data carries the payload.
func (m *member) send(to int, k kind, args ...uint32) {
	m.w.g.Send(m.w.host(m.me), m.w.host(to), m.pack(k, wholeGroup, args))
}

// group sends a datagram to all of the group by the network's multicast, or to those below the
// member in its tree.
func (m *member) group(k kind, reach scope, args ...uint32) {
	m.w.g.Send(m.w.host(m.me), m.w.router(m.me), m.pack(k, reach, args))
}

// pack makes a datagram and counts it.
func (m *member) pack(k kind, reach scope, args []uint32) []byte {
	w := m.w
	b := append(w.buf[:0], make([]byte, envelope+idSize)...)
	b[0] = byte(reach)
	b = append(b, byte(k), byte(len(args)))
	for _, a := range args {
		b = binary.BigEndian.AppendUint32(b, a)
	}
	if k == data {
		b = append(b, w.payload...)
	}
	w.buf = b
	w.sent(m.me, k, len(b))
	return b
}

// sent counts a datagram that a member sends.
func (w *world) sent(by int, k kind, size int) {
	w.counts[k]++
	if k != probe {
		w.loads[by].Sent++
		w.loads[by].SentBytes += float64(size + sim.Overhead)
	}
}

// received counts a datagram that a member took in.
func (w *world) received(by, size int) {
	w.loads[by].Received++
	w.loads[by].ReceivedBytes += float64(size + sim.Overhead)
}

// Receive is sim.Guest's.
func (m *member) Receive(_ gossip.Time, from int, b []byte) {
	k, n := kind(b[envelope+idSize]), int(b[envelope+idSize+1])
	if k != probe {
		m.w.received(m.me, len(b))
	}
	rest := b[envelope+idSize+2:]
	args := m.args[:n]
	for i := range args {
		args[i] = binary.BigEndian.Uint32(rest[4*i:])
	}
	fresh := false
	if k == data {
		fresh = m.take(rest[4*n:])
	}
	m.node.receive(m.w.member(from), k, args, fresh)
}

// take notes a copy of the payload, and says whether it is the first.
func (m *member) take(payload []byte) bool {
	m.w.copies++
	if !bytes.Equal(payload, m.w.payload) {
		panic("a payload was changed on its way")
	}
	if m.has {
		return false
	}
	m.has = true
	m.w.got = append(m.w.got, m.now())
	return true
}

// after sets an alarm, besides those there are.
func (m *member) after(d time.Duration, what int) {
	a := alarm{m.now().Add(d), what}
	i, _ := slices.BinarySearchFunc(m.alarms, a, func(x, y alarm) int {
		// the next one is last, so that taking it moves nothing; of equal ones the older is later
		if x.at > y.at {
			return -1
		}
		return 1
	})
	m.alarms = slices.Insert(m.alarms, i, a)
	m.arm()
}

func (m *member) arm() { m.w.g.WakeAt(m.w.host(m.me), m.next()) }

// next is when the next alarm is due.
func (m *member) next() gossip.Time {
	if n := len(m.alarms); n > 0 {
		return m.alarms[n-1].at
	}
	return gossip.Never
}

// Wake is sim.Guest's.
func (m *member) Wake(now gossip.Time) {
	for n := len(m.alarms); n > 0 && m.alarms[n-1].at <= now; n = len(m.alarms) {
		a := m.alarms[n-1]
		m.alarms = m.alarms[:n-1]
		m.node.timer(a.what, a.at)
	}
	m.arm()
}

// between draws a time.
func (m *member) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(m.rng.Float64()*float64(hi-lo))
}

// jitter draws a time around d, so that nobody keeps step with others.
func (m *member) jitter(d time.Duration) time.Duration { return m.between(d/2, d+d/2) }

// backoff is the wait after so many tries.
func (o *Options) backoff(tries int) time.Duration { return o.Retry << min(tries-1, 3) }
