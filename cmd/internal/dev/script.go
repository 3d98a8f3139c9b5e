package dev

// This file is the script: what happens to the cluster, step by step.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/starling-gossip/starling/cmd/internal/agent"
)

// run is one run of the script.
type run struct {
	*Cluster
	cfg    Config
	tell   func(Update)
	report Report
	heap   uint64 // of the process before the cluster ran
	seed   string // the address of the first node
}

// errPatience is the cause of a step's end when it took too long.
var errPatience = errors.New("it took too long")

// Run plays the script on a new cluster; tell is called as it goes on, one call at a time. The
// cluster runs on until the caller closes it, also after an error.
func Run(ctx context.Context, cfg Config, c *Cluster, tell func(Update)) (Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Report{}, err
	}
	r := &run{Cluster: c, cfg: cfg, tell: tell}
	r.report = Report{Nodes: cfg.Nodes, Version: agent.Version()}
	r.heap = heap()
	// The nodes of the first third stay: people may look through them. The node that crashes is
	// another than the one that leaves.
	rest := rand.Perm(c.n - c.n/3)
	crashed, leaver := c.n/3+rest[0], c.n/3+rest[1]
	steps := []struct {
		name StepName
		node int
		do   func(ctx context.Context, node int) ([]Fact, error)
	}{
		{StepJoin, -1, r.join}, {StepPublish, -1, r.publishAll}, {StepCrash, crashed, r.crash},
		{StepRestart, crashed, r.restart}, {StepLeave, leaver, r.leave}, {StepIdle, -1, r.idle},
	}
	for _, s := range steps {
		u := Update{Step: s.name}
		if s.node >= 0 {
			u.Node = name(s.node)
		}
		tell(u)
		limited, stop := context.WithTimeoutCause(ctx, cfg.Patience+cfg.Idle+cfg.Settle,
			errPatience)
		u.Facts, err = s.do(limited, s.node)
		stop()
		if err != nil {
			return r.report, err
		}
		u.Done = true
		tell(u)
		if err := sleep(ctx, cfg.Pause); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

// join starts the first node, then all others at once with the first as their seed.
func (r *run) join(ctx context.Context, _ int) ([]Fact, error) {
	if err := r.start(0, "127.0.0.1:0", nil); err != nil {
		return nil, err
	}
	first := r.Node(0).Info()
	r.seed, r.report.Detector = first.Self.Addr.String(), string(first.Detector)
	g := r.expect(-1, alive, 0)
	for i := 1; i < r.n; i++ {
		if ctx.Err() != nil {
			break
		}
		if err := r.start(i, "127.0.0.1:0", []string{r.seed}); err != nil {
			return nil, err
		}
	}
	if err := r.await(ctx, g, "join"); err != nil {
		return nil, err
	}
	r.report.Join.Complete = g.last.Seconds()
	return []Fact{{"all tables complete", duration(g.last)}}, nil
}

func (r *run) publishAll(ctx context.Context, _ int) ([]Fact, error) {
	var t50, t99, t100 []time.Duration
	missed := 0
	for range r.cfg.Messages {
		w, err := r.publish(ctx, rand.IntN(r.n))
		if err != nil {
			return nil, err
		}
		r.tell(Update{Step: StepPublish, Wave: w})
		delays := slices.Sorted(slices.Values(w.Delay))
		for len(delays) > 0 && delays[0] < 0 {
			delays = delays[1:]
			missed++
		}
		t50 = append(t50, quantile(delays, 0.5))
		t99 = append(t99, quantile(delays, 0.99))
		t100 = append(t100, quantile(delays, 1))
		if err := sleep(ctx, r.cfg.Pause); err != nil {
			return nil, err
		}
	}
	median := func(d []time.Duration) time.Duration {
		return quantile(slices.Sorted(slices.Values(d)), 0.5)
	}
	a, b, c := median(t50), median(t99), median(t100)
	r.report.Publish = Publish{r.cfg.Messages, missed, a.Seconds(), b.Seconds(), c.Seconds()}
	facts := []Fact{{"half have it", duration(a)}, {"99 % have it", duration(b)},
		{"all have it", duration(c)}}
	if missed > 0 {
		facts = append(facts, Fact{"never came", fmt.Sprintf("%d of %d", missed,
			r.cfg.Messages*r.n)})
	}
	return facts, nil
}

// crash closes a node without a word to the others.
func (r *run) crash(ctx context.Context, victim int) ([]Fact, error) {
	g := r.expect(victim, failed, 0)
	if err := r.stop(victim).Close(); err != nil {
		return nil, err
	}
	if err := r.await(ctx, g, "crash"); err != nil {
		return nil, err
	}
	r.report.Crash = Crash{g.suspected.Seconds(), g.first.Seconds(), g.last.Seconds()}
	return []Fact{{"first suspicion", duration(g.suspected)}, {"known by one", duration(g.first)},
		{"known by all", duration(g.last)}}, nil
}

// restart runs the crashed node again, with its name and address.
func (r *run) restart(ctx context.Context, victim int) ([]Fact, error) {
	dead, ok := r.Node(0).Member(name(victim))
	if !ok {
		return nil, fmt.Errorf("restart: %s is forgotten", name(victim))
	}
	g := r.expect(victim, alive, dead.Generation)
	if err := r.start(victim, dead.Addr.String(), []string{r.seed}); err != nil {
		return nil, err
	}
	if err := r.await(ctx, g, "restart"); err != nil {
		return nil, err
	}
	r.report.Restart.Known = g.last.Seconds()
	return []Fact{{"known by all", duration(g.last)}}, nil
}

func (r *run) leave(ctx context.Context, leaver int) ([]Fact, error) {
	g := r.expect(leaver, left, 0)
	if err := r.stop(leaver).Leave(ctx); err != nil {
		return nil, err
	}
	if err := r.await(ctx, g, "leave"); err != nil {
		return nil, err
	}
	r.report.Leave.Known = g.last.Seconds()
	return []Fact{{"known by all", duration(g.last)}}, nil
}

// idle measures what the cluster costs when nothing happens.
func (r *run) idle(ctx context.Context, _ int) ([]Fact, error) {
	if err := sleep(ctx, r.cfg.Settle); err != nil {
		return nil, err
	}
	before := r.costs()
	if err := sleep(ctx, r.cfg.Idle); err != nil {
		return nil, err
	}
	after := r.costs()
	seconds, n := after.at.Sub(before.at).Seconds(), float64(before.nodes)
	r.report.Idle = Idle{
		Seconds: seconds,
		Bytes:   float64(after.bytes-before.bytes) / seconds / n,
		Packets: float64(after.packets-before.packets) / seconds / n,
		CPU:     (after.cpu - before.cpu).Seconds() / seconds / n,
		Heap:    max(0, float64(heap())-float64(r.heap)) / n,
	}
	i := r.report.Idle
	return []Fact{
		{"sent by a node", fmt.Sprintf("%.0f B/s", i.Bytes)},
		{"CPU of a node", fmt.Sprintf("%.3f %%", i.CPU*100)},
		{"heap of a node", fmt.Sprintf("%.0f KiB", i.Heap/1024)},
	}, nil
}

// costs are sums over the running nodes.
type costs struct {
	at             time.Time
	nodes          int
	bytes, packets uint64
	cpu            time.Duration
}

// headers are the bytes that IPv4 and UDP add to a datagram.
const headers = 28

func (r *run) costs() (c costs) {
	r.mu.Lock()
	nodes := slices.Clone(r.nodes)
	r.mu.Unlock()
	for _, n := range nodes {
		if n == nil {
			continue
		}
		s := n.Info().Socket
		c.nodes++
		c.packets += s.DatagramsOut
		c.bytes += s.BytesOut + headers*s.DatagramsOut
	}
	c.at, c.cpu = time.Now(), cpuTime()
	return c
}

// heap is what is reachable on the heap.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// quantile is the smallest value that a share of the sorted ones do not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, min(len(sorted)-1, int(q*float64(len(sorted))+0.999999)-1))]
}

// duration shows a time with three digits.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// sleep waits, or returns why not.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
