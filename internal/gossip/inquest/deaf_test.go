package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/size"
)

// deafen lets nothing through to a member from now on.
func (w *world) deafen(i int) { w.Cut = func(_, to int) bool { return to == i } }

// deafIn lets the time pass until all others hold a member failed, and says how long it took; -1:
// never.
func (w *world) deafIn(of int, limit time.Duration) time.Duration {
	start := w.Now
	for w.Now.Sub(start) < limit {
		known := true
		for _, x := range w.nodes {
			known = known && (x.i == of || w.holds(x.i, of) == member.Failed)
		}
		if known {
			return w.Now.Sub(start)
		}
		w.Run(10 * time.Millisecond)
	}
	return -1
}

// A member to which nothing comes, and whose datagrams all arrive, is failed by all as what it is,
// in clusters of every size, at any loss; it itself fails nobody. Of two, the deaf one hears as
// little as of a dead one: it fails the other, and then it is silent itself.
func TestDeafMember(t *testing.T) {
	for _, n := range []int{2, 3, 4, 8, 9, 30, 100} {
		for seed := range uint64(size.Of(1, 1, 20)) {
			for _, loss := range []float64{0, 0.5} {
				w := newWorld(t, n, seed, Config{})
				w.loss = loss
				w.Run(time.Minute)
				w.deafen(1)
				least, most := grace, 9*time.Second
				if n == 2 {
					most = 10 * time.Second
				}
				if n > 2 && n <= 9 && loss == 0 { // all hear it
					least = DefaultDeafGrace
				}
				if took := w.deafIn(1, time.Minute); took < least || took > most {
					t.Errorf("n=%d seed %d loss %.1f: known to all after %s", n, seed, loss, took)
				}
				for _, v := range w.verdicts {
					if v.of != 1 && (n > 2 || v.by != 1) {
						t.Errorf("n=%d seed %d loss %.1f: m%d failed m%d", n, seed, loss, v.by,
							v.of)
					}
					if v.of == 1 && n > 2 && n <= 9 && v.evidence.Cause != wire.CauseDeaf {
						t.Errorf("n=%d seed %d loss %.1f: m%d failed it on %+v", n, seed, loss,
							v.by, v.evidence)
					}
				}
			}
		}
	}
}

// A member that half of the others reach is failed by nobody, whichever half does not hear it or is
// not heard by it; nor is one that a single other does not reach, nor those of a star, nor those
// that are deaf for less than their grace again and again.
func TestNotDeaf(t *testing.T) {
	for name, x := range map[string]struct {
		n   int
		cut func(now mono.Time, from, to int) bool
	}{
		"half do not reach it": {20, func(_ mono.Time, from, to int) bool {
			return to == 5 &&
				from >= 10
		}},
		"half do not hear it": {20, func(_ mono.Time, from, to int) bool {
			return from == 5 &&
				to >= 10
		}},
		"a pair, one way": {20, func(_ mono.Time, from, to int) bool {
			return from == 3 &&
				to == 5
		}},
		"a pair": {20, func(_ mono.Time, from,
			to int) bool {
			return from+to == 8 && from%2 == 1
		}},
		"a star": {8, func(_ mono.Time, from, to int) bool {
			return from > 0 &&
				to > 0
		}},
		"deaf for 3 s of 8": {8, func(now mono.Time, _, to int) bool {
			return to == 5 && now%mono.Time(8*time.Second) < mono.Time(3*time.Second)
		}},
		"unheard for 1 s of 4": {8, func(now mono.Time, from, _ int) bool {
			return from == 5 && now%mono.Time(4*time.Second) < mono.Time(time.Second)
		}},
		"half do not reach it, of 9": {9, func(_ mono.Time, from,
			to int) bool {
			return to == 5 && from >= 6
		}},
		"half do not hear it, of six": {6, func(_ mono.Time, from,
			to int) bool {
			return from == 5 && to >= 3
		}},
	} {
		for seed := range uint64(size.Of(1, 3, 30)) {
			w := newWorld(t, x.n, seed, Config{})
			w.Cut = func(from, to int) bool { return x.cut(w.Now, from, to) }
			w.Run(time.Duration(size.Of(1, 1, 4)) * time.Minute)
			w.wantNoVerdict(name)
		}
	}
}
