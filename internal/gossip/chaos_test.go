package gossip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/size"
)

// Whatever happened, once the faults end all nodes that run see each other alive, nobody else, and
// agree: a random row of crashes, restarts, leaves, partitions, loss, pauses and new tags for each
// seed. Under Inquest too few survivors for a jury fail nobody, but each of them says which it
// cannot reach. A failing seed replays exactly.
func TestConvergesAfterChaos(t *testing.T) {
	seeds := size.Of(10, 60, 600)
	for _, d := range allDetectors() {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/%d", d, seed), func(t *testing.T) {
				chaos(t, uint64(seed), d)
			})
		}
	}
}

func chaos(t *testing.T, seed uint64, d Detector) {
	w, rng := newWorld(t), rand.New(rand.NewPCG(seed, 99))
	w.rng = rand.New(rand.NewPCG(seed, 1))
	n := 3 + rng.IntN(12)
	cfg := &Config{Detector: d}
	w.cluster(n, cfg)
	for range 25 {
		w.run(time.Duration(rng.IntN(6000)) * time.Millisecond)
		w.harm(rng, n, cfg)
	}
	w.loss, w.cut = 0, nil
	for _, p := range w.nodes {
		if p.paused {
			w.resume(p)
		}
	}
	w.until(2*time.Minute, "who runs sees who runs", w.knows)
	w.run(30 * time.Second)
	if !w.knows() {
		t.Errorf("it did not last\n%s", w.views())
	}
}

// knows says whether each that runs holds each that runs alive, and nobody else, or says
// that it cannot reach them; and whether, if there are no such, all agree.
func (w *world) knows() bool {
	settled := true
	for _, p := range w.up() {
		for m := range p.Table().All() {
			switch _, runs := w.running(m.Name()); {
			case runs && m.State != member.Alive:
				return false
			case !runs && m.State.Live() && !p.IsUnreachable(m.ID) && !p.Isolated():
				return false
			case !runs && m.State.Live():
				settled = false
			}
		}
		if p.Table().Live() < len(w.up()) {
			return false
		}
	}
	return !settled || w.agree()
}

// harm does one random thing.
func (w *world) harm(rng *rand.Rand, n int, cfg *Config) {
	i := rng.IntN(n)
	name := fmt.Sprintf("n%d", i)
	p, up := w.running(name)
	switch what := rng.IntN(10); {
	case !up:
		if len(w.up()) > 0 {
			old := w.latest(name)
			// an older one too: the clock went back
			generation := max(1, old.roster.Record().Generation+uint64(rng.IntN(3))-1)
			// all of them: else one that runs may know none that runs
			var seeds []int
			for j := range n {
				seeds = append(seeds, j)
			}
			w.start(name, i, generation, cfg, seeds...)
		}
	case what < 3 && len(w.up()) > 1:
		p.down, p.paused, p.socket = true, false, nil
	case what == 3 && len(w.up()) > 1 && !p.paused:
		w.do(p, Leave{})
	case what == 4:
		w.loss = float64(rng.IntN(5)) / 10
	case what == 5:
		parts := rng.Uint32()
		side := func(a netip.AddrPort) uint32 { return parts >> a.Addr().As4()[3] & 1 }
		w.cut = func(from, to netip.AddrPort) bool { return side(from) != side(to) }
	case what == 6:
		w.cut = nil
	case what == 7 && p.paused:
		w.resume(p)
	case what == 7:
		p.paused = true
	case what == 8 && !p.paused:
		w.do(p, SetTags{mustTags(w.t, map[string]string{"k": fmt.Sprint(rng.IntN(100))})})
	case what == 9 && !p.paused:
		w.do(p, Publish{Topic: "t", Payload: []byte(name)})
	}
}

// latest returns the last node that was started with a name.
func (w *world) latest(name string) (last *peer) {
	for _, p := range w.nodes {
		if p.roster.Record().Name == name {
			last = p
		}
	}
	return last
}

func (w *world) running(name string) (*peer, bool) {
	p := w.latest(name)
	return p, p != nil && !p.down && !p.Stopped()
}
