package swim

import (
	"math"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func TestLog2(t *testing.T) {
	worst := 0.0
	for n := 1; n <= 1<<17; n++ {
		worst = max(worst, math.Abs(log2(n)-math.Log2(float64(n))))
	}
	if worst > 0.09 {
		t.Errorf("off by %f", worst)
	}
	for k := range 30 {
		if log2(1<<k) != float64(k) {
			t.Errorf("log2(2^%d) = %f", k, log2(1<<k))
		}
	}
	if log2(0) != 0 || log2(-1) != 0 {
		t.Error("no number has no logarithm")
	}
}

// Lifeguard, section IV-B, with real logarithms; each of ours is within 0.09 of base 2, and the
// timeout accordingly.
func TestSuspicionTimeout(t *testing.T) {
	for _, c := range []Config{{}, {Alpha: 5, Beta: 6}, {Alpha: 1, Beta: 2, Confirm: 4},
		{Beta: 1}} {
		c = c.withDefaults()
		for _, n := range []int{1, 2, 3, 5, 10, 11, 100, 128, 1000, 5000, 100_000} {
			last := time.Duration(math.MaxInt64)
			for confirmations := range 7 {
				least := c.Alpha * max(1, math.Log10(float64(n))) * c.Period.Seconds()
				k, want := float64(min(c.Confirm, n-2)), least
				if k >= 1 {
					x := min(float64(confirmations), k)
					want = max(least, c.Beta*least-(c.Beta*least-least)*math.Log(x+1)/math.Log(k+1))
				}
				got := c.suspicionTimeout(n, confirmations)
				// The errors of log10(n), which least and most scale with, and of the two
				// logarithms that shrink it.
				slack := c.Alpha * c.Beta * c.Period.Seconds() * 0.09 * (1 +
					math.Log10(float64(n))) / log2(10)
				if k > 1 {
					slack += 0.09 / math.Log2(k+1) * (c.Beta - 1) * (least + slack)
				}
				if math.Abs(got.Seconds()-want) > slack {
					t.Errorf("alpha %g beta %g K %d n=%d c=%d: %s, by the paper %.3fs",
						c.Alpha, c.Beta, c.Confirm, n, confirmations, got, want)
				}
				if got > last {
					t.Errorf("n=%d: more confirmations make it longer", n)
				}
				last = got
			}
		}
	}
}

// suspect makes a member a suspect by an accuser and returns how long it has.
func (f *fake) suspect(i, accuser int) time.Duration {
	f.SetBy(id(i), member.Suspect, id(accuser))
	return f.left(i)
}

func (f *fake) left(i int) time.Duration {
	s := f.d.suspicions.get(id(i))
	if s == nil {
		f.t.Fatal("no suspicion runs")
	}
	return s.deadline.Sub(f.Now)
}

func (f *fake) accuse(i, accuser int) bool {
	m := f.Get(i)
	return f.d.Accused(f.Now, m, id(accuser))
}

func TestOnlyIndependentConfirmationsShrink(t *testing.T) {
	f := newFake(t, 50, Config{})
	cfg := f.d.cfg
	if left := f.suspect(9, 1); left != cfg.suspicionTimeout(50, 0) {
		t.Errorf("it begins with %s", left)
	}
	if f.accuse(9, 1) {
		t.Error("the first accuser confirmed itself")
	}
	for c := 1; c <= cfg.Confirm; c++ {
		if !f.accuse(9, 1+c) || f.accuse(9, 1+c) {
			t.Error("each accuser counts once")
		}
		if left := f.left(9); left != cfg.suspicionTimeout(50, c) {
			t.Errorf("after %d confirmations %s", c, left)
		}
	}
	if f.accuse(9, 40) {
		t.Error("more than K confirmations are passed on")
	}
	if f.left(9) != cfg.suspicionTimeout(50, 99) {
		t.Error("K confirmations do not shrink it to the least")
	}
	left, start := f.left(9), f.Now
	for len(f.Verdicts) == 0 {
		f.wake()
		f.ackSent()
	}
	if f.Now.Sub(start) != left || f.Verdicts[0].ID != id(9) {
		t.Errorf("failed after %s, not %s", f.Now.Sub(start), left)
	}
}

// ackSent answers all pings sent so far.
func (f *fake) ackSent() {
	sent := f.Sent
	f.Sent = nil
	for _, s := range sent {
		f.ackAll(s)
	}
}

// A newcomer may learn of a member together with its being a suspect.
func TestNewMemberIsSuspect(t *testing.T) {
	f := newFake(t, 5, Config{})
	r := member.Share(planetest.Record(detecttest.Name(5), 5))
	f.Hear(member.Fact{Record: r, State: member.Suspect}, id(2))
	if left := f.left(5); left != f.d.cfg.suspicionTimeout(6, 0) {
		t.Errorf("it has %s", left)
	}
}

func TestNoShrink(t *testing.T) {
	f := newFake(t, 50, Config{NoShrink: true})
	least := f.d.cfg.suspicionTimeout(50, 99)
	if left := f.suspect(9, 1); left != least {
		t.Errorf("%s, not the least from the start", left)
	}
	f.accuse(9, 2)
	if left := f.left(9); left != least {
		t.Errorf("%s after a confirmation", left)
	}
}

func TestRefutationEndsASuspicion(t *testing.T) {
	f := newFake(t, 50, Config{})
	f.suspect(9, 1)
	f.accuse(9, 2)
	f.Refute(id(9))
	if f.d.suspicions.get(id(9)) != nil || len(f.d.suspicions.list) != 0 {
		t.Error("the suspicion goes on")
	}
	if left := f.suspect(9, 1); left != f.d.cfg.suspicionTimeout(50, 0) {
		t.Errorf("the next begins with %s: the former confirmations count", left)
	}
	f.SetBy(id(9), member.Left, 0)
	f.run(time.Minute, f.ackAll)
	if len(f.Verdicts) > 0 {
		t.Error("failed after it had left")
	}
}

// A storm of suspicions ends in order of their deadlines, and its memory is given back.
func TestManySuspicions(t *testing.T) {
	f := newFake(t, 300, Config{})
	for i := 1; i < 300; i++ {
		f.suspect(i, 1+(i+1)%299)
		if i%3 == 0 {
			f.accuse(i, 1+(i+7)%299)
		}
		f.Now = f.Now.Add(time.Millisecond)
	}
	for i := 5; i < 300; i += 5 {
		f.Refute(id(i))
	}
	deadlines := map[member.ID]mono.Time{}
	for _, s := range f.d.suspicions.list {
		deadlines[s.id] = s.deadline
	}
	want := len(deadlines)
	for failed := 0; failed < want; {
		f.wake()
		f.ackSent()
		for ; failed < len(f.Verdicts); failed++ {
			if d := deadlines[f.Verdicts[failed].ID]; d > f.Now || f.Now.Sub(d) > time.Millisecond {
				t.Fatalf("failed at %s, due at %s", time.Duration(f.Now), time.Duration(d))
			}
		}
		if f.Now > mono.Time(2*time.Hour) {
			t.Fatalf("%d of %d failed", failed, want)
		}
	}
	if cap(f.d.suspicions.list) != 0 || f.d.suspicions.at != nil ||
		f.d.suspicions.next != mono.Never {
		t.Error("the memory of a storm is kept")
	}
}

func TestNoSuspicion(t *testing.T) {
	f := newFake(t, 5, Config{NoSuspicion: true})
	p := f.nextPing()
	f.run(period, nil)
	if len(f.Suspects) != 0 || len(f.Verdicts) != 1 || f.Verdicts[0].ID != p.To {
		t.Errorf("suspects %v, failed %v", f.Suspects, f.Verdicts)
	}
}

// Lifeguard, section IV-C.
func TestBuddy(t *testing.T) {
	for _, off := range []bool{false, true} {
		f := newFake(t, 5, Config{NoBuddy: off})
		f.suspect(3, 1)
		f.receive(3, wire.TypePing, 1)
		f.receive(2, wire.TypePing, 1)
		told := 0
		for _, s := range f.Sent {
			u, ok := wire.ReadUpdate(s.Body)
			if s.Kind != wire.TypeUpdate {
				continue
			}
			told++
			if !ok || s.To != id(3) || u.ID != id(3) || u.State != member.Suspect ||
				u.Accuser != f.Self() || u.Generation != 1 {
				t.Errorf("%+v %+v", s, u)
			}
		}
		if want := map[bool]int{false: 1, true: 0}[off]; told != want {
			t.Errorf("NoBuddy=%v: the suspect was told %d times", off, told)
		}
	}
}
