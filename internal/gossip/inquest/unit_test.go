package inquest

import (
	"math"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The attempts before a jury are those of the formula, within the rounding of integers.
func TestAttempts(t *testing.T) {
	for percent := range 100 {
		p := path{lost: one * percent / 100}
		want := 3
		if percent > 0 {
			want = min(max(int(math.Ceil(math.Log(0.003)/math.Log(float64(percent)/100))), 3), 16)
		}
		if got := p.attempts(&Config{}); got < want-1 || got > want+1 {
			t.Errorf("at %d %% lost: %d attempts, want %d", percent, got, want)
		}
		if got := p.attempts(&Config{NoAdaptiveAttempts: true}); got != 3 {
			t.Errorf("%d attempts that do not adapt", got)
		}
	}
}

// The share of failed round trips is found, and forgotten.
func TestLossIsLearned(t *testing.T) {
	var p path
	for range 300 {
		p.count(3, 1)
	}
	if share := float64(p.lost) / one; share < 0.65 || share > 0.85 {
		t.Errorf("of 75 %% failed round trips %.2f are found", share)
	}
	p.count(0, 500)
	if p.attempts(&Config{}) != 3 {
		t.Errorf("after 500 good ones %d attempts", p.attempts(&Config{}))
	}
}

func TestTimeoutHasBounds(t *testing.T) {
	c := Config{}.withDefaults()
	for _, x := range []struct{ rtt, least, most time.Duration }{
		{0, 200 * time.Millisecond, 200 * time.Millisecond},
		{time.Millisecond, c.MinRTO, c.MinRTO},
		{100 * time.Millisecond, 100 * time.Millisecond, 130 * time.Millisecond},
		{5 * time.Second, c.MaxRTO, c.MaxRTO},
	} {
		var p path
		for range 50 {
			if x.rtt > 0 {
				p.sample(x.rtt)
			}
		}
		if got := p.timeout(&c); got < x.least || got > x.most {
			t.Errorf("with round trips of %s the timeout is %s", x.rtt, got)
		}
	}
}

// Two refusals a while apart say that a process is gone; a welcome between them says that it is
// not, and that it stands still, until the host says otherwise.
func TestKernel(t *testing.T) {
	at := func(ms int) mono.Time {
		return mono.Time(time.Hour +
			time.Duration(ms)*time.Millisecond)
	}
	var k kernel
	k.take(at(0), detect.Refused)
	k.take(at(10), detect.Refused)
	if k.gone(refusedFor) || k.cause() != wire.CauseRefused {
		t.Error("two refusals at once suffice")
	}
	k.take(at(300), detect.Refused)
	if !k.gone(refusedFor) || k.quiet() {
		t.Error("two refusals do not suffice")
	}
	k.take(at(400), detect.Accepted)
	if k.gone(refusedFor) || !k.stalled() || k.quiet() || k.cause() != wire.CauseStalled {
		t.Error("a welcome does not count")
	}
	if k.take(at(500), detect.Refused); k.stalled() {
		t.Error("a refusal does not count")
	}
}

// With the accuser's own vote, those that fail a member are more than half of those that may judge.
func TestElectors(t *testing.T) {
	for live, want := range map[int][2]int{2: {0, 0}, 3: {1, 1}, 4: {2, 2}, 5: {3, 2},
		6: {4, 3}, 7: {5, 3}, 8: {6, 4}, 9: {7, 4}, 1000: {7, 4}} {
		w := newWorld(t, 1, 1, Config{})
		for i := range live - 1 {
			w.nodes[0].learn(i+1, 1, 0, member.Alive)
		}
		if seats, votes := w.nodes[0].d.accuser.electors(w.Now, &alarm{}); seats != want[0] ||
			votes != want[1] {
			t.Errorf("of %d live members %d are jurors and %d votes suffice, want %v", live,
				seats, votes, want)
		}
	}
}

// The candidates are the same for all accusers whatever the order of their tables, distinct, and
// other ones after a refutation.
func TestRank(t *testing.T) {
	w := newWorld(t, 200, 1, Config{})
	lists := map[int][]juror{}
	for _, by := range []int{0, 5} {
		x := w.nodes[by]
		a := alarm{peer: w.peer(1), start: w.Now}
		x.d.accuser.convene(w.Now, &a)
		lists[by] = a.jury.list
		if len(a.jury.list) != manyAsked*7 {
			t.Fatalf("%d candidates", len(a.jury.list))
		}
		seen := map[member.ID]bool{id(1): true, id(by): true}
		for i, c := range a.jury.list {
			if seen[c.id] || i > 0 && c.rank > a.jury.list[i-1].rank {
				t.Errorf("candidate %d of m%d: twice, or not in order", i, by)
			}
			seen[c.id] = true
		}
	}
	same := 0
	for i := range 7 {
		if lists[0][i].id == lists[5][i].id {
			same++
		}
	}
	if same < 5 { // an accuser is no juror of its own
		t.Errorf("%d of 7 jurors are the same", same)
	}
	w.nodes[0].learn(1, 1, 1, member.Alive)
	a := alarm{peer: w.peer(1), start: w.Now}
	w.nodes[0].d.accuser.convene(w.Now, &a)
	if a.jury.list[0].id == lists[0][0].id && a.jury.list[1].id == lists[0][1].id &&
		a.jury.list[2].id == lists[0][2].id {
		t.Error("the jury is the same in the next incarnation")
	}
}

// What a node remembers of others is bounded, whatever they send.
func TestBounds(t *testing.T) {
	const n = 1200
	w := newWorld(t, 2, 1, Config{})
	x := w.nodes[0]
	for i := 2; i < n; i++ {
		w.nodes = append(w.nodes, w.node(i, 1))
		x.learn(i, 1, 0, member.Alive)
	}
	for i := 2; i < n; i++ {
		l := wire.AppendLease(nil, wire.Lease{Seq: 1, Next: time.Second})
		x.d.Receive(w.Now, plane.Sender{Peer: w.peer(i)}, wire.TypeLease, wire.Body(l))
		for from := 2; from < 12; from++ {
			q := wire.AppendInquiry(nil, wire.Inquiry{Seq: 1, Target: id(i),
				Instance: w.peer(i).Instance})
			x.d.Receive(w.Now, plane.Sender{Peer: w.peer(from)}, wire.TypeInquiry, wire.Body(q))
		}
		x.d.accuser.accuse(w.Now, w.peer(i), w.Now)
		x.d.flaps.note(w.Now, id(i))
	}
	if len(x.d.watch.leases) > maxLeases || len(x.d.bench.cases) > maxCases ||
		len(x.d.accuser.alarms) > maxAlarms || len(x.d.flaps.list) > maxFlaps {
		t.Errorf("%d leases, %d cases, %d alarms, %d flaps", len(x.d.watch.leases),
			len(x.d.bench.cases), len(x.d.accuser.alarms), len(x.d.flaps.list))
	}
	for i := range x.d.bench.cases {
		if len(x.d.bench.cases[i].askers) > maxAskers {
			t.Errorf("%d askers", len(x.d.bench.cases[i].askers))
		}
	}
}

// A ping with its fingerprint is at most 50 bytes, and costs no memory.
func TestPingIsSmall(t *testing.T) {
	b := wire.AppendLease(wire.AppendHeader(nil, wire.Header{}),
		wire.Lease{Seq: 1, Next: 5 * time.Second})
	if b = wire.AppendFingerprint(b, wire.Fingerprint{}); len(b) > 50 {
		t.Errorf("a ping has %d bytes", len(b))
	}
}
