package gossip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Two zones behind address translation, with the same private addresses in each: inside a zone
// members are reached at those, from the other one at the address that they advertise outside.
func TestOutsideAddress(t *testing.T) {
	const each = 6
	private := func(k int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 0, byte(k)}), 7747)
	}
	public := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i / each)}),
			uint16(1000+i%each))
	}
	w := newWorld(t)
	index := func(p *peer) int { return int(p.addr.Addr().As4()[3]) }
	local, crossed := 0, 0
	w.route = func(p *peer, to netip.AddrPort) (from, where netip.AddrPort) {
		i := index(p)
		for k := range each {
			if to == private(k) {
				local++
				return private(i % each), addrOf(i/each*each + k)
			}
		}
		for k := range 2 * each {
			if to == public(k) {
				crossed++
				if k/each == i/each {
					t.Errorf("n%d sends to %s, which is of its own zone", i, to)
				}
				return public(i), addrOf(k)
			}
		}
		t.Fatalf("n%d sends to %s", i, to)
		return
	}
	for i := range 2 * each {
		n, err := New(nil, Self{
			Name: fmt.Sprintf("n%d", i), Generation: 1, Addr: private(i % each), Outside: public(i),
			Zone: fmt.Sprintf("z%d/r%d", i/each, i),
		}, rand.NewPCG(uint64(i), 7), rand.NewPCG(uint64(i), 8))
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{Node: n, addr: addrOf(i)}
		switch {
		case i == each:
			p.seeds = []netip.AddrPort{public(0)}
		case i > 0:
			p.seeds = []netip.AddrPort{private(0)}
		}
		w.nodes = append(w.nodes, p)
		w.step(p, func(out *Outbox) { n.Wake(w.Now, out) })
		w.do(p, Join{Seeds: p.seeds})
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(2 * each) })
	w.run(30 * time.Second)
	if local == 0 || crossed == 0 {
		t.Errorf("%d packets stayed inside, %d crossed", local, crossed)
	}
	w.do(w.nodes[1], Publish{Topic: "t", Payload: []byte("x")})
	w.run(5 * time.Second)
	for i, p := range w.nodes {
		got := 0
		for _, e := range p.events {
			switch e.Kind {
			case MessageDelivered:
				got++
			case MemberFailed, MemberSuspected, Conflicted:
				t.Errorf("n%d tells %v", i, e)
			}
		}
		if got != 1 {
			t.Errorf("n%d got %d messages", i, got)
		}
	}
	w.nodes[each+1].down = true
	w.until(10*time.Second, "the crash is known", func() bool { return w.allSee(2*each - 1) })
}

// An outside address that nobody can send to is refused.
func TestOutsideAddressOfNobody(t *testing.T) {
	for _, bad := range []string{"0.0.0.0:1", "203.0.113.1:0", "[::]:7"} {
		r := member.Record{Name: "a", Addr: addrOf(1), Outside: netip.MustParseAddrPort(bad)}
		if err := r.Validate(); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
