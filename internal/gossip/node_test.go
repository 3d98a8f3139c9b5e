package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

func TestJoin(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 50} {
		w := newWorld(t)
		took := w.untilCluster(n)
		t.Logf("%d nodes see each other after %s", n, took)
		w.until(10*time.Second, "equal fingerprints", func() bool {
			for _, p := range w.nodes {
				if p.Table().Fingerprint() != w.nodes[0].Table().Fingerprint() {
					return false
				}
			}
			return true
		})
		w.run(time.Minute) // fingerprints of the first moments are forgotten by then
		for _, p := range w.nodes {
			if count(p, MemberSuspected)+count(p, MemberFailed) > 0 {
				t.Errorf("%s suspected or failed somebody in a healthy cluster",
					p.Self().Handle.Value().Name)
			}
			if count(p, Welcomed) != 1 || count(p, MemberJoined) != n-1 {
				t.Errorf("%d welcomes, %d joins", count(p, Welcomed), count(p, MemberJoined))
			}
			if a := p.Agreement(); n > 1 && (a.Heard == 0 || a.Same != a.Heard) {
				t.Errorf("a quiet cluster has agreement %+v", a)
			}
		}
	}
}

func (w *world) untilCluster(n int) time.Duration {
	start := w.Now
	w.cluster(n, nil)
	return w.Now.Sub(start)
}

func TestCrash(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(20, nil)
	w.run(5 * time.Second)
	nodes[7].down = true
	took := w.until(15*time.Second, "n7 failed", func() bool {
		return w.allHold("n7",
			member.Failed)
	})
	t.Logf("known by all after %s", took)
	for _, p := range w.up() {
		if count(p, MemberFailed) != 1 {
			t.Errorf("%d members failed", count(p, MemberFailed))
		}
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	nodes[3].down = true
	w.run(50 * time.Millisecond)         // before anybody has noticed
	again := w.start("n3", 3, 0, nil, 0) // and with a clock that went back
	w.until(5*time.Second, "n3 is back in its second life", func() bool {
		for _, p := range w.up() {
			m, ok := p.Table().Get(again.id)
			if !ok || m.State != member.Alive || m.Generation() != 2 {
				return false
			}
		}
		return w.allSee(5)
	})
	w.run(20 * time.Second)
	if !w.allSee(5) {
		t.Errorf("the former life still harms the new one\n%s", w.views())
	}
}

// A process that crashes and starts again, and again, is told as joined once in each of its lives
// that anybody heard of, and the end of each before the next, noticed or not; and so when all fall
// asleep for long and come back.
func TestCrashLoop(t *testing.T) {
	for _, d := range allDetectors() {
		for _, loss := range []float64{0, 0.2} {
			t.Run(fmt.Sprintf("%v, %v lost", d, loss), func(t *testing.T) {
				w := newWorld(t)
				nodes := w.cluster(4, &Config{Detector: d, Retention: 10 * time.Minute})
				w.loss = loss
				x := nodes[3]
				for i := range 150 {
					x.down = true
					w.run([]time.Duration{0, 100 * time.Millisecond, time.Second,
						2500 * time.Millisecond}[i%4])
					w.nodes = w.nodes[:3]
					x = w.start("n3", 3, uint64(w.Now/1e6),
						&Config{Detector: d, Retention: 10 * time.Minute}, 0, 1)
					w.run(time.Duration(50+w.rng.IntN(700)) * time.Millisecond)
				}
				w.loss = 0
				w.until(time.Minute, "it is in", func() bool { return w.allSee(4) && w.agree() })
				p := w.nodes[0]
				if joined, failed := count(p, MemberJoined), count(p,
					MemberFailed); joined < 100 || joined != failed+3 {
					t.Errorf("told %d times that it joined, %d times that it failed", joined,
						failed)
				}
				p.paused = true
				w.run(2 * p.cfg.Retention)
				w.resume(p)
				w.until(time.Minute, "all are back",
					func() bool { return w.allSee(4) && w.agree() })
			})
		}
	}
}

// Two nodes find nobody but themselves at the address that their seed's name has, each at another
// time, and are the first of their clusters. When the name has one address for both they meet (the
// swarm's seed 22290), though the first Join is lost (93808).
func TestOwnAddressForASeed(t *testing.T) {
	w := newWorld(t)
	nodes := []*peer{w.start("n0", 0, 1, nil, 0), w.start("n1", 1, 1, nil, 1)}
	if !w.allSee(1) || count(nodes[0], Welcomed)+count(nodes[1], Welcomed) != 2 {
		t.Fatalf("not each is the first of its own cluster\n%s", w.views())
	}
	var asking []*peer
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == SeedsWanted {
			asking = append(asking, p)
		}
	}
	joins := 0
	w.cut = func(_, to netip.AddrPort) bool {
		joins++
		return joins == 1
	}
	w.until(80*time.Second, "they meet", func() bool {
		for _, p := range asking {
			w.do(p, Join{Seeds: []netip.AddrPort{addrOf(0)}})
		}
		asking = nil
		return w.allSee(2)
	})
}

// A seed that is dead for good costs a few datagrams a minute.
func TestDeadSeed(t *testing.T) {
	w := newWorld(t)
	w.start("n0", 0, 1, nil)
	w.start("n1", 1, 1, nil, 0, 2)
	w.run(time.Minute)
	dials := 0
	w.onSend = func(_ *peer, to netip.AddrPort, _ []byte) {
		if to == addrOf(2) {
			dials++
		}
	}
	w.run(10 * time.Minute)
	if dials < 20 || dials > 60 {
		t.Errorf("it was dialled %d times in ten minutes", dials)
	}
}

// Without seeds there is nothing to look up.
func TestNoSeeds(t *testing.T) {
	w := newWorld(t)
	p := w.start("n0", 0, 1, nil)
	w.run(10 * time.Minute)
	if n := count(p, SeedsWanted); n != 1 {
		t.Errorf("they were wanted %d times", n)
	}
}

func TestRestartElsewhere(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	nodes[3].down = true
	w.run(50 * time.Millisecond)
	again := w.start("n3", 8, 2, nil, 0)
	took := w.until(5*time.Second, "n3 is back at its new address", func() bool {
		for _, p := range w.up() {
			if m, ok := p.Table().Get(again.id); !ok || m.State != member.Alive ||
				m.Addr() != addrOf(8) {
				return false
			}
		}
		return w.allSee(5)
	})
	t.Logf("after %s", took)
}

func TestNameConflict(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(time.Second)
	for _, seed := range []int{0, 3} { // through somebody else, and through the owner itself
		thief := w.start("n3", 8+seed, 1<<40, nil, seed)
		w.until(10*time.Second, "the newcomer stops", thief.Stopped)
		last := thief.events[len(thief.events)-1]
		if last.Kind != Conflicted || !errors.Is(last.Err, ErrNameConflict) {
			t.Errorf("%+v", last)
		}
	}
	w.run(10 * time.Second)
	if nodes[3].Stopped() || !w.allHold("n3", member.Alive) {
		t.Errorf("the older node did not stay")
	}
}

// Two nodes with one name that met only after both were in: the older stays, whatever their
// generations say.
func TestNameConflictLate(t *testing.T) {
	w := newWorld(t)
	a := w.start("twin", 1, 1, nil)
	w.start("a", 2, 1, nil, 1)
	w.run(3 * time.Second)
	b := w.start("twin", 3, 1<<40, nil)
	w.start("b", 4, 1, nil, 3)
	w.run(time.Second)
	w.do(w.nodes[1], Join{Seeds: []netip.AddrPort{addrOf(4)}})
	w.until(20*time.Second, "the younger stops", b.Stopped)
	w.until(20*time.Second, "the older stays", func() bool {
		return w.allSee(3) &&
			w.allHold("twin", member.Alive)
	})
	if a.Stopped() {
		t.Error("the older one stopped")
	}
}

func TestAddressReused(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	nodes[3].down = true
	w.run(50 * time.Millisecond)
	w.start("other", 3, 9, nil, 0)
	w.until(15*time.Second, "n3 failed, other alive", func() bool {
		return w.allHold("n3", member.Failed) && w.allHold("other", member.Alive)
	})
	w.run(30 * time.Second)
	if !w.allHold("n3", member.Failed) || !w.allHold("other", member.Alive) ||
		count(nodes[0], MemberRecovered) > 0 {
		t.Error("confused by the address")
	}
}

func TestClusterNames(t *testing.T) {
	w := newWorld(t)
	w.cluster(3, nil)
	stranger := w.start("stranger", 7, 1, &Config{Cluster: "other"}, 0)
	w.run(5 * time.Second)
	if !w.allSeeBut(stranger, 3) || stranger.Table().Len() != 1 {
		t.Error("clusters mixed")
	}
	for _, e := range stranger.events {
		if e.Kind == Refused && errors.Is(e.Err, ErrWrongCluster) {
			return
		}
	}
	t.Error("the stranger was not told")
}

func (w *world) allSeeBut(not *peer, n int) bool {
	for _, p := range w.up() {
		if p != not && p.Table().Live() != n {
			return false
		}
	}
	return true
}

func TestLeave(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(10, nil)
	w.do(nodes[4], Leave{})
	took := w.until(time.Second, "n4 left", func() bool { return w.allHold("n4", member.Left) })
	t.Logf("known by all after %s", took)
	w.until(time.Second, "n4 stops", nodes[4].Stopped)
	w.run(30 * time.Second)
	for _, p := range w.up() {
		if count(p, MemberFailed) > 0 || count(p, MemberLeft) != 1 {
			t.Errorf("%s: %d failed, %d left", p.roster.Record().Name, count(p, MemberFailed),
				count(p, MemberLeft))
		}
	}
	w.start("n4", 4, 2, nil, 0)
	w.until(5*time.Second, "n4 is back", func() bool { return w.allHold("n4", member.Alive) })
}

// Under SWIM a partition makes two clusters; under Inquest the minority fails nobody, and says
// which it cannot reach.
func TestPartitionHeals(t *testing.T) {
	for _, d := range allDetectors() {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			w.cluster(10, &Config{Detector: d})
			left := func(a netip.AddrPort) bool { return a.Addr().As4()[3] < 3 }
			w.cut = func(from, to netip.AddrPort) bool { return left(from) != left(to) }
			w.until(time.Minute, "each side knows", func() bool {
				for i, p := range w.nodes {
					missed := len(slices.Collect(p.Unreachable()))
					if minority := i < 3; minority && d == INQUEST &&
						(missed < 7 && !p.Isolated() || p.Table().Live() != 10) ||
						minority && d != INQUEST && p.Table().Live() != 3 || !minority &&
						p.Table().Live() != 7 {
						return false
					}
				}
				return true
			})
			w.run(time.Minute)
			w.cut = nil
			took := w.until(10*time.Second, "one cluster",
				func() bool { return w.allSee(10) && w.knows() })
			t.Logf("whole after %s", took)
			w.run(5 * time.Second)
			if n := w.nodes[0]; d == INQUEST && (count(n, MemberUnreachable) == 0 ||
				count(n, MemberReachable) != count(n, MemberUnreachable)) {
				t.Errorf("%d unreachable, %d reachable again", count(n, MemberUnreachable),
					count(n, MemberReachable))
			}
		})
	}
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	cfg := &Config{Retention: 10 * time.Minute}
	nodes := w.cluster(6, cfg)
	sleeper, dead := nodes[5], nodes[4]
	sleeper.paused = true
	w.run(20 * time.Second)
	dead.down = true
	w.run(25 * time.Minute)
	for _, p := range w.up() {
		if p == sleeper {
			continue
		}
		if _, ok := p.Table().Get(dead.id); ok {
			t.Errorf("%s still remembers the dead", p.roster.Record().Name)
		}
	}
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == MemberJoined && e.Member.ID == dead.id {
			t.Errorf("%s: the straggler brought the forgotten back", p.roster.Record().Name)
		}
	}
	w.resume(sleeper)
	w.until(30*time.Second, "the straggler is back", func() bool { return w.allSee(5) })
	w.run(30 * time.Second)
}

func TestMessages(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(50, nil)
	for range 3 {
		if err := w.do(nodes[3], Publish{Topic: "news", Payload: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
	}
	took := w.until(time.Second, "all have it", func() bool {
		for _, p := range nodes {
			if count(p, MessageDelivered) < 3 {
				return false
			}
		}
		return true
	})
	t.Logf("after %s", took)
	w.run(time.Second)
	for _, p := range nodes {
		if count(p, MessageDelivered) != 3 {
			t.Errorf("delivered %d times", count(p, MessageDelivered))
		}
	}
}
