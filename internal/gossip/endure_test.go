package gossip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/size"
)

// What a cluster must bear for minutes: loss, pauses, floods, the smallest datagrams, large
// records.

// agree says whether all running nodes have one view.
func (w *world) agree() bool {
	up := w.up()
	for _, p := range up {
		if p.Table().Fingerprint() != up[0].Table().Fingerprint() {
			return false
		}
	}
	return true
}

// Two clusters of one name become one when a node of the one dials a node of the other.
func TestClustersMerge(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		seeds := []int{i / 10 * 10}
		if i%10 == 0 {
			seeds = nil
		}
		w.start(fmt.Sprintf("n%d", i), i, 1, nil, seeds...)
	}
	w.until(10*time.Second, "two clusters", func() bool { return w.allSee(10) })
	w.run(time.Minute)
	w.do(w.nodes[3], Join{Seeds: []netip.AddrPort{addrOf(17)}})
	took := w.until(10*time.Second, "one cluster", func() bool { return w.allSee(20) })
	t.Logf("after %s", took)
	w.until(10*time.Second, "all agree", w.agree)
}

// A flood of joins by nodes that say a word and are gone does not fill the queues, and the real
// members stay.
func TestJoinFlood(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, &Config{Retention: time.Minute})
	w.run(5 * time.Second)
	flood := size.Of(600, 600, 3000)
	for i := range flood {
		name := fmt.Sprintf("ghost%d", i)
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 7, byte(i >> 8), byte(i)}), 7747)
		w.inject(nodes[i%5], forge(name, 1, w.provenJoin(nodes[i%5], recordOf(name, 1, a))))
		w.inject(nodes[i%5], word(name))
		w.run(time.Millisecond)
		if s := nodes[0].Stats(); s.NewsQueued > rumor.MaxItems {
			t.Fatalf("%d pieces of news wait", s.NewsQueued)
		}
	}
	if n := nodes[0].Table().Len(); n > flood+5 {
		t.Errorf("%d members", n)
	}
	sent, members := nodes[0].Stats(), nodes[0].Table().Len()
	w.run(time.Minute)
	s := nodes[0].Stats()
	t.Logf("a minute among ghosts: %d B/s sent by a node that held %d",
		(s.BytesOut-sent.BytesOut)/60, members)
	for _, p := range nodes {
		for _, q := range nodes {
			if !p.sees(q.id, member.Alive) && !p.sees(q.id, member.Suspect) {
				t.Errorf("a real member was lost among the ghosts")
			}
		}
	}
}

// Ghosts that said a word are found dead one by one, and forgotten.
func TestGhostsAreForgotten(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, &Config{Retention: time.Minute})
	for i := range 60 {
		name := fmt.Sprintf("ghost%d", i)
		w.inject(nodes[i%5], forge(name, 1, w.provenJoin(nodes[i%5],
			recordOf(name, 1, addrOf(1000+i)))))
		w.inject(nodes[i%5], word(name))
		w.run(10 * time.Millisecond)
	}
	if n := nodes[0].Table().Len(); n < 30 {
		t.Fatalf("only %d members", n)
	}
	took := w.until(30*time.Minute, "the ghosts are found dead", func() bool { return w.allSee(5) })
	t.Logf("found dead after %s", took)
	w.until(5*time.Minute, "the ghosts are forgotten",
		func() bool { return nodes[0].Table().Len() == 5 })
}

// A node whose process stood still accuses nobody when it goes on, and is back in the cluster soon.
func TestPause(t *testing.T) {
	for _, gap := range []time.Duration{300 * time.Millisecond, 5 * time.Second, time.Minute} {
		for offset := range 12 {
			w := newWorld(t)
			nodes := w.cluster(12, nil)
			w.run(5*time.Second + time.Duration(offset)*57*time.Millisecond)
			p := nodes[offset]
			p.paused = true
			w.run(gap)
			wrong := 0
			w.onEvent = func(q *peer, e Event) {
				if (e.Kind == MemberSuspected || e.Kind == MemberFailed) && e.Member.ID != p.id {
					wrong++
				}
			}
			w.resume(p)
			took := w.until(20*time.Second, "all see all",
				func() bool { return w.allSee(12) && w.agree() })
			w.run(20 * time.Second)
			if wrong > 0 {
				t.Errorf("after %s, offset %d: %d members were accused", gap, offset, wrong)
			}
			if took > 10*time.Second {
				t.Errorf("after %s it took %s to be back", gap, took)
			}
		}
	}
}

// A clock that jumps ahead is a pause in which nothing was lost.
func TestClockJump(t *testing.T) {
	for _, gap := range []time.Duration{5 * time.Second, time.Minute, time.Hour} {
		w := newWorld(t)
		nodes := w.cluster(10, nil)
		w.run(5 * time.Second)
		w.Now = w.Now.Add(gap) // for all of them, and the packets under way
		w.run(time.Minute)
		for _, p := range nodes {
			if count(p, MemberSuspected)+count(p, MemberFailed) > 0 || p.Stats().Stalls == 0 {
				t.Errorf("after a jump of %s: %d suspected, %d failed, %d stalls seen", gap,
					count(p, MemberSuspected), count(p, MemberFailed), p.Stats().Stalls)
			}
		}
	}
}

// With packets lost at random, members are failed falsely seldom, never for good, and when the loss
// ends all views are one. The numbers are logged; the limits are far from them, and tell of
// something broken, not of something worse.
func TestLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("ten virtual minutes of 30 nodes")
	}
	for _, c := range []struct {
		loss float64
		most int // false failures, as the member's first sees them
	}{{0.1, 0}, {0.3, 3}, {0.5, 300}} {
		w := newWorld(t)
		nodes := w.cluster(30, nil)
		w.run(5 * time.Second)
		w.loss = c.loss
		type verdict struct {
			id          member.ID
			incarnation uint32
		}
		failures, suspected := map[verdict]bool{}, map[verdict]bool{}
		w.onEvent = func(_ *peer, e Event) {
			switch e.Kind {
			case MemberFailed:
				failures[verdict{e.Member.ID, e.Member.Incarnation}] = true
			case MemberSuspected:
				suspected[verdict{e.Member.ID, e.Member.Incarnation}] = true
			}
		}
		const span = 10 * time.Minute
		var before, after uint64
		for _, p := range nodes {
			before += p.Stats().BytesOut + flow.IPOverhead*p.Stats().PacketsOut
		}
		w.run(span)
		for _, p := range nodes {
			after += p.Stats().BytesOut + flow.IPOverhead*p.Stats().PacketsOut
		}
		w.loss = 0
		took := w.until(time.Minute, "all see all and agree",
			func() bool { return w.allSee(30) && w.agree() })
		t.Logf("%2.0f %% loss, 30 nodes, 10 min: %d false suspicions, %d false failures (%.4f "+
			"per node-minute), %d B/s per node, whole %s after the loss",
			100*c.loss, len(suspected), len(failures), float64(len(failures))/300,
			(after-before)/30/uint64(span/time.Second), took)
		if len(failures) > c.most {
			t.Errorf("%d false failures at %.0f %% loss", len(failures), 100*c.loss)
		}
	}
}

// Every published message reaches every node once, however much is lost.
func TestMessagesUnderLoss(t *testing.T) {
	for _, loss := range []float64{0.1, 0.3, 0.5} {
		w := newWorld(t)
		nodes := w.cluster(50, nil)
		w.run(5 * time.Second)
		w.loss = loss
		const messages = 40
		for i := range messages {
			w.do(nodes[i], Publish{Topic: "t", Payload: []byte("x")})
			w.run(100 * time.Millisecond)
		}
		all := func() bool {
			for _, p := range nodes {
				if count(p, MessageDelivered) < messages {
					return false
				}
			}
			return true
		}
		t.Logf("%.0f %% loss: all have all %s after the last", 100*loss,
			w.until(20*time.Second, "all have all", all))
		w.run(time.Second)
		for _, p := range nodes {
			if count(p, MessageDelivered) > messages || count(p, MessagesLost) > 0 {
				t.Error("delivered twice, or lost")
			}
		}
	}
}

// Records of 1 KiB of tags fit the smallest datagram, and spread by news and by pull.
func TestLargeTagsInSmallDatagrams(t *testing.T) {
	w := newWorld(t)
	cfg := &Config{MTU: wire.MinMTU}
	nodes := w.cluster(20, cfg)
	w.run(5 * time.Second)
	value := strings.Repeat("v", member.MaxTags-4)
	if err := w.do(nodes[5], SetTags{mustTags(t, map[string]string{"k": value})}); err != nil {
		t.Fatal(err)
	}
	hasTags := func(of *peer) func() bool {
		return func() bool {
			for _, p := range w.up() {
				m, _ := p.Table().Get(of.id)
				if got, _ := m.Handle.Value().Tags.Get("k"); got != value {
					return false
				}
			}
			return true
		}
	}
	t.Logf("known by all after %s", w.until(time.Second, "all know the tags", hasTags(nodes[5])))
	for _, p := range nodes {
		w.do(p, SetTags{mustTags(t, map[string]string{"k": value})})
	}
	w.until(5*time.Second, "all know all tags", func() bool {
		for _, p := range nodes {
			if !hasTags(p)() {
				return false
			}
		}
		return true
	})
	late := w.start("late", 30, 1, cfg, 3)
	w.until(5*time.Second, "a newcomer has the tags",
		func() bool { return late.Table().Live() == 21 && hasTags(nodes[7])() })
}

// News of a large record is not held up by a steady stream of messages, nor does it hold up other
// news.
func TestLargeNewsAmongMessages(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(10, nil)
	w.run(5 * time.Second)
	publish := func(d time.Duration) {
		for end := w.Now.Add(d); w.Now < end; {
			for _, p := range nodes {
				w.do(p, Publish{Topic: "t", Payload: make([]byte, 200)})
			}
			w.run(5 * time.Millisecond)
		}
	}
	publish(time.Second)
	w.do(nodes[5], SetTags{mustTags(t, map[string]string{"k": strings.Repeat("v",
		member.MaxTags-4)})})
	w.do(nodes[6], SetTags{mustTags(t, map[string]string{"k": "short"})})
	publish(200 * time.Millisecond)
	for _, of := range nodes[5:7] {
		missing := 0
		for _, p := range nodes {
			if m, _ := p.Table().Get(of.id); m.Handle.Value().Tags == "" {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%s: %d of 10 nodes do not know its tags after 200 ms",
				of.roster.Record().Name, missing)
		}
	}
}

// The budget holds in a storm: many members fail at once, all news at a rate far below what would
// be sent freely.
func TestBudgetHoldsInAStorm(t *testing.T) {
	w := newWorld(t)
	const budget = 20_000
	nodes := w.cluster(100, &Config{Budget: budget})
	w.run(10 * time.Second)
	for i := 40; i < 60; i++ {
		nodes[i].down = true
	}
	type sent struct{ bytes, probes uint64 }
	before := map[*peer]sent{}
	for _, p := range w.up() {
		s := p.Stats()
		before[p] = sent{s.BytesOut + flow.IPOverhead*s.PacketsOut, s.ProbesOut}
	}
	const span = 20 * time.Second
	w.run(span)
	worst := uint64(0)
	for _, p := range w.up() {
		s := p.Stats()
		worst = max(worst, s.BytesOut+flow.IPOverhead*s.PacketsOut-before[p].bytes)
	}
	t.Logf("the busiest node sent %d B/s, of a budget of %d", worst/uint64(span/time.Second),
		budget)
	if worst > budget*uint64(span/time.Second)*3/2 { // probes are not held back, but count
		t.Errorf("%d bytes in %s", worst, span)
	}
	w.until(30*time.Second, "all know of the dead", func() bool { return w.allSee(80) })
}

// A node that was cut off from most of a cluster sent probes far beyond its budget. The news of the
// reunion waits for no more than a burst of them: it does not ride on every probe for a minute.
func TestNewsAfterManyProbes(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(60, &Config{Budget: 16_384})
	w.run(10 * time.Second)
	few := map[netip.AddrPort]bool{}
	for _, p := range nodes[:8] {
		few[p.addr] = true
	}
	w.cut = func(from, to netip.AddrPort) bool { return few[from] != few[to] }
	w.run(18 * time.Second)
	w.cut = nil
	w.until(10*time.Second, "all see all", func() bool { return w.allSee(60) })
	w.run(10 * time.Second)
	for _, p := range nodes {
		if s := p.Stats(); s.NewsQueued > 0 {
			t.Errorf("%s: %d pieces of news wait", p.addr, s.NewsQueued)
		}
	}
}
