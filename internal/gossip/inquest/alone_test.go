package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A node that finds itself alone fails nobody, though enough jurors had condemned a member before
// it was.
func TestIsolatedDoesNotJudge(t *testing.T) {
	w := newWorld(t, 20, 1, Config{})
	x := w.nodes[0]
	x.d.accuser.accuse(w.Now, w.peer(1), w.Now)
	i := x.d.accuser.alarms.of(id(1))
	a := &x.d.accuser.alarms[i]
	x.d.accuser.convene(w.Now, a)
	_, enough := x.d.accuser.electors(w.Now, &alarm{})
	for k := range a.jury.list[:enough] {
		a.jury.list[k].spoken, a.jury.list[k].word = true, wire.WordGuilty
	}
	x.d.alone.on = true
	if x.d.accuser.judge(w.Now, i) {
		t.Fatal("an isolated node fails a member")
	}
	x.d.alone.on = false
	if x.d.accuser.judge(w.Now, i) {
		t.Fatal("a verdict in the instant in which the jury is called, before anybody could acquit")
	}
	w.Now = w.Now.Add(200 * time.Millisecond)
	if !x.d.accuser.judge(w.Now, i) || len(w.verdicts) != 1 || w.verdicts[0].of != 1 {
		t.Errorf("%d verdicts of a node that is not alone any more, with enough votes",
			len(w.verdicts))
	}
}

// A node that found itself alone among three, and hears that one of the others has left, is in a
// cluster of two: the last of the others, if it is dead, is failed as there. Nothing would ever
// come that ends the isolation.
func TestIsolatedWithOneThatIsDead(t *testing.T) {
	w := newWorld(t, 3, 1, Config{})
	x := w.nodes[0]
	w.crash(1)
	w.pause(2, time.Hour)
	w.Run(10 * time.Second)
	if !x.isolated || len(w.verdicts) > 0 {
		t.Fatalf("isolated %t, %d verdicts", x.isolated, len(w.verdicts))
	}
	x.learn(2, 1, 1, member.Left)
	w.Run(10 * time.Second)
	if x.isolated || w.holds(0, 1) != member.Failed {
		t.Errorf("isolated %t, and the dead one is %s", x.isolated, w.holds(0, 1))
	}
}

// What a former life of a member sent, and comes late, says nothing of the present one: neither the
// alarm nor the case about it ends.
func TestFormerLifeDoesNotAcquit(t *testing.T) {
	w := newWorld(t, 5, 1, Config{})
	w.restart(1)
	x := w.nodes[0]
	x.d.accuser.accuse(w.Now, w.peer(1), w.Now)
	q := wire.AppendInquiry(nil, wire.Inquiry{Seq: 1, Target: id(1), Instance: w.peer(1).Instance})
	x.d.Receive(w.Now, plane.Sender{Peer: w.peer(2)}, wire.TypeInquiry, wire.Body(q))
	former := w.peer(1)
	former.Instance++
	if x.d.Heard(w.Now, former); x.d.accuser.alarms.of(id(1)) < 0 || x.d.bench.of(id(1)) < 0 {
		t.Errorf("a datagram of a former life ends doubts: alarm %d, case %d",
			x.d.accuser.alarms.of(id(1)), x.d.bench.of(id(1)))
	}
	former.Instance = w.peer(1).Instance + 1
	if a := x.d.accuser.alarms[x.d.accuser.alarms.of(id(1))]; a.heard != 0 {
		t.Error("a datagram of a former life counts for the present one")
	}
	x.d.Receive(w.Now, plane.Sender{Peer: former}, wire.TypeAck,
		wire.Body(wire.AppendAck(nil, x.d.seq)))
	if x.d.accuser.alarms.of(id(1)) < 0 || x.d.bench.of(id(1)) < 0 {
		t.Error("an answer of a former life ends doubts")
	}
	if x.d.Heard(w.Now, w.peer(1)); x.d.accuser.alarms.of(id(1)) < 0 || x.d.bench.of(id(1)) < 0 {
		t.Error("a datagram that is no answer ends doubts: who sends it need not hear")
	}
	for _, far := range []uint32{1, 1 << 31} { // not asked yet, and not asked for long
		x.d.Receive(w.Now, plane.Sender{Peer: w.peer(1)}, wire.TypeAck,
			wire.Body(wire.AppendAck(nil, x.d.seq+far)))
	}
	if x.d.accuser.alarms.of(id(1)) < 0 || x.d.bench.of(id(1)) < 0 {
		t.Error("an answer to what was never asked ends doubts")
	}
	x.d.accuser.turn(w.Now) // both ping it
	x.d.bench.turn(w.Now)
	x.d.Receive(w.Now, plane.Sender{Peer: w.peer(1)}, wire.TypeAck,
		wire.Body(wire.AppendAck(nil, x.d.seq)))
	if c := x.d.bench.of(id(1)); x.d.accuser.accuses(id(1)) ||
		x.d.bench.cases[c].word != wire.WordAcquit {
		t.Error("an answer of this life does not end doubts")
	}
}
