package counter_test

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/counter"
	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// holder is the least of a detector: an exchange, and which counts rose.
type holder struct {
	plane.None
	*counter.Exchange[int]
	rose []counter.Entry[int]
}

func (h *holder) Receive(now mono.Time, from plane.Sender, t wire.Type, body []byte) bool {
	return t == wire.TypeCounters && h.Exchange.Receive(now, from.Peer, body)
}

func (h *holder) Wake(now mono.Time) { h.Exchange.Wake(now) }

func (h *holder) Stalled(_ mono.Time, gap time.Duration) { h.Exchange.Stalled(gap) }

func (h *holder) Changed(now mono.Time, before, after member.Member) {
	h.Exchange.Changed(now, before, after)
}

func (*holder) Accused(mono.Time, member.Member, member.ID) bool { return false }
func (*holder) Refuted()                                         {}
func (*holder) Health() int                                      { return 0 }
func (*holder) RTT() time.Duration                               { return 0 }

// newHost makes an exchange at member 0 of n, with a period of a second.
func newHost(n, room, fanout int) (*detecttest.Host, *holder) {
	h, x := detecttest.New(uint64(n)), &holder{}
	x.Exchange = counter.New[int](counter.Config{Period: time.Second, Fanout: fanout,
		Room: room}, h, h.Now,
		func(_ mono.Time, e *counter.Entry[int]) { x.rose = append(x.rose, *e) })
	h.Detector = x
	for i := range n {
		h.Add(i, 1, 0)
	}
	return h, x
}

// told reads a Counters message.
func told(t *testing.T, body []byte) (own uint32, others []wire.Counter) {
	t.Helper()
	own, ok := wire.ReadCounters(body, func(c wire.Counter) { others = append(others, c) })
	if !ok {
		t.Fatalf("malformed: %x", body)
	}
	return own, others
}

// counters is what a member tells.
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

// Once a period the own counter rises by one and goes to as many distinct others as the fan-out
// says.
func TestBeat(t *testing.T) {
	h, _ := newHost(20, 1360, 3)
	h.Run(10 * time.Second)
	to := map[mono.Time]map[member.ID]bool{}
	for _, s := range h.Sent {
		own, _ := told(t, s.Body)
		if to[s.At] == nil {
			to[s.At] = map[member.ID]bool{}
		}
		to[s.At][s.To] = true
		if beats := uint32(len(to)); own != beats {
			t.Fatalf("beat %d tells %d", beats, own)
		}
	}
	if len(to) != 10 {
		t.Errorf("%d beats in 10 s", len(to))
	}
	for at, others := range to {
		if len(others) != 3 || others[h.Self()] {
			t.Errorf("at %v it tells %v", at, others)
		}
	}
}

// The higher of two counts for one life prevails, whichever member tells it. Unknown members and
// former lives tell nothing.
func TestHigherPrevails(t *testing.T) {
	h, x := newHost(4, 1360, 1)
	is := func(i int, count uint32) {
		t.Helper()
		if e := x.Get(detecttest.ID(i)); e == nil || e.Count != count {
			t.Fatalf("member %d: %+v, not %d", i, e, count)
		}
	}
	h.Receive(1, counters(5, counterOf(h, 2, 7), wire.Counter{ID: 99, Instance: 1, Count: 3}))
	is(1, 5)
	is(2, 7)
	is(3, 0)
	h.Receive(3, counters(1, counterOf(h, 2, 6), counterOf(h, 1, 5)))
	is(1, 5)
	is(2, 7)
	former := counterOf(h, 2, 100)
	h.Add(2, 2, 0)
	is(2, 0)
	h.Receive(1, counters(6, former))
	is(2, 0)
	if len(x.rose) != 4 || x.rose[0].Count != 0 {
		t.Errorf("rose: %+v", x.rose)
	}
}

// Risen is when a count last rose here, and a stall of this node's own moves it.
func TestRisen(t *testing.T) {
	h, x := newHost(3, 1360, 1)
	h.Run(3 * time.Second)
	h.Receive(1, counters(1))
	at := h.Now
	h.Run(2 * time.Second)
	h.Receive(2, counters(1, counterOf(h, 1, 1)))
	if e := x.Get(detecttest.ID(1)); e.Risen != at {
		t.Errorf("an equal count moved it from %v to %v", at, e.Risen)
	}
	due := x.Deadline()
	x.Exchange.Stalled(time.Minute)
	if e := x.Get(detecttest.ID(1)); e.Risen != at.Add(time.Minute) ||
		x.Deadline() != due.Add(time.Minute) {
		t.Errorf("after the stall: %v, beats next at %v", e.Risen, x.Deadline())
	}
}

// A table larger than a datagram is told in turn: each counter once in as many datagrams as it
// takes, none too large.
func TestInTurn(t *testing.T) {
	const n, room = 101, 300
	h, x := newHost(n, room, 1)
	for i := 1; i < n; i++ {
		h.Receive(i, counters(uint32(i)))
	}
	times := map[member.ID]int{}
	for range 60 {
		h.Sent = h.Sent[:0]
		h.Run(time.Second)
		for _, s := range h.Sent {
			if len(s.Body)+wire.MessageSize > room {
				t.Fatalf("%d bytes", len(s.Body))
			}
			_, others := told(t, s.Body)
			for _, c := range others {
				if times[c.ID]++; c.ID == s.To {
					t.Error("it is told its own counter")
				}
			}
		}
	}
	least, most := 1<<30, 0
	for i := 1; i < n; i++ {
		least, most = min(least, times[detecttest.ID(i)]), max(most, times[detecttest.ID(i)])
	}
	if least == 0 || most-least > 4 { // one is left out where it is the receiver
		t.Errorf("told between %d and %d times", least, most)
	}
	if got := len(x.Entries()); got != n-1 {
		t.Errorf("%d entries", got)
	}
}

// A member that fails, leaves or is forgotten has no entry. A member that comes back begins anew.
func TestEntriesFollowTheTable(t *testing.T) {
	h, x := newHost(5, 1360, 1)
	h.Receive(3, counters(9))
	x.Get(detecttest.ID(3)).Data = 4
	h.Set(3, member.Suspect)
	if e := x.Get(detecttest.ID(3)); e == nil || e.Count != 9 || e.Data != 4 {
		t.Errorf("a suspicion changed it: %+v", e)
	}
	h.Set(3, member.Failed)
	h.Set(1, member.Left)
	x.Drop(detecttest.ID(2))
	x.Drop(detecttest.ID(2)) // and again: nothing
	if len(x.Entries()) != 1 || x.Get(detecttest.ID(4)) == nil {
		t.Fatalf("entries %+v", x.Entries())
	}
	h.Add(3, 1, 1)
	if e := x.Get(detecttest.ID(3)); e == nil || e.Count != 0 || e.Data != 0 || e.Risen != h.Now {
		t.Errorf("came back as %+v", e)
	}
}

// Reach is what the fan-out and the room allow.
func TestReach(t *testing.T) {
	c := counter.Config{Period: time.Second, Fanout: 3, Room: 1500}
	for _, x := range []struct {
		live        int
		least, most float64
	}{{1, 1, 1}, {2, 1, 1}, {3, 2, 2}, {50, 3, 3}, {1001, 0.29, 0.31}} {
		if r := c.Reach(x.live); r < x.least || r > x.most {
			t.Errorf("of %d: %g", x.live, r)
		}
	}
}

// Nothing that comes over the network breaks it or adds an entry.
func FuzzReceive(f *testing.F) {
	h, _ := newHost(5, 1360, 1)
	f.Add(wire.Body(counters(3, counterOf(h, 2, 7), counterOf(h, 3, 1<<31))))
	f.Add([]byte{})
	f.Add([]byte{1, 255})
	f.Fuzz(func(t *testing.T, body []byte) {
		h, x := newHost(5, 1360, 1)
		x.Exchange.Receive(h.Now, h.Peer(1), body)
		h.Run(2 * time.Second)
		if len(x.Entries()) != 4 {
			t.Fatalf("%d entries", len(x.Entries()))
		}
	})
}
