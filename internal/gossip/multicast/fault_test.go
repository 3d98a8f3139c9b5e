package multicast

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A member that hears nothing for a while gets what was published meanwhile as soon as it hears
// again, and the origin knows.
func TestOfferedAgain(t *testing.T) {
	for _, n := range []int{20, 300} {
		w := newWorld(t, n, 3, Config{}, nil)
		origin, deaf := w.nodes[0], w.nodes[1]
		w.Cut = func(_, to *node) bool { return to == deaf && w.Now < mono0.Add(2*time.Second) }
		seq := origin.publish(1, 100)
		w.Run(time.Second)
		p := origin.told[len(origin.told)-1]
		if !p.Done || p.Have != n-1 || p.Of != n || len(p.Missing) != 1 ||
			p.Missing[0] != deaf.ID() {
			t.Errorf("%d nodes, one of them deaf: %+v", n, p)
		}
		w.Run(4 * time.Second)
		p = origin.told[len(origin.told)-1]
		if !p.Done || p.Have != n || p.Of != n || len(p.Missing) > 0 ||
			w.spreadOf(origin, seq).missing > 0 {
			t.Errorf("%d nodes, none is deaf any more: %+v", n, p)
		}
		w.idle()
	}
}

// Delegates that stand still, before or after they took their span, are replaced.
func TestPausedDelegates(t *testing.T) {
	for _, after := range []time.Duration{0, 600 * time.Microsecond, 1200 * time.Microsecond} {
		w := newWorld(t, 1000, 5, Config{}, nil)
		w.measure(0, 2)
		origin := w.nodes[0]
		start := w.Now
		seq := origin.publish(1, 128)
		w.Run(after)
		asleep := 0
		for i := range origin.duties.jobs {
			for _, l := range origin.duties.jobs[i].legs {
				if x := w.byID[l.id]; !l.single() && asleep < 8 {
					x.asleep = start.Add(20 * time.Second)
					asleep++
				}
			}
		}
		w.Run(2 * time.Second)
		k := [2]uint64{uint64(origin.ID()), seq}
		var last time.Duration
		awake, had := 0, 0
		for _, x := range w.nodes {
			if x.asleep <= w.Now {
				awake++
				if at, ok := x.got[k]; ok {
					had++
					last = max(last, at.Sub(start))
				}
			}
		}
		t.Logf("%d delegates asleep after %v: %d of %d awake nodes have it, the last after %v",
			asleep, after, had, awake, last)
		if asleep != 8 || had != awake || last > 100*time.Millisecond {
			t.Error("that is not all, or late")
		}
	}
}

// The origin dies after its first datagrams. The members that have the message bring it to nearly
// all, and the digests of package stream do the rest.
func TestOriginDies(t *testing.T) {
	for _, first := range []int{4, 12, 40} {
		w := newWorld(t, 500, 6, Config{}, nil)
		w.measure(0, 2)
		origin := w.nodes[7]
		origin.lastWords = first
		seq := origin.publish(1, 128)
		w.Run(3 * time.Second)
		s := w.spreadOf(origin, seq)
		t.Logf("after %d datagrams of a dead origin: t50 %v t99 %v, %d of %d without it",
			first, s.t50, s.t99, s.missing, len(w.nodes)-1)
		if s.missing > 50 {
			t.Errorf("%d are without it", s.missing)
		}
		origin.down = true
		w.idle()
	}
}

// Half of the nodes are dead, half of the packets are lost. Each live node gets every message, and
// each origin knows.
func TestAllGetEverything(t *testing.T) {
	for _, c := range []struct{ loss, crashed float64 }{{0.5, 0}, {0, 0.5}, {0.3, 0.3}} {
		w := newWorld(t, 200, 7, Config{}, nil)
		w.loss = c.loss
		w.crash(c.crashed)
		for i, x := range w.nodes[:40] {
			if !x.down {
				x.publish(1, 100)
				if i%10 == 0 {
					w.Run(5 * time.Second)
				}
			}
		}
		w.Run(30 * time.Second)
		for _, x := range w.nodes[:40] {
			if x.down {
				continue
			}
			if s := w.spreadOf(x, 1); s.missing > 0 {
				t.Fatalf("loss %v, crashed %v: %d live nodes are without a message of node %d",
					c.loss, c.crashed, s.missing, x.i)
			}
			live := 0
			for _, y := range w.nodes {
				if !y.down {
					live++
				}
			}
			if p := x.told[len(x.told)-1]; !p.Done || p.Have != live {
				t.Fatalf("loss %v, crashed %v: node %d knows of %+v, %d live", c.loss,
					c.crashed, x.i, p, live)
			}
		}
		for _, x := range w.nodes { // the dead are found out
			if x.down {
				w.bury(x)
			}
		}
		w.Run(30 * time.Second)
		w.idle()
	}
}

// Members that only some nodes know of get what these nodes publish.
func TestViewsDiffer(t *testing.T) {
	w := newWorld(t, 300, 8, Config{}, nil)
	rare := w.nodes[299]
	for _, x := range w.nodes[100:299] {
		x.Members.Forget(rare.ID())
		x.Ring().Forget()
	}
	for i := range 20 {
		origin := w.nodes[i]
		seq := origin.publish(1, 100)
		w.Run(time.Second)
		if s := w.spreadOf(origin, seq); s.missing > 0 {
			t.Errorf("%d are without the message of node %d", s.missing, i)
		}
	}
}

// Members fail and are back in the tables, at each node at another time, while parcels are on their
// way. When all agree, and all have them, no member is offered any again.
func TestTablesChangeOnTheWay(t *testing.T) {
	for seed := range uint64(24) {
		n := []int{12, 30, 90, 200}[seed%4]
		w := newWorld(t, n, seed, Config{}, func(i int) string { return fmt.Sprintf("z%d", i%3) })
		origin := w.nodes[0]
		if seed%3 == 0 {
			origin.waits()
		}
		for range 1 + n/20 {
			x := w.nodes[1+w.Chance.IntN(n-1)]
			m, _ := origin.Members.Get(x.ID())
			failed, back := m.Fact(), m.Fact()
			failed.State = member.Failed
			back.Incarnation++
			for _, y := range w.nodes {
				if y != x {
					gone := mono.Time(w.Chance.Int64N(int64(30 * time.Millisecond)))
					w.At(w.Now+gone, func() { y.learn(failed) })
				}
				if seed%2 == 0 {
					again := mono.Time(30*time.Millisecond) +
						mono.Time(w.Chance.Int64N(int64(30*time.Millisecond)))
					w.At(w.Now+again, func() { y.learn(back) })
				}
			}
		}
		for range 20 {
			w.At(w.Now+mono.Time(w.Chance.Int64N(int64(60*time.Millisecond))), func() {
				origin.publish(1+w.Chance.IntN(20), 1000)
			})
		}
		w.Run(10 * time.Second)
		if !w.idle() {
			t.Fatalf("seed %d, %d nodes", seed, n)
		}
	}
}

// A duty whose parcel is not held any more, and that a member lacks, has nothing to send. It ends
// as soon as that is known, however long answers take, and no member is held for silent.
func TestNothingToSend(t *testing.T) {
	w := newWorld(t, 40, 5, Config{}, nil)
	x, origin := w.nodes[0], w.nodes[1]
	w.latency = func() time.Duration { return 200 * time.Millisecond }
	x.publish(1, 100) // it learns how long answers take
	w.Run(20 * time.Second)
	w.idle()
	b := wire.Branch{Origin: origin.ID(), Generation: 1, First: 2, Count: 1}
	x.held[[2]uint64{uint64(origin.ID()), 2}], x.let = []byte("x"), true
	x.Receive(w.Now, plane.Sender{Peer: origin.Peer()}, wire.TypeOffer,
		wire.Body(wire.AppendOffer(nil, &b)))
	x.Flush(w.Now)
	x.arm()
	w.Run(2 * time.Second)
	if s := x.Stats(); s.Jobs > 0 {
		t.Errorf("after two seconds of what takes less than one: %+v", s)
	}
	for _, y := range w.nodes {
		if x.silent(w.Now, y.ID()) {
			t.Errorf("node %d answered and is held for silent", y.i)
		}
	}
}

// A helper tries for long to reach members that are dead. That is not how long answers take in
// their zone, nor what is lost there.
func TestHelpersAreNoMeasure(t *testing.T) {
	w := halfDead(t)
	w.publishInTurn(20)
	w.Run(20 * time.Second)
	for _, x := range w.nodes {
		for _, delayed := range []bool{false, true} {
			rto := x.rto(x.self().Zone(), delayed)
			if !x.down && rto > 50*time.Millisecond {
				t.Errorf("node %d waits for answers for %v; they take a millisecond", x.i, rto)
			}
		}
	}
}

// halfDead is a world of eight in three zones of which four are dead and nobody knows it: among
// them all others of the zone of node 6.
func halfDead(t *testing.T) *world {
	w := newWorld(t, 8, 5, Config{}, inZones(3))
	for _, i := range []int{0, 1, 3, 5} {
		w.nodes[i].down = true
	}
	return w
}

// publishInTurn has each live node publish some messages, for each of which it waits.
func (w *world) publishInTurn(messages int) {
	for range messages {
		for _, x := range w.nodes {
			if !x.down {
				x.waited = func(uint64, uint64) bool { return true }
				x.publish(1, 80)
			}
		}
		w.Run(50 * time.Millisecond)
	}
}
