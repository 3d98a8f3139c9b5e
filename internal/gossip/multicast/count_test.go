package multicast

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// fails has a node hold another for dead; returns has it know better.
func (x *node) fails(y *node) {
	m, _ := x.Members.Get(y.ID())
	f := m.Fact()
	f.State = member.Failed
	x.learn(f)
}

func (x *node) returns(y *node) {
	m, _ := x.Members.Get(y.ID())
	f := m.Fact()
	f.State, f.Incarnation = member.Alive, f.Incarnation+1
	x.learn(f)
}

// inZones returns the zone of each node, by turns.
func inZones(zones int) func(i int) string {
	return func(i int) string { return fmt.Sprint("z", i%zones) }
}

// A member of another zone was given the parcel, and the zone's delegate counted it. The origin
// takes it for dead for a while. Then it must not be counted once more. In a zone of more than 48
// the origin does not know which members the delegate counted.
func TestTheCountedReturn(t *testing.T) {
	for _, n := range []int{12, 165} {
		w := newWorld(t, n, 3, Config{}, inZones(3))
		origin, gap, x := w.nodes[0], w.nodes[3], w.nodes[1]
		origin.waits()
		gap.standing(wire.DutyTaken) // so that the wait lasts
		origin.publish(1, 100)
		w.Run(time.Second)
		for range 2 {
			origin.fails(x)
			w.Run(time.Second)
			origin.returns(x)
			w.Run(20 * time.Second)
			if p := origin.last(); p.Have != n-1 || p.Of != n {
				t.Errorf("%+v", p)
			}
		}
		gap.standing(wire.DutyDone)
		w.Run(20 * time.Second)
		if p := origin.last(); p.Have != n || p.Of != n {
			t.Errorf("all were given it: %+v", p)
		}
		w.idle()
	}
}

// A member of another zone turns out to live after the zone's delegate has counted the others: it
// is asked by itself, and the others are not asked again.
func TestOneMoreInACountedZone(t *testing.T) {
	w := newWorld(t, 12, 3, Config{}, inZones(3))
	origin, gap, late := w.nodes[0], w.nodes[3], w.nodes[1]
	origin.waits()
	gap.standing(wire.DutyTaken) // so that the wait lasts
	late.down = true
	facts := map[*node]member.Fact{}
	for _, x := range w.nodes {
		if x != late {
			facts[x] = x.forget(late)
		}
	}
	origin.publish(1, 100)
	w.Run(time.Second)
	if p := origin.last(); p.Have != 10 || p.Of != 11 {
		t.Fatalf("%+v", p)
	}
	other := w.nodes[4] // of the same zone
	asked := other.packets
	late.down = false
	for x, f := range facts {
		x.learn(f)
	}
	w.Run(20 * time.Second)
	if p := origin.last(); p.Have != 11 || p.Of != 12 || other.packets > asked {
		t.Errorf("%+v, another of its zone sent %d packets", p, other.packets-asked)
	}
}

// A publisher is never told that more members have a parcel than were given it, whatever members
// take each other for, and whichever members have it behind a gap.
func TestNeverTooMany(t *testing.T) {
	for seed := range uint64(100) {
		neverTooMany(t, seed)
		if t.Failed() {
			return
		}
	}
}

func neverTooMany(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	n, zones := 3+rng.IntN(60), 1+rng.IntN(4)
	w := newWorld(t, n, seed, Config{}, inZones(zones))
	w.loss = []float64{0, 0, 0.1, 0.4}[rng.IntN(4)]
	// of the ways from one to another
	if broken := []float64{0, 0, 0.1, 0.3}[rng.IntN(4)]; broken > 0 {
		salt := rng.Uint64()
		w.Cut = func(from, to *node) bool {
			return float64(member.Mix(salt^uint64(from.i<<16|to.i))>>32) < broken*(1<<32)
		}
	}
	origin := w.nodes[0]
	origin.waits()
	behind := map[*node]bool{}
	for _, x := range w.nodes[1:] {
		behind[x] = rng.IntN(6) == 0
		x.given = func(o member.ID, seq uint64) wire.Verdict {
			switch _, ok := x.held[[2]uint64{uint64(o), seq}]; {
			case !ok:
				return wire.DutyLacks
			case behind[x]:
				return wire.DutyTaken
			}
			return wire.DutyDone
		}
	}
	origin.check = func(p Progress) {
		given := 1
		for _, x := range w.nodes[1:] {
			if x.Given(origin.ID(), 1, p.First) == wire.DutyDone {
				given++
			}
		}
		if p.Have > given || p.Have > p.Of {
			t.Errorf("seed %d, %d nodes in %d zones: %d of %d are said to have parcel %d, which "+
				"%d were given",
				seed, n, zones, p.Have, p.Of, p.First, given)
		}
	}
	odd := 1 + rng.IntN(1+n/2) // members that others take for dead now and then
	spread := time.Duration(1+rng.IntN(3000)) * time.Millisecond
	for range 3 * odd {
		x, y := w.nodes[rng.IntN(n)], w.nodes[1+rng.IntN(odd)]
		if rng.IntN(2) == 0 {
			x = origin
		}
		if x == y {
			continue
		}
		from := w.Now.Add(time.Duration(rng.Int64N(int64(spread))))
		w.At(from, func() { x.fails(y) })
		w.At(from.Add(time.Duration(rng.Int64N(int64(spread)))), func() { x.returns(y) })
	}
	for _, x := range w.nodes[1:] {
		if !behind[x] {
			continue
		}
		w.At(w.Now.Add(time.Duration(rng.Int64N(int64(2*spread)))), func() {
			behind[x] = false
			x.Moved()
			x.Flush(w.Now)
			x.arm()
		})
	}
	w.Run(time.Duration(rng.Int64N(int64(spread))))
	for range 4 {
		origin.publish(1, 100)
		w.Run(time.Duration(rng.Int64N(int64(spread) / 4)))
	}
	w.Run(10 * time.Second)
}

// A member that was counted in its zone comes to another, whose delegate counts it as well, and
// later dies and returns there.
func TestWhoMovesIsCountedOnce(t *testing.T) {
	w := newWorld(t, 12, 3, Config{}, inZones(3))
	origin, x := w.nodes[0], w.nodes[1]
	origin.waits()
	w.Cut = func(from, to *node) bool { return from.i%3 == 2 || to.i%3 == 2 }
	origin.publish(1, 100)
	w.Run(20 * time.Second)
	if p := origin.last(); p.Have != 8 || p.Of != 12 {
		t.Fatalf("%+v", p)
	}
	for _, y := range w.nodes {
		m, _ := y.Members.Get(x.ID())
		r := m.Handle.Value()
		r.Generation, r.Zone = 2, "z2"
		y.learn(member.Fact{Record: member.Share(r)})
	}
	gap := w.nodes[5]
	gap.standing(wire.DutyTaken) // so that the wait lasts
	w.Cut = nil
	w.Run(20 * time.Second)
	if p := origin.last(); p.Have != 11 || p.Of != 12 {
		t.Errorf("it came to another zone: %+v", p)
	}
	origin.fails(x)
	w.Run(time.Second)
	origin.returns(x)
	w.Run(20 * time.Second)
	if p := origin.last(); p.Have != 11 || p.Of != 12 {
		t.Errorf("it was taken for dead: %+v", p)
	}
}

// forget has a node not know another.
func (x *node) forget(y *node) member.Fact {
	m, _ := x.Members.Get(y.ID())
	x.Members.Forget(y.ID())
	x.Ring().Forget()
	return m.Fact()
}

// A delegate comes to know a member while it is at work. Its count does not include that member.
// The origin, which knew the member all the while, asks it itself.
func TestKnownTooLate(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, 12, seed, Config{}, inZones(2))
		origin, gap, late := w.nodes[0], w.nodes[1], w.nodes[3]
		origin.waits()
		gap.standing(wire.DutyTaken) // so that the work lasts
		late.down = true
		for _, x := range w.nodes[1:] {
			if x != late {
				f := x.forget(late)
				w.At(w.Now.Add(3*time.Millisecond), func() { x.learn(f) })
			}
		}
		origin.publish(1, 100)
		w.Run(10 * time.Second)
		if p := origin.last(); p.Have != 10 || p.Of != 12 ||
			!slices.Contains(p.Missing, late.ID()) {
			t.Errorf("seed %d: one is down, and one behind a gap: %+v", seed, p)
		}
	}
}

// What a twin found out is not told where a publisher waits: it has not asked for itself.
func TestTwinsDoNotCountThemselves(t *testing.T) {
	for _, given := range []bool{false, true} {
		w := newWorld(t, 4, 3, Config{}, inZones(2))
		origin, twin, dead := w.nodes[0], w.nodes[1], w.nodes[3]
		dead.down = true
		twin.given = func(member.ID, uint64) wire.Verdict { return wire.DutyTaken }
		var heard []wire.Confirmed
		w.trace = func(from, to *node, data []byte, _ bool) {
			if from != twin || to != origin || wire.Type(data[0]) != wire.TypeConfirm {
				return
			}
			c, _ := wire.ReadConfirm(wire.Body(data))
			for m, ok := c.Next(); ok; m, ok = c.Next() {
				heard = append(heard, m)
			}
		}
		b := wire.Branch{Origin: origin.ID(), Generation: 1, First: 1, Count: 1, Given: given,
			Span: wire.Span{Bits: wire.SpanNone}}
		m := wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &b), []byte("x")), 0)
		twin.Receive(w.Now, plane.Sender{Peer: origin.Peer()}, wire.TypeCarry, wire.Body(m))
		twin.Flush(w.Now)
		twin.arm()
		if twin.Stats().Jobs != 1 {
			t.Fatalf("%d jobs", twin.Stats().Jobs)
		}
		w.until(t, time.Second, func() bool { return twin.Stats().Jobs == 0 })
		b.Span = twin.zoneSpan()
		twin.Receive(w.Now, plane.Sender{Peer: origin.Peer()}, wire.TypeOffer,
			wire.Body(wire.AppendOffer(nil, &b)))
		twin.Flush(w.Now)
		twin.arm()
		w.Run(time.Second)
		last := heard[len(heard)-1]
		want := uint32(1)
		if given {
			want = 0
		}
		if last.Verdict != wire.DutyDone || last.Of != 2 || last.Have != want ||
			given != (heard[0].Verdict == wire.DutyTaken) {
			t.Errorf("a publisher waits: %v; it says %+v", given, heard)
		}
	}
}

// A delegate at work dies: somebody else is asked for its span at once, not when its time is up.
func TestDeadDelegateIsReplaced(t *testing.T) {
	origin, l := delegated(t)
	var dead node
	m := origin.Get(l.id)
	dead.Record = m.Record()
	l.state = taken
	origin.fails(&dead)
	if l.id == dead.ID() || l.state != asked {
		t.Errorf("its leg: %+v", l)
	}
}
