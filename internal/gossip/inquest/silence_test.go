package inquest

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// silences returns how many of the nodes of a zone that run hold another for silent.
func (w *world) silences(from, of int) (n int) {
	z := w.nodes[0].d.zoneOf(id(w.members(of)[0]))
	for _, i := range w.members(from) {
		if x := w.nodes[i]; x.up && x.silent[z] {
			n++
		}
	}
	return n
}

// A zone that is cut off is told of at each node, once, and nobody fails; after the heal it is
// heard at once. A crash meanwhile is known in its zone as soon as ever.
func TestZoneIsCutOff(t *testing.T) {
	for seed := range uint64(3) {
		for _, sizes := range [][]int{{30, 30, 30}, {12, 40, 3}} {
			w := newWorldOf(t, sizes, seed, Config{})
			w.isolate(0)
			took := w.until(20*time.Second, "all are told", func() bool {
				return w.silences(1, 0) == sizes[1] && w.silences(2, 0) == sizes[2] &&
					w.silences(0, 1) == sizes[0] && w.silences(0, 2) == sizes[0]
			})
			t.Logf("seed %d, zones of %v: told after %v", seed, sizes, took)
			w.Run(20 * time.Second)
			dead := w.members(1)[5]
			w.crash(dead)
			w.until(DefaultGrace+1500*time.Millisecond, "a crash is known",
				func() bool { return w.know(dead, member.Failed, 1, 2) })
			inside := w.members(0)[5]
			w.crash(inside)
			w.until(DefaultGrace+1500*time.Millisecond,
				"a crash in the lost zone is known there", func() bool {
					return w.know(inside,
						member.Failed, 0)
				})
			w.Run(20 * time.Second)
			w.Cut = nil
			took = w.until(5*time.Second, "all hear each other", func() bool {
				return w.silences(1, 0)+w.silences(2, 0)+w.silences(0, 1)+w.silences(0, 2) == 0
			})
			t.Logf("heard again after %v", took)
			w.Run(10 * time.Second)
			for _, v := range w.verdicts {
				if v.of != dead && v.of != inside {
					t.Errorf("seed %d: m%d fails m%d", seed, v.by, v.of)
				}
			}
			for _, x := range w.nodes {
				if want := 1; x.up && x.told != want && w.zoneOf(x.i) != 0 || x.up &&
					w.zoneOf(x.i) == 0 && x.told != 2 {
					t.Errorf("seed %d: m%d of zone %d is told of %d silences", seed, x.i,
						w.zoneOf(x.i), x.told)
				}
			}
		}
	}
}

// A zone that has crashed is told of in the same way, and fails when its grace is over, and not
// before.
func TestZoneCrashes(t *testing.T) {
	const grace = 30 * time.Second
	for seed := range uint64(2) {
		for _, sizes := range [][]int{{20, 20, 20}, {3, 12, 12}, {20, 20}} {
			w := newWorldOf(t, sizes, seed, Config{ZoneGrace: grace})
			for _, i := range w.members(0) {
				w.crash(i)
			}
			w.until(20*time.Second, "the silence is told",
				func() bool { return w.silences(1, 0) == sizes[1] })
			w.Run(grace - time.Second)
			for _, v := range w.verdicts {
				t.Errorf("m%d fails m%d too soon", v.by, v.of)
			}
			took := w.until(30*time.Second, "the zone is failed", func() bool {
				for _, i := range w.members(0) {
					if !w.know(i, member.Failed, 1) {
						return false
					}
				}
				return true
			})
			t.Logf("zones of %v: failed %v after the grace", sizes, took-time.Second)
			w.restart(w.members(0)[1])
			w.until(15*time.Second, "the zone is heard",
				func() bool { return w.silences(1, 0) == 0 })
		}
	}
}

// Of processes that are gone the hosts say so: that is no silence.
func TestZoneIsKilled(t *testing.T) {
	w := newWorldOf(t, []int{10, 10}, 1, Config{})
	for _, i := range w.members(0) {
		w.kill(i)
	}
	w.until(20*time.Second, "the zone is failed", func() bool {
		for _, i := range w.members(0) {
			if !w.know(i, member.Failed, 1) {
				return false
			}
		}
		return true
	})
	if n := w.silences(1, 0); n != 0 {
		t.Errorf("%d are told of a silence", n)
	}
}

// When a cut ends somebody is heard before the accused is, and those on the accuser's side have
// voted already: however many they are, it takes one of the accused's zone.
func TestOneOfTheZoneHasToVote(t *testing.T) {
	w := newWorldOf(t, []int{20, 20, 20}, 1, Config{})
	x, of, other := w.nodes[w.members(1)[0]], w.members(0)[0], w.members(0)[1]
	x.d.accuser.accuse(w.Now, w.peer(of), w.Now)
	a := &x.d.accuser.alarms[x.d.accuser.alarms.of(id(of))]
	x.d.accuser.convene(w.Now, a)
	a.jury.asked = len(a.jury.list)
	x.d.Heard(w.Now, w.peer(other))
	seq, votes := a.jury.seq, 0
	for _, i := range w.members(1) {
		x.d.found(w.Now, w.peer(i), wire.Finding{Seq: seq, Word: wire.WordGuilty})
	}
	for i := range a.jury.list {
		if a.jury.list[i].word == wire.WordGuilty {
			votes++
		}
	}
	w.wantNoVerdict("by its own side")
	if _, enough := x.d.accuser.electors(w.Now, &alarm{}); votes < enough {
		t.Fatalf("%d votes, and it takes %d", votes, enough)
	}
	w.Now = x.d.accuser.rules.hearing(a) // the jury has had time to acquit
	x.d.Heard(w.Now, w.peer(other))
	x.d.found(w.Now, w.peer(other), wire.Finding{Seq: seq, Word: wire.WordGuilty})
	if len(w.verdicts) != 1 || w.verdicts[0].of != of {
		t.Errorf("with a vote from the zone: %+v", w.verdicts)
	}
}

// A way that is open for moments only, too short to hear everybody, fails no living member. A node
// that died meanwhile is known in its zone as soon as ever, and by those that were cut off when the
// way is open: also where one that accuses it had asked all jurors of its zone in vain by then, and
// nobody of them sends anything to it (seeds 3 and 5).
func TestZoneComesAndGoes(t *testing.T) {
	for seed := range uint64(6) {
		for _, every := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			w := newWorldOf(t, []int{20, 20, 20}, seed, Config{})
			dead := w.members(0)[3]
			for range 40 * time.Second / every {
				w.isolate(1)
				w.Run(every - 100*time.Millisecond)
				w.Cut = nil
				w.Run(100 * time.Millisecond)
			}
			w.wantNoVerdict("a way that comes and goes")
			w.isolate(1)
			w.crash(dead)
			w.until(DefaultGrace+1500*time.Millisecond, "the crash is known",
				func() bool { return w.know(dead, member.Failed, 0, 2) })
			x := w.nodes[w.members(1)[0]]
			x.d.Examine(w.Now, id(dead))
			w.Run(3 * time.Second)
			w.Cut = nil
			w.until(3*time.Second, "the crash is known to those who were cut off",
				func() bool { return w.know(dead, member.Failed, 1) })
			for _, v := range w.verdicts {
				if v.of != dead {
					t.Errorf("seed %d, every %v: m%d fails m%d", seed, every, v.by, v.of)
				}
			}
		}
	}
}

// All that are left of a dead member's zone have forgotten it, and a few of the others took it in
// again, as from one that had slept. None of its zone can vote; that those answer shows that the
// zone is reached, so the few judge alone.
func TestZoneThatForgotTheAccused(t *testing.T) {
	w := newWorldOf(t, []int{8, 8, 8}, 1, Config{ZoneGrace: DefaultZoneGrace})
	of, few := w.members(0)[0], w.members(1)[:3]
	for _, x := range w.nodes[1:] {
		if !slices.Contains(few, x.i) {
			x.Members.Forget(id(of))
		}
	}
	w.crash(of)
	for _, i := range few {
		w.nodes[i].d.accuser.accuse(w.Now, w.peer(of), w.Now)
	}
	w.until(time.Minute, "the few fail it", func() bool {
		for _, i := range few {
			if w.holds(i, of) != member.Failed {
				return false
			}
		}
		return true
	})
}
