package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// moveTo gives a node another address, as its host does: what goes to the old one is lost.
func (w *world) moveTo(p *peer, i int) { p.addr = addrOf(i) }

// heldAt says whether all nodes hold a member alive at an address.
func (w *world) heldAt(name string, a netip.AddrPort) bool {
	for _, p := range w.up() {
		if m, ok := p.Table().Get(member.IDOf(name)); !ok || m.State != member.Alive ||
			m.Addr() != a {
			return false
		}
	}
	return true
}

// A node whose address changes tells the others, in the same life: nobody takes it for failed, none
// of its keys is void, and what is published afterwards reaches it.
func TestMoved(t *testing.T) {
	for _, d := range []Detector{SWIM, INQUEST, HEARTBEAT, ACCRUAL} {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			nodes := w.cluster(8, &Config{Detector: d})
			p := nodes[5]
			w.do(p, Set{Key: "k", Value: []byte("v")})
			w.run(3 * time.Second)
			was := p.Self()
			w.moveTo(p, 105)
			w.run(500 * time.Millisecond) // until its driver notices
			if err := w.do(p, Moved{Addr: addrOf(105)}); err != nil {
				t.Fatal(err)
			}
			took := w.until(2*time.Second, "all hold n5 at its new address",
				func() bool { return w.heldAt("n5", addrOf(105)) })
			t.Logf("known after %v", took)
			if is := p.Self(); is.Generation() != was.Generation() ||
				is.Incarnation != was.Incarnation+1 {
				t.Errorf("from life %d.%d to %d.%d", was.Generation(), was.Incarnation,
					is.Generation(), is.Incarnation)
			}
			w.run(2 * time.Second) // what was under way, and a message repeated
			w.onSend = func(from *peer, to netip.AddrPort, _ []byte) {
				if to == addrOf(5) {
					t.Errorf("%s still sends to the old address", from.addr)
				}
			}
			for i, q := range nodes {
				q.events = nil
				if i < 2 {
					w.do(q, Publish{Topic: "t", Payload: []byte("x")})
				}
			}
			w.run(20 * time.Second)
			if got := count(p, MessageDelivered); got != 2 {
				t.Errorf("it got %d of 2 messages", got)
			}
			for _, q := range nodes {
				for _, k := range []EventKind{MemberFailed, MemberSuspected, MemberJoined,
					KeysReset, Conflicted} {
					if count(q, k) > 0 {
						t.Errorf("%s is told: %v", q.addr, q.events)
					}
				}
			}
			if !w.heldAt("n5", addrOf(105)) {
				t.Errorf("it is not there any more: %s", w.views())
			}
		})
	}
}

// A move that was noticed late, when others hold the member failed, is known all the same, and its
// old address may be another's by then.
func TestMovedLate(t *testing.T) {
	for _, d := range []Detector{SWIM, INQUEST} {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			nodes := w.cluster(8, &Config{Detector: d})
			p := nodes[5]
			was := p.Self()
			w.moveTo(p, 105)
			w.run(30 * time.Second)
			w.start("heir", 5, 1, &Config{Detector: d}, 0)
			w.run(time.Second)
			w.do(p, Moved{Addr: addrOf(105)})
			w.until(5*time.Second, "n5 is back", func() bool { return w.heldAt("n5", addrOf(105)) })
			w.until(5*time.Second, "all see all", func() bool {
				return w.allSee(9) &&
					w.heldAt("heir", addrOf(5))
			})
			if is := p.Self(); is.Generation() != was.Generation() {
				t.Error("it began another life")
			}
			w.run(30 * time.Second)
			if !w.allSee(9) {
				t.Error(w.views())
			}
		})
	}
}

// A node that finds another address of its own before anybody knows it comes in with that one.
func TestMovedBeforeTheWelcome(t *testing.T) {
	w := newWorld(t)
	w.cluster(3, nil)
	p := w.start("late", 9, 1, nil, 200) // nobody is there
	w.run(time.Second)
	w.moveTo(p, 10)
	w.do(p, Moved{Addr: addrOf(10)})
	w.do(p, Join{Seeds: []netip.AddrPort{addrOf(0)}})
	w.until(5*time.Second, "it is in", func() bool {
		return w.allSee(4) &&
			w.heldAt("late", addrOf(10))
	})
}

func TestMovedNowhere(t *testing.T) {
	w := newWorld(t)
	p := w.cluster(3, nil)[1]
	was := p.Self()
	for _, c := range []struct {
		to  string
		bad bool
	}{
		{"0.0.0.0:7747", true}, {"10.1.1.1:0", true}, {"[::]:7747",
			true}, {"[fe80::1%eth0]:7747", true},
		{was.Addr().String(), false}, {fmt.Sprintf("[::ffff:%s]:%d", was.Addr().Addr(),
			was.Addr().Port()), false},
	} {
		if err := w.do(p, Moved{Addr: netip.MustParseAddrPort(c.to)}); (err != nil) != c.bad {
			t.Errorf("to %s: %v", c.to, err)
		}
	}
	w.do(p, Leave{})
	w.do(p, Moved{Addr: addrOf(200)})
	// of the leave
	if is := p.Self(); is.Addr() != was.Addr() || is.Incarnation != was.Incarnation+1 {
		t.Errorf("%+v, and was %+v", is, was)
	}
}

// Two that swap their addresses are both failed once at most, since another lives where each is
// held to be: what they say for themselves is no word of theirs from there. They are back where
// they are.
func TestSwapped(t *testing.T) {
	for late := range 8 {
		w := newWorld(t)
		nodes := w.cluster(5, nil)
		w.run(20*time.Second + time.Duration(late)*300*time.Millisecond)
		for _, p := range nodes {
			p.events = nil
		}
		moved := func(id member.ID) bool { return nodes[1].id == id || nodes[3].id == id }
		w.moveTo(nodes[1], 3)
		w.moveTo(nodes[3], 1)
		w.run(5 * time.Second) // until their drivers notice
		w.do(nodes[1], Moved{Addr: addrOf(3)})
		w.do(nodes[3], Moved{Addr: addrOf(1)})
		w.until(5*time.Second, "all hold both where they are", func() bool {
			return w.heldAt("n1", addrOf(3)) && w.heldAt("n3", addrOf(1))
		})
		w.run(20 * time.Second)
		for _, p := range nodes {
			failed := make(map[member.ID]int)
			for _, e := range p.events {
				switch {
				case e.Kind == MemberFailed:
					if failed[e.Member.ID]++; failed[e.Member.ID] > 1 || !moved(e.Member.ID) {
						t.Errorf("%s is told %d times that %s failed", p.roster.Record().Name,
							failed[e.Member.ID], e.Member.Name())
					}
				case e.Kind == MemberRecovered && failed[e.Member.ID] > 0 &&
					e.Member.Addr() == addrOf(int(e.Member.Name()[1]-'0')):
					t.Errorf("%s is told that %s is back at %s, where another lives",
						p.roster.Record().Name, e.Member.Name(), e.Member.Addr())
				}
			}
		}
		if !w.heldAt("n1", addrOf(3)) || !w.heldAt("n3", addrOf(1)) || !w.allSee(5) {
			t.Error(w.views())
		}
	}
}
