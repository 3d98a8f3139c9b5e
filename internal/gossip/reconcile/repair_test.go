package reconcile

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// pair makes two nodes that know of each other and of the same n others.
func pair(w *world, n int) (a, b *fakeNode) {
	a, b = w.node("a", Config{}), w.node("b", Config{})
	a.apply(fact("b", 1, 0, member.Alive))
	b.apply(fact("a", 1, 0, member.Alive))
	for i := range n {
		f := fact(name(i), 1, 3, member.Alive)
		a.apply(f)
		b.apply(f)
	}
	return a, b
}

// settle lets time pass, so that what was done so far is no fresh change to anybody.
func (w *world) settle() {
	w.Now = w.Now.Add(time.Minute)
	for _, n := range w.order {
		n.repair.log = changeLog{} // and can no longer be explained
	}
}

// differences, by what one node holds of member i and the other does not.
var differences = []struct {
	what string
	make func(a, b *fakeNode, i int)
}{
	{"updated here", func(a, b *fakeNode, i int) { a.apply(fact(name(i), 1, 4, member.Alive)) }},
	{"updated there", func(a, b *fakeNode, i int) { b.apply(fact(name(i), 1, 4, member.Alive)) }},
	{"in a new life here, updated there", func(a, b *fakeNode, i int) {
		a.apply(fact(name(i), 2, 0, member.Alive))
		b.apply(fact(name(i), 1, 5, member.Alive))
	}},
	{"in a new life there, updated here", func(a, b *fakeNode, i int) {
		b.apply(fact(name(i), 2, 0, member.Alive))
		a.apply(fact(name(i), 1, 5, member.Alive))
	}},
	{"unknown there", func(a, b *fakeNode, i int) {
		a.apply(fact(name(i+1_000_000), 1, 0,
			member.Alive))
	}},
	{"unknown here", func(a, b *fakeNode, i int) {
		b.apply(fact(name(i+2_000_000), 1, 0,
			member.Alive))
	}},
	{"failed here", func(a, b *fakeNode, i int) { a.apply(fact(name(i), 1, 3, member.Failed)) }},
	{"failed there", func(a, b *fakeNode, i int) { b.apply(fact(name(i), 1, 3, member.Failed)) }},
	{"left there, updated here", func(a, b *fakeNode, i int) {
		b.apply(fact(name(i), 1, 3, member.Left))
		a.apply(fact(name(i), 1, 4, member.Alive))
	}},
	{"failed here long ago, in a new life there", func(a, b *fakeNode, i int) {
		a.apply(fact(name(i), 1, 9, member.Failed))
		b.apply(fact(name(i), 2, 0, member.Alive))
	}},
}

// sameTables says whether two tables hold the same of all members that one of them holds as live.
func sameTables(a, b *member.Table) error {
	for _, t := range [][2]*member.Table{{a, b}, {b, a}} {
		for i := range t[0].Live() {
			m := t[0].At(i)
			if o, ok := t[1].Get(m.ID); !ok || o.Version() != m.Version() {
				return fmt.Errorf("%s: %+v here, %+v there", m.Name(), m.Version(), o.Version())
			}
		}
	}
	return nil
}

func TestPairsConverge(t *testing.T) {
	for _, loss := range []float64{0, 0.25, 0.5} {
		for _, c := range []struct{ n, each int }{{2, 1}, {40, 1}, {500, 1}, {500, 5}, {2000, 40}} {
			t.Run(fmt.Sprintf("n=%d,each=%d,loss=%v", c.n, c.each, loss), func(t *testing.T) {
				w := newWorld(uint64(c.n + c.each))
				a, b := pair(w, c.n)
				for k, d := range differences {
					for j := range c.each {
						if i := k*c.each + j; i < c.n {
							d.make(a, b, i)
						}
					}
				}
				w.settle()
				w.loss = loss
				a.probeJust(b)
				b.probeJust(a)
				took, ok := w.until(5*time.Minute, w.agreed)
				if err := sameTables(&a.Members, &b.Members); !ok || err != nil {
					t.Fatalf("after %v: %v\n%+v\n%+v", took, err, a.repair.Stats(),
						b.repair.Stats())
				}
				report(t, w, took)
			})
		}
	}
}

// probeJust has a node probe one other for ever.
func (n *fakeNode) probeJust(to *fakeNode) {
	n.fingerprint(to.ID(), true)
	n.w.After(probeEvery+time.Duration(n.w.Chance.Int64N(1e8)), func() { n.probeJust(to) })
}

// Each kind of difference alone, and what each side ends up with.
func TestDifferences(t *testing.T) {
	for _, d := range differences {
		t.Run(d.what, func(t *testing.T) {
			w := newWorld(1)
			a, b := pair(w, 1000)
			d.make(a, b, 5)
			w.settle()
			a.fingerprint(b.ID(), true)
			w.Run(2 * suspicion)
			if err := sameTables(&a.Members, &b.Members); err != nil || !w.agreed() {
				t.Fatal(err)
			}
			if w.legs > 6 { // two of them fingerprints
				t.Errorf("%d legs", w.legs)
			}
		})
	}
}

// Two versions of a member that look alike under one salt are told apart at the next: each view has
// a salt of its own.
func TestSaltsDiffer(t *testing.T) {
	for _, n := range []int{20, 60} { // a list; a sketch
		var first uint32
		for run := range 2 { // the first shows which salt is drawn
			w := newWorld(9)
			a, b := pair(w, n)
			m, _ := a.Members.Get(member.IDOf(name(5)))
			looks := func(incarnation uint32) uint64 {
				s, m := newSalt(first), m
				m.Incarnation = incarnation
				return s.item(s.Tag(m.ID), &m)
			}
			incarnation := m.Incarnation + 16
			for run == 1 && looks(incarnation) != looks(m.Incarnation) {
				incarnation += 16
			}
			b.apply(fact(name(5), 1, incarnation, member.Alive))
			w.settle()
			salts := map[uint32]bool{}
			w.onSend = func(messages []byte) {
				_, r, _ := wire.Open(append(wire.AppendHeader(nil, wire.Header{}), messages...))
				for kind, body, ok := r.Next(); ok; kind, body, ok = r.Next() {
					var v wire.View
					switch kind {
					case wire.TypeList:
						v, _, _ = wire.ReadList(body)
					case wire.TypeSketch:
						s, _ := wire.ReadSketch(body)
						v = s.View
					default:
						continue
					}
					if salts[v.Salt] {
						t.Errorf("salt %x comes again", v.Salt)
					}
					if len(salts) == 0 && run == 1 && v.Salt != first {
						t.Fatalf("salt %x is drawn first, not %x", v.Salt, first)
					}
					if len(salts) == 0 {
						first = v.Salt
					}
					salts[v.Salt] = true
				}
			}
			b.probeJust(a)
			if took, ok := w.until(5*time.Minute, w.agreed); !ok || len(salts) < 1+run {
				t.Errorf("%d members, run %d: after %v and %d salts: agreed %t", n, run, took,
					len(salts), ok)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	w := newWorld(1)
	a, b := pair(w, 1000)
	w.settle()
	for i := range 60 {
		f := fact(name(i), 1, 4, member.Alive)
		a.apply(f)
		if i != 7 && i != 20 && i != 59 {
			b.apply(f)
		}
	}
	b.fingerprint(a.ID(), false)
	w.Run(100 * time.Millisecond)
	if err := sameTables(&a.Members, &b.Members); err != nil {
		t.Fatal(err)
	}
	if s := a.repair.Stats(); s.Explained != 1 || s.Pushed != 3 || s.Started != 0 ||
		w.packets != 1 {
		t.Errorf("%d datagrams, %+v", w.packets, s)
	}
}

// Where nothing gets better, peers are asked more and more seldom; where all is well, nothing is
// sent.
func TestRestraint(t *testing.T) {
	w := newWorld(1)
	a, b := pair(w, 1000)
	w.settle()
	a.probeJust(b)
	b.probeJust(a)
	w.Run(time.Minute)
	if w.packets > 0 {
		t.Errorf("%d datagrams between equal tables", w.packets)
	}
	if same, heard := a.repair.Agreement(w.Now); same != 1 || heard != 1 {
		t.Errorf("agreement %d of %d", same, heard)
	}
	a.apply(fact(name(3), 1, 4, member.Alive))
	w.settle()
	b.refuse = true
	w.Run(10 * time.Minute)
	if s := a.repair.Stats(); s.Started > 30 {
		t.Errorf("%d exchanges in vain in ten minutes", s.Started)
	}
}

// What is lost of an exchange does not wait for the next fingerprint, and a peer that never answers
// is asked three times.
func TestLostAnswer(t *testing.T) {
	for _, lost := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond,
		time.Hour} {
		w := newWorld(1)
		a, b := pair(w, 100)
		b.apply(fact(name(3), 1, 4, member.Alive))
		w.settle()
		until := w.Now.Add(lost)
		b.fingerprint(a.ID(), false)
		w.Cut = func(from, _ member.ID) bool { return from == b.ID() && w.Now < until }
		w.Run(time.Minute)
		if s := a.repair.Stats(); w.agreed() != (lost < time.Hour) || s.Started > 3 {
			t.Errorf("answers are lost for %s: equal %v, %+v", lost, w.agreed(), s)
		}
	}
}

// A lively cluster, two changes a second, of which each reaches the peer late, up to 400 ms: seldom
// a view.
func TestDamping(t *testing.T) {
	w := newWorld(1)
	a, b := pair(w, 500)
	w.settle()
	a.probeJust(b)
	b.probeJust(a)
	var change func(i uint32)
	change = func(i uint32) {
		f := fact(name(int(i)%500), 1, 4+i/500, member.Alive)
		a.apply(f)
		w.After(time.Duration(w.Chance.Int64N(int64(400*time.Millisecond))), func() { b.apply(f) })
		w.After(time.Duration(w.Chance.ExpFloat64()*float64(500*time.Millisecond)),
			func() { change(i + 1) })
	}
	change(0)
	w.Run(100 * time.Second)
	t.Logf("%+v", a.repair.Stats())
	t.Logf("%+v", b.repair.Stats())
	if n := a.repair.Stats().Started + b.repair.Stats().Started; n > 25 {
		t.Errorf("%d exchanges in 100 s", n)
	}
}

func TestNewcomerPulls(t *testing.T) {
	for _, n := range []int{3, 100, 3000} {
		for _, loss := range []float64{0, 0.25, 0.5} {
			t.Run(fmt.Sprintf("n=%d,loss=%v", n, loss), func(t *testing.T) {
				w := newWorld(uint64(n))
				facts := make([]member.Fact, n)
				for i := range facts {
					facts[i] = fact(name(i), 1, 0, member.Alive)
				}
				for i := range n { // a few nodes answer for all
					if i >= 40 {
						w.nodes[member.IDOf(name(i))] = w.order[i%40]
						continue
					}
					member := w.node(name(i), Config{})
					for _, f := range facts {
						member.apply(f)
					}
				}
				w.settle()
				w.loss = loss
				x := w.node("newcomer", Config{})
				for i := range min(n, 17) {
					x.apply(facts[i])
				}
				w.order[0].apply(fact("newcomer", 1, 0, member.Alive))
				x.repair.Welcome(w.Now, member.Member{ID: w.order[0].ID()}, uint32(n+1))
				x.schedule()
				took, ok := w.until(time.Minute, func() bool { return x.Members.Live() == n+1 })
				report(t, w, took)
				if !ok {
					t.Fatalf("%d of %d members after %v: %+v", x.Members.Live(), n+1, took,
						x.repair.Stats())
				}
				if s := w.order[0].sent; n >= 100 && s > w.packets/4 {
					t.Errorf("the seed sent %d of %d datagrams", s, w.packets)
				}
				ranges := uint64(1)
				for n+1 > 16*int(ranges) {
					ranges *= 2
				}
				if s := x.repair.Stats(); loss == 0 && n <= 100 && s.Asked > ranges { // each once
					t.Errorf("%d requests for %d ranges", s.Asked, ranges)
				}
			})
		}
	}
}

// A storm of newcomers through one seed. Nothing but repair spreads the members.
func TestJoinStorm(t *testing.T) {
	for _, c := range []struct {
		n     int
		loss  float64
		limit time.Duration
	}{{128, 0, 1500 * time.Millisecond}, {1000, 0, 3 * time.Second}, {400, 0.25,
		15 * time.Second}} {
		t.Run(fmt.Sprintf("n=%d,loss=%v", c.n, c.loss), func(t *testing.T) {
			if testing.Short() && c.n > 128 {
				t.Skip("long")
			}
			w := newWorld(uint64(c.n))
			seed := w.node("seed", Config{})
			seed.probe()
			for i := range c.n {
				w.After(time.Duration(w.Chance.Int64N(int64(100*time.Millisecond))),
					func() { w.join(seed, name(i)) })
			}
			w.Run(100 * time.Millisecond)
			w.loss = c.loss
			took, ok := w.until(time.Minute, w.complete(c.n+1))
			report(t, w, took)
			w.reportStats(t)
			t.Logf("the seed sent %d", seed.sent)
			if !ok || took > c.limit {
				t.Errorf("not complete after %v", took)
			}
		})
	}
}

// join lets a node in: it gets the seed, the 6 newest and 10 random members.
func (w *world) join(seed *fakeNode, name string) {
	n := w.node(name, Config{})
	seed.apply(fact(name, 1, 0, member.Alive))
	for i := range min(16, len(w.order)) {
		o := w.order[len(w.order)-1-i]
		if i >= 6 {
			o = w.order[w.Chance.IntN(len(w.order))]
		}
		m, _ := o.Members.Get(o.ID())
		n.apply(m.Fact())
	}
	m, _ := seed.Members.Get(seed.ID())
	n.apply(m.Fact())
	n.repair.Welcome(w.Now, m, uint32(seed.Members.Live()))
	n.schedule()
	n.probe()
}

func (w *world) reportStats(t *testing.T) {
	var sum Stats
	for _, n := range w.order {
		s := n.repair.Stats()
		sum.Matched += s.Matched
		sum.Mismatched += s.Mismatched
		sum.Explained += s.Explained
		sum.Started += s.Started
		sum.Sketches += s.Sketches
		sum.Lists += s.Lists
		sum.Decoded += s.Decoded
		sum.Undecoded += s.Undecoded
		sum.Pushed += s.Pushed
		sum.Wanted += s.Wanted
		sum.Learned += s.Learned
		sum.Asked += s.Asked
		sum.Refused += s.Refused
		sum.Busy += s.Busy
	}
	t.Logf("%+v", sum)
}

// Two sides that thought each other dead meet again: one member of each learns that the other
// lives.
func TestPartitionHeals(t *testing.T) {
	const n, left = 300, 90
	w := newWorld(3)
	for i := range n {
		w.node(name(i), Config{})
	}
	side := func(i int) bool { return i < left }
	for i, x := range w.order {
		for j := range n {
			s := member.Alive
			if side(i) != side(j) {
				s = member.Failed
			}
			x.apply(fact(name(j), 1, 0, s))
		}
		x.probe()
	}
	w.settle()
	a, b := w.order[0], w.order[left]
	a.apply(fact(name(left), 1, 1, member.Alive))
	b.apply(fact(name(left), 1, 1, member.Alive))
	a.apply(fact(name(0), 1, 1, member.Alive))
	b.apply(fact(name(0), 1, 1, member.Alive))
	a.fingerprint(b.ID(), true)
	took, ok := w.until(time.Minute, func() bool { return w.complete(n)() && w.agreed() })
	report(t, w, took)
	w.reportStats(t)
	if !ok || took > 10*time.Second {
		t.Errorf("not healed after %v", took)
	}
}

// A flood of requests is served within the budget.
func TestServeBudget(t *testing.T) {
	w := newWorld(1)
	a, b := pair(w, 5000)
	self, _ := a.Members.Get(b.ID())
	v := wire.View{Report: true}
	list := wire.Body(wire.AppendList(nil, &v, nil))
	a.sent = 0
	for range 1000 {
		a.repair.Receive(w.Now, plane.SenderOf(self), wire.TypeList, list)
		w.Now = w.Now.Add(time.Millisecond)
	}
	s := a.repair.Stats()
	if served := a.sent - int(s.Refused); served > 400+64 || s.Refused == 0 {
		t.Errorf("%d datagrams served in a second, %+v", served, s)
	}
}

// Agreement is about peers that live and were heard lately: each counts once, and a lone survivor
// agrees with nobody.
func TestAgreementAges(t *testing.T) {
	w := newWorld(1)
	a, b := pair(w, 10)
	w.settle()
	a.probeJust(b)
	b.probeJust(a)
	w.Run(10 * time.Second)
	if same, heard := a.repair.Agreement(w.Now); same != 1 || heard != 1 {
		t.Errorf("one peer: %d of %d", same, heard)
	}
	if same, heard := a.repair.Agreement(w.Now.Add(time.Minute)); same != 0 || heard != 0 {
		t.Errorf("a minute of silence later: %d of %d", same, heard)
	}
	m, _ := a.Members.Get(b.ID())
	f := m.Fact()
	f.State = member.Failed
	a.apply(f)
	if same, heard := a.repair.Agreement(w.Now); same != 0 || heard != 0 {
		t.Errorf("the peer failed: %d of %d", same, heard)
	}
}
