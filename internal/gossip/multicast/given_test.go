package multicast

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// waits has a publisher wait for all that a node publishes.
func (x *node) waits() { x.waited = func(first, last uint64) bool { return true } }

// last returns what a node was told last.
func (x *node) last() Progress {
	if len(x.told) == 0 {
		return Progress{}
	}
	return x.told[len(x.told)-1]
}

// standing gives a node's programs what it says.
func (x *node) standing(v wire.Verdict) {
	x.given = func(member.ID, uint64) wire.Verdict { return v }
	x.Moved()
	x.Flush(x.w.Now)
	x.arm()
}

// A member that has the parcel behind a gap is not counted before the gap is filled; then it is, at
// once. One that was passed over never is. If nobody waits, having it is enough, and nobody asks.
func TestHavingIsNotGiven(t *testing.T) {
	for _, n := range []int{20, 300} {
		w := newWorld(t, n, 3, Config{}, nil)
		origin, x := w.nodes[0], w.nodes[1]
		x.standing(wire.DutyTaken)
		origin.publish(1, 100)
		w.Run(time.Second)
		if p := origin.last(); !p.Done || p.Have != n {
			t.Fatalf("%d nodes, nobody waits: %+v", n, p)
		}
		w.idle()
		origin.waits()
		seq := origin.publish(1, 100)
		w.Run(5 * time.Second)
		p := origin.last()
		if !p.Done || p.First != seq || p.Have != n-1 || p.Of != n ||
			!slices.Equal(p.Missing, []member.ID{x.ID()}) {
			t.Fatalf("%d nodes, one of which has it behind a gap: %+v", n, p)
		}
		packets := x.packets
		x.standing(wire.DutyDone)
		w.Run(10 * time.Millisecond)
		if p := origin.last(); p.Have != n || p.Of != n || len(p.Missing) > 0 {
			t.Errorf("%d nodes, 10 ms after the gap was filled: %+v", n, p)
		}
		if x.packets == packets {
			t.Error("it did not tell of itself")
		}
		w.Run(10 * time.Second)
		w.idle()
	}
}

// While the gap is there the parcel itself is not sent again.
func TestBehindAGapNothingIsSentAgain(t *testing.T) {
	w := newWorld(t, 20, 3, Config{}, nil)
	origin, x := w.nodes[0], w.nodes[1]
	origin.waits()
	x.standing(wire.DutyTaken)
	origin.publish(1, 100)
	w.Run(100 * time.Millisecond)
	copies := x.copies
	w.Run(time.Minute)
	if x.copies > copies {
		t.Errorf("%d copies came to it in a minute", x.copies-copies)
	}
}

// A delegate that has the parcel behind a gap does not count itself either, and tells when it was
// given it, if that is soon.
func TestDelegateBehindAGap(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Millisecond, time.Second} {
		w := newWorld(t, 300, 3, Config{}, nil)
		w.measure(0, 2)
		origin := w.nodes[0]
		origin.waits()
		var behind []*node
		for _, x := range w.nodes[1:] {
			x.given = func(member.ID, uint64) wire.Verdict { return wire.DutyTaken }
			behind = append(behind, x)
		}
		origin.publish(1, 100)
		w.Run(after)
		if p := origin.last(); p.Have > 1 {
			t.Errorf("nobody was given it: %+v", p)
		}
		for _, x := range behind {
			x.standing(wire.DutyDone)
		}
		w.Run(15 * time.Second)
		if p := origin.last(); p.Have != 300 || p.Of != 300 {
			t.Errorf("all were given it after %v: %+v", after, p)
		}
		w.idle()
	}
}

// Members that joined after the parcel are counted neither among those that have it nor among those
// there are, however many they are, delegates or not.
func TestNewcomersAreLeftOut(t *testing.T) {
	for _, late := range []int{1, 40} {
		for _, n := range []int{45, 300} {
			w := newWorld(t, n, 3, Config{}, nil)
			origin := w.nodes[0]
			origin.waits()
			for _, x := range w.nodes[1 : 1+late] {
				x.standing(wire.DutyVoid)
			}
			origin.publish(1, 100)
			w.Run(10 * time.Second)
			if p := origin.last(); !p.Done || p.Have != n-late || p.Of != n-late ||
				p.Newer != late ||
				len(p.Missing) > 0 {
				t.Errorf("%d of %d joined later: %+v", late, n, p)
			}
			w.idle()
		}
	}
}

// Nothing passes between the origin and one member: what that member was given is confirmed by way
// of another.
func TestBrokenPair(t *testing.T) {
	for _, n := range []int{3, 5, 300} {
		w := newWorld(t, n, 4, Config{}, nil)
		origin, x := w.nodes[0], w.nodes[n-1]
		origin.waits()
		w.Cut = func(from, to *node) bool {
			return from == origin && to == x || from == x && to == origin
		}
		k := [2]uint64{uint64(origin.ID()), origin.publish(1, 100)}
		w.Run(20 * time.Millisecond)
		x.held[k] = origin.held[k] // by what rides on probes, if not by a copy
		w.Run(3 * time.Second)
		if p := origin.last(); !p.Done || p.Have != n || p.Of != n {
			t.Errorf("%d nodes: %+v", n, p)
		}
		w.Run(10 * time.Second)
		w.idle()
	}
}

// Several do not reach one member, which they hear. It confirms to them within a second or two by
// way of others, and once that is known, within one.
func TestBrokenPairs(t *testing.T) {
	for _, c := range []struct{ n, cut int }{{5, 2}, {5, 3}, {9, 4}, {9, 7}, {40, 20}, {300, 100}} {
		for seed := range uint64(3) {
			w := newWorld(t, c.n, seed, Config{}, nil)
			x, origin := w.nodes[c.n-1], w.nodes[0]
			origin.waits()
			w.Cut = func(from, to *node) bool { return to == x && from.i < c.cut }
			for i := range 8 {
				k := [2]uint64{uint64(origin.ID()), origin.publish(1, 100)}
				start := w.Now
				w.Run(20 * time.Millisecond)
				x.held[k] = origin.held[k] // by what rides on probes, if not by a copy
				w.until(t, time.Minute,
					func() bool { p := origin.last(); return p.First == k[1] && p.Have == p.Of })
				took := w.Now.Sub(start)
				if p := origin.last(); p.Of != c.n || took > 2500*time.Millisecond || i > 0 &&
					took > time.Second {
					t.Errorf("%d of %d, seed %d, message %d: %+v after %v", c.cut, c.n, seed,
						i, p, took)
				}
				w.Run(time.Second)
				for _, y := range w.nodes { // what it sends comes to them
					y.Heard(x.ID())
				}
			}
			w.Run(10 * time.Second)
			w.idle()
		}
	}
}

// A helper that does not know the member, or whose own programs were not given the parcel, vouches
// for nobody.
func TestHelperMustKnow(t *testing.T) {
	w := newWorld(t, 3, 4, Config{}, nil)
	origin, helper, x := w.nodes[0], w.nodes[1], w.nodes[2]
	origin.waits()
	helper.Members.Forget(x.ID())
	helper.Ring().Forget()
	w.Cut = func(from, to *node) bool {
		return from == origin && to == x || from == x &&
			to == origin
	}
	k := [2]uint64{uint64(origin.ID()), origin.publish(1, 100)}
	w.Run(20 * time.Millisecond)
	x.held[k] = origin.held[k]
	w.Run(time.Minute)
	if p := origin.last(); p.Have != 2 || p.Of != 3 {
		t.Errorf("a helper that does not know it: %+v", p)
	}
}

// Members that turn out to live while a publisher waits are asked and counted, once each.
func TestOfFollowsTheTable(t *testing.T) {
	for _, c := range []struct{ n, known int }{{20, 5}, {120, 10}, {300, 250}} {
		w := newWorld(t, c.n, 5, Config{}, nil)
		origin := w.nodes[0]
		origin.waits()
		var facts []member.Fact
		for _, x := range w.nodes[c.known:] {
			m, _ := origin.Members.Get(x.ID())
			facts = append(facts, m.Fact())
			origin.Members.Forget(x.ID())
		}
		origin.Ring().Forget()
		gap := w.nodes[1]
		gap.standing(wire.DutyTaken) // so that the wait lasts
		origin.publish(1, 100)
		for i, f := range facts {
			w.Run(200 * time.Microsecond)
			origin.Members.Merge(w.Now, f)
			after, _ := origin.Members.Get(w.nodes[c.known+i].ID())
			origin.Ring().Changed(member.Member{}, after)
			origin.Changed(w.Now, member.Member{}, after)
			origin.Flush(w.Now)
			origin.arm()
		}
		w.Run(10 * time.Second)
		if p := origin.last(); p.Have != c.n-1 || p.Of != c.n {
			t.Errorf("%d of %d known when it was published: %+v", c.known, c.n, p)
		}
		gap.standing(wire.DutyDone)
		w.Run(10 * time.Second)
		if p := origin.last(); p.Have != c.n || p.Of != c.n {
			t.Errorf("%d of %d known when it was published, the gap is filled: %+v", c.known,
				c.n, p)
		}
		w.idle()
	}
}

// A member that is missing dies, and comes back: it is waited for no more, and then again.
func TestMissingDiesAndReturns(t *testing.T) {
	w := newWorld(t, 10, 5, Config{}, nil)
	origin, x, gap := w.nodes[0], w.nodes[1], w.nodes[2]
	origin.waits()
	x.down = true
	gap.standing(wire.DutyTaken)
	origin.publish(1, 100)
	w.Run(time.Second)
	before, _ := origin.Members.Get(x.ID())
	w.bury(x)
	if l := origin.duties.jobs[0].legFor(x.ID()); l == nil || l.of != 0 || len(l.missing) > 0 {
		t.Fatalf("the leg of the dead: %+v", l)
	}
	w.Run(time.Second)
	if p := origin.last(); p.Have != 8 || p.Of != 9 {
		t.Fatalf("one died: %+v", p)
	}
	x.down = false
	dead, _ := origin.Members.Get(x.ID())
	f := before.Fact()
	f.Incarnation++
	origin.Members.Merge(w.Now, f)
	after, _ := origin.Members.Get(x.ID())
	origin.Ring().Changed(dead, after)
	origin.Changed(w.Now, dead, after)
	origin.Flush(w.Now)
	origin.arm()
	w.Run(time.Second)
	if p := origin.last(); p.Have != 9 || p.Of != 10 || w.spreadOf(origin, 1).missing > 0 {
		t.Errorf("it lives again: %+v", p)
	}
}

// The member that is missing when all else is done dies. That ends the wait, also if the member had
// not been asked again.
func TestMissingDies(t *testing.T) {
	for _, waited := range []bool{false, true} {
		w := newWorld(t, 10, 5, Config{}, nil)
		origin, x := w.nodes[0], w.nodes[1]
		if waited {
			origin.waits()
		}
		x.down = true
		origin.publish(1, 100)
		w.until(t, time.Second, func() bool { return origin.last().Done })
		if p := origin.last(); p.Have != 9 || p.Of != 10 {
			t.Fatalf("%+v", p)
		}
		w.bury(x)
		if p := origin.last(); p.Have != 9 || p.Of != 9 || !p.Done || len(p.Missing) > 0 {
			t.Errorf("when it died: %+v", p)
		}
		w.Run(time.Second)
		w.idle()
	}
}

// until lets time pass until something is so.
func (w *world) until(t *testing.T, d time.Duration, so func() bool) {
	t.Helper()
	for end := w.Now.Add(d); !so(); w.Run(100 * time.Microsecond) {
		if w.Now > end {
			t.Fatal("not in time")
		}
	}
}

// delegated returns an origin that has just given a span of more than direct members to a delegate,
// and the leg.
func delegated(t *testing.T) (origin *node, l *leg) {
	w := newWorld(t, 2, 1, Config{}, nil)
	origin = w.nodes[0]
	self, _ := origin.Members.Get(origin.ID())
	for i := range 3000 {
		r := self.Handle.Value()
		r.Name = fmt.Sprint("known-", i)
		origin.Members.Merge(w.Now, member.Fact{Record: member.Share(r)})
	}
	origin.Ring().Forget()
	origin.publish(1, 100)
	j := &origin.duties.jobs[0]
	for k := range j.legs {
		if !j.legs[k].single() && j.legs[k].of > direct {
			return origin, &j.legs[k]
		}
	}
	t.Fatal("no wide span")
	return nil, nil
}

// What a delegate lacks of a wide span is lacking here, also if this node knows fewer or more
// members there; and no more is had than the delegate says.
func TestDelegatesCount(t *testing.T) {
	for _, c := range []struct{ of, have, want int32 }{ // beyond what this node knows in the span
		{0, 0, 0},
		{0, -4, -4},
		{10, 6, -4}, // the delegate knows ten more, and lacks four
		{-2, -2, -2},
		{-2, -6, -6},
		{0, 1 << 20, 0}, // nonsense
	} {
		origin, l := delegated(t)
		n := l.of
		m := wire.Confirmed{First: 1, Bits: l.span.Bits, Of: uint32(n + c.of),
			Have: uint32(n + c.have)}
		for _, id := range []member.ID{7, 9} {
			m.Missing = binary.BigEndian.AppendUint64(m.Missing, uint64(id))
		}
		b := wire.AppendConfirmed(wire.BeginConfirm(nil, origin.duties.jobs[0].instance), 0, &m)
		origin.Receive(origin.w.Now, plane.Sender{Peer: plane.Peer{ID: l.id}},
			wire.TypeConfirm, wire.Body(b))
		if l.state != done || l.of != n || l.have != n+c.want {
			t.Errorf("of %d the delegate says %d of %d: %d of %d are counted", n, m.Have, m.Of,
				l.have, l.of)
		}
		if !slices.Equal(l.missing, []member.ID{7, 9}) {
			t.Errorf("missing %v", l.missing)
		}
	}
}

// A member that refuses a parcel, or a part of it, confirms nothing. Nor does it take a duty.
func TestRefusedIsNotConfirmed(t *testing.T) {
	for _, bits := range []uint8{wire.SpanSelf, 0} {
		for taken := range 3 {
			w := newWorld(t, 10, 5, Config{}, nil)
			x, from := w.nodes[0], w.nodes[1]
			x.refuses = func(seq uint64) bool { return seq > uint64(taken) }
			b := wire.Branch{Origin: w.nodes[2].ID(), Generation: 1, First: 1, Count: 2,
				Span: wire.Span{Bits: bits}}
			m := wire.BeginCarry(nil, &b)
			for range b.Count {
				m = wire.AppendBody(m, []byte("x"))
			}
			x.Receive(w.Now, plane.Sender{Peer: from.Peer()}, wire.TypeCarry,
				wire.Body(wire.EndCarry(m, 0)))
			answered, jobs := len(x.outbox.lanes) > 0 && slices.ContainsFunc(x.outbox.lanes,
				func(l lane) bool { return len(l.confirms) > 0 }), x.Stats().Jobs
			if want := taken == 2; answered != want || (jobs > 0) != (want && bits == 0) {
				t.Errorf("%d of 2 pieces taken, span %#x: answered %v, %d jobs", taken, bits,
					answered, jobs)
			}
		}
	}
}

// Both of two parents that gave one duty hear of its end; of three, the last two.
func TestAllParentsHear(t *testing.T) {
	w := newWorld(t, 100, 5, Config{}, nil)
	x, origin := w.nodes[0], w.nodes[9]
	b := wire.Branch{Origin: origin.ID(), Generation: 1, First: 1, Count: 1,
		Span: wire.Span{Bits: 2, Prefix: x.self().Key &^ rest(2)}}
	parents := w.nodes[1:4]
	heard := map[*node]wire.Confirmed{}
	w.trace = func(from, to *node, data []byte, _ bool) {
		if from != x || wire.Type(data[0]) != wire.TypeConfirm {
			return
		}
		c, _ := wire.ReadConfirm(wire.Body(data))
		for m, ok := c.Next(); ok; m, ok = c.Next() {
			if m.Verdict == wire.DutyDone && m.Bits == b.Bits {
				heard[to] = m
			}
		}
	}
	for _, p := range parents {
		m := wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &b), []byte("x")), 0)
		x.Receive(w.Now, plane.Sender{Peer: p.Peer()}, wire.TypeCarry, wire.Body(m))
	}
	x.Flush(w.Now)
	x.arm()
	w.Run(time.Second)
	lo, hi := within(x.Ring().All(), b.Span)
	for i, p := range parents {
		m, ok := heard[p]
		if ok != (i > 0) {
			t.Errorf("parent %d heard of the end: %v", i, ok)
		}
		if ok && (m.Have != m.Of || int(m.Of) < hi-lo-1) {
			t.Errorf("parent %d heard %+v, the span has %d", i, m, hi-lo)
		}
	}
}

// A parcel that is waited for is followed until this node holds it no more: then its end is told,
// and nothing is left of it.
func TestFollowedUntilItIsGone(t *testing.T) {
	w := newWorld(t, 10, 5, Config{}, nil)
	origin, x := w.nodes[0], w.nodes[1]
	origin.waits()
	x.standing(wire.DutyTaken)
	seq := origin.publish(1, 100)
	w.Run(time.Minute)
	if p := origin.last(); p.Ended || origin.Stats().Jobs != 1 {
		t.Fatalf("while it is held: %+v", p)
	}
	delete(origin.held, [2]uint64{uint64(origin.ID()), seq})
	w.Run(2 * lastPause)
	if p := origin.last(); !p.Ended || p.Have != 9 || p.Of != 10 {
		t.Errorf("when it is gone: %+v", p)
	}
	w.idle()
}

// Of too many parcels that linger, the oldest end: those that nobody waits for without a word, and
// with one those that somebody does. When nobody waits any more, it is as if nobody had.
func TestTooManyFollowed(t *testing.T) {
	w := newWorld(t, 4, 5, Config{}, nil)
	origin, x := w.nodes[0], w.nodes[1]
	waited := func(first uint64) bool { return first%2 == 0 }
	origin.waited = func(first, last uint64) bool { return waited(first) }
	x.down = true
	ended := 0
	publish := func(count int) {
		for range count {
			origin.publish(1, 10)
			w.Run(10 * time.Millisecond)
		}
		w.Run(time.Second)
		ended = 0
		for _, p := range origin.told {
			if p.Ended {
				if ended++; p.First%2 != 0 {
					t.Fatalf("told of the end of %+v", p)
				}
			}
		}
	}
	publish(2 * maxLinger * 2)
	if n := len(origin.lingering.list); ended > 0 || n != 3*maxLinger {
		t.Errorf("%d linger, %d ended", n, ended)
	}
	publish(2 * maxWaited)
	if n := len(origin.lingering.list); n != maxLinger+maxWaited || ended != 2*maxLinger {
		t.Errorf("%d linger, %d ended", n, ended)
	}
	waited = func(uint64) bool { return false }
	for seq := uint64(1); seq <= origin.published; seq++ {
		origin.Forgo(1, seq)
	}
	publish(1)
	if n := len(origin.lingering.list); n != maxLinger || ended != 2*maxLinger {
		t.Errorf("nobody waits any more: %d linger, %d ended", n, ended)
	}
}

// In a large cluster fewer are followed: their legs are bounded.
func TestFollowedLegsAreBounded(t *testing.T) {
	origin, _ := delegated(t) // of 3,000
	for seq := uint64(2); seq < maxWaited; seq++ {
		b := wire.Branch{Origin: origin.ID(), Generation: 1, First: seq, Count: 1}
		i := origin.duties.enter(&b)
		origin.duties.jobs[i].own = ownPart{is: true, waited: true, look: mono.Never}
		origin.lingering.list = append(origin.lingering.list, i)
		origin.thin(origin.w.Now)
	}
	ended := len(origin.told)
	if n := len(origin.lingering.list); n != maxLinger || ended != maxWaited-2-maxLinger {
		t.Errorf("%d linger, %d were told of their end", n, ended)
	}
}

// What a leaving node looks at: the first piece that is not with enough others, or not done with.
func TestUnsettled(t *testing.T) {
	w := newWorld(t, 10, 5, Config{}, nil)
	origin := w.nodes[0]
	w.Cut = func(from, to *node) bool { return from == origin && to.i > 2 }
	if _, _, late := origin.Unsettled(3); late {
		t.Error("nothing was published")
	}
	first := origin.publish(1, 100)
	if _, piece, late := origin.Unsettled(3); !late || piece != first {
		t.Errorf("on its way: %d %v", piece, late)
	}
	w.until(t, time.Second, func() bool { return origin.last().Done })
	have := origin.last().Have
	if _, _, late := origin.Unsettled(have - 1); late {
		t.Errorf("%d others have it", have-1)
	}
	if _, piece, late := origin.Unsettled(have); !late || piece != first {
		t.Errorf("%d others have it: %d %v", have-1, piece, late)
	}
	w.Cut = nil
	w.until(t, 10*time.Second, func() bool { return origin.last().Have == 10 })
	if _, _, late := origin.Unsettled(100); late {
		t.Error("all have it")
	}
}

// A parcel of several pieces stands as the least of them.
func TestStandingOfAParcel(t *testing.T) {
	w := newWorld(t, 3, 5, Config{}, nil)
	x := w.nodes[0]
	for _, c := range []struct{ a, b, want wire.Verdict }{
		{wire.DutyDone, wire.DutyDone, wire.DutyDone}, {wire.DutyTaken, wire.DutyDone,
			wire.DutyTaken},
		{wire.DutyDone, wire.DutyTaken, wire.DutyTaken}, {wire.DutyVoid, wire.DutyDone,
			wire.DutyVoid},
		{wire.DutyVoid, wire.DutyTaken, wire.DutyVoid}, {wire.DutyVoid, wire.DutyLacks,
			wire.DutyLacks},
	} {
		x.given = func(_ member.ID, seq uint64) wire.Verdict {
			if seq == 1 {
				return c.a
			}
			return c.b
		}
		b := wire.Branch{Origin: w.nodes[1].ID(), Generation: 1, First: 1, Count: 2, Given: true}
		if got := x.Relay.parcels.standing(&b); got != c.want {
			t.Errorf("pieces %d and %d: %d", c.a, c.b, got)
		}
		b.Given = false
		if got := x.Relay.parcels.standing(&b); got != wire.DutyDone {
			t.Errorf("nobody waits: %d", got)
		}
	}
}

// Confirmations that are owed are bounded, and the youngest are kept.
func TestDebtsAreBounded(t *testing.T) {
	w := newWorld(t, 3, 5, Config{}, nil)
	x := w.nodes[0]
	x.standing(wire.DutyTaken)
	for seq := uint64(1); seq <= maxDebts+10; seq++ {
		b := wire.Branch{Origin: w.nodes[1].ID(), Generation: 1, First: seq, Count: 1,
			Given: true, Span: wire.Span{Bits: wire.SpanSelf}}
		m := wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &b), []byte("x")), 0)
		for range 2 {
			x.Receive(w.Now, plane.Sender{Peer: w.nodes[1].Peer()}, wire.TypeCarry, wire.Body(m))
		}
	}
	if n := len(x.debts.list); n != maxDebts || x.debts.list[n-1].b.First != maxDebts+10 {
		t.Fatalf("%d debts", n)
	}
	x.standing(wire.DutyDone)
	if len(x.debts.list) > 0 {
		t.Errorf("%d debts are left", len(x.debts.list))
	}
}

// A member asks for a long parcel each time that it is offered, and never gets it. Where its way is
// known to drop what is long, it is sent with the first tries and no more; what is short still is.
func TestNarrowWayIsSpared(t *testing.T) {
	for _, c := range []struct {
		size   int
		narrow bool
		again  bool
	}{{1000, false, true}, {1000, true, false}, {100, true, true}} {
		for _, waited := range []bool{false, true} {
			w := newWorld(t, 3, 4, Config{}, nil)
			origin, x := w.nodes[0], w.nodes[2]
			if waited {
				origin.waits()
			}
			for _, y := range w.nodes {
				y.narrow = c.narrow
			}
			x.refuses = func(uint64) bool { return true }
			origin.publish(1, c.size)
			w.Run(100 * time.Millisecond)
			before := origin.Stats().Carries + w.nodes[1].Stats().Carries
			w.Run(30 * time.Second)
			after := origin.Stats().Carries + w.nodes[1].Stats().Carries
			if again := after > before; again != c.again {
				t.Errorf("%+v, waited for: %v: sent again: %v", c, waited, again)
			}
		}
	}
}
