package gossip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The word of one wrong member that a live one has a newcomer's name does not keep it out: nobody
// at that address says so, and another seed lets it in.
func TestOneWrongSeed(t *testing.T) {
	w := newWorld(t)
	number := w.joins()
	nodes := w.cluster(5, nil)
	w.run(time.Second)
	wrong := nodes[1]
	x := w.start("x", 20, 1, nil, 1)
	// which answers in its own way
	w.cut = func(from, to netip.AddrPort) bool { return from == x.addr && to == wrong.addr }
	refuse := func() {
		no := wire.AppendRefuse(nil, &wire.Refuse{Number: number[x.addr],
			Reason: wire.NameTaken, Text: []byte("10.0.0.4:7747"), Seen: x.addr})
		d := forge("n1", 1, no)
		w.step(x, func(out *Outbox) { x.Receive(w.Now, wrong.addr, d, out) })
	}
	for range 5 {
		refuse()
		w.run(100 * time.Millisecond)
	}
	if x.Stopped() || count(x, Refused) == 0 {
		t.Fatalf("stopped: %t; it was told of %d refusals", x.Stopped(), count(x, Refused))
	}
	w.do(x, Join{Seeds: []netip.AddrPort{wrong.addr, nodes[2].addr}})
	w.until(5*time.Second, "it is in", func() bool { return x.door.Welcomed() && w.allSee(6) })
}

// A node that slept is told by one member, wrong or false, that it was replaced; somebody at
// another address claims so too and brings back its numbers. It stops when two of three members say
// so, not before.
func TestOneWrongMemberStopsNobody(t *testing.T) {
	for liars := range 7 {
		w := newWorld(t)
		nodes := w.cluster(7, nil)
		w.run(5 * time.Second)
		x := nodes[6]
		x.paused = true
		w.run(1200 * time.Millisecond)
		x.door.Woke(time.Minute) // it takes that for long
		w.resume(x)
		w.until(10*time.Second, "all see all", func() bool { return w.allSee(7) })
		claim := recordOf("n6", 9, forgedAddr)
		brings := func(number uint32, from netip.AddrPort, name string) {
			c := wire.AppendConflict(nil, &wire.Conflict{Number: number, Uptime: 1}, claim, 0)
			d := forge(name, 9, c)
			if name != "n6" {
				d = forge(name, 1, c)
			}
			w.step(x, func(out *Outbox) { x.Receive(w.Now, from, d, out) })
		}
		type call struct {
			to     netip.AddrPort
			number uint32
			asks   bool
		}
		var calls []call
		w.onSend = func(p *peer, to netip.AddrPort, data []byte) {
			_, r, _ := wire.Open(data)
			for ty, body, ok := r.Next(); p == x && ok; ty, body, ok = r.Next() {
				if c, ok := wire.ReadConflict(body); ty == wire.TypeConflict && ok {
					calls = append(calls, call{to, c.Number, c.Asks})
				}
			}
		}
		d := forge("n1", 1, wire.AppendRecord(nil, claim, &wire.Claim{Generation: 9}))
		w.step(x, func(out *Outbox) { x.Receive(w.Now, addrOf(1), d, out) })
		if x.Stopped() || len(calls) != 1 || calls[0].to != forgedAddr {
			t.Fatalf("told by one member it stopped: %t, and it asks %v", x.Stopped(), calls)
		}
		brings(calls[0].number, forgedAddr, "n6")
		if x.Stopped() || len(calls) != 4 {
			t.Fatalf("told by the claimant it stopped: %t, and it asks %v", x.Stopped(), calls)
		}
		lied := 0
		for _, c := range calls[1:] {
			for i, p := range nodes[:6] {
				if p.addr == c.to && c.asks && i < liars {
					brings(c.number+1, p.addr, p.roster.Record().Name) // no number of its own
					brings(c.number, p.addr, p.roster.Record().Name)
					brings(c.number, p.addr, p.roster.Record().Name) // a vote counts once
					lied++
				}
			}
		}
		w.run(3 * time.Second)
		if x.Stopped() != (lied >= 2) {
			t.Errorf("of three that it asked %d say that it was replaced; it stopped: %t",
				lied, x.Stopped())
		}
	}
}

// A node that asks which process has its name is told by those that know a live member of that
// name, and others say nothing.
func TestWhoHasMyName(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	ask := wire.AppendConflict(nil, &wire.Conflict{Number: 5, Asks: true},
		recordOf("n3", 9, forgedAddr), 0)
	if types, to, _ := w.sentTypes(nodes[0], forgedAddr,
		forge("n3", 9, ask)); len(types) == 0 || types[0] != wire.TypeConflict ||
		to[0] != forgedAddr {
		t.Errorf("it is told %v", types)
	}
	for _, from := range []string{"n2", "x"} { // that is not its own name
		if types, _, _ := w.sentTypes(nodes[0], forgedAddr,
			forge(from, 1, ask)); len(types) > 0 && types[0] == wire.TypeConflict {
			t.Errorf("%s is told who n3 is", from)
		}
	}
	if m, _ := nodes[0].Table().Get(member.IDOf("n3")); m.Generation() != 1 ||
		m.State != member.Alive {
		t.Error("something changed")
	}
}
