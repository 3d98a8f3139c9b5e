package transport

import (
	"math/rand/v2"
	"testing"
)

// plainWindow says the same with a map and no bound on memory.
type plainWindow struct {
	seen map[uint64]bool
	top  uint64
}

func (p *plainWindow) fresh(c uint64) bool {
	return !p.seen[c] && (len(p.seen) == 0 || c > p.top || p.top-c < replayWindow)
}

func (p *plainWindow) accept(c uint64) {
	p.seen[c] = true
	p.top = max(p.top, c)
}

func TestWindowAgreesWithAMap(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		// From crowded (one receiver gets all) to sparse (one of thousands), with jumps.
		step := uint64(1) << rng.IntN(18)
		start := rng.Uint64N(1 << 20)
		var w window
		p := plainWindow{seen: map[uint64]bool{}}
		next := start
		for range 2000 {
			var c uint64
			switch rng.IntN(8) {
			case 0, 1, 2, 3:
				next += 1 + rng.Uint64N(step)
				c = next
			case 4:
				c = next - min(next, rng.Uint64N(2*replayWindow))
			case 5:
				c = next - min(next, replayWindow-2+rng.Uint64N(4))
			case 6:
				c = next - min(next, rng.Uint64N(1<<17))
			case 7:
				c = next
			}
			if got, want := w.fresh(c), p.fresh(c); got != want {
				t.Fatalf("seed %d: fresh(%d) is %v with top %d, want %v", seed, c, got, p.top, want)
			}
			if p.fresh(c) {
				w.accept(c)
				p.accept(c)
			}
		}
	}
}
