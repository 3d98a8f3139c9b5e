package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// deafHost is a node whose packets nobody needs.
type deafHost struct{ *node }

func (deafHost) Send(_ mono.Time, _ plane.Peer, b []byte) {}

// In a healthy cluster no packet costs memory.
func TestNoAllocations(t *testing.T) {
	w := newWorld(t, 30, 1, Config{})
	x := w.nodes[0]
	x.d.host = deafHost{x}
	lease := wire.Body(wire.AppendLease(nil, wire.Lease{Seq: 1, Next: 5 * time.Second}))
	from, now := w.peer(3), w.Now
	round := func() {
		now = now.Add(period)
		x.d.Wake(now)
		p := x.d.watch.watched[x.d.watch.turn]
		ack := wire.AppendAck(x.d.scratch[:0], p.seq)
		x.d.Heard(now, p.peer)
		x.d.Receive(now, plane.Sender{Peer: p.peer}, wire.TypeAck, wire.Body(ack))
		x.d.Heard(now, from)
		x.d.Receive(now, plane.Sender{Peer: from}, wire.TypeLease, lease)
		x.d.watch.leases = x.d.watch.leases[:0] // the other pingers are silent here
	}
	for range 100 {
		round()
	}
	x.d.accuser.alarms = x.d.accuser.alarms[:0]
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%.2f allocations in a period", n)
	}
}
