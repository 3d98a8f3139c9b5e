package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// back tells a node that others were failed and live again.
func (n *node) back(others ...*node) {
	for _, o := range others {
		if o == n {
			continue
		}
		m := n.from(o)
		before := m
		before.State = member.Failed
		n.s.Changed(n.w.Now, before, m)
	}
	n.schedule()
}

// halves is a cluster of which the first part hears nothing of the rest.
func halves(t *testing.T, n, part int, cfg Config) (w *world, one, other []*node) {
	w = newWorld(t, 6, n, cfg)
	w.publishAndSettle(3)
	w.Cut = func(from, to *node) bool {
		return slices.Index(w.nodes, from) < part != (slices.Index(w.nodes, to) < part)
	}
	return w, w.nodes[:part], w.nodes[part:]
}

// Without any probes, what two sides published apart is at all nearly at once.
func TestReunion(t *testing.T) {
	for _, part := range []int{20, 12} {
		w, one, other := halves(t, 40, part, Config{})
		for _, n := range w.nodes {
			n.publish("t", []byte("apart"))
		}
		w.run(30*time.Second, nil)
		w.Cut, w.quiet = nil, true
		w.run(2*time.Second, nil) // what was on its way
		for _, n := range one {
			n.back(other...)
		}
		for _, n := range other {
			n.back(one...)
		}
		took, ok := w.run(5*time.Second, w.all(43))
		if !ok || took > 1500*time.Millisecond {
			t.Errorf("%d of 40: all have all after %v", part, took)
		}
		for _, n := range w.nodes {
			n.checkOrder()
		}
	}
}

// One comparison serves both, also if only one of the two knows of a reunion.
func TestComparisonServesBoth(t *testing.T) {
	w, one, other := halves(t, 12, 6, Config{})
	one[0].publish("t", []byte("here"))
	other[0].publish("t", []byte("there"))
	w.run(30*time.Second, nil)
	w.Cut, w.quiet = nil, true
	w.run(2*time.Second, nil)
	one[3].s.with, one[3].s.reunion.due = other[3].ID(), w.Now
	one[3].s.at(w.Now)
	one[3].schedule()
	if _, ok := w.run(3*time.Second, w.all(5)); !ok {
		for _, n := range w.nodes {
			t.Errorf("%s has %d of 5", n.Record.Name, len(n.got))
		}
	}
}

// One member returns: few compare with it, at any size, and none if it begins anew.
func TestOneReturns(t *testing.T) {
	for _, size := range []int{20, 200} {
		syncs := 0
		for seed := range uint64(10) {
			w := newWorld(t, seed, size, Config{})
			w.quiet = true
			for _, n := range w.nodes {
				n.back(w.nodes[0])
			}
			w.run(5*time.Second, nil)
			for _, n := range w.nodes {
				syncs += int(n.s.Stats().Syncs)
			}
		}
		if syncs < 15 || syncs > 70 {
			t.Errorf("%d of %d compared in 10 runs, want 4 each in the mean", syncs, size)
		}
	}
	w := newWorld(t, 1, 4, Config{})
	n, m := w.nodes[1], w.nodes[1].from(w.nodes[0])
	before := m
	w.nodes[0].Record.Generation = 2
	n.learn(w.nodes[0])
	before.State = member.Failed
	n.s.Changed(w.Now, before, n.from(w.nodes[0]))
	if d := n.s.Deadline(); d <= w.Now.Add(time.Second) {
		t.Error("a life that begins is taken for a return")
	}
}

// After a return nothing is let go for its age, for 10 s. Members that come back again and again do
// not draw that out.
func TestNothingExpiresInAReunion(t *testing.T) {
	w := newWorld(t, 1, 3, Config{Age: 5 * time.Second})
	w.quiet = true
	n := w.nodes[1]
	w.nodes[0].publish("t", []byte("old"))
	w.run(4*time.Second, nil)
	for range 18 {
		n.back(w.nodes[2])
		w.run(time.Second/2, nil)
	}
	if n.s.Stats().Held != 1 {
		t.Error("it was let go 9 s after the return")
	}
	for range 6 {
		n.back(w.nodes[2])
		w.run(time.Second/2, nil)
	}
	if n.s.Stats().Held != 0 {
		t.Error("returns draw it out")
	}
}

// What was published on the other side and expired there is told as lost, after the reunion, once.
func TestExpiredUnseen(t *testing.T) {
	w, one, other := halves(t, 10, 5, Config{Age: 10 * time.Second})
	for range 3 {
		one[1].publish("t", []byte("gone")) // it lives
	}
	w.run(40*time.Second, nil)
	w.Cut = nil
	for _, n := range one {
		n.back(other...)
	}
	for _, n := range other {
		n.back(one...)
	}
	told := func() bool {
		return !slices.ContainsFunc(other, func(n *node) bool { return len(n.lost) == 0 })
	}
	took, ok := w.run(20*time.Second, told)
	t.Logf("told after %v", took)
	w.run(20*time.Second, nil)
	for _, n := range other {
		if !ok || len(n.lost) != 1 || n.lost[0].To-n.lost[0].From != 2 {
			t.Errorf("%s was told of %+v", n.Record.Name, n.lost)
		}
	}
	one[1].publish("t", []byte("goes on"))
	w.run(5*time.Second, nil)
	for _, n := range other {
		if e := n.events[len(n.events)-1]; e != "n001/1 4" || len(n.lost) != 1 {
			t.Errorf("%s: %q", n.Record.Name, n.events)
		}
	}
}

// Some hold messages for longer than others: that their hashes differ is looked into now and then,
// not all the time.
func TestUnequalRetention(t *testing.T) {
	w := newWorld(t, 1, 6, Config{Age: 10 * time.Minute})
	for _, n := range w.nodes[3:] {
		n.s.cfg.Age = 20 * time.Second
	}
	w.publishAndSettle(5)
	w.run(time.Minute, nil)
	if w.nodes[0].s.hash == w.nodes[5].s.hash {
		t.Fatal("their hashes do not differ")
	}
	before := w.packets
	w.run(3*time.Minute, nil)
	if n := w.packets - before; n > 6*6*4 {
		t.Errorf("%d datagrams in three minutes", n)
	}
	for _, n := range w.nodes {
		n.checkOrder()
		if len(n.lost) > 0 {
			t.Errorf("%s lost %+v", n.Record.Name, n.lost)
		}
	}
}

// The last message of a member that is gone is here in part, and no member has the rest. It is told
// as lost. The member's next life, of which messages are here, goes on after that.
func TestCutShort(t *testing.T) {
	w := newWorld(t, 1, 4, Config{})
	o, bodies := w.nodes[0], pieces(1, 4)
	for _, n := range w.nodes[1:] {
		o.Record.Generation = 1
		n.take(o, 1, bodies, 1, 2, 3)
		o.Record.Generation = 2
		n.learn(o)
		n.schedule()
	}
	o.s = New(o, w.cfg)
	o.publish("t", []byte("second life"))
	took, ok := w.run(time.Minute, func() bool {
		return !slices.ContainsFunc(w.nodes[1:], func(n *node) bool { return len(n.got) < 2 })
	})
	if !ok || took > 10*time.Second {
		t.Errorf("after %v", took)
	}
	for _, n := range w.nodes[1:] {
		if want := []string{"n000/1 1", "lost n000/1 4-5: 1 to 2",
			"n000/2 1"}; !slices.Equal(n.events, want) {
			t.Errorf("%s got %q, want %q", n.Record.Name, n.events, want)
		}
	}
}

// The rest of a message whose origin lives is still to come, however long that takes; it is asked
// for where it is.
func TestNotCutShort(t *testing.T) {
	w := newWorld(t, 1, 4, Config{})
	o, n := w.nodes[0], w.nodes[1]
	p, err := cutAll(o.s, w.Now, "t", payload(5000, 1)) // waits at its origin, for a budget
	if err != nil {
		t.Fatal(err)
	}
	body, _ := o.s.Body(o.ID(), 1, 1)
	o.s.Sent(w.Now, 1, 1)
	for _, x := range w.nodes[1:] {
		x.s.Take(w.Now, wire.Piece{Origin: o.ID(), Generation: 1, Seq: 1, Body: body})
		x.schedule()
	}
	w.run(30*time.Second, nil)
	if len(n.lost) > 0 || n.s.Stats().Pulls > 0 {
		t.Errorf("lost %+v, %d requests", n.lost, n.s.Stats().Pulls)
	}
	o.s.Sent(w.Now, 1, p.Last)
	o.spread(p)
	w.run(time.Second, nil)
	if len(n.got) != 1 || len(n.lost) > 0 {
		t.Errorf("%q", n.events)
	}
}

// The rest of a message is lost on the way, while others publish all the time, so that hashes never
// agree. After two seconds in which nothing came of it, the first member that shows another hash is
// asked.
func TestRestIsLookedFor(t *testing.T) {
	w := newWorld(t, 1, 4, Config{})
	w.quiet = true
	o, p, n, x := w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3]
	bodies, others := pieces(2), pieces(1, 1, 1, 1, 1, 1, 1, 1)
	n.take(o, 1, bodies, 1)
	x.take(o, 1, bodies, 1, 2)
	o.sleep() // nobody knows
	took, ok := w.run(4*time.Second, func() bool {
		if k := uint64(w.Now.Sub(1e12)/(400*time.Millisecond)) + 1; k <= 8 {
			x.take(p, 1, others, k)
			if n.take(p, 1, others, k)[0] {
				w.deliver(x, n, 0, x.s.AppendHeads(nil, wire.HeadsSize)) // no heads, but the hash
			}
			n.schedule()
		}
		return slices.ContainsFunc(n.got, func(m Message) bool { return m.Origin == o.ID() })
	})
	if !ok || took > 2500*time.Millisecond || len(n.lost) > 0 {
		t.Errorf("after %v: %q", took, n.events)
	}
}

// All near members deny to have a piece, and they are more than enough. Its origin was not asked
// yet: it is in another zone, over a budget that is spent. The piece is not given up before.
func TestOriginIsAskedBeforeLost(t *testing.T) {
	w := newWorld(t, 1, 100, Config{})
	w.quiet = true
	o, n := w.nodes[0], w.nodes[1]
	o.Record.Zone, o.Record.Generation = "far", 2
	for _, x := range w.nodes[1:] {
		x.learn(o)
		m := n.from(x)
		n.near = append(n.near, topology.PlaceOf(&m))
	}
	n.tight = true
	w.loss = 1
	for i := range 3 {
		o.publish("t", fmt.Append(nil, i))
	}
	body, _ := o.s.Body(o.ID(), 2, 3)
	n.s.Take(w.Now, wire.Piece{Origin: o.ID(), Generation: 2, Seq: 3, Body: body})
	n.schedule()
	w.run(10*time.Second, nil)
	st := n.s.find(o.ID(), 2)
	if len(n.events) > 0 || st.repair == nil || len(st.repair.denied) < enoughDenied ||
		slices.Contains(st.repair.denied, o.ID()) {
		t.Fatalf("%q; %+v", n.events, st.repair)
	}
	n.tight = false
	w.run(2*time.Second, nil)
	if len(n.got) != 3 || len(n.lost) > 0 {
		t.Errorf("%q", n.events)
	}
}

// A newcomer gets nothing of a stream from before its welcome, also if it has to ask for the first
// message after it.
func TestNewcomerBeginsAfter(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	w.publishAndSettle(10)
	n := w.add()
	n.s.Joined(w.Now, n.from(w.nodes[1]), 0)
	n.schedule()
	w.run(time.Second, nil)
	if st := n.s.find(w.nodes[0].ID(), 1); st == nil || st.next != 11 {
		t.Fatalf("%+v", st)
	}
	w.nodes[0].publish("t", []byte("after"))
	w.run(5*time.Second, nil)
	if want := []string{"n000/1 11"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// What is published between a newcomer's welcome and the answer to its first question is for it
// too: here the question comes a second late. What came to the others before is not.
func TestNewcomerWhoseQuestionIsLate(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	w.publishAndSettle(10)
	n := w.add()
	w.Cut = func(from, to *node) bool { return from == n || to == n }
	n.s.Joined(w.Now, n.from(w.nodes[1]), 0)
	n.schedule()
	for range 4 {
		w.run(250*time.Millisecond, nil)
		w.nodes[0].publish("t", []byte("meanwhile"))
	}
	w.Cut = nil
	w.run(5*time.Second, nil)
	want := []string{"n000/1 11", "n000/1 12", "n000/1 13", "n000/1 14"}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// The first message of a new life waits until others were asked for the life before, of which this
// node heard nothing; if they do not answer it goes on.
func TestFormerLifeFirst(t *testing.T) {
	for _, answers := range []bool{true, false} {
		w := newWorld(t, 1, 6, Config{})
		r, o := w.nodes[1], w.nodes[0]
		w.Cut = func(from, to *node) bool { return to == r }
		o.publish("t", []byte("first life"))
		w.run(5*time.Millisecond, nil)
		o.s, o.Record.Generation = New(o, w.cfg), 2
		for _, n := range w.nodes {
			n.learn(o)
		}
		w.Cut = func(from, to *node) bool { return !answers && from != o && to == r }
		o.publish("t", []byte("second life"))
		took, _ := w.run(time.Second, func() bool { return len(r.got) > 0 })
		if !answers {
			if len(r.got) != 1 || took < 250*time.Millisecond {
				t.Errorf("without answers it got %q after %v", r.events, took)
			}
			continue
		}
		w.run(time.Second, nil)
		if want := []string{"n000/1 1", "n000/2 1"}; !slices.Equal(r.events, want) ||
			took > 100*time.Millisecond {
			t.Errorf("got %q after %v, want %q", r.events, took, want)
		}
	}
}

// What was passed over of an earlier life is told as lost before a later one goes on.
func TestLostBeforeLaterLife(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	n, o := w.nodes[1], w.nodes[0]
	n.take(o, 1, pieces(1, 1), 1)
	st := n.s.find(o.ID(), 1)
	st.passOver(3, 0)
	n.s.gaps.atEnd(w.Now, st)
	n.take(o, 2, pieces(1), 1)
	n.schedule()
	w.run(5*time.Second, nil)
	if want := []string{"n000/1 1", "lost n000/1 2-2: 1 to 0",
		"n000/2 1"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// A newcomer gets as a whole a message that is on its way while it comes in. That holds whether it
// heard a piece of it before it was told where the stream begins, or only after, and whether it was
// told at all.
func TestNewcomerInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		what  string
		high  uint64 // told by the member that lets it in; 0: none tells
		heard []uint64
		from  uint64
	}{
		{"heard", 103, []uint64{102, 105}, 101},
		{"heard, and behind", 102, []uint64{104}, 101},
		{"not heard", 103, nil, 101},
		{"of the message before", 105, []uint64{108}, 102},
		{"alone", 0, []uint64{102, 105}, 101},
	} {
		w := newWorld(t, 3, 3, Config{})
		w.quiet = true
		o, seed, n := w.nodes[0], w.nodes[1], w.nodes[2]
		var bodies [][]byte
		for i := range 102 { // messages 101 and 102, of five pieces each, are pieces 101 to 110
			size := 1
			if i >= 100 {
				size = 5 * (wire.MaxPiece - 64)
			}
			p, err := cutAll(o.s, w.Now, "t", make([]byte, size))
			if err != nil {
				t.Fatal(err)
			}
			o.s.Sent(w.Now, 1, p.Last)
		}
		for seq := uint64(1); seq <= 110; seq++ {
			body, ok := o.s.Body(o.ID(), 1, seq)
			if !ok {
				t.Fatal(seq)
			}
			bodies = append(bodies, body)
		}
		for seq := uint64(1); seq <= c.high; seq++ {
			seed.take(o, 1, bodies, seq)
		}
		seed.s.arrival.joined = true
		by := n.from(seed)
		if c.high == 0 {
			by = member.Member{ID: 99}
			w.Cut = func(from, to *node) bool { return true }
		}
		n.s.Joined(w.Now, by, 0)
		n.take(o, 1, bodies, c.heard...)
		n.schedule()
		w.run(4*time.Second, nil)
		w.Cut = nil
		n.take(o, 1, bodies, 106, 109)
		n.schedule()
		w.run(5*time.Second, nil)
		var want []string
		for seq := c.from; seq <= 102; seq++ {
			want = append(want, fmt.Sprintf("n000/1 %d", seq))
		}
		if !slices.Equal(n.events, want) {
			t.Errorf("%s: got %q, want %q", c.what, n.events, want)
		}
	}
}

// A newcomer that is let in by two, and asks anew since the first answer is late, takes that one
// all the same: what is published before the second answer it gets.
func TestNewcomerTakesTheFirstAnswer(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	w.publishAndSettle(10)
	w.quiet = true
	n := w.add()
	// its first answer takes 350 ms, the others more
	w.further = func(from, to *node) time.Duration {
		switch {
		case to != n:
			return 0
		case from == w.nodes[1]:
			return 350 * time.Millisecond
		}
		return 600 * time.Millisecond
	}
	n.s.Joined(w.Now, n.from(w.nodes[1]), 0)
	n.schedule()
	w.run(50*time.Millisecond, nil)
	n.s.Joined(w.Now, n.from(w.nodes[2]), 0) // a second seed's welcome
	n.schedule()
	w.loss = 1 // for nobody but the newcomer: the others get it by the first probe
	w.nodes[0].publish("t", []byte("after"))
	for _, o := range w.nodes[1:4] {
		o.s.Take(w.Now, w.nodes[0].kept[len(w.nodes[0].kept)-1])
		o.schedule()
	}
	w.run(2*time.Second, nil)
	w.quiet = false
	w.run(5*time.Second, nil)
	if want := []string{"n000/1 11"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// One that was the first of its cluster gets what is held in the cluster that lets it in, and
// nothing is told as lost that nobody holds.
func TestFounderGetsWhatIsHeld(t *testing.T) {
	w := newWorld(t, 3, 4, Config{Age: 10 * time.Second})
	w.publishAndSettle(10)
	w.nodes[1].publish("t", []byte("let go by all"))
	w.run(11*time.Second, nil)
	w.nodes[0].publish("t", []byte("held"))
	w.run(time.Second, nil)
	n := w.add()
	n.s.Founded()
	n.publish("t", []byte("its own"))
	n.s.Joined(w.Now, n.from(w.nodes[1]), 0)
	n.schedule()
	w.run(4*time.Second, nil)
	w.nodes[1].publish("t", []byte("after"))
	w.run(time.Second, nil)
	if want := []string{"n004/1 1", "n000/1 11", "n001/1 2"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// A newcomer that works slowly asks others too, though it stands still all the time: what is
// published after they answered it gets.
func TestSlowNewcomerAsksOthers(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	w.publishAndSettle(10)
	w.quiet = true
	n := w.add()
	// the member that lets it in is not heard
	w.Cut = func(_, to *node) bool { return to == w.nodes[1] }
	n.s.Joined(w.Now, n.from(w.nodes[1]), 0)
	n.schedule()
	for range 10 {
		n.sleep()
		w.run(100*time.Millisecond, nil)
		n.asleep = false
		n.s.Stalled(w.Now, 100*time.Millisecond) // and its timers wait for what came meanwhile
		w.run(3*time.Millisecond, nil)
	}
	w.loss = 1 // nobody sends it to the newcomer
	w.nodes[0].publish("t", []byte("after"))
	for _, o := range w.nodes[1:4] {
		o.s.Take(w.Now, w.nodes[0].kept[len(w.nodes[0].kept)-1])
		o.schedule()
	}
	w.run(time.Second, nil)
	w.quiet = false
	w.run(5*time.Second, nil)
	if want := []string{"n000/1 11"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// A newcomer that was let in later knows no better where streams begin for an earlier one: what was
// published between the two it never gets itself.
func TestLaterNewcomerDoesNotTell(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	w.publishAndSettle(10)
	w.quiet = true
	n := w.add()
	var m *node
	w.Cut = func(from, to *node) bool { return to == n && from != m }
	n.s.Joined(w.Now, n.from(w.nodes[1]), 0)
	n.schedule()
	w.run(50*time.Millisecond, nil)
	w.nodes[0].publish("t", []byte("between"))
	w.run(50*time.Millisecond, nil)
	m = w.add()
	m.s.Joined(w.Now, m.from(w.nodes[1]), 0)
	m.schedule()
	w.run(20*time.Millisecond, nil)
	n.s.exchange.begin(w.Now, m.ID(), true) // the later one is the only one that it hears
	n.schedule()
	w.run(20*time.Millisecond, nil)
	w.Cut = nil
	w.quiet = false
	w.run(5*time.Second, nil)
	if want := []string{"n000/1 11"}; !slices.Equal(n.events, want) || len(m.events) > 0 {
		t.Errorf("got %q, want %q; the later one got %q", n.events, want, m.events)
	}
}
