package lab

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/rumor"
)

// Equal options give an equal result, to the last bit, for any number of workers; another seed
// another one.
func TestWorkersDoNotMatter(t *testing.T) {
	ctx := context.Background()
	all := func(seed uint64, workers int) [3]any {
		w := Work{Workers: workers}
		a, err1 := (&Rounds{Mode: rumor.PushPull, Fanout: 1, Nodes: 60, Loss: 0.1, Runs: 100,
			Seed: seed}).Run(ctx, w)
		b, err2 := (&Rumor{Mode: rumor.Pull, Stop: StopCoin, K: 2, Nodes: 60, Runs: 100,
			Seed: seed}).Run(ctx, w)
		c, err3 := (&Topology{Mode: rumor.Push, Fanout: 1, Nodes: 60, Subnets: 3, Runs: 100,
			Seed: seed}).Run(ctx, w)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		return [3]any{a, b, c}
	}
	one := all(1, 1)
	for _, workers := range []int{0, 2, 7, 500} {
		if got := all(1, workers); !reflect.DeepEqual(got, one) {
			t.Errorf("%d workers: %+v, not %+v", workers, got, one)
		}
	}
	if other := all(2, 1); reflect.DeepEqual(other[0], one[0]) ||
		reflect.DeepEqual(other[1], one[1]) {
		t.Error("another seed gives the same")
	}
}

func TestProgressAndInterruption(t *testing.T) {
	o := Rounds{Mode: rumor.Push, Fanout: 1, Nodes: 10, Runs: 100, Seed: 1}
	var most, calls atomic.Int64
	if _, err := o.Run(context.Background(), Work{Workers: 3, Progress: func(done, of int) {
		calls.Add(1)
		if of != 100 || done > of {
			t.Errorf("%d of %d", done, of)
		}
		most.Store(max(most.Load(), int64(done)))
	}}); err != nil || most.Load() != 100 || calls.Load() != 25 {
		t.Error(err, most.Load(), calls.Load())
	}
	ctx, stop := context.WithCancel(context.Background())
	if _, err := o.Run(ctx, Work{Workers: 1, Progress: func(int,
		int) {
		stop()
	}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWrongOptions(t *testing.T) {
	ctx := context.Background()
	rounds := Rounds{Mode: rumor.Push, Fanout: 1, Nodes: 10, Runs: 1}
	site := Rumor{Mode: rumor.Push, Stop: StopCoin, K: 1, Nodes: 10, Runs: 1}
	net := Topology{Mode: rumor.Push, Fanout: 1, Nodes: 10, Subnets: 2, Runs: 1}
	for i, c := range []struct {
		says string
		run  func() error
	}{
		{"", func() error { _, err := rounds.Run(ctx, Work{}); return err }},
		{"there is no", func() error {
			o := rounds
			o.Mode = 9
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"fanout 10: from 1 to 9", func() error {
			o := rounds
			o.Fanout = 10
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"nodes 0:", func() error {
			o := rounds
			o.Nodes = 0
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"loss 1:", func() error {
			o := rounds
			o.Loss = 1
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"loss NaN:", func() error {
			o := rounds
			o.Loss = math.NaN()
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"crashed 1:", func() error {
			o := rounds
			o.Crashed = 1
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"runs 0:", func() error {
			o := rounds
			o.Runs = 0
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"", func() error { _, err := site.Run(ctx, Work{}); return err }},
		{"mode push-pull", func() error {
			o := site
			o.Mode = rumor.PushPull
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{`stop "never"`, func() error {
			o := site
			o.Stop = "never"
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"k 0:", func() error { o := site; o.K = 0; _, err := o.Run(ctx, Work{}); return err }},
		{"nodes 1:", func() error {
			o := site
			o.Nodes = 1
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"", func() error { _, err := net.Run(ctx, Work{}); return err }},
		{"subnets 11: from 1 to 10", func() error {
			o := net
			o.Subnets = 11
			_, err := o.Run(ctx, Work{})
			return err
		}},
		{"machines 0:", func() error { _, err := (&MTTF{0, 120}).Run(); return err }},
		{"months 0:", func() error { _, err := (&MTTF{1, 0}).Run(); return err }},
	} {
		err := c.run()
		if (err == nil) != (c.says == "") || err != nil && !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%d: %v, not %q", i, err, c.says)
		}
	}
}

// Small epidemics that can be reckoned by hand.
func TestRoundsByHand(t *testing.T) {
	for _, c := range []struct {
		o                    Rounds
		mean, half, messages float64
	}{
		{Rounds{Mode: rumor.Push, Nodes: 1, Fanout: 1}, 0, 0, 0},
		// one message
		{Rounds{Mode: rumor.Push, Nodes: 2, Fanout: 1}, 1, 0, 0.5},
		// a question and its answer
		{Rounds{Mode: rumor.Pull, Nodes: 2, Fanout: 1}, 1, 0, 1},
		{Rounds{Mode: rumor.PushPull, Nodes: 2, Fanout: 1}, 1, 0, 1.5}, // both
		// all at once
		{Rounds{Mode: rumor.Push, Nodes: 9, Fanout: 8}, 1, 1, 8.0 / 9},
		// nobody else lives
		{Rounds{Mode: rumor.Push, Nodes: 9, Fanout: 8, Crashed: 0.99 - 0.1}, 0, 0, 0},
		{Rounds{Mode: rumor.Push, Nodes: 100, Fanout: 99, Crashed: 0.29}, 1, 1, 99.0 / 71},
	} {
		c.o.Runs, c.o.Seed = 20, 1
		r, err := c.o.Run(context.Background(), Work{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Mean != c.mean || math.Abs(r.Half-c.half) > 1e-9 ||
			math.Abs(r.MessagesPerNode-c.messages) > 1e-9 ||
			math.Abs(r.Infected[len(r.Infected)-1]-float64(c.o.Live())) > 1e-9 {
			t.Errorf("%+v: %+v", c.o, r)
		}
	}
}

// The router carries one contact a round from each subnet, and nearly half of all without the rule;
// the price is few rounds.
func TestTopology(t *testing.T) {
	ctx := context.Background()
	o := Topology{Mode: rumor.PushPull, Fanout: 1, Nodes: 1000, Subnets: 2, Runs: 200, Seed: 1}
	near, err := o.Run(ctx, Work{})
	if err != nil {
		t.Fatal(err)
	}
	o.Uniform = true
	far, err := o.Run(ctx, Work{})
	if err != nil {
		t.Fatal(err)
	}
	// Two requests a round in the mean, and an answer to some of them; 500.5 requests without the
	// rule.
	if near.RouterMessages < 1.8 || near.RouterMessages > 3.2 || far.RouterMessages < 500 ||
		math.Abs(far.RouterShare-0.5) > 0.01 {
		t.Errorf("%+v\n%+v", near, far)
	}
	if near.Mean < far.Mean || near.Mean > far.Mean+8 {
		t.Errorf("%.2f rounds against %.2f", near.Mean, far.Mean)
	}
	// Without subnets it is the simple epidemic.
	o.Subnets, o.Uniform = 1, true
	one, err := o.Run(ctx, Work{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := o.rounds().Run(ctx, Work{})
	if err != nil || one.Mean != plain.Mean || one.RouterMessages != 0 {
		t.Error(err, one, plain)
	}
}

func TestMTTF(t *testing.T) {
	for _, c := range []struct {
		machines      int
		months, hours float64
	}{{120, 1, 720}, {12_000, 0.01, 7.2}, {1, 120, 86_400}} {
		r, err := (&MTTF{Machines: c.machines, Months: 120}).Run()
		if err != nil || math.Abs(r.BetweenMonths-c.months) > 1e-9 ||
			math.Abs(r.BetweenHours-c.hours) > 1e-9 {
			t.Errorf("%+v: %+v %v", c, r, err)
		}
	}
}
