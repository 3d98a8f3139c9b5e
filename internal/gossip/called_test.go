package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// move gives a node another address than that of its record: what it sends comes from there, what
// is sent there comes to it, and what is sent to the address of its record comes to nobody.
func (w *world) move(p *peer, to netip.AddrPort) {
	w.route = func(from *peer, where netip.AddrPort) (netip.AddrPort, netip.AddrPort) {
		source := from.addr
		if from == p {
			source = to
		}
		switch where {
		case to:
			where = p.addr
		case p.addr:
			where = netip.AddrPort{}
		}
		return source, where
	}
}

// An address changes under a process: it hears answers, which go to where its packets come from,
// and is asked nothing. All hold it failed, with the cause deaf, for as long as that is so: it is
// told, and does not contradict, since its word would help nobody. It says so itself, and is back
// at once when its address is.
func TestMovedMemberDoesNotFlap(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(20 * time.Second)
	n1 := nodes[1]
	w.move(n1, addrOf(99))
	w.until(10*time.Second, "n1 failed", func() bool { return w.allHold("n1", member.Failed) })
	for _, p := range nodes {
		if m, _ := p.Table().Get(n1.id); p != n1 && m.Cause != member.CauseDeaf {
			t.Errorf("%s holds it failed for the cause %s", p.roster.Record().Name, m.Cause)
		}
		p.events = nil
	}
	w.until(15*time.Second, "it says that it is not reached", n1.Unreached)
	w.run(time.Minute)
	for _, p := range nodes {
		if n := count(p, MemberRecovered) + count(p, MemberJoined) +
			count(p, MemberFailed); p != n1 && n > 0 {
			t.Errorf("in a minute %s was told %d times of a change", p.roster.Record().Name, n)
		}
		if from, ok := p.HeardFrom(n1.id); p == nodes[0] && (!ok || from != addrOf(99)) {
			t.Errorf("it is heard from %s, %t", from, ok)
		}
	}
	w.route = nil
	w.until(10*time.Second, "n1 is back", func() bool { return w.allSee(5) })
	w.run(time.Second)
	if n1.Unreached() || count(n1, Reached) != 1 {
		t.Errorf("back, and not reached: %t, told %d times", n1.Unreached(), count(n1, Reached))
	}
}

// asks returns the kinds of questions in datagrams, and where they go.
func asks(t *testing.T, out *Outbox, kind wire.Type) (to []netip.AddrPort) {
	t.Helper()
	for _, p := range out.Packets {
		_, r, err := wire.Open(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		for typ, _, ok := r.Next(); ok; typ, _, ok = r.Next() {
			if typ == kind {
				to = append(to, p.To)
			}
		}
	}
	return to
}

// A node that was asked nothing for six seconds does not contradict a failure, but asks to be
// called back; a question is what it waits for. One that was asked does so at once, and so does one
// that has just started.
func TestWhoIsNotReachedDoesNotRefute(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	n0, teller := nodes[0], nodes[1]
	failed := func(inc uint32) []byte {
		self := n0.Self()
		return forge("n1", 1, wire.AppendUpdate(nil,
			&wire.Update{ID: n0.id, Check: self.Check, Claim: wire.Claim{
				Generation: 1, Incarnation: inc, State: member.Failed, Cause: member.CauseDeaf}}))
	}
	tell := func(b []byte) (out Outbox) { n0.Receive(w.Now, teller.addr, b, &out); return out }
	if tell(failed(0)); n0.roster.Incarnation() != 1 {
		t.Fatalf("soon after its start its incarnation is %d", n0.roster.Incarnation())
	}
	w.run(20 * time.Second)
	if tell(failed(1)); n0.roster.Incarnation() != 2 {
		t.Fatalf("asked of late, its incarnation is %d", n0.roster.Incarnation())
	}
	w.cut = func(_, to netip.AddrPort) bool { return to == n0.addr }
	w.run(7 * time.Second)
	out := tell(failed(2))
	if calls := asks(t, &out, wire.TypeInquiry); n0.roster.Incarnation() != 2 || len(calls) != 1 ||
		calls[0] != teller.addr {
		t.Errorf("asked nothing for long, its incarnation is %d; it asks %v to call",
			n0.roster.Incarnation(), calls)
	}
	if out = tell(forge("n1", 1, wire.AppendAck(nil, 1))); n0.roster.Incarnation() != 2 {
		t.Error("an answer is taken for a question")
	}
	if out = tell(forge("n1", 1, wire.AppendPing(nil, 1))); n0.roster.Incarnation() != 3 ||
		len(asks(t, &out, wire.TypeRecord)) == 0 {
		t.Errorf("called back, its incarnation is %d; records to %v", n0.roster.Incarnation(),
			asks(t, &out, wire.TypeRecord))
	}
}

// A call goes to the address of the table alone, whichever asks for it, and for no other life.
func TestCallsGoToTheTablesAddress(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	n0, n1 := nodes[0], nodes[1]
	beg := func(target member.ID, generation uint32) (out Outbox) {
		b := wire.AppendInquiry(nil, wire.Inquiry{Seq: 1, Target: target,
			Instance: member.Instance(target, generation)})
		n0.Receive(w.Now, forgedAddr, forge("n1", generation, b), &out)
		return out
	}
	out := beg(n1.id, 1)
	if to := asks(t, &out, wire.TypePing); len(to) != 1 || to[0] != n1.addr {
		t.Errorf("the calls go to %v", to)
	}
	if out = beg(n1.id, 2); len(asks(t, &out, wire.TypePing)) > 0 {
		t.Error("a life that is not known is called")
	}
	w.step(n0, func(out *Outbox) {
		n0.out = out
		n0.roster.Accuse(n1.id, member.Failed, 0)
		n0.out = nil
	})
	if out = beg(n1.id, 1); len(asks(t, &out, wire.TypePing)) != 1 {
		t.Error("a failed member is not called")
	}
	total := 0
	for range 10_000 {
		out = beg(n1.id, 1)
		total += len(asks(t, &out, wire.TypePing))
	}
	if total > 1000 {
		t.Errorf("in an instant %d calls are made", total)
	}
}

// A failed member that goes on sending is deaf, whatever its verdict says; one that is silent, or
// contradicts, is not. What is kept of such is bounded.
func TestFailedMemberThatSendsIsDeaf(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	n0, n1 := nodes[0], nodes[1]
	w.cut = func(_, to netip.AddrPort) bool { return to == n1.addr }
	w.step(n0, func(out *Outbox) {
		n0.out = out
		n0.now = w.Now
		n0.roster.Accuse(n1.id,
			member.Failed, 0)
		n0.out = nil
	})
	w.until(8*time.Second, "all know that it is deaf", func() bool {
		for _, p := range nodes {
			if m, _ := p.Table().Get(n1.id); p != n1 &&
				(m.State != member.Failed || m.Cause != member.CauseDeaf) {
				return false
			}
		}
		return true
	})
}

// A node that is deaf, and held failed for that, changes its tags every second: others hold it
// failed all the same, since to them a new record would be its word that it is reached. It sees its
// tags itself, and all others do once it is back.
func TestDeafMembersTagsWait(t *testing.T) {
	for _, how := range []string{"nothing comes", "its address is another's"} {
		w := newWorld(t)
		nodes := w.cluster(6, nil)
		w.run(20 * time.Second)
		p := nodes[3]
		if how == "nothing comes" {
			w.cut = func(_, to netip.AddrPort) bool { return to == p.addr }
		} else {
			w.move(p, addrOf(99))
		}
		w.until(12*time.Second, "all others hold it failed", func() bool {
			return w.allHold("n3", member.Failed)
		})
		for i := range 30 {
			tags := mustTags(t, map[string]string{"turn": fmt.Sprint(i)})
			if err := w.do(p, SetTags{tags}); err != nil {
				t.Fatal(err)
			}
			if self := p.Self(); self.Handle.Value().Tags != tags {
				t.Fatalf("%s: it does not see its own tags", how)
			}
			for range 10 {
				w.run(100 * time.Millisecond)
				if !w.allHold("n3", member.Failed) {
					t.Fatalf("%s: held for alive after %d changes", how, i+1)
				}
			}
		}
		w.cut, w.route = nil, nil
		tags := p.roster.Record().Tags
		w.until(20*time.Second, "all see its tags", func() bool {
			for _, q := range nodes {
				m, _ := q.Table().Get(p.id)
				if m.State != member.Alive || m.Handle.Value().Tags != tags {
					return false
				}
			}
			return true
		})
	}
}
