package gossip

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// crossing counts what each zone sends to the others, in bytes with headers, from now on.
func crossing(w *world, zone func(a netip.AddrPort) string) map[[2]string]int {
	sum := map[[2]string]int{}
	w.onSend = func(p *peer, to netip.AddrPort, data []byte) {
		if a, b := zone(p.addr), zone(to); a != b {
			sum[[2]string{a, b}] += len(data) + flow.IPOverhead
		}
	}
	return sum
}

// budgeted starts so many nodes in each of two zones.
func budgeted(t *testing.T, each int, cfg Config) (w *world, zone func(a netip.AddrPort) string) {
	w = newWorld(t)
	w.latency = 10 * time.Millisecond
	zones := []string{"eu", "us"}
	zone = func(a netip.AddrPort) string { return zones[int(a.Addr().As4()[3])/each%2] }
	for i := range 2 * each {
		n, err := New(&cfg, Self{Name: fmt.Sprintf("n%d", i), Generation: 1, Addr: addrOf(i),
			Zone: zones[i/each] + "/r1"}, rand.NewPCG(uint64(i), 7), rand.NewPCG(3, 4))
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{Node: n, addr: addrOf(i), seeds: []netip.AddrPort{addrOf(0)}}
		w.nodes = append(w.nodes, p)
		w.step(p, func(out *Outbox) { n.Wake(w.Now, out) })
		w.do(p, Join{Seeds: p.seeds})
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(2 * each) })
	w.run(5 * time.Second)
	return w, zone
}

// pump has the nodes publish as much as they can for some seconds. It returns the most that one
// zone sent to the other in a second, and the mean.
func pump(w *world, zone func(a netip.AddrPort) string, publishers []*peer, size,
	seconds int) (most, mean int) {
	payload := make([]byte, size)
	for s := range seconds {
		sum := crossing(w, zone)
		for range 100 {
			for _, p := range publishers {
				for w.do(p, Publish{Topic: "t", Payload: payload}) == nil &&
					p.Stats().MessagesQueued < 20 {
				}
			}
			w.run(10 * time.Millisecond)
		}
		n := sum[[2]string{"eu", "us"}]
		if s > 0 { // the first begins with what was saved up
			most, mean = max(most, n), mean+n/(seconds-1)
		}
	}
	return most, mean
}

// A zone sends no more to another than its budget, whether one of its members publishes or all do,
// small messages or large ones, and nearly all of it can be used. What is published comes to all in
// the end.
func TestPairBudgetHolds(t *testing.T) {
	const rate = 400_000
	for _, c := range []struct{ publishers, size int }{{1, 1000}, {5, 1000}, {1, 50_000},
		{5, 50_000}} {
		publishers := c.publishers
		t.Run(fmt.Sprintf("%d of %d bytes", publishers, c.size), func(t *testing.T) {
			w, zone := budgeted(t, 10, Config{ZoneBudget: rate})
			most, mean := pump(w, zone, w.nodes[:publishers], c.size, 6)
			t.Logf("a second: %d bytes at most, %d in the mean", most, mean)
			if most > rate*12/10 || mean > rate*105/100 {
				t.Errorf("of %d bytes a second a zone sent %d at most, %d in the mean", rate,
					most, mean)
			}
			if mean < rate*7/10 {
				t.Errorf("of %d bytes a second only %d are used", rate, mean)
			}
			for seconds := 0; !haveAll(w, w.nodes[:publishers]); seconds++ {
				if seconds == 120 {
					t.Fatal("somebody lacks messages two minutes after the last")
				}
				w.run(time.Second)
			}
			if w.nodes[0].Stats().PairWaits == 0 {
				t.Error("nobody ever waited")
			}
		})
	}
}

// The few that are left fail nobody: the lender, which is dead, stays live in their tables.
// Somebody else lends.
func TestLenderAmongFewSurvivors(t *testing.T) {
	w, _ := budgeted(t, 6, Config{ZoneBudget: MinPairBudget, Detector: INQUEST})
	origin := w.nodes[0]
	far := zoneOf(w.nodes[6])
	if lenderOf(origin, far) == origin.id {
		origin = w.nodes[1]
	}
	survivors := map[*peer]bool{origin: true, w.nodes[6]: true, w.nodes[7]: true}
	for _, p := range w.nodes[:6] {
		if len(survivors) < 4 && p.id != lenderOf(origin, far) {
			survivors[p] = true
		}
	}
	for _, p := range w.nodes {
		p.down = !survivors[p]
	}
	w.run(20 * time.Second)
	for range 40 {
		if err := w.do(origin, Publish{Topic: "t", Payload: make([]byte, 800)}); err != nil {
			t.Fatal(err)
		}
		w.run(100 * time.Millisecond)
	}
	w.run(20 * time.Second)
	for p := range survivors {
		if n := deliveredFrom(p, origin.id); n != 40 {
			t.Errorf("%s has %d of 40 messages", p.addr, n)
		}
	}
	if origin.Table().Live() != 12 {
		t.Errorf("%d are live: this test is about those who cannot judge", origin.Table().Live())
	}
}

func lenderOf(p *peer, zone uint16) member.ID {
	first, _ := p.quota.Lenders(zone)
	return first
}

// haveAll says whether all nodes have all messages of the publishers.
func haveAll(w *world, publishers []*peer) bool {
	for _, p := range w.nodes {
		for _, origin := range publishers {
			if deliveredFrom(p, origin.id) != int(origin.LastSeq()) {
				return false
			}
		}
	}
	return true
}

// deliveredFrom is how many messages of an origin were delivered.
func deliveredFrom(p *peer, origin member.ID) (n int) {
	for i := range p.events {
		if e := &p.events[i]; e.Kind == MessageDelivered && e.Message.Origin == origin {
			n++
		}
	}
	return n
}

// The lender dies: the next in rank lends.
func TestLenderDies(t *testing.T) {
	const rate = 100_000
	w, zone := budgeted(t, 10, Config{PairBudgets: []PairBudget{{Zones: [2]string{"us", "eu"},
		Rate: rate}}})
	var lender *peer
	publisher := w.nodes[0]
	for _, p := range w.nodes {
		if p.id == lenderOf(publisher, zoneOf(w.nodes[10])) {
			lender = p
		}
	}
	if lender == publisher {
		publisher = w.nodes[1]
	}
	lender.down = true
	most, mean := pump(w, zone, []*peer{publisher}, 1000, 10)
	if most > rate*12/10 || mean < rate/2 {
		t.Errorf("of %d bytes a second a zone sent %d at most, %d in the mean", rate, most, mean)
	}
}

// The lender dies, and nobody knows that yet: what is published meanwhile waits a second, and is
// lent for by the next in rank, the publisher itself too.
func TestLenderDiesUnknown(t *testing.T) {
	for i := range 5 {
		cfg := Config{ZoneBudget: 128 << 10}
		cfg.Inquest.Grace = time.Minute
		w, _ := budgeted(t, 5, cfg)
		publisher := w.nodes[i]
		lender := lenderOf(publisher, zoneOf(w.nodes[5]))
		if lender == publisher.id {
			continue
		}
		for _, p := range w.nodes {
			p.down = p.id == lender
		}
		if err := w.do(publisher, Publish{Topic: "t", Payload: make([]byte, 16<<10)}); err != nil {
			t.Fatal(err)
		}
		w.run(2 * time.Second)
		for _, p := range w.nodes {
			if !p.down && deliveredFrom(p, publisher.id) != 1 {
				t.Errorf("what %s published is not at %s after 2 s", publisher.addr, p.addr)
			}
		}
		if publisher.Table().Live() != 10 {
			t.Error("it is known that the lender died: this test is about the time before")
		}
	}
}

// Many wait for their turn with a lender that lives, for longer than one is asked without a word.
// It says so: nobody else lends.
func TestWaitingForALoanIsNoSilence(t *testing.T) {
	w, zone := budgeted(t, 20, Config{ZoneBudget: MinPairBudget})
	lender := lenderOf(w.nodes[0], zoneOf(w.nodes[20]))
	lends, others, none := 0, 0, 0
	w.onSend = func(p *peer, _ netip.AddrPort, data []byte) {
		_, r, _ := wire.Open(data)
		for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
			if m, isLoan := wire.ReadLoan(body); t == wire.TypeLend && isLoan &&
				zone(p.addr) == "eu" {
				lends++
				if p.id != lender {
					others++
				}
				if m.Bytes == 0 {
					none++
				}
			}
		}
	}
	payload := make([]byte, 1000)
	for range 1000 {
		for _, p := range w.nodes[:20] {
			for w.do(p, Publish{Topic: "t", Payload: payload}) == nil &&
				p.Stats().MessagesQueued < 5 {
			}
		}
		w.run(10 * time.Millisecond)
	}
	if lends == 0 || none == 0 || others > 0 {
		t.Errorf("%d loans, %d of them a word alone, %d not of the lender", lends, none, others)
	}
}

// Keys too stay within the budget, and come to all.
func TestKeysKeepThePairBudget(t *testing.T) {
	const rate = 32_000
	w, zone := budgeted(t, 6, Config{ZoneBudget: rate})
	most := 0
	for s := range 10 {
		sum := crossing(w, zone)
		for k := range 100 {
			for i, p := range w.nodes {
				w.do(p, Set{Key: fmt.Sprint("k", k%8),
					Value: []byte(fmt.Sprintf("%d of %d: %0200d", k, i, s))})
			}
			w.run(10 * time.Millisecond)
		}
		if s > 0 {
			most = max(most, sum[[2]string{"eu", "us"}])
		}
	}
	if most > rate*12/10 {
		t.Errorf("of %d bytes a second a zone sent %d", rate, most)
	}
	w.until(time.Minute, "all hold the same keys", func() bool {
		for _, p := range w.nodes {
			if p.Keys().Fingerprint() != w.nodes[0].Keys().Fingerprint() {
				return false
			}
		}
		return true
	})
}

// A node that spent far more than its share on what is always sent, while nobody wanted the rest,
// publishes no later for it.
func TestOldDebts(t *testing.T) {
	w, _ := budgeted(t, 4, Config{ZoneBudget: MinPairBudget})
	n := w.nodes[0]
	n.quota.Spend(w.Now, zoneOf(w.nodes[4]), 10<<20)
	w.do(n, Publish{Topic: "t", Payload: make([]byte, 1000)})
	w.until(2*time.Second, "all have it", func() bool {
		return deliveredFrom(w.nodes[7],
			n.id) == 1
	})
}

// Keys cross while all publish more than the budget holds.
func TestKeysCrossBesideMessages(t *testing.T) {
	const rate = 32_000
	w, zone := budgeted(t, 4, Config{ZoneBudget: rate})
	pump(w, zone, w.nodes, 1000, 3)
	for _, p := range w.nodes {
		w.do(p, Set{Key: "k", Value: []byte("new")})
	}
	most, mean := pump(w, zone, w.nodes, 1000, 10)
	if most > rate*12/10 || mean < rate*7/10 {
		t.Errorf("of %d bytes a second a zone sent %d at most, %d in the mean", rate, most, mean)
	}
	for _, p := range w.nodes {
		if p.Keys().Fingerprint() != w.nodes[0].Keys().Fingerprint() {
			t.Errorf("after ten seconds %s does not hold the same keys as %s", p.addr,
				w.nodes[0].addr)
		}
	}
}

// Writes that take the budget for many seconds are at all in the end, and what the zones tell and
// ask each other of keys meanwhile is within the budget, too.
func TestWritesBeyondThePairBudget(t *testing.T) {
	w, zone := budgeted(t, 25, Config{ZoneBudget: MinPairBudget})
	sum, start := crossing(w, zone), w.Now
	for k := range 8 {
		for _, p := range w.nodes {
			w.do(p, Set{Key: fmt.Sprint(k), Value: make([]byte, 400)})
		}
	}
	w.until(time.Minute, "all hold the same keys", w.sameKeys)
	for pair, n := range sum {
		if rate := float64(n) / w.Now.Sub(start).Seconds(); rate > MinPairBudget*1.1 {
			t.Errorf("%.0f bytes a second crossed from %s to %s", rate, pair[0], pair[1])
		}
	}
}

// Nine members of each zone publish small messages in turn, a third of what the least budget holds.
// How large their datagrams could be does not matter: what is lent to one of them is no more than
// it has a use for.
func TestLargeDatagramsUnderABudget(t *testing.T) {
	for _, mtu := range []int{0, 9000, wire.MaxMTU} {
		w, _ := budgeted(t, 9, Config{ZoneBudget: MinPairBudget, MTU: mtu})
		for range 40 {
			w.run(250 * time.Millisecond)
			for _, i := range [2]int{w.rng.IntN(9), 9 + w.rng.IntN(9)} {
				w.do(w.nodes[i], Publish{Topic: "t", Payload: make([]byte, 1000)})
				w.do(w.nodes[i], Set{Key: "k", Value: make([]byte, 100+w.rng.IntN(9))})
			}
		}
		late := w.until(time.Minute, "all have all messages",
			func() bool { return haveAll(w, w.nodes) })
		t.Logf("MTU %d: all have all messages after %s", mtu, late)
		if late > 2*time.Second {
			t.Errorf("MTU %d: all have all messages %s after the last", mtu, late)
		}
		w.until(time.Minute, "all hold the same keys", w.sameKeys)
	}
}

// One that asks for loans for zones that there are not makes this node remember nothing.
func TestLoansForNobody(t *testing.T) {
	w, _ := budgeted(t, 2, Config{ZoneBudget: 100_000})
	n := w.nodes[0]
	before := n.quota.Pairs()
	for zone := range uint16(1000) {
		m, _ := n.Table().Get(w.nodes[1].id)
		ask := wire.AppendLoan(nil, wire.TypeBorrow, wire.Loan{Zone: zone, Bytes: 1 << 31})
		n.quota.Receive(w.Now, plane.Sender{Peer: plane.PeerOf(&m), Member: m},
			wire.TypeBorrow, wire.Body(ask))
	}
	if n.quota.Pairs() != before {
		t.Errorf("%d budgets, there were %d", n.quota.Pairs(), before)
	}
}

func TestPairBudgetConfig(t *testing.T) {
	pair := func(a, b string, rate int) PairBudget {
		return PairBudget{Zones: [2]string{a, b},
			Rate: rate}
	}
	const good = MinPairBudget
	for _, c := range []struct {
		cfg  Config
		want string // of the error; empty: there is none
	}{
		{Config{ZoneBudget: good, PairBudgets: []PairBudget{pair("a", "b", good),
			pair("a", "", good), pair("b", "", MaxPairBudget)}}, ""},
		{Config{ZoneBudget: 1}, "a budget of 1 from zone to zone; from 16384 to 1073741824 " +
			"bytes a second are possible, and 0 is no bound"},
		{Config{ZoneBudget: -1}, "from 16384"},
		{Config{ZoneBudget: MaxPairBudget + 1}, "from 16384"},
		{Config{PairBudgets: []PairBudget{pair("a", "b", 0)}},
			`a budget of 0 between the zones "a" and "b"; from 16384`},
		{Config{PairBudgets: []PairBudget{pair("a", "b", 100)}}, "a budget of 100"},
		{Config{PairBudgets: []PairBudget{pair("a/x", "a/y", good)}},
			`between the zone "a" and itself`},
		{Config{PairBudgets: []PairBudget{pair("", "", good)}}, "and itself"},
		{Config{PairBudgets: []PairBudget{pair("a", "b", good), pair("b/x", "a", good)}},
			`between the zones "b" and "a" is there twice`},
	} {
		_, err := New(&c.cfg, Self{Name: "a", Generation: 1, Addr: addrOf(0)},
			rand.NewPCG(1, 1), rand.NewPCG(3, 4))
		if c.want == "" && err != nil || c.want != "" &&
			(!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// What is told of the traffic says how much may be sent to each zone: as it was set for the two, or
// for all.
func TestTrafficTellsBudgets(t *testing.T) {
	cfg := Config{ZoneBudget: 100_000, PairBudgets: []PairBudget{{Zones: [2]string{"eu", "us"},
		Rate: 200_000}, {Zones: [2]string{"", "eu/fra"}, Rate: 300_000}}}
	w := newWorld(t)
	for i, zone := range []string{"eu/fra/r1", "us/nyc", "ap", ""} {
		n, err := New(&cfg, Self{Name: fmt.Sprintf("n%d", i), Generation: 1, Addr: addrOf(i),
			Zone: zone}, rand.NewPCG(uint64(i), 7), rand.NewPCG(3, 4))
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{Node: n, addr: addrOf(i), seeds: []netip.AddrPort{addrOf(0)}}
		w.nodes = append(w.nodes, p)
		w.do(p, Join{Seeds: p.seeds})
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(4) })
	w.run(5 * time.Second)
	for i, want := range []map[string]int{
		{"us": 200_000, "ap": 100_000, "": 300_000}, {"eu": 200_000, "ap": 100_000, "": 100_000},
		{"eu": 100_000, "us": 100_000, "": 100_000}, {"eu": 300_000, "us": 100_000, "ap": 100_000},
	} {
		got := map[string]int{}
		for _, z := range w.nodes[i].Traffic() {
			if z.Budget != 0 {
				got[z.Zone] = z.Budget
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("node %d tells %v, want %v", i, got, want)
		}
	}
}
