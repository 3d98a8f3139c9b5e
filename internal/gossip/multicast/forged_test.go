package multicast

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// quiet returns a node that has a duty under way, as if nothing else had been.
func quiet(w *world) *node {
	w.Now = mono0
	w.Forget()
	x := w.nodes[3]
	clear(x.held)
	x.Relay, x.timer = New(Config{}, x, x), planetest.Timer{}
	x.publish(2, 50)
	return x
}

// Any messages: no panic, nothing unbounded, no Wake that leaves something due.
func FuzzReceive(f *testing.F) {
	b := wire.Branch{Origin: member.IDOf("node-5"), Generation: 1, First: 1, Count: 1}
	f.Add(wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &b), []byte("x")), 0))
	b.Bits = wire.SpanSelf
	f.Add(wire.AppendOffer(wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &b),
		[]byte("x")), 0), &b))
	own := member.Instance(member.IDOf("node-3"), 1)
	f.Add(wire.AppendConfirmed(wire.BeginConfirm(nil, own), 0,
		&wire.Confirmed{First: 1, Bits: wire.SpanSelf}))
	f.Add(wire.AppendConfirmed(wire.BeginConfirm(nil, own), 0,
		&wire.Confirmed{First: 1, Of: 1 << 31, Have: 1<<32 - 1, Digest: 9}))
	w := newWorld(f, 60, 9, Config{}, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		x := quiet(w)
		for round := range 3 {
			r := wire.Messages(data)
			for mt, body, ok := r.Next(); ok; mt, body, ok = r.Next() {
				x.Receive(w.Now, plane.Sender{Peer: w.nodes[round].Peer()}, mt, body)
			}
			x.Flush(w.Now)
			for range 50 {
				d := x.Deadline()
				if d == mono.Never {
					break
				}
				w.Now = max(w.Now, d)
				x.Relay.Wake(w.Now)
				x.Flush(w.Now)
				if x.Deadline() <= w.Now {
					t.Fatalf("woken at %d, due at %d", w.Now, x.Deadline())
				}
			}
		}
		if s := x.Stats(); s.Jobs > maxJobs || len(x.duties.closed) > maxClosed ||
			len(x.unclaimed.list) > maxUnclaimed || len(x.lingering.list) > maxLinger {
			t.Fatalf("%+v", s)
		}
	})
}

// Duties beyond what a node can do are left to others, and nothing is left of those that it took.
func TestTooManyDuties(t *testing.T) {
	w := newWorld(t, 6, 10, Config{}, nil)
	w.loss = 1
	x := w.nodes[0]
	for seq := uint64(1); seq <= maxJobs+100; seq++ {
		b := wire.Branch{Origin: w.nodes[5].ID(), Generation: 1, First: seq, Count: 1}
		// too long to share a parcel with others
		body := make([]byte, parcelRoom*3/4)
		m := wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &b), body), 0)
		x.Receive(w.Now, plane.Sender{Peer: w.nodes[5].Peer()}, wire.TypeCarry, wire.Body(m))
	}
	if s := x.Stats(); s.Jobs != maxJobs || s.Refused != 100 {
		t.Errorf("%+v", s)
	}
	x.Flush(w.Now)
	x.arm()
	w.Run(time.Minute)
	w.idle()
}

// A parcel that is more than a datagram of this node takes is not passed on, neither unasked nor
// when others ask what came of it. The duty ends all the same.
func TestTooLargeParcel(t *testing.T) {
	w := newWorld(t, 6, 40, Config{}, nil)
	x, from := w.nodes[0], w.nodes[5].Peer()
	b := wire.Branch{Origin: w.nodes[5].ID(), Generation: 1, First: 1, Count: 2}
	for _, bits := range []uint8{0, wire.SpanNone} {
		b.Bits = bits
		m := wire.BeginCarry(nil, &b)
		for range b.Count {
			m = wire.AppendBody(m, make([]byte, 1000))
		}
		x.Receive(w.Now, plane.Sender{Peer: from}, wire.TypeCarry, wire.Body(wire.EndCarry(m, 0)))
		b.First += 2
	}
	b = wire.Branch{Origin: b.Origin, Generation: 1, First: 1, Count: 4}
	x.Receive(w.Now, plane.Sender{Peer: from}, wire.TypeOffer, wire.Body(wire.AppendOffer(nil, &b)))
	x.Flush(w.Now)
	x.arm()
	w.Run(time.Minute)
	w.idle()
}

// A parcel on its way costs no memory of its own once the room for it is there.
func TestAllocatesNothing(t *testing.T) {
	w := newWorld(t, 200, 12, Config{}, nil)
	x, origin := w.nodes[0], w.nodes[1]
	store := &still{node: x, body: make([]byte, 100)}
	x.Relay = New(Config{}, store, store)
	seq := uint64(0)
	buf := make([]byte, 0, 1000)
	var confirm [200][]byte
	turn := func() {
		seq++
		w.Now = w.Now.Add(100 * time.Millisecond)
		b := wire.Branch{Origin: origin.ID(), Generation: 1, First: seq, Count: 1}
		b.Span = wire.Span{Bits: 19, Prefix: x.self().Key &^ rest(19)}
		m := wire.EndCarry(wire.AppendBody(wire.BeginCarry(buf, &b), store.body), 0)
		x.Receive(w.Now, plane.Sender{Peer: origin.Peer()}, wire.TypeCarry, wire.Body(m))
		x.Flush(w.Now)
		for i, y := range w.nodes {
			if y == x || y == origin || !holds(b.Span, y.placeKey()) {
				continue
			}
			c := wire.BeginConfirm(confirm[i][:0], b.Instance())
			c = wire.AppendConfirmed(c, 0, &wire.Confirmed{First: seq, Bits: wire.SpanSelf})
			confirm[i] = c
			x.Receive(w.Now, plane.Sender{Peer: y.Peer()}, wire.TypeConfirm, wire.Body(c))
		}
		x.Flush(w.Now)
	}
	for range 400 {
		turn()
	}
	if n := x.Stats().Jobs; n > 0 {
		t.Fatalf("%d jobs are left", n)
	}
	if allocs := testing.AllocsPerRun(500, turn); allocs > 0 {
		t.Errorf("%.1f allocations a parcel", allocs)
	}
}

// still is a store and a host that keep nothing and send nothing.
type still struct {
	*node
	body []byte
}

func (s *still) Take(mono.Time, wire.Piece) bool               { return true }
func (s *still) Knows(member.ID, uint64, uint64) bool          { return true }
func (s *still) Body(member.ID, uint64, uint64) ([]byte, bool) { return s.body, true }
func (s *still) Send(mono.Time, plane.Peer, []byte)            {}

func (x *node) placeKey() uint64 {
	m, _ := x.Members.Get(x.ID())
	return topology.PlaceOf(&m).Key
}
