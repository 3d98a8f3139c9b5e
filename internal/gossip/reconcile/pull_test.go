package reconcile

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// TestWhatIsSaidOfOtherRanges: a pull goes by what is said of its own ranges alone; others were of
// a pull before it.
func TestWhatIsSaidOfOtherRanges(t *testing.T) {
	w := newWorld(1)
	x := w.node("newcomer", Config{})
	for i := range 20 {
		x.apply(fact(name(i), 1, 0, member.Alive))
	}
	seed, _ := x.Members.Get(member.IDOf(name(0)))
	x.repair.Welcome(w.Now, seed, 200)
	p := x.repair.pull
	left, window := p.left, len(p.window)
	again := make([]request, window)
	copy(again, p.window)
	body := func(b []byte) []byte { return wire.Body(b) }
	for _, g := range []wire.Range{{Bits: p.bits - 1}, {Bits: p.bits + 1, Prefix: 1},
		{Bits: wire.MaxRangeBits, Prefix: 1 << p.bits}} {
		x.repair.Receive(w.Now, plane.SenderOf(seed), wire.TypeDone, body(wire.AppendDone(nil, g)))
		x.repair.Receive(w.Now, plane.SenderOf(seed), wire.TypeBusy,
			body(wire.AppendBusy(nil, g, 1000)))
	}
	if p.left != left || len(p.window) != window {
		t.Errorf("%d of %d ranges are left, %d of %d are asked for", p.left, left,
			len(p.window), window)
	}
	for i := range again {
		if p.window[i] != again[i] {
			t.Errorf("a range is asked for again at %v, not %v", p.window[i].again, again[i].again)
		}
	}
	g := wire.Range{Bits: p.bits, Prefix: p.window[0].prefix}
	x.repair.Receive(w.Now, plane.SenderOf(seed), wire.TypeBusy,
		body(wire.AppendBusy(nil, g, 1000)))
	if got := p.window[0].again; got != w.Now.Add(time.Second) {
		t.Errorf("of a busy member a range is asked for again at %v, want in a second", got)
	}
	x.repair.Receive(w.Now, plane.SenderOf(seed), wire.TypeDone, body(wire.AppendDone(nil, g)))
	// said twice
	x.repair.Receive(w.Now, plane.SenderOf(seed), wire.TypeDone, body(wire.AppendDone(nil, g)))
	if p.left != left-1 {
		t.Errorf("%d of %d ranges are left after one was done", p.left, left)
	}
}

// TestPullGivesUp: where nobody answers, a pull ends after a bounded number of requests;
// fingerprints see to the rest.
func TestPullGivesUp(t *testing.T) {
	w := newWorld(1)
	x := w.node("newcomer", Config{})
	for i := range 20 {
		x.apply(fact(name(i), 1, 0, member.Alive))
	}
	x.repair.Welcome(w.Now, member.Member{ID: member.IDOf(name(0))}, 100)
	ranges := x.repair.pull.left
	for end := w.Now.Add(time.Hour); x.repair.pull != nil && w.Now < end; {
		w.Now = max(w.Now, x.repair.Deadline())
		x.repair.Wake(w.Now)
	}
	if s := x.repair.Stats(); x.repair.pull != nil || s.Asked > uint64(maxAsks*ranges) ||
		s.Asked < uint64(ranges) {
		t.Errorf("after an hour of silence a pull of %d ranges has asked %d times, and is over: "+
			"%t", ranges, s.Asked, x.repair.pull == nil)
	}
}
