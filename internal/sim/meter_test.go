package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// This file shows the meter histories, and what it counts of them.

func metered(h []Obs) *meter {
	m := &meter{ledger: newLedger(3, false)}
	for i := range h {
		m.ledger.take(&h[i])
		m.take(&h[i])
	}
	return m
}

// A suspicion is one whether the table says so, as SWIM's does, or the event alone, as Inquest's
// private alarm.
func TestSuspicionsOfAllDetectorsCount(t *testing.T) {
	const s = time.Second
	alarm := saw(0, 1, alive(1, 0))
	alarm.Alarm = true
	for name, doubt := range map[string]Obs{
		"suspect": saw(0, 1, Holding{1, 0, member.Suspect, true}),
		"alarm":   alarm,
	} {
		m := metered(history(at(s, doubt), at(10*s, Obs{Kind: Crashed, Node: 1}),
			at(11*s, doubt), at(13*s, saw(0, 1, failed(1, 0)))))
		if m.falseSuspicions != 1 || m.falseFailures != 0 {
			t.Errorf("%s: %d false suspicions and %d failures, want 1 and 0", name,
				m.falseSuspicions, m.falseFailures)
		}
		if c := m.crashes[0]; c.first != gossip.Time(11*s) || c.knew[0] != 3*s {
			t.Errorf("%s: first suspected at %s, known after %s", name, span(c.first), c.knew[0])
		}
	}
}

// The failures of the living count whatever a fault touches; of the dead, or of a former life, they
// do not.
func TestFailuresOfTheLiving(t *testing.T) {
	apart := saw(2, 1, failed(1, 0))
	apart.Apart = true
	m := metered(history(Obs{Kind: Troubled, Node: 1}, saw(0, 1, failed(1, 0)), apart,
		Obs{Kind: Crashed, Node: 2}, saw(0, 2, failed(1, 0)), started(2, 2), saw(0, 2,
			failed(1, 0))))
	if m.liveFailures != 2 || m.liveSameSide != 1 || m.falseFailures != 0 {
		t.Errorf("%d failures of the living, %d on the same side, %d false; want 2, 1, 0",
			m.liveFailures, m.liveSameSide, m.falseFailures)
	}
}

// A node that was in trouble has caught up when it has the last of what was sent meanwhile. A node
// that never has it all does not count.
func TestCaughtUp(t *testing.T) {
	const s = time.Second
	away := func(node int32) []Obs {
		return []Obs{at(2*s, Obs{Kind: Troubled, Node: node}),
			at(9*s, Obs{Kind: Healthy, Node: node})}
	}
	m := metered(history(at(1*s, delivered(0, 0, 1)), away(1)[0], away(2)[0],
		at(3*s, delivered(0, 0, 2)), at(4*s, delivered(0, 0, 3)), away(1)[1],
		away(2)[1], at(10*s, delivered(1, 0, 3)), at(11*s, delivered(2, 0, 2)), at(12*s,
			delivered(1, 0, 2)), at(13*s, delivered(0, 0, 4))))
	if got := m.caughtUp(); !slices.Equal(got, []time.Duration{3 * s}) {
		t.Errorf("caught up after %s, want 3s: n1's last came at 12 s, n2 never got the third", got)
	}
}

// A publisher without room waits for it, and loses nothing.
func TestPublishersWait(t *testing.T) {
	var actions []Action
	for range 24 {
		actions = append(actions, Action{At: time.Second, Do: Publish, Who: Nodes(0),
			Bytes: 1 << 20})
	}
	r := run(t, Options{Nodes: 4, Warm: true, Duration: time.Minute, Actions: actions})
	if r.Messages.Count != 24 || r.Messages.Ratio != 1 || float64(r.Messages.Reached100.Max) > 50 {
		t.Errorf("%d messages, %.4f of them arrived, want all 24: %s", r.Messages.Count,
			r.Messages.Ratio, list(r.Violations))
	}
}

// A fault between two nodes is known while it lasts, and for a while after. On either side, rest is
// all that are not on the other side.
func TestApart(t *testing.T) {
	w := joined(t, Options{Nodes: 4, Unchecked: true})
	do(t, w, time.Second, "cut:rest/n0-n1,oneway,for=10s")
	for _, c := range []struct {
		a, b int32
		want bool
	}{{0, 2, true}, {2, 0, true}, {0, 1, false}, {2, 3, false}} {
		if got := w.apart(c.a, c.b, w.now); got != c.want {
			t.Errorf("n%d and n%d are apart: %v", c.a, c.b, got)
		}
	}
	if !w.faults[0].touches(3, 1) || w.faults[0].touches(1, 3) {
		t.Error("the cut is not one from n3 to n1")
	}
	do(t, w, 20*time.Second)
	if !w.apart(0, 2, w.now) {
		t.Error("a cut that ended 11 s ago is forgotten")
	}
	if do(t, w, 20*time.Second); w.apart(0, 2, w.now) {
		t.Error("a cut that ended 31 s ago is not forgotten")
	}
}

// A trace names every message of the protocol but for those of packages that are not simulated.
func TestTraceNamesMessages(t *testing.T) {
	var text strings.Builder
	o := Options{Nodes: 12, Seed: 3, Duration: 20 * time.Second, Trace: &text,
		Gossip: gossip.Config{Detector: gossip.INQUEST}}
	for _, a := range []string{"1s=kill:1", "2s=crash:1", "5s=start:2", "6s=leave:1"} {
		x, err := ParseAction(a)
		if err != nil {
			t.Fatal(err)
		}
		o.Actions = append(o.Actions, x)
	}
	run(t, o)
	for _, want := range []string{"the next within", "inquiry", "guilty, silent",
		"guilty, refused", "evidence against"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the trace has no %q", want)
		}
	}
	if i := strings.Index(text.String(), "type 0x"); i >= 0 {
		t.Errorf("a message without a name: %s", text.String()[i:i+10])
	}
}

// A message that a node never got is listed with the reason. A node that starts again as a message
// is published, and is let in later, misses none. What its publisher alone had is gone with it.
// What expired behind a cut was let go. What is on its way as the run ends is listed as that. None
// of these is a violation.
func TestUnreachedSaysWhy(t *testing.T) {
	for _, x := range []struct {
		actions  []string
		duration time.Duration
		age      time.Duration
		why      []Why
	}{
		{[]string{"5s=publish:3,bytes=3000,every=500ms,times=10", "6s=restart:n5"},
			20 * time.Second, 0, nil},
		{[]string{"5s=cut:n3/rest", "6s=publish:n3", "7s=crash:n3"}, 20 * time.Second, 0,
			[]Why{Gone}},
		{[]string{"5s=cut:n3/rest,for=20s", "6s=publish:n2"}, 12 * time.Second, 0, []Why{Away}},
		{[]string{"5s=cut:n3/rest,for=30s", "6s=publish:n2"}, 60 * time.Second,
			10 * time.Second, []Why{Told}},
		{[]string{"5s=cut:n3/rest", "6s=publish:n2"}, 60 * time.Second, 10 * time.Second,
			[]Why{LetGo}},
	} {
		o := Options{Nodes: 8, Seed: 3, Duration: x.duration, Network: LAN()}
		o.Network.Within.Loss = 0.2
		o.Gossip.Streams.Age = x.age
		for _, text := range x.actions {
			a, err := ParseAction(text)
			if err != nil {
				t.Fatal(err)
			}
			o.Actions = append(o.Actions, a)
		}
		r, _, err := Watch(o, nil)
		if err != nil {
			t.Fatal(err)
		}
		var why []Why
		for _, u := range r.Unreached {
			why = append(why, u.Why)
		}
		if !slices.Equal(why, x.why) || (r.Messages.Ratio == 1) != (len(x.why) == 0) ||
			len(r.Violations) > 0 {
			t.Errorf("%v: %v, ratio %v, %v", x.actions, r.Unreached, r.Messages.Ratio, r.Violations)
		}
	}
}
