package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// deltasOf returns all that a node has written as deltas, one datagram each.
func deltasOf(w *world, x *node) (all [][]byte) {
	p, done := position{}, false
	for !done {
		var b []byte
		b, p, done = x.store.packer.appendDelta(wire.BeginDeltas(nil, 0), w.Now, x.store.self(),
			p, 900)
		all = append(all, wire.EndDeltas(b, 0))
	}
	return all
}

// Deltas that come in any order are all taken in, and nothing has to be asked for.
func TestOvertaken(t *testing.T) {
	w := newWorld(t, 2, 11, Config{})
	w.Cut = func(a, b int) bool { return true }
	x, y := w.nodes[0], w.nodes[1]
	for k := range 40 {
		y.set(fmt.Sprint("k", k), strings.Repeat("x", 150+k), 0)
	}
	y.set("large", strings.Repeat("y", 20_000), 0)
	all := deltasOf(w, y)
	if len(all) < 20 || len(all) > maxEarly {
		t.Fatalf("%d datagrams", len(all))
	}
	slices.Reverse(all)
	for _, b := range all {
		x.receive(y, b)
	}
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	if len(x.store.intake.early.list) > 0 || len(x.store.asks.list) > 0 || x.packets > 0 {
		t.Errorf("%d kept, %d asked for, %d sent", len(x.store.intake.early.list),
			len(x.store.asks.list), x.packets)
	}
}

// What never continues what is held is kept up to a bound, and goes when its time is over.
func TestEarlyBound(t *testing.T) {
	w := newWorld(t, 2, 12, Config{})
	w.Cut = func(a, b int) bool { return true }
	x, y := w.nodes[0], w.nodes[1]
	for k := range 4 * maxEarly {
		y.set(fmt.Sprint("k", k), strings.Repeat("x", 800), 0)
	}
	all := deltasOf(w, y)
	for _, b := range all[1:] {
		x.receive(y, b)
	}
	if len(x.store.intake.early.list) != maxEarly || len(x.store.intake.early.spare) > maxEarly {
		t.Errorf("%d are kept, %d buffers are spare", len(x.store.intake.early.list),
			len(x.store.intake.early.spare))
	}
	w.run(2 * askAgain)
	x.receive(y, all[0])
	if got := x.store.Version(y.ID()); len(x.store.intake.early.list) > 0 || got != 1 {
		t.Errorf("%d are kept too long, version %d", len(x.store.intake.early.list), got)
	}
	x.store.Forget(w.Now, y.ID())
	y.Record.Generation++
	x.learn(y, member.Alive)
	if x.store.Version(y.ID()) != 0 {
		t.Error("a former life's keys stay")
	}
}
