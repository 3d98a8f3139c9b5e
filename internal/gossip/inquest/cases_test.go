package inquest

// What happens in the middle of a case, and where the world is not as it should be.

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// untilJury lets the time pass until a jury sits over a member.
func (w *world) untilJury(of int) {
	w.t.Helper()
	for range 1000 {
		for _, x := range w.nodes {
			if x.d.bench.of(id(of)) >= 0 {
				return
			}
		}
		w.Run(time.Millisecond)
	}
	w.t.Fatal("no jury sits")
}

// openCases counts the alarms and the cases about a member, at all that are up.
func (w *world) openCases(of int) (n int) {
	for _, x := range w.nodes {
		if x.up && x.d.accuser.alarms.of(id(of)) >= 0 {
			n++
		}
		if x.up && x.d.bench.of(id(of)) >= 0 {
			n++
		}
	}
	return n
}

func TestRestartClosesTheCase(t *testing.T) {
	w := newWorld(t, 12, 1, Config{})
	w.crash(1)
	w.untilJury(1)
	w.restart(1)
	if n := w.openCases(1); n > 0 {
		t.Errorf("%d alarms and cases after a restart", n)
	}
	w.Run(20 * time.Second)
	w.wantNoVerdict("restart")
}

func TestLeaveClosesTheCase(t *testing.T) {
	w := newWorld(t, 12, 1, Config{})
	w.crash(1)
	w.untilJury(1)
	for _, x := range w.nodes {
		x.learn(1, 1, 1, member.Left)
	}
	if n := w.openCases(1); n > 0 {
		t.Errorf("%d alarms and cases after a leave", n)
	}
	w.Run(20 * time.Second)
	w.wantNoVerdict("leave")
}

// A higher incarnation is a sign of life: only the member itself raises it.
func TestRefutationEndsTheAlarm(t *testing.T) {
	w := newWorld(t, 12, 1, Config{})
	w.crash(1)
	w.untilJury(1)
	w.refuted(1)
	for _, x := range w.nodes {
		if x.d.accuser.alarms.of(id(1)) >= 0 {
			t.Errorf("m%d has an alarm still", x.i)
		}
	}
}

// Jurors that do not know the accused, or know another life of it, say so and are replaced.
func TestViewsThatDiffer(t *testing.T) {
	for n, most := range map[int]time.Duration{20: 3 * time.Second, 6: 3 * time.Second} {
		w := newWorld(t, n, 1, Config{})
		strangers := 0
		for _, x := range w.nodes[2:] {
			if strangers < (n-3)/2 { // more than half of all have to know it
				x.Members.Forget(id(1))
				strangers++
			}
		}
		w.crash(1)
		if took := w.firstVerdict(time.Minute); took > most {
			t.Errorf("n=%d: a verdict after %s", n, took)
		}
	}
}

// All accusers of one member ask the same jurors, and each juror keeps one case for them all.
func TestAccusersShareOneCase(t *testing.T) {
	w := newWorld(t, 40, 1, Config{})
	w.crash(1)
	w.Run(grace)
	accusers, jurors := 0, 0
	for _, x := range w.nodes {
		l := x.d.accuser.alarms
		if i := l.of(id(1)); x.up && i >= 0 && l[i].jury.convened() {
			accusers++
		}
		if x.up && x.d.bench.of(id(1)) >= 0 {
			jurors++
		}
	}
	if accusers < 2 || jurors > 9 {
		t.Errorf("%d accusers have %d jurors", accusers, jurors)
	}
}

// A juror that dies in the middle of the case gets a substitute.
func TestJurorsThatDie(t *testing.T) {
	w := newWorld(t, 40, 1, Config{})
	w.crash(1)
	w.untilJury(1)
	w.Run(50 * time.Millisecond)
	for _, x := range w.nodes {
		if x.d.bench.of(id(1)) >= 0 {
			w.crash(x.i)
		}
	}
	if took := w.knownIn(1, time.Minute); took < 0 || took > 5*grace {
		t.Errorf("known after %s", took)
	}
}

// One bad way between two does not make a member fail, nor a suspect for long; the two go on to
// worry now and then.
func TestOneBadLink(t *testing.T) {
	for _, n := range []int{3, 4, 20} {
		w := newWorld(t, n, 1, Config{})
		w.Cut = func(a, b int) bool { return a+b == 1 }
		shown := 0
		for range 600 {
			w.Run(100 * time.Millisecond)
			if w.nodes[0].alarms[1] || w.nodes[1].alarms[0] {
				shown++
			}
		}
		w.wantNoVerdict("bad link")
		if shown > 0 {
			t.Errorf("n=%d: an alarm is shown %d times of 600", n, shown)
		}
	}
}

// A node that finds itself alone says so and fails nobody, and nobody misses it the less.
func TestIsolation(t *testing.T) {
	for _, n := range []int{3, 4, 20} {
		w := newWorld(t, n, 1, Config{})
		w.Cut = func(a, b int) bool { return a == 0 || b == 0 }
		w.Run(20 * time.Second)
		for _, v := range w.verdicts {
			if v.by == 0 {
				t.Errorf("n=%d: the isolated node fails m%d", n, v.of)
			}
		}
		x := w.nodes[0]
		if !x.isolated || len(x.unreachable) == 0 {
			t.Errorf("n=%d: isolated %t, unreachable %v", n, x.isolated, x.unreachable)
		}
		if w.holds(1, 0) != member.Failed || w.nodes[1].isolated {
			t.Errorf("n=%d: the others hold it for %s", n, w.holds(1, 0))
		}
		w.Cut = nil
		w.refuted(0)
		w.Run(10 * time.Second)
		for of, on := range x.unreachable {
			if on {
				t.Errorf("n=%d: m%d is unreachable still", n, of)
			}
		}
		if x.isolated || len(x.d.accuser.alarms) > 0 {
			t.Errorf("n=%d: isolated %t after the heal, %d alarms", n, x.isolated,
				len(x.d.accuser.alarms))
		}
	}
}

// Of a small cluster that falls apart, half may fail the other half and a minority nobody.
func TestMinorityFailsNobody(t *testing.T) {
	w := newWorld(t, 5, 1, Config{})
	w.Cut = func(a, b int) bool { return (a < 2) != (b < 2) }
	w.Run(20 * time.Second)
	for _, v := range w.verdicts {
		if v.by < 2 {
			t.Errorf("m%d of the minority fails m%d", v.by, v.of)
		}
	}
	if w.holds(4, 0) != member.Failed || w.holds(4, 1) != member.Failed {
		t.Error("the majority fails not all of the minority")
	}
}

// The storm brake: a cut of a few seconds fails nobody, and without the brake it does.
func TestStormBrake(t *testing.T) {
	for _, off := range []bool{false, true} {
		w := newWorld(t, 60, 1, Config{NoStormBrake: off, NoKernel: true})
		w.Cut = func(a, b int) bool { return (a < 18) != (b < 18) }
		w.Run(3 * time.Second)
		w.Cut = nil
		w.Run(20 * time.Second)
		if off != (len(w.verdicts) > 0) {
			t.Errorf("NoStormBrake %t: %d verdicts", off, len(w.verdicts))
		}
	}
}

// A process that stood still itself begins its alarms anew; without that it holds the time it did
// not see against others.
func TestOwnStall(t *testing.T) {
	for _, off := range []bool{false, true} {
		w := newWorld(t, 10, 1, Config{NoStallShift: off, NoJury: true, NoKernel: true})
		x := w.nodes[0]
		w.Cut = func(a, b int) bool { return a+b == 1 } // a moment's trouble raises an alarm
		x.d.accuser.accuse(w.Now, w.peer(1), w.Now)
		x.schedule()
		w.Run(200 * time.Millisecond)
		w.pause(0, 5*time.Second)
		w.Run(5*time.Second - time.Millisecond)
		w.Cut, x.waiting, w.verdicts = nil, nil, nil // what came meanwhile did not fit its socket
		w.Run(time.Second)
		x.schedule()
		w.Run(5 * time.Second)
		byIt := 0
		for _, v := range w.verdicts {
			if v.by == 0 && v.of == 1 {
				byIt++
			}
		}
		if off != (byIt > 0) {
			t.Errorf("NoStallShift %t: %d verdicts of the one that stood still", off, byIt)
		}
	}
}

// A member that comes and goes is granted a longer grace from its second return on, for a while.
func TestFlappingIsDamped(t *testing.T) {
	w := newWorld(t, 12, 1, Config{})
	var took [5]time.Duration
	for i := range took {
		w.verdicts = nil
		w.Cut = func(a, b int) bool { return a == 1 || b == 1 }
		took[i] = w.firstVerdict(time.Minute)
		w.Cut = nil
		w.Run(100 * time.Millisecond)
		w.refuted(1)
		w.Run(5 * time.Second)
	}
	if took[1] > 2*grace || took[2] < 2*grace || took[3] < took[2] || took[4] < 3*took[0] {
		t.Errorf("the verdicts on one that flaps took %v", took)
	}
	w.Run(8 * flapMemory)
	w.verdicts = nil
	w.crash(1)
	if last := w.firstVerdict(time.Minute); last > 2*grace {
		t.Errorf("after minutes of calm it took %s", last)
	}
}

// The alarm is shown early, at half the grace, and taken back when the member answers.
func TestAlarmIsShown(t *testing.T) {
	w := newWorld(t, 12, 1, Config{NoKernel: true})
	w.pause(1, 1400*time.Millisecond)
	shown := 0
	for range 14 {
		w.Run(100 * time.Millisecond)
		for _, x := range w.nodes {
			if x.alarms[1] {
				shown++
			}
		}
	}
	w.Run(time.Second)
	if shown == 0 {
		t.Error("no alarm is shown")
	}
	for _, x := range w.nodes {
		if x.alarms[1] {
			t.Errorf("m%d's alarm stays", x.i)
		}
	}
}

// Others' old news raises an alarm, at a bounded pace, and only if it is wrong does nothing follow.
func TestExamine(t *testing.T) {
	w := newWorld(t, 30, 1, Config{})
	d := w.nodes[0].d
	taken := 0
	for i := range 30 {
		if d.Examine(w.Now, id(i)) {
			taken++
		}
	}
	if taken != 1 || d.Examine(w.Now, id(1)) {
		t.Errorf("%d alarms at once", taken)
	}
	w.nodes[0].schedule()
	w.Run(10 * time.Second)
	w.wantNoVerdict("examine")
	if m, _ := w.nodes[0].Members.Get(id(2)); d.Accused(w.Now, m, id(3)) {
		t.Error("an accusation is passed on")
	}
}

// What strangers ask is answered without opening a case; a case about this node itself is closed at
// once.
func TestInquiriesThatOpenNoCase(t *testing.T) {
	w := newWorld(t, 5, 1, Config{})
	x := w.nodes[0]
	ask := func(from, about plane.Peer) {
		b := wire.AppendInquiry(nil, wire.Inquiry{Seq: 1, Target: about.ID,
			Instance: about.Instance, Age: time.Hour})
		x.d.Receive(w.Now, plane.Sender{Peer: from}, wire.TypeInquiry, wire.Body(b))
	}
	stranger := w.peer(1)
	stranger.Instance++
	other := w.peer(2)
	other.Instance++
	ask(stranger, w.peer(2))
	ask(w.peer(1), other)
	ask(w.peer(1), w.peer(0))
	if len(x.d.bench.cases) != 0 || w.packets[wire.TypeFinding] != 3 {
		t.Errorf("%d cases, %d answers", len(x.d.bench.cases), w.packets[wire.TypeFinding])
	}
	x.d.Receive(w.Now, plane.Sender{Peer: w.peer(1)}, wire.TypeInquiry, []byte{1, 2})
	x.d.Receive(w.Now, plane.Sender{Peer: w.peer(1)}, wire.TypeFinding, []byte{1, 2})
	x.d.Receive(w.Now, plane.Sender{Peer: w.peer(1)}, wire.TypeLease, []byte{1, 2})
	ask(w.peer(1), w.peer(2)) // whatever age an accuser claims, the juror looks for itself first
	x.schedule()
	w.Run(5 * time.Second)
	if len(x.d.bench.cases) != 0 {
		t.Error("the case about a live member stays")
	}
	w.wantNoVerdict("inquiries")
}

// A member that took over the address of a dead one answers its kernel's connections: that is no
// stall.
func TestReusedAddress(t *testing.T) {
	w := newWorld(t, 12, 1, Config{})
	w.nodes[1].up = false
	heir := plane.Peer{ID: id(12), Instance: 77, Addr: w.peer(1).Addr}
	w.untilJury(1)
	for _, x := range w.nodes {
		x.d.Heard(w.Now, heir)
		if i := x.d.bench.of(id(1)); i >= 0 {
			x.d.Connected(w.Now, w.peer(1), detect.Accepted)
			if c := &x.d.bench.cases[i]; c.kernel.stalled() || !c.kernel.gone(refusedFor) {
				t.Errorf("m%d takes the heir's host for that of the dead", x.i)
			}
		}
		x.schedule()
	}
	if took := w.firstVerdict(time.Minute); took > 100*time.Millisecond {
		t.Errorf("the verdict took %s", took)
	}
}
