package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// six is the address of IPv6 of the i-th node.
func six(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)}), 7747)
}

// families has nodes of IPv4 alone, of both families, and of IPv6 alone, by turns in the order of a
// pattern (4, b, B or 6): one with both tells its address of IPv4 if it is b, and of IPv6 if it is
// B. Of f and s the socket has both families, and the host 4 or 6 alone. A packet to an address of
// the family that its sender does not have fails the test.
func families(t *testing.T, pattern string, cfg *Config) (w *world, nodes []*peer) {
	w = newWorld(t)
	kind := func(i int) byte { return pattern[i%len(pattern)] }
	w.self = func(i int, s *Self) {
		switch kind(i) {
		case 'f':
			s.Routes = IPv4
		case 's':
			s.Routes, s.Addr = IPv6, six(i)
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
		if !p.roster.Serves(to.Addr()) {
			t.Errorf("%s sends to %s, which it cannot: %v", p.roster.Record().Name, to,
				wire.Type(data[wire.HeaderSize]))
		}
	}
	w.route = func(p *peer, to netip.AddrPort) (from, where netip.AddrPort) {
		i, known := at[to]
		if !known || !has(kind(i), to.Addr()) {
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
			if !has(kind(i), seed.Addr()) {
				seed = six(0)
			}
			w.do(p, Join{Seeds: []netip.AddrPort{seed}})
		}
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(len(pattern)) })
	w.run(10 * time.Second)
	return w, w.nodes
}

// has says whether a kind of node has an address like another.
func has(kind byte, a netip.Addr) bool {
	switch kind {
	case '4', 'f':
		return a.Is4()
	case '6', 's':
		return a.Is6()
	}
	return true
}

// Where nodes have both families, those with one alone form a cluster with those of the other:
// nobody sends where it cannot, nobody is suspected for it, messages and keys reach all, publishers
// are not held up, and a death is known to all.
func TestFamiliesBesideEachOther(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		detector Detector
		zones    int
	}{
		{"bb44664466", INQUEST, 1}, {"bB4646", INQUEST, 1}, {"b46", INQUEST, 1}, {"BB44664466",
			INQUEST, 1}, {"bb44664466bb44664466", INQUEST, 2},
		{"b6446", INQUEST, 1}, {"bs4f6", INQUEST, 1}, {"bbffssffss", INQUEST, 1}, {"b4s",
			INQUEST, 1}, {"bbsf46sf46", INQUEST, 1},
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
					case MemberSuspected, MemberFailed, MemberUnreachable, Isolated, Unreached,
						Undecided:
						t.Errorf("%s: is told %d of %s", p.roster.Record().Name, e.Kind,
							e.Member.Name())
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
				if err := w.do(p, Publish{Topic: "t", Payload: []byte("x"),
					Confirm: true}); err != nil {
					t.Fatal(err)
				}
				if err := w.do(p, Set{Key: "k", Value: []byte{byte(i)}}); err != nil {
					t.Fatal(err)
				}
			}
			took := w.until(15*time.Second, "all have all messages",
				func() bool { return delivered(n) == n })
			confirmed := w.until(15*time.Second, "all know who has theirs", func() bool {
				return !slices.ContainsFunc(nodes, func(p *peer) bool {
					return !slices.ContainsFunc(p.events, func(e Event) bool {
						return e.Kind == MessageSpread && e.Spread.Have == e.Spread.Of &&
							e.Spread.Of >= 1
					})
				})
			})
			keys := w.until(15*time.Second, "all have all keys", func() bool {
				return !slices.ContainsFunc(nodes,
					func(p *peer) bool { return count(p, KeyChanged) < n })
			})
			least := n
			for _, p := range nodes {
				for _, e := range p.events {
					if e.Kind == MessageSpread && e.Spread.Have == e.Spread.Of {
						least = min(least, e.Spread.Of)
					}
				}
			}
			t.Logf("messages after %s, confirmed (of %d at least) %s later, keys %s later",
				took, least, confirmed, keys)
			dies := nodes[n-1]
			dies.down = true
			took = w.until(40*time.Second, "its death is known",
				func() bool { return w.allHold(dies.roster.Record().Name, member.Failed) })
			dies = nodes[1]
			dies.down = true
			if n > 3 {
				took2 := w.until(40*time.Second, "the death of one with both is known",
					func() bool { return w.allHold(dies.roster.Record().Name, member.Failed) })
				t.Logf("deaths after %s, %s", took, took2)
			}
		})
	}
}

// Nobody waits for members that nobody here reaches: once those with both families are gone, those
// of one publish to each other alone. What they hold of the others stays: nobody can tell them.
// Each side has five, which may judge those with both.
func TestNobodyWaitsForTheOtherFamily(t *testing.T) {
	w, nodes := families(t, "bb4444466666", nil)
	for _, p := range nodes[:2] {
		p.down = true
	}
	w.until(20*time.Second, "the death of those with both is known", func() bool {
		return w.allHold("n0", member.Failed) && w.allHold("n1", member.Failed)
	})
	for _, p := range []*peer{nodes[2], nodes[7]} {
		p.events = nil
		w.do(p, Publish{Topic: "t", Payload: []byte("x"), Confirm: true})
		w.until(2*time.Second, "it is out", func() bool {
			return slices.ContainsFunc(p.events, func(e Event) bool {
				return e.Kind == MessageSpread && e.Spread.Done && e.Spread.Have == 5 &&
					e.Spread.Of == 5
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

// Where a member is heard from is where it is sent to, only if its own address cannot be; when it
// tells one that can, that holds.
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
			t.Errorf("%s suspected somebody", p.roster.Record().Name)
		}
	}
}

// A host loses the routes of one family and gets them again, in one life of its node: then members
// are out of family, and are sent to at their own address again.
func TestRoutesComeAndGo(t *testing.T) {
	w, nodes := families(t, "bBbB4", nil)
	p := nodes[0]
	out := func() (names []string) {
		for m := range p.Table().All() {
			if m.OutOfFamily {
				names = append(names, m.Name())
			}
		}
		return names
	}
	if got := out(); got != nil {
		t.Fatalf("with all routes it does not send to %v", got)
	}
	served := p.Table().Served()
	for _, q := range nodes {
		q.events = nil
	}
	route, gone := w.route, true
	w.route = func(q *peer, to netip.AddrPort) (from, where netip.AddrPort) {
		if gone && to.Addr().Is4() && (to == addrOf(0) || q == p) {
			return q.addr, netip.AddrPort{}
		}
		return route(q, to)
	}
	w.do(p, Moved{Addr: six(0)})
	w.do(p, Routes{IPv6})
	if got := out(); !slices.Equal(got, []string{"n2", "n4"}) &&
		!slices.Equal(got, []string{"n4", "n2"}) {
		t.Errorf("with those of IPv6 alone it does not send to %v", got)
	}
	w.run(20 * time.Second)
	if got := out(); len(got) > 1 || len(got) == 1 && got[0] != "n4" {
		t.Errorf("it does not send to %v", got)
	}
	if err := w.do(p, Publish{Topic: "t", Payload: []byte("x"), Confirm: true}); err != nil {
		t.Fatal(err)
	}
	w.until(5*time.Second, "all have its message", func() bool {
		return !slices.ContainsFunc(nodes, func(q *peer) bool {
			return count(q,
				MessageDelivered) == 0
		})
	})
	gone = false
	w.do(p, Routes{AnyFamily})
	if got := out(); got != nil || p.Table().Served() != served || p.Table().Parted() {
		t.Errorf("with all routes again it does not send to %v", got)
	}
	for m := range p.Table().All() {
		if m.Addr() != m.Handle.Value().Addr {
			t.Errorf("%s is sent to at %s", m.Name(), m.Addr())
		}
	}
	for _, q := range nodes {
		if count(q, MemberFailed)+count(q, MemberSuspected) > 0 {
			t.Errorf("%s suspected somebody", q.roster.Record().Name)
		}
	}
}

// An old verdict about a member of the other family is a doubt, and the member cannot be asked.
func TestDoubtOfTheOtherFamily(t *testing.T) {
	for _, d := range allDetectors() {
		w, nodes := families(t, "bb4646", &Config{Detector: d})
		m, _ := nodes[2].Table().Get(nodes[3].id)
		if !m.OutOfFamily {
			t.Fatal("it can be sent to")
		}
		w.inject(nodes[2], forge("n0", 1, wire.AppendUpdate(nil,
			&wire.Update{ID: m.ID, Check: m.Check, Claim: wire.Claim{
				Generation: m.Generation(), Incarnation: m.Incarnation, State: member.Failed,
				Age: 20}})))
		if nodes[2].Stats().Doubted != 1 {
			t.Errorf("%s: it is not doubted", d)
		}
		w.run(20 * time.Second)
		if !w.allSee(6) {
			t.Errorf("%s: not all see all\n%s", d, w.views())
		}
	}
}
