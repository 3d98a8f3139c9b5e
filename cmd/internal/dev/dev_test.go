package dev

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starling-gossip/starling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun plays the whole script on real sockets; what it takes depends on the machine, what must
// come does not.
func TestRun(t *testing.T) {
	const n = 8
	c := NewCluster(n, starling.Inquest)
	defer c.Close()
	var steps []string
	waves := 0
	var lines strings.Builder
	plain := Plain(&lines)
	report, err := Run(t.Context(), Config{Nodes: n, Messages: 2, Idle: time.Millisecond,
		Settle: time.Millisecond}, c, func(u Update) {
		plain(u)
		switch {
		case u.Wave != nil:
			waves++
			if len(u.Wave.Delay) != n || slices.Min(u.Wave.Delay) <= 0 {
				t.Errorf("wave %+v", u.Wave)
			}
		case u.Done:
			steps = append(steps, string(u.Step))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(steps, " "), "join publish crash restart leave "+
		"idle"; got != want || waves != 2 {
		t.Errorf("steps %q with %d waves, want %q with 2", got, waves, want)
	}
	r := report
	if r.Join.Complete <= 0 || r.Publish.T50 <= 0 || r.Publish.T50 > r.Publish.T99 ||
		r.Publish.T99 > r.Publish.T100 ||
		r.Crash.First <= 0 || r.Crash.First > r.Crash.Known || r.Restart.Known <= 0 ||
		r.Leave.Known <= 0 {
		t.Errorf("report %+v", r)
	}
	if strings.Count(lines.String(), "\n") != 12 {
		t.Errorf("lines\n%s", lines.String())
	}
	birds := make([]Bird, n)
	c.Frame(birds)
	gone := 0
	for _, b := range birds {
		if b.Look == Left && b.Share == 1 {
			gone++
		} else if b.Look != Alive || b.Share != 1 {
			t.Errorf("a bird is %+v", b)
		}
	}
	if gone != 1 {
		t.Errorf("%d have left, want 1", gone)
	}
}

// What is measured as idle is idle. The first looks at the sizes of datagrams, from the fourth
// second of a node's life to about its eighth, are over by then.
func TestIdleIsMeasuredWhenSettled(t *testing.T) {
	c, err := Config{Nodes: MinNodes}.withDefaults()
	if err != nil || c.Settle < 10*time.Second {
		t.Errorf("%v after the last event, %v", c.Settle, err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	c := NewCluster(5, starling.Inquest)
	defer c.Close()
	ctx, stop := context.WithCancel(t.Context())
	_, err := Run(ctx, Config{Nodes: 5}, c, func(u Update) {
		if u.Step == StepCrash {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "crash: ") {
		t.Errorf("%v, want one that names the step", err)
	}
}

func TestRunIsBounded(t *testing.T) {
	for _, n := range []int{-1, 0, 2, MaxNodes + 1} {
		if _, err := Run(t.Context(), Config{Nodes: n}, NewCluster(3, starling.Inquest),
			nil); err == nil {
			t.Errorf("%d nodes are taken", n)
		}
	}
}

// TestBooks compares the states in which nodes hold each other with a plain count, through all that
// can happen to the books.
func TestBooks(t *testing.T) {
	c := NewCluster(3, starling.Inquest)
	now := time.Now()
	c.nodes[0], c.nodes[1], c.nodes[2] = new(starling.Node), new(starling.Node), new(starling.Node)
	say := func(i, s int, state starling.State, generation uint64) {
		c.see(i, starling.Member{Name: name(s), State: state, Generation: generation},
			now.Add(time.Hour))
	}
	all := c.expect(-1, alive, 0)
	for i := range 3 {
		for s := range 3 {
			say(i, s, starling.Alive, 1)
		}
	}
	<-all.done
	crash := c.expect(2, failed, 0)
	c.forget(2)
	c.nodes[2] = nil
	if c.complete != 2 {
		t.Errorf("%d know all, want 2", c.complete)
	}
	say(0, 2, starling.Suspect, 1)
	say(2, 2, starling.Failed, 1) // of itself it does not count
	say(0, 2, starling.Failed, 1)
	if got, need := c.Progress(); got != 1 || need != 2 {
		t.Errorf("progress %d of %d, want 1 of 2", got, need)
	}
	if crash.suspected == 0 {
		t.Error("the suspicion was not noted")
	}
	say(1, 2, starling.Failed, 1)
	<-crash.done
	again := c.expect(2, alive, 1)
	say(0, 2, starling.Alive, 1) // the old life: no
	say(1, 2, starling.Alive, 2)
	if got, _ := c.Progress(); got != 1 {
		t.Errorf("progress %d, want 1: an old life does not count", got)
	}
	say(0, 2, starling.Alive, 2)
	<-again.done
}

// TestOverheard: a message that somebody else sends is shown once, when it has come everywhere.
func TestOverheard(t *testing.T) {
	c := NewCluster(3, starling.Inquest)
	m := starling.Message{Topic: "news", Origin: name(1), Seq: 5}
	c.deliver(1, m)
	if c.Overheard() != nil {
		t.Error("it is shown at once")
	}
	c.deliver(2, m)
	c.heard.since = c.heard.since.Add(-time.Minute)
	if w := c.Overheard(); w == nil || w.Origin != 1 || w.Delay[0] != -1 || w.Delay[1] <= 0 ||
		w.Delay[2] <= 0 {
		t.Errorf("wave %+v", w)
	}
	if c.Overheard() != nil {
		t.Error("it is shown twice")
	}
	c.deliver(0, starling.Message{Topic: "news", Origin: "outside", Seq: 1})
	c.heard.since = c.heard.since.Add(-time.Minute)
	if w := c.Overheard(); w == nil || w.Origin != -1 {
		t.Errorf("wave %+v", w)
	}
}

func TestQuantile(t *testing.T) {
	ms := func(v ...int) (out []time.Duration) {
		for _, x := range v {
			out = append(out, time.Duration(x))
		}
		return out
	}
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, c := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		{nil, 0.5, 0}, {ms(7), 0.5, 7}, {ms(7), 1, 7}, {ms(1, 2, 3), 0.5, 2}, {ms(1, 2, 3, 4),
			0.5, 2},
		{ms(hundred...), 0.99, 99}, {ms(hundred...), 1, 100}, {ms(hundred...), 0.5, 50},
	} {
		if got := quantile(c.of, c.q); got != c.want {
			t.Errorf("quantile %v of %d values is %d, want %d", c.q, len(c.of), got, c.want)
		}
	}
}
