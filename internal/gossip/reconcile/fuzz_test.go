package reconcile

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Any message: no panic, no answer beyond the budget, no state that keeps Wake from its deadline.
func FuzzReceive(f *testing.F) {
	v := wire.View{Salt: 1, Count: 1, Report: true}
	seeds := [][]byte{
		wire.AppendSketch(nil, &v, make([]uint64, smallCells), nil),
		wire.AppendSketch(nil, &wire.View{Range: wire.Range{Bits: 16, Prefix: 9}},
			make([]uint64, largeCells), make([]uint32, wire.EstimateWords)),
		wire.AppendList(nil, &v, []uint64{1}),
		wire.AppendWant(nil, 1, []uint32{1, 2}),
		wire.EndPush(wire.BeginPush(nil, true), 0),
		wire.AppendDone(nil, wire.Range{Bits: 2, Prefix: 1}),
		wire.AppendBusy(nil, wire.Range{Bits: 2, Prefix: 1}, 60000),
	}
	for _, s := range seeds {
		f.Add(s[0], wire.Body(s))
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		w := newWorld(1) // anew each time, so that a failure does not depend on what came before
		a, b := pair(w, 60)
		from, _ := a.Members.Get(b.ID())
		a.repair.Welcome(w.Now, from, 40)
		sent := a.sent
		for range 80 {
			a.repair.Receive(w.Now, plane.SenderOf(from), wire.Type(0x10|kind&0xf), body)
		}
		if n := a.sent - sent; n > 64+80+16 { // a burst, a Busy each, and the window of the pull
			t.Fatalf("%d datagrams", n)
		}
		for range 30 {
			d := a.repair.Deadline()
			if d == mono.Never {
				break
			}
			if d > w.Now.Add(maxRetry+time.Second) {
				t.Fatalf("asleep until %v", d)
			}
			w.Now = max(w.Now, d)
			a.repair.Wake(w.Now)
			if next := a.repair.Deadline(); next <= w.Now {
				t.Fatalf("woken at %v, and due again at %v", w.Now, next)
			}
			a.repair.Fingerprint(w.Now, member.Member{ID: 7},
				wire.Fingerprint{Hash: a.Members.Fingerprint(), Live: 1 << 20})
		}
	})
}
