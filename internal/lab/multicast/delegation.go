package multicast

// Delegation: the live node's tree that needs no set-up (gossip/multicast), the package itself on
// bare members: each has a relay and a store for the one message, and all read one table of all
// members. Digests on probes repair what the tree misses, as under gossip. A live node adds its
// other traffic, and puts what it can into the same datagrams.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	members "github.com/starling-gossip/starling/internal/gossip/member"
	delegating "github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/transport"
)

// cluster is what all members of a world know of each other.
type cluster struct {
	table members.Table
	ring  *topology.Ring
	peers []plane.Peer
	index map[members.ID]int
}

func newCluster(n int) *cluster {
	c := &cluster{index: map[members.ID]int{}}
	for i := range n {
		r := members.Record{Name: fmt.Sprintf("n%d", i), Generation: 1, Protocol: 1,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)}
		id := members.IDOf(r.Name)
		c.index[id] = i
		c.peers = append(c.peers, plane.Peer{ID: id, Instance: members.Instance(id, 1),
			Addr: r.Addr})
		c.table.Merge(0, members.Fact{Record: members.Share(r)})
	}
	c.ring = topology.NewRing(&c.table)
	return c
}

// delegate is a member with a relay. It is the relay's host and store.
type delegate struct {
	*member
	c     *cluster
	relay *delegating.Relay
	body  []byte
	sent  bool // what it published has left
}

const seqOfMessage = 1

// sealed opens a datagram of the relay's in place of a scope: what follows the header and sealing
// is messages.
const sealed = 0xff

func newDelegate(m *member) node {
	if m.w.cluster == nil {
		m.w.cluster = newCluster(m.w.o.Nodes)
	}
	d := &delegate{member: m, c: m.w.cluster}
	d.relay = delegating.New(delegating.Config{}, d, d)
	return d
}

// What the relay asks of its host and store.

func (d *delegate) Self() members.ID      { return d.c.peers[d.me].ID }
func (d *delegate) Generation() uint64    { return 1 }
func (d *delegate) Table() *members.Table { return &d.c.table }
func (d *delegate) Ring() *topology.Ring  { return d.c.ring }
func (d *delegate) Rand() *rand.Rand      { return d.rng }
func (d *delegate) RTT() time.Duration    { return 2 * d.w.o.Latency.Quantile(0.5) }
func (d *delegate) Losses() (failed, of int) {
	p := d.w.o.Loss
	return int((1 - (1-p)*(1-p)) * 1e6), 1e6
}

func (d *delegate) Waiting(bulk bool) delegating.Waiting {
	if bulk || d.body == nil || d.sent || d.me != 0 {
		return delegating.Waiting{}
	}
	return delegating.Waiting{Bytes: wire.MaxBody + len(d.body)}
}

func (d *delegate) Cut(gossip.Time, bool, int) delegating.Cut {
	d.sent = true
	return delegating.Cut{Generation: 1, First: seqOfMessage, Count: 1,
		Size: wire.MaxBody + len(d.body)}
}

func (d *delegate) Sent(gossip.Time, uint64, uint64) {}
func (d *delegate) Epoch(gossip.Time) uint64         { return 0 }
func (d *delegate) Silent(uint16) bool               { return false }
func (d *delegate) Budget() int                      { return math.MaxInt }
func (d *delegate) Tight(uint16) bool                { return false }

func (d *delegate) Waited(_, _, _ uint64) bool { return false }

func (d *delegate) Given(members.ID, uint64, uint64) wire.Verdict { return wire.DutyDone }

func (d *delegate) Unanswered(gossip.Time, members.ID)         {}
func (d *delegate) Narrow(members.ID) bool                     { return false }
func (d *delegate) Confirmed(gossip.Time, delegating.Progress) {}

func (d *delegate) Take(_ gossip.Time, p wire.Piece) bool {
	if !d.take(p.Body) {
		return false
	}
	d.body = slices.Clone(p.Body)
	return true
}

func (d *delegate) Knows(origin members.ID, _, seq uint64) bool {
	return d.has && origin == d.c.peers[0].ID && seq == seqOfMessage
}

// PassedOver is never: a lost message is not given up in an experiment.
func (d *delegate) PassedOver(members.ID, uint64, uint64) bool { return false }

func (d *delegate) Body(origin members.ID, _, seq uint64) ([]byte, bool) {
	return d.body, d.Knows(origin, 0, seq)
}

// Send sends what the relay put into a datagram. It counts as data if the payload is in it.
func (d *delegate) Send(_ gossip.Time, to plane.Peer, messages []byte) {
	b := append(d.w.buf[:0], make([]byte, wire.HeaderSize+transport.SealOverhead)...)
	b[0] = sealed
	b = append(b, messages...)
	d.w.buf = b
	k := kind(0)
	for t := range each(messages) {
		switch {
		case t == wire.TypeCarry:
			k = data
		case t == wire.TypeOffer && k != data:
			k = offer
		case k == 0:
			k = ack
		}
	}
	d.w.sent(d.me, k, len(b))
	d.w.g.Send(d.w.host(d.me), d.w.host(d.c.index[to.ID]), b)
}

// each goes through the messages of a datagram.
func each(b []byte) func(yield func(wire.Type, []byte) bool) {
	return func(yield func(wire.Type, []byte) bool) {
		r := wire.Messages(b)
		for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
			if !yield(t, body) {
				return
			}
		}
	}
}

// The member's side.

func (d *delegate) start() { d.probes() }

func (d *delegate) publish() {
	d.body = d.w.payload
	d.relay.Publish(d.now())
	d.relay.Flush(d.now())
	d.arm()
}

// Receive is sim.Guest's.
func (d *delegate) Receive(now gossip.Time, from int, b []byte) {
	if b[0] != sealed {
		d.member.Receive(now, from, b)
		d.arm()
		return
	}
	d.w.received(d.me, len(b))
	peer := d.c.peers[d.w.member(from)]
	d.relay.Heard(peer.ID)
	for t, body := range each(b[wire.HeaderSize+transport.SealOverhead:]) {
		if !d.relay.Receive(now, plane.Sender{Peer: peer}, t, body) {
			panic(fmt.Sprintf("the relay refuses a message of type %#x", t))
		}
	}
	d.relay.Flush(now)
	d.arm()
}

func (d *delegate) receive(from int, k kind, args []uint32, fresh bool) {
	switch {
	case fresh:
		d.body = d.w.payload
	case k == probe || k == want:
		d.repair(from, k, args)
	}
}

// Wake is sim.Guest's.
func (d *delegate) Wake(now gossip.Time) {
	if d.relay.Deadline() <= now {
		d.relay.Wake(now)
		d.relay.Flush(now)
	}
	d.member.Wake(now)
	d.arm()
}

func (d *delegate) timer(int, gossip.Time) { d.probe() }

// arm wakes the member for the relay or for its own alarms.
func (d *delegate) arm() { d.w.g.WakeAt(d.w.host(d.me), min(d.next(), d.relay.Deadline())) }
