package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/roster"
)

// The forgotten stay forgotten. A cut lasts for longer than the dead are remembered, and meanwhile
// members of one side die, leave, begin another life and die, and come anew. After it nobody on
// either side, that was there before the cut or came during it, is told that one of the dead
// joined; nobody is told that one which left has failed; all that live meet.
func TestForgottenStayForgotten(t *testing.T) {
	for _, d := range allDetectors() {
		for _, x := range []struct{ n, few int }{{11, 2}, {10, 1}, {17, 8}, {17, 9}, {16, 5},
			{22, 4}} {
			t.Run(fmt.Sprintf("%s, %d of %d", d, x.few, x.n), func(t *testing.T) {
				w := newWorld(t)
				nodes := w.cluster(x.n, &Config{Detector: d, Retention: 2 * time.Minute,
					Reseed: 15 * time.Second})
				w.run(5 * time.Second)
				few := func(a netip.AddrPort) bool {
					i := int(a.Addr().As4()[3])
					return i >= x.n-x.few && i < x.n
				}
				w.cut = func(from, to netip.AddrPort) bool { return few(from) != few(to) }
				w.run(time.Second)
				died, left, again := nodes[2], nodes[3], nodes[1]
				died.down = true
				w.do(left, Leave{})
				again.down = true
				w.run(time.Minute)
				again = w.start("n1", 1, 9, &Config{Detector: d, Retention: 2 * time.Minute}, 0)
				w.run(time.Minute)
				again.down = true
				w.run(4 * time.Minute)
				fresh := w.start("fresh", 99, 1, &Config{Detector: d,
					Retention: 2 * time.Minute}, 0)
				w.run(10 * time.Second)
				for _, p := range []*peer{nodes[0], fresh} {
					for _, id := range []member.ID{died.id, left.id, again.id} {
						if _, known := p.Table().Get(id); known {
							t.Fatalf("%s knows a dead member yet", p.addr)
						}
					}
				}
				gone := map[member.ID]string{died.id: "n2", left.id: "n3", again.id: "n1"}
				w.onEvent = func(p *peer, e Event) {
					name := gone[e.Member.ID]
					if e.Kind == MemberJoined && name != "" {
						t.Errorf("%s is told that %s joined", p.roster.Record().Name, name)
					}
					if e.Kind == MemberFailed && name == "n3" {
						t.Errorf("%s is told that %s failed, which left",
							p.roster.Record().Name, name)
					}
				}
				w.cut = nil
				for _, p := range w.up() {
					w.do(p, Join{Seeds: p.seeds}) // as the driver does each minute
				}
				w.until(90*time.Second, "all see those that live",
					func() bool { return w.allSee(x.n - 3 + 1) })
				w.run(time.Minute)
				if !w.allSee(x.n - 3 + 1) {
					t.Errorf("a minute later not all see them\n%s", w.views())
				}
			})
		}
	}
}

// Two that could not reach one which died for longer than the dead are remembered tell nobody of
// it, neither a newcomer on their own side nor anybody after the cut, when all that knew of its
// death have begun anew; and they forget it, with an end told.
func TestDreamsAreNotTold(t *testing.T) {
	w := newWorld(t)
	cfg := &Config{Retention: 2 * time.Minute, Reseed: 15 * time.Second}
	nodes := w.cluster(11, cfg)
	w.run(5 * time.Second)
	few := func(a netip.AddrPort) bool { return a.Addr().As4()[3] >= 9 }
	w.cut = func(from, to netip.AddrPort) bool { return few(from) != few(to) }
	w.run(time.Second)
	dead := nodes[2]
	dead.down = true
	w.run(5 * time.Minute)
	fresh := w.start("fresh", 99, 1, cfg, 9)
	w.until(5*time.Second, "it is in, and whole", fresh.Complete)
	w.run(10 * time.Second)
	if fresh.Table().Len() != 3 {
		t.Errorf("a newcomer among two knows %d", fresh.Table().Len())
	}
	for _, p := range nodes[:9] {
		p.roster.Graves = roster.NewGraves()
	}
	ended := 0
	w.onEvent = func(p *peer, e Event) {
		if e.Member.ID == dead.id && e.Kind == MemberJoined {
			t.Errorf("%s is told that the dead joined", p.roster.Record().Name)
		}
		if e.Member.ID == dead.id && e.Kind == MemberFailed {
			ended++
		}
	}
	w.cut = nil
	w.do(fresh, Join{Seeds: []netip.AddrPort{addrOf(0)}})
	w.until(time.Minute, "all see those that live", func() bool { return w.allSee(11) })
	// The two may judge it, now that the others, which know nothing of it, are no jurors; then they
	// hold it for failed for a while.
	w.until(cfg.Retention+2*time.Minute, "nobody knows the dead",
		func() bool { return w.forgets("n2") == 11 })
	if ended != 2 {
		t.Errorf("%d were told of the end, of 2", ended)
	}
}

// One that failed, and whose address another member has since, is forgotten after ten minutes. If
// it lives, and returns at another address, it joins once. One that failed and whose address is
// nobody's stays.
func TestHeirOfAnAddress(t *testing.T) {
	for _, moves := range []bool{true, false} {
		w := newWorld(t)
		nodes := w.cluster(8, nil)
		w.run(5 * time.Second)
		last := map[*peer]EventKind{}
		w.onEvent = func(p *peer, e Event) {
			if e.Member.ID != nodes[3].id || p == nodes[3] {
				return
			}
			switch e.Kind {
			case MemberJoined, MemberFailed, MemberLeft:
				if last[p] == e.Kind {
					t.Errorf("%s is told %s of n3 twice", p.roster.Record().Name,
						eventNames[e.Kind])
				}
				last[p] = e.Kind
			}
		}
		away := nodes[3]
		away.paused, nodes[4].down = true, true
		w.until(10*time.Second, "n3 failed", func() bool {
			return w.allHold("n4", member.Failed) || w.allHold("n3", member.Failed)
		})
		w.run(10 * time.Second)
		away.socket = nil
		w.start("heir", 3, 1, nil, 0)
		w.run(9 * time.Minute)
		if n := w.forgets("n3"); n > 1 { // the newcomer never knew it
			t.Fatalf("%d have forgotten n3 after nine minutes", n)
		}
		w.until(4*time.Minute, "n3 is forgotten", func() bool { return w.forgets("n3") == 7 })
		if n := w.forgets("n4"); n > 1 {
			t.Fatalf("%d have forgotten n4, whose address is free", n)
		}
		if !moves {
			away.down = true
			w.start("n3", 50, 2, nil, 0)
		} else {
			away.addr = addrOf(50)
			w.resume(away)
			w.do(away, Moved{Addr: addrOf(50)})
		}
		w.until(time.Minute, "n3 is back", func() bool { return w.allSee(8) })
		w.run(time.Minute)
		if !w.allSee(8) || !w.allHold("n3", member.Alive) {
			t.Errorf("a minute later: %s", w.views())
		}
		for _, p := range w.up() {
			if last[p] != MemberJoined && p != away && p.roster.Record().Name != "n3" {
				t.Errorf("%s was last told %s of n3", p.roster.Record().Name, eventNames[last[p]])
			}
		}
	}
}

// What a node holds in private of a member ends with it. Else it would be out of reach from the
// moment at which it is met anew, and failed for an absence of before.
func TestAbsenceEndsWithItsMember(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.run(5 * time.Second)
	p, id := nodes[0], nodes[1].id
	p.out = &Outbox{}
	p.reach.SetSilent(w.Now, id, true)
	p.roster.Forget(id)
	if p.IsUnreachable(id) {
		t.Error("a member that is forgotten is out of reach still")
	}
}
