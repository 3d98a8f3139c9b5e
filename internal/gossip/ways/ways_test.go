package ways

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// fake is a node that may send anything.
type fake struct{ *planetest.Env }

func (f fake) Proof() *rand.Rand                       { return f.Chance }
func (f fake) Leaving() bool                           { return false }
func (f fake) MustWait(mono.Time, member.ID, int) bool { return false }
func (f fake) Small(member.Member, int)                {}

// A Seen that nobody asked for, of another number, or of somebody else than was asked, tells
// nothing.
func TestSeenNeedsItsNumber(t *testing.T) {
	f := fake{planetest.New(3)}
	peers, w := f.Peers, New(1, f, 1165)
	now := mono.Time(1)
	for w.Deadline() == mono.Never {
		now = now.Add(time.Second)
		for seq, p := range peers[1:] {
			w.Probed(now, p, wire.AppendPing(nil, uint32(seq)))
			w.Hear(now, p)
		}
		w.Rode(now)
	}
	c := &w.check
	asked, other := peers[1], peers[2]
	if c.peer == other {
		asked, other = other, asked
	}
	before := *c
	seen := func(from plane.Peer, number uint32) {
		body := wire.Body(wire.AppendSeen(nil, &wire.Seen{Number: number, From: from.Addr}, 0))
		if !w.Receive(now, plane.Sender{Peer: from}, wire.TypeSeen, body) {
			t.Fatal("it cannot be read")
		}
	}
	seen(other, c.first)
	seen(asked, c.first-2)
	seen(asked, c.number)
	if *c != before {
		t.Errorf("the check goes on by a false answer: %+v", *c)
	}
	if seen(asked, c.first); *c == before || w.Stats().Passed != 1 {
		t.Error("a true one does not count")
	}
}

// What is kept of ways is bounded, and those that are small are kept longest. One to a member that
// has died is forgotten, and one to another address or life begins anew.
func TestWaysAreBounded(t *testing.T) {
	var w Ways
	for i := range 4 * Max {
		p := w.to(plane.Peer{ID: member.ID(i + 1)})
		if p.heard = mono.Time(i); i == 0 {
			p.over = 100
		}
	}
	if len(w.list) != Max || len(w.ids) != Max || w.find(1) == nil || w.find(4*Max) == nil ||
		w.find(2) != nil {
		t.Errorf("%d ways are kept", len(w.list))
	}
	for i := range w.list {
		if w.find(w.ids[i]) != &w.list[i] || w.list[i].peer.ID != w.ids[i] {
			t.Error("the index is not that of the list")
		}
	}
	if p := w.to(plane.Peer{ID: 1, Instance: 2}); p.over != 0 || p.heard != 0 {
		t.Errorf("another life goes on with %+v", p)
	}
	for i := range 5 * Max {
		w.drop(member.ID(i + 1))
	}
	if len(w.list) != 0 || len(w.ids) != 0 {
		t.Errorf("%d are left", len(w.list))
	}
}

// What is kept of a way is small: a node has up to Max.
func TestWayIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(way{}); n > 128 {
		t.Errorf("a way takes %d bytes", n)
	}
}
