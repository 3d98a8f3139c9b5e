package heartbeat_test

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/heartbeat"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

const (
	room = 1360
	fail = 10 * time.Second
)

// newHost makes a detector with a T_fail of 10 s at member 0 of n.
func newHost(n int, cfg heartbeat.Config) *detecttest.Host {
	h := detecttest.New(uint64(n))
	cfg.Fail = fail
	h.Detector = heartbeat.New(cfg, h, room, h.Now)
	for i := range n {
		h.Add(i, 1, 0)
	}
	return h
}

// counters is what a member tells: its own count and others'.
func counters(own uint32, others ...wire.Counter) []byte {
	b := wire.BeginCounters(nil, own)
	for _, c := range others {
		b = wire.AppendCounter(b, c)
	}
	return wire.EndCounters(b, 0, len(others))
}

func counterOf(h *detecttest.Host, i int, count uint32) wire.Counter {
	m := h.Get(i)
	return wire.Counter{ID: m.ID, Instance: m.Instance(), Count: count}
}

func state(h *detecttest.Host, i int) member.State { m := h.Get(i); return m.State }

// A member whose counter has not risen for T_fail is failed, at that moment and with its reason. A
// member whose counter rises is not, whichever node tells of it.
func TestNoRiseForTFail(t *testing.T) {
	h := newHost(3, heartbeat.Config{})
	start := h.Now
	for i := range 30 {
		h.Run(time.Second)
		h.Receive(1, counters(uint32(i+1)))
		if i == 3 {
			h.Receive(1, counters(0, counterOf(h, 2, 5)))
		}
		if i > 3 && state(h, 2).Live() { // not a rise
			h.Receive(1, counters(0, counterOf(h, 2, 5), counterOf(h, 2, 4)))
		}
	}
	if len(h.Verdicts) != 1 || h.Verdicts[0].ID != detecttest.ID(2) {
		t.Fatalf("verdicts %+v", h.Verdicts)
	}
	v := h.Verdicts[0]
	if at := v.At.Sub(start); at != 4*time.Second+fail || v.Evidence.Span != fail ||
		v.Evidence.Accuser != h.Self() || v.Here {
		t.Errorf("after %s: %+v", at, v)
	}
}

// A counter of a former life says nothing of this one, however high it is.
func TestFormerLifeDoesNotCount(t *testing.T) {
	h := newHost(3, heartbeat.Config{})
	old := counterOf(h, 2, 1000)
	h.Receive(1, counters(1, old))
	h.Add(2, 2, 0)
	for i := range 15 {
		h.Run(time.Second)
		h.Receive(1, counters(uint32(i+2), wire.Counter{ID: old.ID, Instance: old.Instance,
			Count: 1000 + uint32(i)}))
	}
	if state(h, 2) != member.Failed || state(h, 1) != member.Alive {
		t.Fatalf("states %s, %s", state(h, 1), state(h, 2))
	}
	h.Add(2, 3, 0) // and its counter begins anew
	for i := range 15 {
		h.Run(time.Second)
		h.Receive(1, counters(uint32(i+20), counterOf(h, 2, uint32(i+1))))
	}
	if state(h, 2) != member.Alive || len(h.Verdicts) != 1 {
		t.Errorf("its new life is not seen: %+v", h.Verdicts)
	}
}

// A failed member that refutes has the whole of T_fail again.
func TestRefuterBeginsAnew(t *testing.T) {
	h := newHost(3, heartbeat.Config{})
	h.Run(fail + time.Second)
	h.Add(2, 1, 1)
	h.Run(fail - time.Millisecond)
	if state(h, 2) != member.Alive || state(h, 1) != member.Failed {
		t.Fatalf("states %s, %s", state(h, 1), state(h, 2))
	}
	h.Run(2 * time.Millisecond)
	if state(h, 2) != member.Failed {
		t.Error("it is never judged again")
	}
}

// The time that this node itself stood still is not held against others.
func TestOwnStallIsForgiven(t *testing.T) {
	h := newHost(3, heartbeat.Config{})
	h.Run(time.Second)
	const gap = time.Minute
	h.Now = h.Now.Add(gap)
	h.Detector.Stalled(h.Now, gap)
	h.Run(fail - 2*time.Second)
	if len(h.Verdicts) != 0 {
		t.Fatalf("verdicts %+v", h.Verdicts)
	}
	h.Run(2 * time.Second)
	if len(h.Verdicts) != 2 {
		t.Errorf("verdicts %+v", h.Verdicts)
	}
}

// Each period the node's own counter rises, and Fanout others get it with what else is known.
func TestWhatIsTold(t *testing.T) {
	h := newHost(5, heartbeat.Config{Fanout: 2})
	h.Receive(1, counters(7, counterOf(h, 2, 9)))
	h.Run(3 * time.Second)
	if len(h.Sent) != 6 {
		t.Fatalf("%d datagrams in three periods", len(h.Sent))
	}
	for i, s := range h.Sent {
		known := map[member.ID]uint32{}
		own, ok := wire.ReadCounters(s.Body, func(c wire.Counter) { known[c.ID] = c.Count })
		if s.Kind != wire.TypeCounters || !ok || own != uint32(i/2+1) {
			t.Errorf("datagram %d: type %#x, own count %d", i, s.Kind, own)
		}
		want := map[member.ID]uint32{detecttest.ID(1): 7, detecttest.ID(2): 9}
		delete(want, s.To) // it knows that better
		if len(known) != len(want) || known[detecttest.ID(2)] != want[detecttest.ID(2)] {
			t.Errorf("datagram %d tells %v, want %v", i, known, want)
		}
	}
	if h.Sent[0].To == h.Sent[1].To {
		t.Error("one member got two at once")
	}
}

// A table that does not fit a datagram is told in turn: no counter is told twice before all were
// told once.
func TestLargeTablesGoInTurn(t *testing.T) {
	const n = 500
	h := newHost(n, heartbeat.Config{Fanout: 1})
	for i := 1; i < n; i++ {
		h.Receive(i, counters(uint32(i)))
	}
	told := map[member.ID]int{}
	total := 0
	h.Run(6 * time.Second)
	for _, s := range h.Sent {
		if len(s.Body)+wire.MessageSize > room {
			t.Errorf("%d bytes in a datagram", len(s.Body))
		}
		wire.ReadCounters(s.Body, func(c wire.Counter) { told[c.ID]++; total++ })
	}
	if len(told) < n-1-len(h.Sent) || total > len(told)+room/13 {
		t.Errorf("%d counters were told %d times", len(told), total)
	}
}

// A suspect, which an old verdict of others makes of a member, is told so with the counters: it
// refutes if it lives.
func TestSuspectsAreTold(t *testing.T) {
	h := newHost(2, heartbeat.Config{})
	h.Set(1, member.Suspect)
	h.Run(time.Second)
	if len(h.Sent) != 2 || h.Sent[0].Kind != wire.TypeUpdate ||
		h.Sent[1].Kind != wire.TypeCounters {
		t.Fatalf("sent %+v", h.Sent)
	}
	if u, ok := wire.ReadUpdate(h.Sent[0].Body); !ok || u.ID != detecttest.ID(1) ||
		u.State != member.Suspect {
		t.Errorf("told %+v", u)
	}
}

// With Local the verdict is told to nobody, and the member is forgotten when T_cleanup is over,
// twice T_fail after the last rise.
func TestLocalForgetsAfterCleanup(t *testing.T) {
	h := newHost(3, heartbeat.Config{Local: true})
	start := h.Now
	h.Run(2*fail - time.Millisecond)
	if len(h.Verdicts) != 2 || !h.Verdicts[0].Here || h.Verdicts[0].At.Sub(start) != fail ||
		len(h.Forgotten) != 0 {
		t.Fatalf("verdicts %+v, forgotten %v", h.Verdicts, h.Forgotten)
	}
	h.Add(2, 1, 1) // it refutes in time
	h.Run(2 * time.Millisecond)
	if len(h.Forgotten) != 1 || h.Forgotten[0] != detecttest.ID(1) {
		t.Errorf("forgotten %v", h.Forgotten)
	}
}

// T_fail by default: it grows with the cluster once the table does not fit a datagram, and less
// with a higher fanout.
func TestFailAfter(t *testing.T) {
	var c heartbeat.Config
	s := func(live int) float64 { return c.FailAfter(live, room).Seconds() }
	if !(s(50) > 5 && s(50) < 12 && s(200) > 1.5*s(50) && s(1000) > 4*s(200) && s(1000) < 120) {
		t.Errorf("T_fail is %.1f s at 50, %.1f s at 200, %.1f s at 1,000", s(50), s(200), s(1000))
	}
	more := heartbeat.Config{Fanout: 6}
	if more.FailAfter(1000, room) > c.FailAfter(1000, room)*6/10 {
		t.Errorf("T_fail is %s with a fanout of 6", more.FailAfter(1000, room))
	}
	if got := (heartbeat.Config{Fail: time.Second}).FailAfter(1000, room); got != time.Second {
		t.Errorf("T_fail is %s, not the one that was set", got)
	}
}

// A node that forgot everybody, after a long sleep, fails nobody of them and takes them in anew.
func TestTableEmptiedWithoutAWord(t *testing.T) {
	h := newHost(3, heartbeat.Config{})
	h.Run(5 * time.Second)
	h.Table().Forget(detecttest.ID(1))
	h.Table().Forget(detecttest.ID(2))
	h.Run(4 * time.Second)
	h.Add(1, 1, 0)
	h.Run(9 * time.Second)
	if state(h, 1) != member.Alive {
		t.Error("who came back has the old deadline")
	}
	h.Run(2 * time.Second)
	if state(h, 1) != member.Failed {
		t.Error("who came back is never judged")
	}
}

// TestEachHasItsOwnTime: members that fell silent at different moments fail one after the other,
// each after T_fail, also where this node stood still meanwhile.
func TestEachHasItsOwnTime(t *testing.T) {
	for _, stall := range []time.Duration{0, time.Minute} {
		h := newHost(4, heartbeat.Config{})
		start := h.Now
		h.Run(fail / 20)
		h.Receive(2, counters(1))
		h.Run(fail/2 - fail/20)
		h.Receive(3, counters(1))
		h.Now = h.Now.Add(stall)
		h.Detector.Stalled(h.Now, stall)
		h.Run(2 * fail)
		var got []time.Duration
		for _, v := range h.Verdicts {
			got = append(got, v.At.Sub(start)-stall)
		}
		if want := []time.Duration{fail, fail + fail/20, fail + fail/2}; !slices.Equal(got, want) {
			t.Errorf("after a stall of %s: verdicts after %v, want %v", stall, got, want)
		}
	}
}

// Counters go to Fanout members at each Period.
func TestPeriodAndFanout(t *testing.T) {
	h := newHost(20, heartbeat.Config{Period: 250 * time.Millisecond, Fanout: 2})
	h.Run(5 * time.Second)
	n := 0
	for _, s := range h.Sent {
		if s.Kind == wire.TypeCounters {
			n++
		}
	}
	if n < 38 || n > 42 {
		t.Errorf("%d datagrams of counters in twenty periods, to two members each", n)
	}
}
