package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// members returns the numbers of a zone's members.
func (w *world) members(zone int) (all []int) {
	for i := range w.nodes {
		if w.zoneOf(i) == zone {
			all = append(all, i)
		}
	}
	return all
}

// isolate cuts one zone off from all others.
func (w *world) isolate(zone int) {
	w.Cut = func(from, to int) bool { return (w.zoneOf(from) == zone) != (w.zoneOf(to) == zone) }
}

// until lets time pass until something is so, and returns how long that took.
func (w *world) until(most time.Duration, what string, so func() bool) time.Duration {
	w.t.Helper()
	took, ok := w.Until(most, 100*time.Millisecond, so)
	if !ok {
		w.t.Fatalf("after %v still not: %s", took, what)
	}
	return took
}

// know says whether all that run in some zones hold a member to be in a state.
func (w *world) know(of int, s member.State, zones ...int) bool {
	for _, z := range zones {
		for _, i := range w.members(z) {
			if w.nodes[i].up && w.holds(i, of) != s {
				return false
			}
		}
	}
	return true
}

// Everybody watches its own zone, and over a few links, which all zones share out, each zone
// watches each other one.
func TestZonesAreWatchedFromInside(t *testing.T) {
	w := newWorldOf(t, []int{40, 40, 40}, 1, Config{})
	w.Run(20 * time.Second)
	held := map[[2]int]int{}
	for _, x := range w.nodes {
		near := 0
		for i := range x.d.watch.watched {
			v := &x.d.watch.watched[i]
			switch far := w.zoneOf(x.i) != w.zoneOf(w.indexOf(v.peer.ID)); {
			case far != v.link:
				t.Errorf("m%d watches m%d: another zone %v, link %v", x.i,
					w.indexOf(v.peer.ID), far, v.link)
			case far:
				held[[2]int{w.zoneOf(x.i), w.zoneOf(w.indexOf(v.peer.ID))}]++
			default:
				near++
			}
		}
		if near != x.d.cfg.Watch {
			t.Errorf("m%d watches %d of its zone", x.i, near)
		}
	}
	for from := range 3 {
		for to := range 3 {
			if n := held[[2]int{from, to}]; from != to && (n < 1 || n > links) {
				t.Errorf("%d links from zone %d to %d", n, from, to)
			}
		}
	}
}

// What probes cost between zones does not grow with them.
func TestQuietAcrossZones(t *testing.T) {
	for _, size := range []int{12, 60} {
		w := newWorldOf(t, []int{size, size}, 2, Config{})
		w.Run(10 * time.Second)
		clear(w.across)
		w.Run(time.Minute)
		// two links each way, a ping and its ack each round of 5.4 s
		if n := w.across[[2]int{0, 1}]; n > 60 || n < 10 {
			t.Errorf("zones of %d: %d messages in a minute from one to the other", size, n)
		}
	}
}

// A crash inside a zone is known to all zones as soon as if there were no zones, without a vote
// from far away.
func TestCrashInAZone(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorldOf(t, []int{20, 20, 20}, seed, Config{})
		w.crash(7)
		w.until(DefaultGrace+1500*time.Millisecond, "m7 is known to have crashed",
			func() bool { return w.know(7, member.Failed, 0, 1, 2) })
		if v := w.verdicts[0]; w.zoneOf(v.by) != 0 {
			t.Errorf("seed %d: m%d of another zone has found out first", seed, v.by)
		}
		for _, v := range w.verdicts {
			if v.of != 7 {
				t.Errorf("seed %d: m%d is failed", seed, v.of)
			}
		}
	}
}

// A zone that is cut off, and one that is dead, is noticed by the others, all of it; and what is
// cut off notices too.
func TestSilentZone(t *testing.T) {
	for seed := range uint64(3) {
		for _, sizes := range [][]int{{30, 30, 30}, {3, 20, 20}, {1, 9, 12}, {2, 2, 2}} {
			w := newWorldOf(t, sizes, seed, Config{ZoneGrace: -1})
			w.isolate(0)
			took := w.until(40*time.Second, "the zone that was cut off is failed", func() bool {
				for _, i := range w.members(0) {
					if !w.know(i, member.Failed, 1, 2) {
						return false
					}
				}
				return true
			})
			t.Logf("zones of %v: cut off after %v", sizes, took)
			for _, v := range w.verdicts {
				if w.zoneOf(v.by) != 0 && w.zoneOf(v.of) != 0 {
					t.Errorf("zones of %v: m%d fails m%d, which it can reach", sizes, v.by, v.of)
				}
			}
		}
	}
}

// If it is but the way between two zones that is cut, those of a third one testify that all live.
func TestCutBetweenTwoZones(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorldOf(t, []int{20, 30, 6}, seed, Config{})
		w.Cut = func(from, to int) bool { return w.zoneOf(from)+w.zoneOf(to) == 1 }
		w.Run(time.Minute)
		for _, v := range w.verdicts {
			t.Errorf("seed %d: m%d fails m%d", seed, v.by, v.of)
		}
	}
}

// When those that hold the links to a zone crash, others hold them at once, and a zone that falls
// silent then is noticed.
func TestLinksAreTakenOver(t *testing.T) {
	w := newWorldOf(t, []int{20, 20}, 3, Config{ZoneGrace: -1})
	var holders []int
	for _, x := range w.nodes {
		if x.d.watch.linked() > 0 {
			holders = append(holders, x.i)
			w.crash(x.i)
		}
	}
	if len(holders) == 0 || len(holders) > 2*links {
		t.Fatalf("%d hold links", len(holders))
	}
	w.Run(10 * time.Second)
	for zone := range 2 {
		now := 0
		for _, i := range w.members(zone) {
			if w.nodes[i].up {
				now += w.nodes[i].d.watch.linked()
			}
		}
		if now == 0 {
			t.Errorf("nobody of zone %d watches the other", zone)
		}
	}
	for _, i := range w.members(0) {
		w.crash(i)
	}
	w.until(30*time.Second, "zone 0 is failed", func() bool {
		for _, i := range w.members(0) {
			if !w.know(i, member.Failed, 1) {
				return false
			}
		}
		return true
	})
}

// Half of what goes between zones is lost: nobody is failed.
func TestLossBetweenZones(t *testing.T) {
	w := newWorldOf(t, []int{15, 15, 2}, 4, Config{})
	w.Cut = func(from, to int) bool {
		return w.zoneOf(from) != w.zoneOf(to) &&
			w.Chance.Float64() < 0.5
	}
	w.Run(3 * time.Minute)
	for _, v := range w.verdicts {
		t.Errorf("m%d fails m%d", v.by, v.of)
	}
}

// When a zone grows, its members let go of those elsewhere that they watched for want of others.
func TestZoneGrows(t *testing.T) {
	w := newWorldOf(t, []int{3, 20}, 5, Config{})
	x := w.nodes[0]
	far := func() (n int) {
		for i := range x.d.watch.watched {
			if v := &x.d.watch.watched[i]; !v.link && x.d.far(v.peer.ID) {
				n++
			}
		}
		return n
	}
	if far() != x.d.cfg.Watch-2 {
		t.Fatalf("m0 watches %d of another zone beside the two of its own", far())
	}
	for k := range 20 { // they move over
		w.nodes[3+k].Record.Generation++
	}
	w.zones = []int{23, 0}
	for k := range 16 {
		x.learn(3+k, w.nodes[3+k].Record.Generation, 0, member.Alive)
	}
	w.Run(10 * time.Second)
	if far() != 0 || len(x.d.watch.watched) < x.d.cfg.Watch {
		t.Errorf("m0 still watches %d of another zone, %d in all", far(), len(x.d.watch.watched))
	}
}

// A jury has every other seat for the zone of the accused, and the others take turns.
func TestDeal(t *testing.T) {
	jurors := func(ids ...member.ID) (list []juror) {
		for _, id := range ids {
			list = append(list, juror{id: id})
		}
		return list
	}
	for _, x := range []struct {
		home   []juror
		others [][]juror
		want   []member.ID
	}{
		{jurors(1, 2, 3, 4, 5), [][]juror{jurors(11, 12), jurors(21, 22)},
			[]member.ID{1, 11, 2, 21, 3, 12, 4}},
		{jurors(1), [][]juror{jurors(11, 12, 13, 14)}, []member.ID{1, 11, 12, 13, 14}},
		{nil, [][]juror{jurors(11), jurors(21, 22, 23)}, []member.ID{11, 21, 22, 23}},
		{jurors(1, 2), nil, []member.ID{1, 2}},
	} {
		got := deal(x.home, x.others, 7)
		if len(got) != len(x.want) {
			t.Errorf("%d of %v", len(got), x.want)
			continue
		}
		for i := range got {
			if got[i].id != x.want[i] {
				t.Errorf("seat %d: %d instead of %d", i, got[i].id, x.want[i])
			}
		}
	}
}

// What is known of the ways to other zones is apart for each.
func TestWaysAreApart(t *testing.T) {
	w := newWorldOf(t, []int{12, 12, 12}, 6, Config{})
	for _, x := range w.nodes {
		if x.d.path.smooth > 5*time.Millisecond {
			t.Errorf("m%d believes in %v inside its zone", x.i, x.d.path.smooth)
		}
		for _, far := range x.d.abroad {
			if far.smooth != 0 && far.smooth < 30*time.Millisecond {
				t.Errorf("m%d believes in %v to another zone", x.i, far.smooth)
			}
		}
	}
}
