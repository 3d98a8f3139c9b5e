package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

// six is the address of IPv6 of the i-th node.
func six(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)}), 7747)
}

// families has nodes of IPv4 alone, of both families, and of IPv6 alone, by turns in the order of a pattern (4, b, B or 6): one with both tells
// its address of IPv4 if it is b, and of IPv6 if it is B. A packet to an address of the family that its sender does not have fails the test.
func families(t *testing.T, pattern string, cfg *Config) (w *world, nodes []*peer) {
	w = newWorld(t)
	kind := func(i int) byte { return pattern[i%len(pattern)] }
	w.self = func(i int, s *Self) {
		switch kind(i) {
		case '4':
			s.Family = IPv4
		case '6':
			s.Family, s.Addr = IPv6, six(i)
		case 'B':
			s.Addr = six(i)
		}
	}
	at := map[netip.AddrPort]int{}
	for i := range len(pattern) {
		at[addrOf(i)], at[six(i)] = i, i
	}
	w.onSend = func(p *peer, to netip.AddrPort, data []byte) {
		if !p.family.serves(to.Addr()) {
			t.Errorf("%s sends to %s, which it cannot: %v", p.self.Value().Name, to, wire.Type(data[wire.HeaderSize]))
		}
	}
	w.route = func(p *peer, to netip.AddrPort) (from, where netip.AddrPort) {
		i, known := at[to]
		if !known || to.Addr().Is4() && kind(i) == '6' || to.Addr().Is6() && kind(i) == '4' {
			return p.addr, netip.AddrPort{} // nobody is there
		}
		from = addrOf(at[p.addr])
		if to.Addr().Is6() {
			from = six(at[p.addr])
		}
		return from, w.nodes[i].addr
	}
	for i := range len(pattern) {
		p := w.start(fmt.Sprintf("n%d", i), i, 1, cfg)
		if seed := addrOf(0); i > 0 {
			if kind(i) == '6' {
				seed = six(0)
			}
			w.do(p, Join{Seeds: []netip.AddrPort{seed}})
		}
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(len(pattern)) })
	w.run(10 * time.Second)
	return w, w.nodes
}

// Where nodes have both families, those with one alone form a cluster with those of the other: nobody sends where it cannot, nobody is
// suspected for it, messages and keys reach all, publishers are not held up, and who dies is known to all.
func TestFamiliesBesideEachOther(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		detector Detector
		zones    int
	}{
		{"bb44664466", INQUEST, 1}, {"bB4646", INQUEST, 1}, {"b46", INQUEST, 1}, {"BB44664466", INQUEST, 1}, {"bb44664466bb44664466", INQUEST, 2},
		{"bb44664466", SWIM, 1}, {"bb44664466", HEARTBEAT, 1}, {"bb44664466", ACCRUAL, 1},
	} {
		t.Run(fmt.Sprintf("%s %s %d", c.pattern, c.detector, c.zones), func(t *testing.T) {
			cfg := &Config{Detector: c.detector}
			w, nodes := families(t, c.pattern, cfg)
			for _, p := range nodes {
				p.events = nil
			}
			w.run(30 * time.Second)
			for _, p := range nodes {
				for _, e := range p.events {
					switch e.Kind {
					case MemberSuspected, MemberFailed, MemberUnreachable, Isolated, Unreached, Undecided:
						t.Errorf("%s: is told %d of %s", p.self.Value().Name, e.Kind, e.Member.Name())
					}
				}
				p.events = nil
			}
			n := len(nodes)
			delivered := func(seq int) int {
				have := 0
				for _, p := range nodes {
					have += count(p, MessageDelivered) / seq
				}
				return have
			}
			for i, p := range nodes {
				if err := w.do(p, Publish{Topic: "t", Payload: []byte("x"), Confirm: true}); err != nil {
					t.Fatal(err)
				}
				if err := w.do(p, Set{Key: "k", Value: []byte{byte(i)}}); err != nil {
					t.Fatal(err)
				}
			}
			took := w.until(15*time.Second, "all have all messages", func() bool { return delivered(n) == n })
			confirmed := w.until(15*time.Second, "all know who has theirs", func() bool {
				return !slices.ContainsFunc(nodes, func(p *peer) bool {
					return !slices.ContainsFunc(p.events, func(e Event) bool {
						return e.Kind == MessageSpread && e.Spread.Have == e.Spread.Of && e.Spread.Of >= 1
					})
				})
			})
			keys := w.until(15*time.Second, "all have all keys", func() bool {
				return !slices.ContainsFunc(nodes, func(p *peer) bool { return count(p, KeyChanged) < n })
			})
			least := n
			for _, p := range nodes {
				for _, e := range p.events {
					if e.Kind == MessageSpread && e.Spread.Have == e.Spread.Of {
						least = min(least, e.Spread.Of)
					}
				}
			}
			t.Logf("messages after %s, confirmed (of %d at least) %s later, keys %s later", took, least, confirmed, keys)
			dies := nodes[n-1]
			dies.down = true
			took = w.until(40*time.Second, "its death is known", func() bool { return w.allHold(dies.self.Value().Name, member.Failed) })
			dies = nodes[1]
			dies.down = true
			if n > 3 {
				took2 := w.until(40*time.Second, "the death of one with both is known", func() bool { return w.allHold(dies.self.Value().Name, member.Failed) })
				t.Logf("deaths after %s, %s", took, took2)
			}
		})
	}
}

// Nobody waits for members that nobody here reaches: once those with both families are gone, those of one publish to each other alone. What they hold of the
// others stays: nobody can tell them.
func TestNobodyWaitsForTheOtherFamily(t *testing.T) {
	w, nodes := families(t, "bb44446666", nil)
	for _, p := range nodes[:2] {
		p.down = true
	}
	w.until(20*time.Second, "the death of those with both is known", func() bool {
		return w.allHold("n0", member.Failed) && w.allHold("n1", member.Failed)
	})
	for _, p := range []*peer{nodes[2], nodes[6]} {
		p.events = nil
		w.do(p, Publish{Topic: "t", Payload: []byte("x"), Confirm: true})
		w.until(2*time.Second, "it is out", func() bool {
			return slices.ContainsFunc(p.events, func(e Event) bool {
				return e.Kind == MessageSpread && e.Spread.Done && e.Spread.Have == 4 && e.Spread.Of == 4
			})
		})
		w.do(p, Leave{Wait: time.Minute})
		w.until(time.Second, "it has left", p.Stopped)
		for _, e := range p.events {
			if e.Kind == LeaveDone && e.Err != nil {
				t.Errorf("it left and says %v", e.Err)
			}
		}
	}
}

// Where a member is heard from is where it is sent to, only if its own address cannot be; when it tells one that can, that holds.
func TestHeardFromTheOtherFamily(t *testing.T) {
	w, nodes := families(t, "b6", nil)
	both, alone := nodes[0], nodes[1]
	m, _ := alone.Table().Get(both.id)
	if m.OutOfFamily || m.Addr() != six(0) || m.Handle.Value().Addr != addrOf(0) {
		t.Errorf("it is sent to at %s, out of family %t", m.Addr(), m.OutOfFamily)
	}
	if m, _ = both.Table().Get(alone.id); m.OutOfFamily || m.Addr() != six(1) {
		t.Errorf("the other is sent to at %s", m.Addr())
	}
	w.do(both, Moved{Addr: netip.AddrPortFrom(six(0).Addr(), 7747)})
	w.until(5*time.Second, "the move is known", func() bool {
		m, _ := alone.Table().Get(both.id)
		return m.Handle.Value().Addr == six(0) && m.Addr() == six(0)
	})
	for _, p := range nodes {
		if count(p, MemberSuspected) > 0 {
			t.Errorf("%s suspected somebody", p.self.Value().Name)
		}
	}
}
