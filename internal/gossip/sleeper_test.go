package gossip

import (
	"math/rand/v2"
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
