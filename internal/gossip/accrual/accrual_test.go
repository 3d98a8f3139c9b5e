package accrual_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/accrual"
	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func newHost(n int, cfg accrual.Config) *detecttest.Host {
	h := detecttest.New(uint64(n))
	h.Detector = accrual.New(cfg, h, 1360, h.Now)
	for i := range n {
		h.Add(i, 1, 0)
	}
	return h
}

// answer runs for a time in which those members answer their pings at once.
func answer(h *detecttest.Host, d time.Duration, members ...int) {
	for end := h.Now.Add(d); h.Now < end; {
		h.Run(min(100*time.Millisecond, end.Sub(h.Now)))
		for _, s := range h.Sent {
			for _, i := range members {
				if seq, ok := wire.ReadSeq(s.Body); ok && s.Kind == wire.TypePing &&
					s.To == detecttest.ID(i) {
					h.Receive(i, wire.AppendAck(nil, seq))
				}
			}
		}
		h.Sent = nil
	}
}

// The nine members after this node on the ring are pinged, all in each period.
func TestWhoIsWatched(t *testing.T) {
	const n = 40
	h := newHost(n, accrual.Config{})
	h.Run(time.Second)
	var want, got []member.ID
	for i := 1; i < n; i++ {
		want = append(want, detecttest.ID(i))
	}
	slices.SortFunc(want, func(a, b member.ID) int {
		if a-h.Self() < b-h.Self() {
			return -1
		}
		return 1
	})
	for _, s := range h.Sent {
		got = append(got, s.To)
	}
	if !slices.Equal(got, want[:9]) {
		t.Errorf("pinged %x, want %x", got, want[:9])
	}
}

// A silent member fails when phi is 8, with the reason. Its level is told before. A member that
// answers is well.
func TestSilence(t *testing.T) {
	h := newHost(3, accrual.Config{})
	answer(h, time.Minute, 1, 2)
	d := h.Detector.(accrual.Detector)
	if phi, ok := d.Phi(h.Now, detecttest.ID(2)); !ok || phi > 0.1 {
		t.Errorf("the phi of who answers is %g, %t", phi, ok)
	}
	silent := h.Now
	for len(h.Verdicts) == 0 && h.Now.Sub(silent) < time.Minute {
		phi, ok := d.Phi(h.Now, detecttest.ID(2))
		if !ok || phi > 8 {
			t.Fatalf("phi is %g, %t, and there is no verdict", phi, ok)
		}
		answer(h, 10*time.Millisecond, 1)
	}
	if len(h.Verdicts) != 1 || h.Verdicts[0].ID != detecttest.ID(2) {
		t.Fatalf("verdicts %+v", h.Verdicts)
	}
	e := h.Verdicts[0].Evidence
	if e.Accuser != h.Self() || e.Pings < 4 || e.Pings > 5 || e.Span < 4*time.Second ||
		e.Span > 5*time.Second {
		t.Errorf("evidence %+v", e)
	}
	if _, ok := d.Phi(h.Now, detecttest.ID(2)); ok {
		t.Error("the dead have a level")
	}
	h.Add(2, 1, 1) // it refutes, and is measured anew
	answer(h, 3*time.Second, 1)
	if m := h.Get(2); m.State != member.Alive {
		t.Error("who refuted has no time to answer")
	}
}

// A member that crashes and comes back before it is missed is not failed for the silence of its
// former life, which ends between two pings (the swarm's seeds 21487 and 20952).
func TestNewLifeIsMeasuredAnew(t *testing.T) {
	h := newHost(2, accrual.Config{})
	answer(h, time.Minute, 1)
	d := h.Detector.(accrual.Detector)
	for phi := 0.0; phi < 7; phi, _ = d.Phi(h.Now, detecttest.ID(1)) {
		h.Run(10 * time.Millisecond)
	}
	h.Add(1, 2, 0)
	if phi, ok := d.Phi(h.Now, detecttest.ID(1)); !ok || phi > 0.1 {
		t.Errorf("the phi of who has just come back is %g, %t", phi, ok)
	}
	answer(h, 10*time.Second, 1)
	if len(h.Verdicts) != 0 {
		t.Errorf("verdicts %+v", h.Verdicts)
	}
}

// An ack that is told twice, or that answers no ping, is no heartbeat.
func TestFalseAcks(t *testing.T) {
	h := newHost(2, accrual.Config{})
	var last, ahead uint32
	for range 300 {
		h.Run(100 * time.Millisecond)
		for _, s := range h.Sent {
			if seq, ok := wire.ReadSeq(s.Body); ok && last == 0 {
				last = seq
			}
		}
		if live(h, 1) && last != 0 {
			h.Receive(1, wire.AppendAck(nil, last))
			ahead += 1000
			h.Receive(1, wire.AppendAck(nil, last+ahead)) // each is later than all before
		}
	}
	if len(h.Verdicts) != 1 {
		t.Errorf("verdicts %+v", h.Verdicts)
	}
}

// The time that this node itself stood still is not held against others, in either kind.
func TestOwnStallIsForgiven(t *testing.T) {
	for _, cfg := range []accrual.Config{{}, {Counters: true, Exponential: true}} {
		h := newHost(3, cfg)
		h.Run(time.Second)
		const gap = 5 * time.Minute
		h.Now = h.Now.Add(gap)
		h.Detector.Stalled(h.Now, gap)
		h.Run(time.Second)
		if len(h.Verdicts) != 0 {
			t.Errorf("%+v: verdicts %+v", cfg, h.Verdicts)
		}
		h.Run(2 * time.Minute)
		if len(h.Verdicts) != 2 {
			t.Errorf("%+v: verdicts %+v", cfg, h.Verdicts)
		}
	}
}

// With counters that rise every 2 s, Cassandra's form convicts 36.8 s after the last rise.
func TestGossipedCounters(t *testing.T) {
	h := newHost(3, accrual.Config{Counters: true, Exponential: true, Window: 20})
	for i := range 200 {
		h.Run(2 * time.Second)
		m := h.Get(2)
		b := wire.BeginCounters(nil, uint32(i+1))
		b = wire.AppendCounter(b, wire.Counter{ID: m.ID, Instance: m.Instance(),
			Count: uint32(i + 1)})
		h.Receive(1, wire.EndCounters(b, 0, 1))
	}
	last := h.Now
	h.Run(2 * time.Minute)
	if len(h.Verdicts) != 2 {
		t.Fatalf("verdicts %+v", h.Verdicts)
	}
	for _, v := range h.Verdicts {
		if n := v.At.Sub(last).Seconds() / 2; math.Abs(n-18.42) > 0.1 ||
			v.Evidence.Span != v.At.Sub(last) {
			t.Errorf("convicted after %.2f intervals: %+v", n, v)
		}
	}
}

func live(h *detecttest.Host, i int) bool { m := h.Get(i); return m.State.Live() }

// An old verdict of others makes a member a suspect. It is watched wherever it stands on the ring,
// until it refutes or is failed: its own watchers hold it for failed already (the swarm's seed
// 196).
func TestSuspectsAreWatched(t *testing.T) {
	const n = 40
	h := newHost(n, accrual.Config{})
	h.Run(time.Second)
	watched := map[member.ID]bool{}
	for _, s := range h.Sent {
		watched[s.To] = true
	}
	far := slices.DeleteFunc(numbers(1, n), func(i int) bool { return watched[detecttest.ID(i)] })
	dead, well := far[0], far[1]
	h.Set(dead, member.Suspect)
	h.Set(well, member.Suspect)
	others := slices.DeleteFunc(numbers(1, n), func(i int) bool { return i == dead })
	answer(h, 3*time.Second, others...)
	h.Add(well, 1, 1) // it refutes
	answer(h, 30*time.Second, others...)
	if len(h.Verdicts) != 1 || h.Verdicts[0].ID != detecttest.ID(dead) {
		t.Fatalf("verdicts %+v", h.Verdicts)
	}
	h.Run(time.Second)
	for _, s := range h.Sent {
		if s.To == detecttest.ID(well) {
			t.Fatal("who refuted is watched still")
		}
	}
}

// numbers are those from one up to another.
func numbers(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// TestSecondPing: a member that has not answered after half a period is pinged once more, with the
// same number; one that has answered is not. So one lost datagram costs no heartbeat.
func TestSecondPing(t *testing.T) {
	h := newHost(3, accrual.Config{})
	type ping struct {
		to  member.ID
		seq uint32
	}
	times, first := map[ping][]time.Duration{}, h.Now
	for range 3000 {
		h.Run(time.Millisecond)
		for _, s := range h.Sent {
			if seq, ok := wire.ReadSeq(s.Body); ok && s.Kind == wire.TypePing {
				p := ping{s.To, seq}
				times[p] = append(times[p], s.At.Sub(first))
				if s.To == detecttest.ID(1) {
					h.Receive(1, wire.AppendAck(nil, seq))
				}
			}
		}
		h.Sent = nil
	}
	pings := map[member.ID]int{}
	for p, at := range times {
		pings[p.to]++
		switch last := at[0] > 2400*time.Millisecond; { // its second ping may be yet to come
		case p.to == detecttest.ID(1) && len(at) != 1:
			t.Errorf("the answered ping %d was sent %d times", p.seq, len(at))
		case p.to == detecttest.ID(2) && !last && (len(at) != 2 ||
			at[1]-at[0] != 500*time.Millisecond):
			t.Errorf("the ping %d that nobody answers was sent at %v", p.seq, at)
		}
	}
	if pings[detecttest.ID(1)] < 2 || pings[detecttest.ID(2)] < 2 {
		t.Errorf("pings %v", pings)
	}
}

// Each setting does what it says.
func TestSettings(t *testing.T) {
	// what is sent in so many seconds, by type, and to how many members
	sent := func(n, seconds int, cfg accrual.Config) (map[wire.Type]int, int) {
		h := newHost(n, cfg)
		types, to := map[wire.Type]int{}, map[member.ID]bool{}
		h.Run(time.Duration(seconds) * time.Second)
		for _, s := range h.Sent {
			types[s.Kind]++
			to[s.To] = true
		}
		return types, len(to)
	}
	if _, watched := sent(10, 2, accrual.Config{Watch: 2}); watched != 2 {
		t.Errorf("%d members are watched, not 2", watched)
	}
	slow, _ := sent(2, 3, accrual.Config{Period: 2 * time.Second})
	fast, _ := sent(2, 3, accrual.Config{Period: time.Second / 2})
	if s, f := slow[wire.TypePing], fast[wire.TypePing]; f < 3*s {
		t.Errorf("%d pings in 3 s with a period of 2 s, %d with half a second", s, f)
	}
	told, _ := sent(20, 3, accrual.Config{Counters: true, Fanout: 5})
	if n := told[wire.TypeCounters]; n != 15 {
		t.Errorf("%d datagrams of counters in three periods, to five members each", n)
	}
	verdict := func(pause time.Duration) time.Duration {
		h := newHost(3, accrual.Config{Pause: pause})
		answer(h, time.Minute, 1, 2)
		silent := h.Now
		answer(h, 30*time.Second, 1)
		if len(h.Verdicts) != 1 {
			t.Fatalf("verdicts %+v", h.Verdicts)
		}
		return h.Verdicts[0].At.Sub(silent)
	}
	if d := verdict(8*time.Second) - verdict(2*time.Second); d < 5*time.Second ||
		d > 7*time.Second {
		t.Errorf("a pause that is 6 s longer moves the verdict by %v", d)
	}
}
