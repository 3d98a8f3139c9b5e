package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

func (x *node) Undecided(_ mono.Time, silent int) { x.undecided = silent }

// Few survivors of many find each other for juries: all the dead are known.
func TestFewOfMany(t *testing.T) {
	for _, x := range []struct{ n, left int }{{100, 5}, {60, 30}} {
		w := newWorld(t, x.n, 1, Config{})
		for i := x.left; i < x.n; i++ {
			w.crash(i)
		}
		w.Run(30 * time.Second)
		for i := range x.left {
			for k := range x.n {
				if dead := w.holds(i, k) == member.Failed; dead != (k >= x.left) {
					t.Fatalf("%d → %d: m%d holds m%d for %s", x.n, x.left, i, k, w.holds(i, k))
				}
			}
		}
	}
}

// Three of five can judge, also when four have joined that were not told of the dead.
func TestNewcomersWhoDoNotKnowTheDead(t *testing.T) {
	w := newWorld(t, 9, 1, Config{})
	for k := 3; k < 5; k++ {
		w.crash(k)
		for _, x := range w.nodes[5:] {
			x.Members.Forget(id(k))
			x.Ring().Forget()
		}
	}
	w.Run(30 * time.Second)
	for i := range 3 {
		for k := 3; k < 5; k++ {
			if w.holds(i, k) != member.Failed {
				t.Errorf("m%d holds m%d for %s", i, k, w.holds(i, k))
			}
		}
	}
}

// A node fails the dead also when all that it hears slept meanwhile, and hold no such members: they
// are on its side.
func TestSleepersWhoForgotTheDead(t *testing.T) {
	w := newWorld(t, 9, 1, Config{})
	for k := 5; k < 9; k++ {
		w.crash(k)
		for _, x := range w.nodes[1:5] {
			x.Members.Forget(id(k))
			x.Ring().Forget()
		}
	}
	w.Run(30 * time.Second)
	for k := 1; k < 9; k++ {
		if dead := w.holds(0, k) == member.Failed; dead != (k >= 5) {
			t.Errorf("m0 holds m%d for %s", k, w.holds(0, k))
		}
	}
}

// Of a cut three and three no side fails the other, and so it stays when one of a side ends, or
// leaves: what it voted before is void, and it judges nobody while it leaves.
func TestSideThatLosesOne(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		for seed := range uint64(4) {
			w := newWorld(t, 6, seed, Config{})
			w.Cut = func(a, b int) bool { return (a < 3) != (b < 3) }
			w.Run(25 * time.Second)
			if leaves {
				for _, x := range w.nodes[:3] {
					m, _ := x.Members.Get(id(1))
					x.input(func() { x.learn(1, m.Generation(), m.Incarnation, member.Left) })
				}
			} else {
				w.kill(1)
			}
			w.Run(30 * time.Second)
			for _, v := range w.verdicts {
				if v.of != 1 {
					t.Errorf("seed %d, leaves %t: m%d fails m%d", seed, leaves, v.by, v.of)
				}
			}
		}
	}
}

// Where nearly all die, a survivor accuses many at a time, and not so many that its inquiries fill
// the network.
func TestSurvivorsAccuseFewAtATime(t *testing.T) {
	const n, left = 400, 12
	w := newWorld(t, n, 1, Config{})
	for k := left; k < n; k++ {
		w.crash(k)
	}
	most := 0
	for range 300 {
		w.Run(100 * time.Millisecond)
		for _, x := range w.nodes[:left] {
			most = max(most, len(x.d.accuser.alarms))
		}
	}
	if bound := mostExamined + examined + 2*w.nodes[0].d.cfg.Watch; most > bound {
		t.Errorf("%d alarms at a time, at most %d are wanted", most, bound)
	}
	t.Logf("%d alarms at a time", most)
}

// Too few for a jury name all that they cannot judge, within 15 s, and no others; when the cut ends
// they are reachable, and nobody is in doubt any more.
func TestRollCall(t *testing.T) {
	for _, sides := range [][2]int{{1, 29}, {2, 38}, {4, 96}, {4, 16}} {
		n := sides[0] + sides[1]
		w := newWorld(t, n, 1, Config{})
		w.Cut = func(a, b int) bool { return (a < sides[0]) != (b < sides[0]) }
		w.Run(15 * time.Second)
		for i := range sides[0] {
			x := w.nodes[i]
			for k := range n {
				if x.unreachable[k] != (k >= sides[0]) {
					t.Errorf("%v: m%d holds m%d for unreachable: %t", sides, i, k, x.unreachable[k])
				}
			}
			if x.undecided != sides[1] {
				t.Errorf("%v: m%d cannot judge %d", sides, i, x.undecided)
			}
		}
		w.Cut = nil
		w.Run(90 * time.Second)
		for i := range sides[0] {
			x := w.nodes[i]
			left := 0
			for k := range n {
				if x.unreachable[k] {
					left++
				}
			}
			if left+x.undecided > 0 || len(x.d.roll.absent) > 0 {
				t.Errorf("%v: after the cut m%d cannot reach %d, and cannot judge %d", sides,
					i, left, x.undecided)
			}
		}
	}
}
