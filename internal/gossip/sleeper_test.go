package gossip

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/size"
)

// A node that wakes reads many accusations of one incarnation at once, refutes the first, and must
// neither take the others for its own refutation heard again nor leave those that missed it in
// their belief. Seed 27 did both.
func TestSleeperComesBack(t *testing.T) {
	for seed := range uint64(size.Of(10, 60, 600)) {
		w := newWorld(t)
		w.rng = rand.New(rand.NewPCG(seed, 1))
		nodes := w.cluster(12, nil)
		w.loss = 0.3
		w.run(20 * time.Second)
		w.loss = 0
		w.run(2 * time.Second)
		nodes[4].paused = true
		w.run(5*time.Second + time.Duration(seed)*10*time.Millisecond)
		w.resume(nodes[4])
		w.until(2*time.Second, "the sleeper is alive to all",
			func() bool { return w.allHold("n4", member.Alive) })
	}
}

// A node that stood still for long, and comes in anew, keeps the dead that it knew: it has nobody
// forget them before their time, not even one that missed their death, and cannot judge it.
func TestSleeperKeepsTheDead(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, &Config{Retention: 2 * time.Minute})
	sleeper, dead, lone := nodes[4], nodes[3], nodes[2]
	w.run(5 * time.Second)
	dead.down = true
	w.cut = func(from, to netip.AddrPort) bool {
		return (from == lone.addr) != (to == lone.addr)
	}
	w.until(30*time.Second, "the dead one is failed", func() bool {
		return sleeper.sees(dead.id, member.Failed) && nodes[0].sees(dead.id, member.Failed) &&
			lone.IsUnreachable(dead.id)
	})
	sleeper.paused = true
	w.run(70 * time.Second)
	w.cut = nil
	w.resume(sleeper)
	for range 100 {
		w.run(100 * time.Millisecond)
		for _, p := range w.up() {
			if _, ok := p.Table().Get(dead.id); !ok {
				t.Fatalf("%s has forgotten the dead", p.roster.Record().Name)
			}
		}
	}
	w.until(20*time.Second, "all know it", func() bool { return w.allSee(4) })
}
