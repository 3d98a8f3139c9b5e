package swim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

const period = 800 * time.Millisecond

// SWIM, section 4.3: between two probes of one member at most 2n−1 periods pass, and each round
// visits all.
func TestRoundsVisitEveryMember(t *testing.T) {
	for _, n := range []int{2, 3, 10, 57} {
		f := newFake(t, n, Config{})
		last, counts := map[member.ID]int{}, map[member.ID]int{}
		probes := 0
		f.run(time.Duration(20*n)*period, func(s detecttest.Sent) {
			if s.Kind != wire.TypePing {
				return
			}
			probes++
			if gap := probes - last[s.To]; gap > 2*(n-1)-1 {
				t.Errorf("n=%d: %d periods between two probes of a member", n, gap)
			}
			last[s.To] = probes
			counts[s.To]++
			f.ackAll(s)
		})
		if len(counts) != n-1 || counts[f.Self()] > 0 {
			t.Errorf("n=%d: %d members were probed", n, len(counts))
		}
		for _, c := range counts {
			if rounds := probes / (n - 1); c < rounds-1 || c > rounds+1 {
				t.Errorf("n=%d: a member was probed %d times in %d rounds", n, c, rounds)
			}
		}
	}
}

func TestRoundsAreShuffled(t *testing.T) {
	f := newFake(t, 12, Config{})
	var orders [2]string
	for r := range orders {
		for range 11 {
			p := f.nextPing()
			orders[r] += detecttest.Name(f.index(p.To)) + " "
			f.ackAll(p)
		}
	}
	if orders[0] == orders[1] {
		t.Errorf("two rounds in one order: %s", orders[0])
	}
}

// A member that comes in within a round has its turn in what is left of it, anywhere.
func TestNewMemberGetsRandomPlace(t *testing.T) {
	const n = 21
	places := map[int]int{}
	for seed := range 200 {
		f := newFake(t, n, Config{})
		f.Chance.Uint64()
		for range seed {
			f.Chance.Uint64()
		}
		for range 10 {
			f.ackAll(f.nextPing())
		}
		f.Add(n, 1, 0)
		for place := range n - 10 {
			p := f.nextPing()
			f.ackAll(p)
			if p.To == id(n) {
				places[place]++
			}
		}
	}
	total := 0
	for place, c := range places {
		total += c
		if c > 50 { // 200 draws over 11 places: 18 each
			t.Errorf("the newcomer came at place %d %d times of 200", place, c)
		}
	}
	if total != 200 || len(places) < 9 {
		t.Errorf("the newcomer was probed in %d of 200 rounds, at %d places", total, len(places))
	}
}

// A member that dies and comes back again and again takes one place in a round, and no memory.
func TestFlappingMemberTakesOnePlace(t *testing.T) {
	f := newFake(t, 10, Config{})
	f.ackAll(f.nextPing())
	for range 1000 {
		f.SetBy(id(5), member.Failed, 0)
		f.Refute(id(5))
	}
	if n := len(f.d.order); n > 2*10 {
		t.Errorf("a round has %d places for 9 members", n)
	}
}

func TestDirectTimeoutFollowsRoundTrips(t *testing.T) {
	for _, c := range []struct {
		rtt, least, most time.Duration
	}{
		{time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond}, // the floor
		{100 * time.Millisecond, 100 * time.Millisecond, 160 * time.Millisecond},
		{250 * time.Millisecond, 250 * time.Millisecond, period / 2},
	} {
		f := newFake(t, 5, Config{})
		for range 50 {
			p := f.nextPing()
			f.Now = f.Now.Add(c.rtt)
			f.ackAll(p)
		}
		if got := f.d.RTT(); (got - c.rtt).Abs() > c.rtt/10 {
			t.Errorf("the round trip is %s, and taken for %s", c.rtt, got)
		}
		f.nextPing()
		sentAt := f.Now
		f.wake()
		if f.count(wire.TypePingReq) == 0 {
			t.Fatal("no ping request at the deadline")
		}
		if waited := f.Now.Sub(sentAt); waited < c.least || waited > c.most {
			t.Errorf("with a round trip of %s the direct timeout was %s", c.rtt, waited)
		}
	}
}

// A relayed ack says nothing about the direct round trip.
func TestRelayedAckIsNoRoundTrip(t *testing.T) {
	f := newFake(t, 5, Config{})
	p := f.nextPing()
	f.wake()
	helper := f.index(f.Sent[0].To)
	f.Now = f.Now.Add(300 * time.Millisecond)
	f.receive(helper, wire.TypeAck, p.Seq())
	if f.d.RTT() != 0 {
		t.Errorf("round trip %s", f.d.RTT())
	}
	f.run(period, f.ackAll)
	if len(f.Suspects) > 0 {
		t.Error("suspected in spite of a relayed ack")
	}
}

func TestIndirectPings(t *testing.T) {
	for _, n := range []int{2, 3, 4, 5, 30} {
		for k := 1; k <= 8; k++ {
			f := newFake(t, n, Config{Indirect: k})
			p := f.nextPing()
			f.wake()
			helpers := map[member.ID]bool{}
			for _, s := range f.Sent {
				m, ok := wire.ReadPingReq(s.Body)
				if s.Kind != wire.TypePingReq || !ok || m.Target != p.To || m.Seq != p.Seq() ||
					m.Instance != f.Peer(f.index(p.To)).Instance {
					t.Errorf("not the right ping request: %+v", s)
				}
				if s.To == p.To || s.To == f.Self() {
					t.Error("the target or this node itself was asked")
				}
				helpers[s.To] = true
			}
			if want := min(k, n-2); len(helpers) != want || len(f.Sent) != want {
				t.Errorf("n=%d k=%d: %d helpers", n, k, len(helpers))
			}
		}
	}
}

func TestSuspectAtThePeriodsEnd(t *testing.T) {
	f := newFake(t, 5, Config{})
	p := f.nextPing()
	start := f.Now
	for len(f.Suspects) == 0 {
		f.wake()
	}
	if f.Suspects[0] != p.To || f.Now.Sub(start) != period {
		t.Errorf("suspected %s after %s", detecttest.Name(f.index(f.Suspects[0])), f.Now.Sub(start))
	}
	f.receive(f.index(p.To), wire.TypeAck, p.Seq()) // too late, and no matter
	f.Refute(p.To)
	f.run(time.Minute, f.ackAll)
	if len(f.Verdicts) > 0 {
		t.Error("failed though it refuted")
	}
}

// A turn that comes late, though not so late that the node calls it a stall, gives no probe less
// time than it needs.
func TestLateTurnDoesNotCutAProbeShort(t *testing.T) {
	for _, late := range []time.Duration{10, 40, 60, 90, 120} {
		f := newFake(t, 5, Config{Period: 50 * time.Millisecond, MinRTO: 20 * time.Millisecond})
		f.run(time.Second, f.ackAll)
		for len(f.Suspects) == 0 && f.Now < mono.Time(time.Hour+10*time.Second) {
			f.Now = f.d.Deadline().Add(late * time.Millisecond)
			f.d.Wake(f.Now)
			for _, s := range f.Sent { // each answer takes a millisecond
				f.Now = f.Now.Add(time.Millisecond)
				if f.d.Deadline() <= f.Now {
					f.d.Wake(f.Now)
				}
				f.ackAll(s)
			}
			f.Sent = nil
		}
		if len(f.Suspects) > 0 {
			t.Errorf("turns late by %d ms make it suspect a member that answers in one", late)
		}
	}
}

func TestPingIsAcked(t *testing.T) {
	f := newFake(t, 3, Config{})
	f.receive(1, wire.TypePing, 77)
	if len(f.Sent) != 1 || f.Sent[0].Kind != wire.TypeAck || f.Sent[0].Seq() != 77 ||
		f.Sent[0].To != id(1) {
		t.Errorf("%+v", f.Sent)
	}
	f.Sent = nil
	// a stranger
	f.d.Receive(f.Now, plane.Sender{Peer: plane.Peer{ID: 99, Addr: planetest.Addr(99)}},
		wire.TypePing, []byte{0, 0, 0, 1})
	if f.count(wire.TypeAck) != 1 {
		t.Error("a stranger is not answered")
	}
	f.Sent = nil
	for _, kind := range []wire.Type{wire.TypePing, wire.TypeAck, wire.TypeNack, wire.TypePingReq} {
		f.d.Receive(f.Now, plane.Sender{Peer: f.Peer(1)}, kind, []byte{1, 2, 3}) // cut short
	}
	if len(f.Sent) != 0 {
		t.Error("a broken message is answered")
	}
}

// TestLateAck: an ack of a former probe, also from the member that is probed now, does not end this
// one.
func TestLateAck(t *testing.T) {
	f := newFake(t, 2, Config{})
	f.run(3*period, func(s detecttest.Sent) {
		if s.Kind == wire.TypePing {
			f.receive(f.index(s.To), wire.TypeAck, s.Seq()-1)
		}
	})
	if len(f.Suspects) != 1 || f.d.RTT() != 0 {
		t.Errorf("%d suspects, a round trip of %s", len(f.Suspects), f.d.RTT())
	}
}

// TestTimeoutAllowsForVariation: round trips that vary a lot make no member miss its time (RFC
// 6298).
func TestTimeoutAllowsForVariation(t *testing.T) {
	var r rtt
	for i := range 200 {
		r.sample([]time.Duration{10, 10, 10, 90}[i%4] * time.Millisecond)
	}
	if got := r.timeout(time.Millisecond, time.Second); got < 90*time.Millisecond ||
		got > 300*time.Millisecond {
		t.Errorf("of round trips of 10 ms and 90 ms the time-out is %s", got)
	}
}
