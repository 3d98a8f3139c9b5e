package gossip

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// pathTo returns what a node knows of the way to another.
func pathTo(w *world, p *peer, name string) (Path, bool) {
	for _, x := range p.Paths(w.Now) {
		if x.Member.Name() == name {
			return x, true
		}
	}
	return Path{}, false
}

// around says whether a way leads to or from one of some nodes.
func around(nodes ...*peer) func(from, to netip.AddrPort) bool {
	return func(from, to netip.AddrPort) bool {
		for _, p := range nodes {
			if p.addr == from || p.addr == to {
				return true
			}
		}
		return false
	}
}

// narrowTo lets datagrams of so many bytes pass to and from some nodes, and all between the others.
func (w *world) narrowTo(most int, nodes ...*peer) {
	here := around(nodes...)
	w.narrow = func(from, to netip.AddrPort) int {
		if here(from, to) {
			return most
		}
		return 0
	}
}

// A node knows of all that it talks to when it heard them, how many of its probes they answer, how
// long that takes, and that its longest datagrams pass, which it looked for within seconds of its
// start: at each once.
func TestPaths(t *testing.T) {
	for _, d := range allDetectors() {
		w := newWorld(t)
		pads := map[int]int{}
		w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
			_, r, _ := wire.Open(data)
			for k, _, ok := r.Next(); ok; k, _, ok = r.Next() {
				if k == wire.TypePad {
					pads[len(data)]++
				}
			}
		}
		nodes := w.cluster(5, &Config{Detector: d})
		w.run(20 * time.Second)
		for _, p := range nodes {
			all := p.Paths(w.Now)
			if len(all) != 4 {
				t.Errorf("%s: %d ways", d, len(all))
			}
			for _, x := range all {
				if x.Passed != wire.MinRoom || x.Over != 0 || x.Checked == 0 ||
					x.From != x.Member.Addr() || x.Seen != p.addr {
					t.Errorf("%s: %+v", d, x)
				}
				if w.Now.Sub(x.Heard) > 15*time.Second {
					t.Errorf("%s: heard last %s ago", d, w.Now.Sub(x.Heard))
				}
				if d != HEARTBEAT && (x.Probes == 0 || x.Answers != x.Probes ||
					x.RTT != 2*w.latency) {
					t.Errorf("%s: %d of %d answers in %s", d, x.Answers, x.Probes, x.RTT)
				}
			}
		}
		if pads[wire.MinRoom] != 20 || len(pads) != 1 {
			t.Errorf("%s: Pads by size: %v", d, pads)
		}
		clear(pads)
		w.run(30 * time.Minute)
		if n := pads[wire.MinRoom]; n > 0 || len(pads) > 0 {
			t.Errorf("%s: in half an hour the ways are checked again: %v", d, pads)
		}
		w.run(time.Hour)
		if n := pads[wire.MinRoom]; n < 20 || n > 40 || len(pads) > 1 {
			t.Errorf("%s: in an hour and a half the ways are checked again: %v", d, pads)
		}
		for _, p := range nodes {
			if s := p.Stats(); s.ChecksPassed == 0 || s.ChecksSmall+s.ChecksUnanswered > 0 {
				t.Errorf("%s: %+v", d, s)
			}
		}
	}
}

// A way that takes less than the longest datagrams is told at both of its ends within ten seconds
// of the start, with how much it takes; once, and that it takes all, within minutes after that is
// so. Nobody else is meant.
func TestSmallPathIsTold(t *testing.T) {
	for _, loss := range []float64{0, 0.2} {
		w := newWorld(t)
		w.loss = loss
		for i := range 5 {
			w.start(string(rune('a'+i)), i, 1, nil, 0)
		}
		e := w.nodes[4]
		w.narrowTo(1072, e)
		w.until(9*time.Second, "both ends tell it",
			func() bool { return count(e, PathSmall) > 0 && count(w.nodes[0], PathSmall) > 0 })
		t.Logf("loss %.1f: told %s after the start", loss, w.Now.Sub(Time(time.Second)))
		w.run(2 * time.Minute)
		for _, p := range w.nodes {
			for _, x := range p.Paths(w.Now) {
				if small := p == e || x.Member.Name() == "e"; !small {
					if x.Over > 0 || x.Passed != wire.MinRoom {
						t.Errorf("%s to %s: %+v", p.roster.Record().Name, x.Member.Name(), x)
					}
				} else if x.Passed > 1072 || x.Passed < 1072-32 && loss == 0 || x.Over <= 1072 {
					t.Errorf("%s to %s: %d pass, %d do not", p.roster.Record().Name,
						x.Member.Name(), x.Passed, x.Over)
				}
			}
		}
		if n := count(e, PathSmall); n != 4 || count(w.nodes[0], PathSmall) != 1 {
			t.Errorf("told %d times at one end, %d at the other", n, count(w.nodes[0], PathSmall))
		}
		w.narrow = nil
		w.run(3 * time.Minute)
		for _, p := range w.nodes {
			for _, x := range p.Paths(w.Now) {
				if x.Over > 0 || x.Passed != wire.MinRoom {
					t.Errorf("long after: %s to %s: %d pass, %d do not", p.roster.Record().Name,
						x.Member.Name(), x.Passed, x.Over)
				}
			}
		}
		if n := count(e, PathWhole); n != 4 {
			t.Errorf("told %d times that all pass", n)
		}
	}
}

// What one end finds the other finds right after, and both find within minutes that all passes
// again. A member that says it of a way that is well has that looked at now and then, and no more;
// one that says it of datagrams longer than this node sends is not minded.
func TestSmallPathIsToldToTheOtherEnd(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	a, b := nodes[0], nodes[1]
	w.run(time.Minute)
	w.narrow = func(from, to netip.AddrPort) int {
		if around(a)(from, to) && around(b)(from, to) {
			return 1072
		}
		return 0
	}
	for range 2 {
		a.ways.Unanswered(w.Now, member.IDOf("n1"))
	}
	w.until(12*time.Second, "this end finds it", func() bool { return count(a, PathSmall) == 1 })
	w.until(12*time.Second, "the other end does", func() bool { return count(b, PathSmall) == 1 })
	w.run(10 * time.Second)
	if x, _ := pathTo(w, b, "n0"); x.Over <= 1072 || x.Passed > 1072 || x.Passed < 1072-32 {
		t.Errorf("at the other end %d pass, %d do not", x.Passed, x.Over)
	}
	w.narrow = nil
	w.until(3*time.Minute, "both find that all passes", func() bool {
		return count(a, PathWhole) == 1 && count(b, PathWhole) == 1
	})

	say := func(over int) int {
		before, out := b.Stats(), Outbox{}
		for range 20 {
			out.Reset()
			m := wire.Pad{Number: 7, Over: uint16(over)}
			b.Receive(w.Now, a.addr, wire.AppendPad(forge("n0", 1), &m, 0), &out)
			w.run(time.Second)
		}
		after := b.Stats()
		return int(after.ChecksPassed - before.ChecksPassed)
	}
	w.run(2 * time.Minute)
	if n := say(b.Longest() + 1); n > 0 {
		t.Errorf("of longer ones than it sends: %d checks", n)
	}
	if n := say(b.Longest()); n < 1 || n > 3 {
		t.Errorf("of a way that is well: %d checks in 20 s", n)
	}
}

// Under a way that gets narrow later nothing shows in quiet. What is published then is not
// answered, and so the way is checked at once.
func TestSmallPathIsFoundByWhatIsPublished(t *testing.T) {
	for name, do := range map[string]Command{
		"a message": Publish{Topic: "t", Payload: make([]byte, 200_000)},
		"a key":     Set{Key: "k", Value: []byte(random(3000))},
	} {
		w := newWorld(t)
		nodes := w.cluster(5, nil)
		w.run(30 * time.Second)
		w.narrowTo(1072, nodes[4])
		w.run(10 * time.Second)
		if x, _ := pathTo(w, nodes[4], "n0"); x.Over > 0 {
			t.Fatal("it is known already; the test needs another time")
		}
		for range 2 {
			if err := w.do(nodes[1], do); err != nil {
				t.Fatal(err)
			}
			w.run(time.Second)
		}
		took := w.until(13*time.Second, name+" has the way checked", func() bool {
			for _, p := range nodes {
				for _, x := range p.Paths(w.Now) {
					if x.Over > 0 {
						return true
					}
				}
			}
			return false
		})
		t.Logf("%s: %s", name, took)
		if s := nodes[0].Stats(); s.ChecksUnanswered > 0 {
			t.Errorf("%s: %d checks without a verdict", name, s.ChecksUnanswered)
		}
	}
}

// Where much is lost all ways are in doubt at once, and few are checked for that: what has no
// reason in one has none in the next. One that is narrow is found among them all the same. What is
// lost is chance, so some runs count: on the mean, and one of them may be unlucky.
func TestDoubtsOfAllWaysCostLittle(t *testing.T) {
	const runs = 8
	sum, found := 0, 0
	for run := range uint64(runs) {
		doubted, ok := doubtsOfAllWays(t, run)
		if sum += doubted; ok {
			found++
		}
	}
	if most := 30 * 1024; sum/runs > most || sum == 0 {
		t.Errorf("%d bytes of Pads in 30 s, and %d may be", sum/runs, most)
	}
	if found < runs-1 {
		t.Errorf("the narrow one was found in 2 minutes in %d of %d runs", found, runs)
	}
}

// doubtsOfAllWays returns how many bytes of Pads a node sends that doubts all its ways for 20 s,
// and whether it finds one that is narrow then.
func doubtsOfAllWays(t *testing.T, run uint64) (doubted int, found bool) {
	w := newWorld(t)
	w.rng = rand.New(rand.NewPCG(run, 2))
	nodes := w.cluster(30, nil)
	w.run(30 * time.Second)
	w.loss = 0.4
	sent := 0
	w.onSend = func(p *peer, _ netip.AddrPort, data []byte) {
		_, r, _ := wire.Open(data)
		if k, _, _ := r.Next(); p == nodes[0] && k == wire.TypePad {
			sent += len(data)
		}
	}
	doubt := func() {
		for _, p := range nodes[1:] {
			nodes[0].ways.Unanswered(w.Now, member.IDOf(p.roster.Record().Name))
		}
	}
	for range 20 {
		doubt()
		w.run(time.Second)
	}
	w.run(10 * time.Second)
	doubted, sent = sent, 0
	if w.run(30 * time.Second); sent > 0 {
		t.Errorf("%d bytes of Pads without any doubt", sent)
	}
	for _, p := range nodes[1:] {
		if x, ok := pathTo(w, nodes[0], p.roster.Record().Name); ok &&
			w.Now.Sub(x.Heard) < time.Second {
			w.narrowTo(600, p)
		}
	}
	for range 120 {
		doubt()
		w.run(time.Second)
	}
	return doubted, count(nodes[0], PathSmall) > 0
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// Where half of the packets are lost, and where they come twice, no way is said to be small.
func TestNoWayIsSmallByLoss(t *testing.T) {
	for _, loss := range []float64{0.1, 0.3, 0.5} {
		w := newWorld(t)
		w.loss = loss
		for i := range 12 {
			w.start(string(rune('a'+i)), i, 1, nil, 0)
		}
		for range 6 {
			w.run(10 * time.Second)
			for _, p := range w.nodes { // as if each had just begun
				p.ways.Renew(w.Now)
			}
		}
		checks := Stats{}
		for _, p := range w.nodes {
			s := p.Stats()
			checks.ChecksPassed += s.ChecksPassed
			checks.ChecksSmall += s.ChecksSmall
			checks.ChecksUnanswered += s.ChecksUnanswered
		}
		if checks.ChecksSmall > 0 || checks.ChecksPassed < 200 {
			t.Errorf("loss %.1f: %d checks passed, %d small, %d without a verdict", loss,
				checks.ChecksPassed,
				checks.ChecksSmall, checks.ChecksUnanswered)
		}
	}
}

// Where the MTU is set above what a way takes, that is told, and that the least MTU passes.
func TestRaisedMTU(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, &Config{MTU: 9000})
	w.narrowTo(1400, nodes[3])
	for _, p := range nodes {
		p.ways.Renew(w.Now)
	}
	w.run(time.Minute)
	x, _ := pathTo(w, nodes[3], "n0")
	y, _ := pathTo(w, nodes[0], "n1")
	if x.Passed < 1400-32 || x.Passed > 1400 || x.Over <= 1400 ||
		y.Passed != wire.RoomOf(9000) || y.Over != 0 {
		t.Errorf("to the one behind it %d pass and %d do not; elsewhere %d and %d", x.Passed,
			x.Over, y.Passed, y.Over)
	}
}

// The answer to a Pad is as long as that, goes to where it came from, is given to live members
// alone, to one Pad of a datagram, and costs so many bytes a second at most.
func TestPadsAreAnswered(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	n0 := nodes[0]
	w.run(10 * time.Second)
	for _, size := range []int{0, 300, wire.MinRoom, 5000} {
		b := wire.AppendPad(forge("n1", 1), &wire.Pad{Number: 7}, size-wire.HeaderSize)
		var out Outbox
		n0.Receive(w.Now, forgedAddr, b, &out)
		if len(out.Packets) != 1 || out.Packets[0].To != forgedAddr ||
			len(out.Packets[0].Data) != min(len(b), wire.MinRoom) {
			t.Fatalf("a Pad in %d bytes is answered by %v", len(b), out.Packets)
		}
		_, r, _ := wire.Open(out.Packets[0].Data)
		k, body, _ := r.Next()
		if m, ok := wire.ReadSeen(body); k != wire.TypeSeen || !ok || m.Number != 7 ||
			m.From != forgedAddr {
			t.Errorf("the answer is a %s: %+v, %t", k, m, ok)
		}
	}
	for _, b := range [][]byte{wire.AppendPad(forge("n1", 2), &wire.Pad{Number: 7}, 0),
		wire.AppendPad(forge("stranger", 1), &wire.Pad{Number: 7}, 0)} {
		var out Outbox
		if n0.Receive(w.Now, forgedAddr, b, &out); len(asks(t, &out, wire.TypeSeen)) > 0 {
			t.Error("a stranger is answered")
		}
	}
	var out Outbox
	n0.Receive(w.Now, forgedAddr, wire.AppendPad(wire.AppendPad(forge("n1", 1),
		&wire.Pad{Number: 7}, 0), &wire.Pad{Number: 8}, 0), &out)
	if n := len(asks(t, &out, wire.TypeSeen)); n != 1 {
		t.Errorf("%d answers to one datagram", n)
	}
	sent := 0
	for range 1000 {
		out.Reset()
		n0.Receive(w.Now, forgedAddr, wire.AppendPad(forge("n1", 1), &wire.Pad{Number: 7},
			wire.MinRoom), &out)
		sent += len(asks(t, &out, wire.TypeSeen)) * wire.MinRoom
	}
	if sent > 2*128<<10+2*wire.MinRoom {
		t.Errorf("in an instant %d bytes are answered", sent)
	}
}

// A node whose address changes checks its ways anew, and so do the others: theirs leads elsewhere.
func TestMovedNodeChecksAnew(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.run(20 * time.Second)
	n1 := nodes[1]
	was := n1.Stats().ChecksPassed
	n1.addr = addrOf(99)
	if err := w.do(n1, Moved{Addr: addrOf(99)}); err != nil {
		t.Fatal(err)
	}
	w.run(20 * time.Second)
	x, _ := pathTo(w, nodes[0], "n1")
	if got := n1.Stats().ChecksPassed - was; got != 3 || x.From != addrOf(99) || x.Passed == 0 {
		t.Errorf("%d checks since it moved; %+v", got, x)
	}
}

// A newcomer behind a way on which a full Welcome is too long gets a short one when it asks again:
// so it is in, and can say what is wrong.
func TestJoinOverASmallPath(t *testing.T) {
	w := newWorld(t)
	tags, err := member.NewTags(map[string]string{"k": string(make([]byte, 200))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		p := w.start(string(rune('a'+i)), i, 1, nil, 0)
		w.do(p, SetTags{Tags: tags})
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(16) })
	w.run(10 * time.Second)
	w.narrowTo(900, &peer{addr: addrOf(99)})
	z := w.start("z", 99, 1, nil, 0)
	w.until(3*time.Second, "it is let in", func() bool { return count(z, Welcomed) > 0 })
	w.until(10*time.Second, "it tells what is wrong",
		func() bool { return count(z, PathSmall) > 0 })
}

// A member that stands still is silent to those that talk to it, long before it is judged; one that
// sends and answers nothing is mute; and where all is well nobody is either.
func TestSilentAndMute(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(20 * time.Second)
	told := func(which func(*Path) bool) (names []string) {
		for _, p := range nodes {
			for _, x := range p.Paths(w.Now) {
				if which(&x) && !p.down {
					names = append(names, x.Member.Name())
				}
			}
		}
		return names
	}
	failed := func() bool {
		m, _ := nodes[0].Table().Get(nodes[4].id)
		return m.State == member.Failed
	}
	silent, mute := func(x *Path) bool { return x.Silent }, func(x *Path) bool { return x.Mute }
	for range 200 {
		w.run(100 * time.Millisecond)
		if s, m := told(silent), told(mute); len(s)+len(m) > 0 {
			t.Fatalf("all are well, and silent are %v, mute %v", s, m)
		}
	}
	n4 := nodes[4]
	w.cut = func(from, to netip.AddrPort) bool { return to == n4.addr }
	w.until(12*time.Second, "somebody sees it send and not answer", func() bool {
		return len(told(mute)) > 0 || failed()
	})
	if names := told(mute); !slices.Contains(names, "n4") {
		t.Errorf("mute are %v", names)
	}
	w.cut = nil
	w.until(time.Minute, "all see all", func() bool { return w.allSee(5) })
	w.run(10 * time.Second)
	n0 := nodes[0]
	w.cut = func(from, to netip.AddrPort) bool { return from == n0.addr && to == n4.addr }
	w.until(time.Minute, "each end knows its direction", func() bool {
		there, _ := pathTo(w, n0, "n4")
		here, _ := pathTo(w, n4, "n0")
		return there.Mute && !there.Silent && here.Silent && !here.Mute
	})
	var last Time // few of its datagrams come: one in two seconds
	w.cut = func(from, to netip.AddrPort) bool {
		rare := from == n4.addr && to == n0.addr && w.Now.Sub(last) < 2*time.Second
		if from == n4.addr && to == n0.addr && !rare {
			last = w.Now
		}
		return rare || from == n0.addr && to == n4.addr
	}
	for range 300 {
		w.run(100 * time.Millisecond)
		there, _ := pathTo(w, n0, "n4")
		here, _ := pathTo(w, n4, "n0")
		if !there.Mute || there.Silent || !here.Silent || here.Mute {
			t.Fatalf("the direction flips: %+v and %+v", there, here)
		}
	}
	w.cut = nil
	w.until(time.Minute, "both are well",
		func() bool { return len(told(silent))+len(told(mute)) == 0 })
	w.run(10 * time.Second)
	w.cut = around(nodes[4])
	w.until(3*time.Second, "it is silent, and not failed", func() bool {
		names := told(silent)
		return slices.Contains(names, "n4") && !failed()
	})
}
