package multicast

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// zoned is a world of three zones, 20 to 40 ms apart, and counts the bodies that cross.
func zoned(t *testing.T, n int, seed uint64, crossing *int) *world {
	w := newWorld(t, n, seed, Config{}, func(i int) string { return fmt.Sprintf("z%d", i%3) })
	w.Delay = func(from, to *node) time.Duration {
		d := w.latency()
		if from.i%3 != to.i%3 {
			d += time.Duration(10*(from.i%3+to.i%3)+10) * time.Millisecond
		}
		return d
	}
	w.trace = func(from, to *node, data []byte, _ bool) {
		r := wire.Messages(data)
		for mt, _, ok := r.Next(); ok && from.i%3 != to.i%3; mt, _, ok = r.Next() {
			if mt == wire.TypeCarry {
				*crossing++
			}
		}
	}
	return w
}

// A message reaches three zones by few copies between them, in the time of the longest way and of a
// local spread. That holds even if much is lost between zones, or if some of the members that it is
// given to die.
func TestAcrossZones(t *testing.T) {
	for _, c := range []struct {
		what          string
		loss, crashed float64
		copies        int
		t100          time.Duration // the median
	}{
		{"no loss", 0, 0, 6, 50 * time.Millisecond},
		{"25 % loss between zones", 0.25, 0, 20, 100 * time.Millisecond},
		{"5 % crashed", 0, 0.05, 20, 60 * time.Millisecond},
	} {
		t.Run(c.what, func(t *testing.T) {
			crossing, most := 0, 0
			w := zoned(t, 300, 5, &crossing)
			w.Cut = func(from, to *node) bool {
				return from.i%3 != to.i%3 &&
					w.Chance.Float64() < c.loss
			}
			w.crash(c.crashed)
			var times []time.Duration
			for range 20 {
				origin := w.nodes[w.Chance.IntN(len(w.nodes))]
				for origin.down {
					origin = w.nodes[w.Chance.IntN(len(w.nodes))]
				}
				crossing = 0
				seq := origin.publish(1, 100)
				w.Run(time.Second)
				s := w.spreadOf(origin, seq)
				times = append(times, s.t100)
				if most = max(most, crossing); s.missing > 0 {
					t.Errorf("%d live nodes are without it", s.missing)
				}
			}
			t.Logf("%d copies between zones at most, t100 %v", most, median(times))
			if most > c.copies || median(times) > c.t100 {
				t.Errorf("the aim is %d and %v", c.copies, c.t100)
			}
			inside := 0
			for _, x := range w.nodes {
				if x.class() > 0 {
					inside++
				}
			}
			if inside > len(w.nodes)/20 {
				t.Errorf("%d nodes take losses between zones for some of their own zone", inside)
			}
		})
	}
}

// The member that is asked to see to a zone may be dead. The twin sees to it, long before the
// origin could.
func TestTwinTakesOver(t *testing.T) {
	crossing := 0
	w := zoned(t, 300, 5, &crossing)
	origin := w.nodes[0]
	b := wire.Branch{Origin: origin.ID(), Generation: 1, First: 1, Count: 1}
	for _, zone := range []*node{w.nodes[1], w.nodes[2]} {
		places := zone.zone(zone.self().Zone())
		w.byID[places[hashOf(&b, spanOf(zone.self().Zone()))%uint64(len(places))].ID].down = true
	}
	seq := origin.publish(1, 100)
	w.Run(70 * time.Millisecond) // within the first time-out of the origin
	if s := w.spreadOf(origin, seq); s.missing > 0 {
		t.Errorf("%d live nodes are without it", s.missing)
	}
}

// Two twins whose delegate is dead ask each other for the zone: neither waits for the other for
// ever (the swarm's seed 20797).
func TestTwinsAskEachOther(t *testing.T) {
	crossing := 0
	w := zoned(t, 9, 5, &crossing)
	origin := w.nodes[0]
	b := wire.Branch{Origin: origin.ID(), Generation: 1, First: 1, Count: 1}
	zone := w.nodes[1].zone(w.nodes[1].self().Zone())
	dead := w.byID[zone[hashOf(&b, spanOf(zone[0].Zone()))%uint64(len(zone))].ID]
	dead.down = true
	seq := origin.publish(1, 100)
	for _, p := range zone {
		origin.Relay.copies.beside(w.Now, &b, p.ID, 0)
	}
	origin.Flush(w.Now)
	w.Run(time.Second)
	for _, p := range zone {
		if x := w.byID[p.ID]; !x.down && x.Stats().Jobs > 0 {
			t.Errorf("node %d is still at it after a second", x.i)
		}
	}
	if s := w.spreadOf(origin, seq); s.missing > 0 {
		t.Errorf("%d live nodes are without it", s.missing)
	}
	w.bury(dead)
	w.Run(10 * time.Second)
	w.idle()
}

// A zone of which nobody is in reach is not gone through one by one from another.
func TestZoneOutOfReach(t *testing.T) {
	crossing := 0
	w := zoned(t, 300, 5, &crossing)
	w.Cut = func(from, to *node) bool { return (from.i%3 == 2) != (to.i%3 == 2) }
	origin := w.nodes[0]
	seq := origin.publish(1, 100)
	w.Run(20 * time.Second)
	if s := w.spreadOf(origin, seq); s.missing != 100 {
		t.Errorf("%d are without it, a zone has 100", s.missing)
	}
	if crossing > 60 {
		t.Errorf("%d copies were sent across", crossing)
	}
	w.Cut = nil
	w.Run(6 * time.Second)
	if s := w.spreadOf(origin, seq); s.missing > 0 {
		t.Errorf("%d are without it when the zone is in reach again", s.missing)
	}
}

// To a zone that is silent nothing is sent, whatever is published, and nobody waits for it. When it
// is heard again it is offered what it missed.
func TestSilentZone(t *testing.T) {
	crossing := 0
	w := zoned(t, 300, 5, &crossing)
	silent := w.nodes[2].self().Zone()
	for _, x := range w.nodes {
		x.deaf = func(zone uint16) bool { return zone == silent && w.Cut != nil }
	}
	w.Cut = func(from, to *node) bool { return (from.i%3 == 2) != (to.i%3 == 2) }
	to := 0
	w.trace = func(from, dest *node, _ []byte, _ bool) {
		if from.i%3 != 2 && dest.i%3 == 2 {
			to++
		}
	}
	origin := w.nodes[0]
	var seqs []uint64
	for range 20 {
		seqs = append(seqs, origin.publish(1, 100))
		w.Run(500 * time.Millisecond)
	}
	if to > 0 {
		t.Errorf("%d datagrams were sent to a silent zone", to)
	}
	for _, seq := range seqs {
		if s := w.spreadOf(origin, seq); s.missing != 100 {
			t.Errorf("%d are without it, a zone has 100", s.missing)
		}
	}
	if n := origin.own.out; n > 0 {
		t.Errorf("%d parcels count as under way", n)
	}
	w.Cut = nil
	for _, x := range w.nodes {
		x.ZoneHeard(w.Now, silent)
		x.Flush(w.Now)
	}
	w.Run(time.Second)
	for _, seq := range seqs {
		if s := w.spreadOf(origin, seq); s.missing > 0 {
			t.Errorf("%d are without it a second after the zone is heard again", s.missing)
		}
	}
}

// The last of a zone to leave may still wait for the tree to bring a parcel. It has nobody left to
// tell of it.
func TestLastOfAZoneLeaves(t *testing.T) {
	crossing := 0
	w := zoned(t, 9, 5, &crossing)
	x := w.nodes[2] // of z2, as n5 and n8
	x.unclaimed.await(w.Now,
		&wire.Branch{Origin: w.nodes[0].ID(), Generation: 1, First: 1, Count: 1})
	for _, i := range []int{5, 8, 2} {
		before, _ := x.Members.Get(w.nodes[i].ID())
		x.Members.Merge(w.Now, member.Fact{Record: before.Handle,
			Incarnation: before.Incarnation, State: member.Left})
		after, _ := x.Members.Get(w.nodes[i].ID())
		x.Ring().Changed(before, after)
		x.Changed(w.Now, before, after)
	}
	x.Relay.Wake(w.Now.Add(time.Minute))
	if n := x.Stats().Unclaimed; n != 1 {
		t.Errorf("%d parcels were given up waiting for", n)
	}
}

// A striped message goes to a delegate for all members, which gives the origin's own part of the
// ring to others. The origin is counted in none of these parts, whatever its zone. Otherwise a
// member that cannot be named seems to lack every parcel, and the origin has all members asked
// again and again.
func TestOriginIsNotCounted(t *testing.T) {
	crossing := 0
	w := zoned(t, 300, 5, &crossing)
	for _, origin := range w.nodes[:3] {
		origin.publish(16, 1000)
	}
	w.Run(firstPause / 2)
	for _, origin := range w.nodes[:3] {
		if n := len(origin.lingering.list); n > 0 {
			t.Errorf("node %d still offers %d parcels that all have", origin.i, n)
		}
	}
	w.Run(time.Second)
	w.idle()
}

// While many publish, and some of what crosses is lost, a second copy crosses for each parcel of
// small messages: else each loss is a time-out for a whole zone. Where nothing is lost none does.
func TestManyAcrossLossyZones(t *testing.T) {
	for _, c := range []struct {
		loss     float64
		late     float64 // the share of messages that come late somewhere, at most
		crossing float64 // a message, at most
	}{{0, 0, 4.5}, {0.02, 0.01, 9}} {
		crossing := 0
		w := zoned(t, 30, 18, &crossing)
		w.Cut = func(from, to *node) bool {
			return from.i%3 != to.i%3 && w.Chance.Float64() < c.loss
		}
		w.stream(30, 500, 100, 5*time.Second) // the losses are known
		crossing = 0
		late, count := 0, 1500
		origins, last := make([]*node, count), make([]uint64, count)
		for k := range count {
			w.At(w.Now.Add(time.Duration(k)*2*time.Millisecond), func() {
				origins[k] = w.nodes[k%30]
				last[k] = origins[k].publish(1, 100)
			})
		}
		w.Run(8 * time.Second)
		for k, x := range origins {
			if s := w.spreadOf(x, last[k]); s.t100 > 100*time.Millisecond {
				late++
			}
		}
		per := float64(crossing) / float64(count)
		t.Logf("%.1f %% lost between zones: %d of %d messages come late, %.2f copies of each cross",
			100*c.loss, late, count, per)
		if float64(late) > c.late*float64(count) || per > c.crossing {
			t.Error("that is too much")
		}
	}
}
