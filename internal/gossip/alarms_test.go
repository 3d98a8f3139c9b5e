package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/alarms"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// about counts a node's events of one kind about a member.
func about(p *peer, kind EventKind, name string) (n int) {
	for _, e := range p.events {
		if e.Kind == kind && e.Member.Name() == name {
			n++
		}
	}
	return n
}

func nameOf(p *peer) string {
	m := p.Self()
	return m.Name()
}

// On request all are told of a silence, before the verdict and though there is none; else only
// those that notices it.
func TestSuspicionsAreShared(t *testing.T) {
	for _, share := range []bool{false, true} {
		w := newWorld(t)
		nodes := w.cluster(40, &Config{ShareSuspicions: share})
		w.run(10 * time.Second)
		lost := nodes[39]
		name := nameOf(lost)
		w.cut = func(from, to netip.AddrPort) bool { return from == lost.addr || to == lost.addr }
		view := nodes[0].Table().Changes()
		end := w.Now.Add(10 * time.Second)
		for w.Now < end && about(nodes[0], MemberSuspected, name) == 0 {
			w.run(10 * time.Millisecond)
			if nodes[0].Table().Changes() != view {
				break // without sharing, the verdict is often the first that it hears
			}
		}
		w.run(20 * time.Millisecond)
		w.cut = nil
		w.run(10 * time.Second)
		told := 0
		for _, p := range nodes[:39] {
			told += min(about(p, MemberSuspected, name), 1)
			if s, r := about(p, MemberSuspected, name), about(p, MemberRecovered,
				name); share && (s != 1 || r != 1) {
				t.Errorf("%s was told of %d suspicions and %d recoveries", p.addr, s, r)
			}
			if f := about(p, MemberFailed, name); share && f != 0 {
				t.Errorf("%s was told of a failure", p.addr)
			}
			if p.alarms.Accusers(lost.id) > 0 {
				t.Errorf("%s still holds %d alarms", p.addr, p.alarms.Len())
			}
		}
		if share != (told == 39) {
			t.Errorf("shared: %t; %d were told", share, told)
		}
		if share && nodes[0].Table().Changes() != view {
			t.Error("the suspicion changed a table")
		}
	}
}

// accuse hands a node an Alarm, and returns the events that it makes of it.
func accuse(l *loop, n *Node, by, target member.Member, seq uint32, on bool) (all []Event) {
	n.Receive(l.now, addrOf(1), forge(by.Name(), uint32(by.Generation()),
		wire.AppendAlarm(nil, wire.Alarm{
			Accuser: by.ID, By: by.Instance(), Target: target.ID, Instance: target.Instance(),
			Seq: seq, On: on,
		})), &l.out)
	all = append(all, l.out.Events...)
	l.out.Reset()
	return all
}

func wantEvents(t *testing.T, got []Event, want ...EventKind) {
	t.Helper()
	if len(got) != len(want) || len(got) > 0 && got[0].Kind != want[0] {
		t.Errorf("events %+v, want %v", got, want)
	}
}

// The first accusation is told and the end of the last, in the order in which they were made and
// not in which they come.
func TestAlarmsInAnyOrder(t *testing.T) {
	l := newLoop(t, 6, INQUEST)
	n := l.nodes[0]
	a, b, x := l.nodes[1].Self(), l.nodes[2].Self(), l.nodes[3].Self()
	wantEvents(t, accuse(l, n, a, x, 2, true), MemberSuspected)
	wantEvents(t, accuse(l, n, a, x, 2, true))
	wantEvents(t, accuse(l, n, b, x, 5, true))
	wantEvents(t, accuse(l, n, a, x, 3, false))
	wantEvents(t, accuse(l, n, a, x, 1, true))
	wantEvents(t, accuse(l, n, b, x, 6, false), MemberRecovered)
	wantEvents(t, accuse(l, n, b, x, 5, true))
	if m, _ := n.Table().Get(x.ID); m.State != member.Alive {
		t.Errorf("it is held %s", m.State)
	}
}

// What nobody repeats is over after a while.
func TestAlarmFadesAway(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(6, &Config{})
	w.run(10 * time.Second)
	l := &loop{now: w.Now}
	wantEvents(t, accuse(l, nodes[0].Node, nodes[1].Self(), nodes[2].Self(), 1, true),
		MemberSuspected)
	w.run(time.Minute - time.Second)
	name := nameOf(nodes[2])
	if about(nodes[0], MemberRecovered, name) != 0 {
		t.Error("it is over too soon")
	}
	w.run(2 * time.Second)
	if about(nodes[0], MemberRecovered, name) != 1 || nodes[0].alarms.Len() != 0 {
		t.Errorf("it is not over: %d alarms", nodes[0].alarms.Len())
	}
}

// Strangers, the dead, former lives and this node itself neither accuse nor are accused, and there
// is a bound for all.
func TestAlarmsAreBounded(t *testing.T) {
	l := newLoop(t, 6, INQUEST)
	n := l.nodes[0]
	a, x := l.nodes[1].Self(), l.nodes[3].Self()
	stranger := member.Member{ID: 7, Handle: member.Share(*recordOf("stranger", 1, addrOf(70)))}
	before := a
	before.Handle = member.Share(*recordOf(a.Name(), a.Generation()+1, a.Addr()))
	wantEvents(t, accuse(l, n, stranger, x, 1, true))
	wantEvents(t, accuse(l, n, a, stranger, 2, true))
	wantEvents(t, accuse(l, n, before, x, 3, true))
	wantEvents(t, accuse(l, n, x, before, 3, true))
	wantEvents(t, accuse(l, n, a, n.Self(), 4, true))
	wantEvents(t, accuse(l, n, n.Self(), x, 5, true))
	for i := range 4 {
		accuse(l, n, l.nodes[i+1].Self(), l.nodes[5].Self(), 9, true)
	}
	if k := n.alarms.Accusers(l.nodes[5].id); k != alarms.MaxAccusers {
		t.Errorf("%d accusers are taken", k)
	}
	for i := range 2 * alarms.MaxShared {
		r := recordOf(fmt.Sprintf("x%d", i), 1, addrOf(1000+i))
		n.Receive(l.now, addrOf(1), forge("n1", 1, wire.AppendRecord(nil, r, &wire.Claim{})),
			&l.out)
		l.out.Reset()
		m, _ := n.Table().Get(member.IDOf(r.Name))
		accuse(l, n, a, m, uint32(10+i), true)
	}
	if n.alarms.Len() != alarms.MaxShared {
		t.Errorf("%d alarms are held", n.alarms.Len())
	}
}
