package gossip

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// With every detector each node comes to know the way to the others, without a packet more: a LAN
// of one millisecond.
func TestNodesFindTheirCoordinates(t *testing.T) {
	for _, d := range allDetectors() {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			all := w.cluster(8, &Config{Detector: d})
			lone := 0 // datagrams in which nothing but locations stands
			w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
				_, r, err := wire.Open(data)
				for t, _, ok := r.Next(); ok && err == nil; t, _, ok = r.Next() {
					if t != wire.TypeLocate && t != wire.TypeLocated {
						return
					}
				}
				lone++
			}
			w.run(3 * time.Minute)
			if lone > 0 && d != HEARTBEAT { // its probes are not answered
				t.Errorf("%d datagrams only for locations", lone)
			}
			for _, p := range all {
				q := all[(int(p.addr.Addr().As4()[3])+1)%len(all)]
				x, y := p.Location(), q.Location()
				if rtt, e := x.Estimate(&y, true); rtt < 500*time.Microsecond ||
					rtt > 1500*time.Microsecond {
					t.Errorf("from %s to %s an estimate of %v with an error of %.2f; it is 1 "+
						"ms", p.addr, q.addr, rtt, e)
				}
			}
		})
	}
}

// Once settled, a node asks seldom.
func TestLocateCostsLittle(t *testing.T) {
	w := newWorld(t)
	w.cluster(16, nil)
	asked, probes := 0, 0
	w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
		_, r, _ := wire.Open(data)
		for t, _, ok := r.Next(); ok; t, _, ok = r.Next() {
			switch t {
			case wire.TypeLocate:
				asked++
			case wire.TypeLease:
				probes++
			}
		}
	}
	w.run(time.Minute)
	if asked < probes*9/10 {
		t.Errorf("in the first minute %d of %d probes ask for a location", asked, probes)
	}
	w.run(2 * time.Minute)
	asked, probes = 0, 0
	w.run(2 * time.Minute)
	if asked < 16*4 || asked > 16*8 {
		t.Errorf("in two later minutes %d of %d probes of 16 nodes ask for a location; once in "+
			"20 s is meant", asked, probes)
	}
}

// located returns what came of a Locate.
func located(p *peer) (events []Event) {
	for _, e := range p.events {
		if e.Kind == MemberLocated {
			events = append(events, e)
		}
	}
	return events
}

// A node that asks a member learns where it stands, also when most packets are lost; and gives up
// when it is dead.
func TestLookUp(t *testing.T) {
	w := newWorld(t)
	all := w.cluster(5, nil)
	w.run(time.Minute)
	ask := func(p *peer, name string) error { return w.do(p, Locate{member.IDOf(name)}) }
	if err := ask(all[0], "n3"); err != nil {
		t.Fatal(err)
	}
	w.run(10 * time.Millisecond)
	got := located(all[0])
	if len(got) != 1 || got[0].Err != nil || got[0].Member.Name() != "n3" ||
		got[0].Location.RTT != time.Millisecond ||
		got[0].Location.Inside != all[3].Location().Inside {
		t.Fatalf("%+v", got)
	}
	w.loss = 0.5
	if err := errors.Join(ask(all[1], "n2"), ask(all[1], "n2"), ask(all[1], "n4")); err != nil {
		t.Fatal(err)
	}
	w.run(5 * time.Second)
	if got = located(all[1]); len(got) != 2 || got[0].Err != nil || got[1].Err != nil {
		t.Errorf("at 50 %% loss: %+v", got)
	}
	w.loss = 0
	all[4].down = true
	if err := ask(all[2], "n4"); err != nil {
		t.Fatal(err)
	}
	w.run(10 * time.Second)
	if got = located(all[2]); len(got) != 1 || !errors.Is(got[0].Err, ErrNoAnswer) ||
		got[0].Member.Name() != "n4" {
		t.Errorf("of a dead one: %+v", got)
	}
	for _, name := range []string{"n4", "n2", "nobody"} { // dead, itself, unknown
		if err := ask(all[2], name); !errors.Is(err, ErrNoMember) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A node that stood still while it waited has measured itself: the answers tell nothing then.
func TestLookUpThroughAStall(t *testing.T) {
	w := newWorld(t)
	all := w.cluster(5, nil)
	if err := w.do(all[0], Locate{member.IDOf("n3")}); err != nil {
		t.Fatal(err)
	}
	all[0].paused = true
	w.run(3 * time.Second)
	w.resume(all[0])
	w.run(time.Second)
	got := located(all[0])
	if len(got) != 1 || got[0].Err != nil || got[0].Location.RTT != time.Millisecond {
		t.Errorf("%+v", got)
	}
}

// A flood of questions for others' locations is refused, not remembered; a flood from others gets
// no more than one answer a datagram.
func TestLocateFloods(t *testing.T) {
	w := newWorld(t)
	all := w.cluster(3, nil)
	w.run(time.Second)
	n := all[0]
	ask := wire.AppendHeader(nil, wire.Header{Cluster: n.cluster, From: all[1].id,
		Generation: 1, To: n.roster.Instance()})
	for seq := range uint16(200) {
		ask = wire.AppendLocate(ask, seq)
	}
	var out Outbox
	n.Receive(w.Now, all[1].addr, ask, &out)
	if len(out.Packets) != 1 || len(out.Packets[0].Data) > 100 {
		t.Errorf("%d packets for 200 questions", len(out.Packets))
	}
	forged := wire.AppendHeader(nil, wire.Header{Cluster: n.cluster, From: member.IDOf("x"),
		Generation: 1, To: n.roster.Instance()})
	out.Reset()
	n.Receive(w.Now, addrOf(99), wire.AppendLocate(forged, 1), &out)
	for _, p := range out.Packets {
		_, r, _ := wire.Open(p.Data)
		for k, _, ok := r.Next(); ok; k, _, ok = r.Next() {
			if k == wire.TypeLocated {
				t.Error("a stranger is told a location")
			}
		}
	}
}
