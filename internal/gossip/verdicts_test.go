package gossip

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func verdictsOf(n *Node,
	name string) []Verdict {
	return slices.Collect(n.Verdicts(member.IDOf(name)))
}

// Under either detector all learn with the news which member declared another one failed, and on
// whose word; and that it came back.
func TestAllKnowWhy(t *testing.T) {
	for _, d := range allDetectors() {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			nodes := w.cluster(12, &Config{Detector: d})
			w.run(10 * time.Second)
			victim, rest := nodes[11], nodes[:11]
			victim.down = true
			died := w.Now
			w.run(20 * time.Second)
			for _, p := range rest {
				all := verdictsOf(p.Node, "n11")
				if len(all) != 1 || all[0].Kind != Failed || !all[0].Explained || all[0].At < died {
					t.Fatalf("n%s remembers %+v", p.addr, all)
				}
				e := all[0].Evidence
				if _, known := p.Table().Get(e.Accuser); !known || e.Accuser == victim.id ||
					(len(e.Votes) == 0) == (d == SWIM || d == INQUEST) || e.Span <= 0 {
					t.Errorf("%s holds the evidence %+v", p.addr, e)
				}
				if d == INQUEST && (len(e.Votes) < 4 || e.Votes[0].Pings == 0 || e.Pings == 0) {
					t.Errorf("%s holds the evidence %+v of a jury of seven", p.addr, e)
				}
			}
			again := w.start("n11", 11, 2, &Config{Detector: d}, 0)
			w.run(20 * time.Second)
			for _, p := range rest {
				all := verdictsOf(p.Node, "n11")
				if len(all) != 2 || all[1].Kind != Restarted ||
					all[1].After < 10*time.Second || all[1].Explained {
					t.Errorf("%s remembers %+v of one that came back", p.addr, all)
				}
			}
			if all := slices.Collect(again.Verdicts(again.id)); len(all) != 0 {
				t.Errorf("who came back remembers %+v", all)
			}
		})
	}
}

// One that was cut off and refutes is remembered as that.
func TestRefutationIsRemembered(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	nodes[4].paused = true
	w.until(time.Minute, "it is failed", func() bool { return nodes[0].Table().Live() == 4 })
	w.resume(nodes[4])
	w.until(time.Minute, "it is back", func() bool { return nodes[0].Table().Live() == 5 })
	all := verdictsOf(nodes[0].Node, "n4")
	if len(all) != 2 || all[1].Kind != Refuted || all[1].Incarnation <= all[0].Incarnation {
		t.Errorf("%+v", all)
	}
}

// A member that says of another one that it failed, and missed that this one refuted, is told.
func TestStaleVerdictIsContradicted(t *testing.T) {
	for _, d := range []Detector{SWIM, INQUEST} {
		w := newWorld(t)
		nodes := w.cluster(6, &Config{Detector: d})
		victim, _ := nodes[2].Table().Get(nodes[5].id)
		claim := wire.Update{ID: victim.ID, Check: victim.Check,
			Claim: wire.Claim{Generation: 1, State: member.Failed}}
		says := forge("n1", 1, wire.AppendUpdate(nil, &claim))
		claim.State = member.Suspect
		w.inject(nodes[5], forge("n1", 1, wire.AppendUpdate(nil, &claim)))
		w.run(time.Second)
		answers := 0
		w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
			_, r, _ := wire.Open(data)
			for typ, body, ok := r.Next(); ok; typ, body, ok = r.Next() {
				if u, ok := wire.ReadUpdate(body); typ == wire.TypeUpdate && ok &&
					u.ID == victim.ID && u.State.Live() && u.Incarnation > 0 {
					answers++
				}
			}
		}
		w.step(nodes[2], func(out *Outbox) { nodes[2].Receive(w.Now, nodes[1].addr, says, out) })
		w.onSend = nil
		if answers != 1 {
			t.Errorf("%s: it is answered %d times", d, answers)
		}
	}
}

// explained makes a node that holds "n1" failed, and evidence about it.
func explained(t *testing.T) (*loop, wire.Evidence) {
	l := newLoop(t, 5, SWIM)
	n, m := l.nodes[0], l.nodes[1].Self()
	n.Receive(l.now, addrOf(2), forge("n2", 1, wire.AppendUpdate(nil,
		&wire.Update{ID: m.ID, Check: m.Check,
			Claim: wire.Claim{Generation: 1, State: member.Failed}})), &l.out)
	l.out.Reset()
	return l, wire.Evidence{Target: m.ID, Instance: m.Instance(), Accuser: member.IDOf("n2"),
		Count: 1}
}

// Evidence counts only for the verdict that it is about, and the first stays.
func TestEvidenceMustMatch(t *testing.T) {
	l, e := explained(t)
	n := l.nodes[0]
	give := func(e wire.Evidence) bool {
		n.Receive(l.now, addrOf(2), forge("n2", 1, wire.AppendEvidence(nil, &e)), &l.out)
		l.out.Reset()
		return verdictsOf(n, "n1")[0].Explained
	}
	other := e
	other.Instance++
	later := e
	later.Incarnation = 9
	stranger := e
	stranger.Target = 99
	for _, x := range []wire.Evidence{other, later, stranger} {
		if give(x) {
			t.Errorf("%+v is taken", x)
		}
	}
	if !give(e) {
		t.Error("evidence that matches is not taken")
	}
	second := e
	second.Accuser = 5
	if give(second); verdictsOf(n, "n1")[0].Evidence.Accuser != e.Accuser {
		t.Error("the second evidence took the place of the first")
	}
}

// Evidence that says nothing new takes no memory.
func TestStaleEvidenceAllocatesNothing(t *testing.T) {
	l, e := explained(t)
	datagram := forge("n2", 1, wire.AppendEvidence(nil, &e),
		wire.AppendEvidence(nil, &wire.Evidence{Target: 99}))
	if allocs := testing.AllocsPerRun(1000, func() {
		l.nodes[0].Receive(l.now, addrOf(2), datagram, &l.out)
		l.out.Reset()
	}); allocs > 0 {
		t.Errorf("%.1f allocations a datagram", allocs)
	}
}
