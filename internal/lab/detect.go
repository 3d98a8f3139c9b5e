package lab

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/sim"
)

// This file is what failure detectors trade: how soon a crash is known against how often the living
// are failed.

// Detect is the options of a sweep: for each setting, Runs simulated clusters of Nodes that know
// each other from the start, over a calm network that loses the share Loss of all packets. Every 30
// s a node crashes, and comes back 25 s later.
type Detect struct {
	Nodes    int           `json:"nodes"`
	Loss     float64       `json:"loss"`
	Duration time.Duration `json:"duration"` // of a run, in virtual time
	Runs     int           `json:"-"`
	Seed     uint64        `json:"seed"`
}

const (
	crashEvery = 30 * time.Second
	crashFor   = 25 * time.Second
	maxDetect  = 2000 // nodes: each run is a cluster of whole nodes
)

// DetectPoint is what one setting showed. Times are in seconds; 0 with none Detected.
type DetectPoint struct {
	Setting string `json:"setting"`
	Crashes int    `json:"crashes"`
	// crashes that all came to know before the node was back
	Detected int     `json:"detected"`
	First    float64 `json:"first_suspicion_seconds"`
	Half     float64 `json:"known50_seconds"` // mean until half of the others know
	All      float64 `json:"known100_seconds"`
	AllSE    float64 `json:"known100_se"`
	// of living members, at all observers, of the whole cluster
	FalseFailures float64 `json:"false_failures_per_hour"`
	BytesRate     float64 `json:"node_bytes_per_second"`
}

// DetectSetting is a configuration of nodes, and its name.
type DetectSetting struct {
	Name   string
	Config gossip.Config
}

func (o *Detect) check() error {
	err := cmp.Or(within("nodes", o.Nodes, 3, maxDetect), within("loss", o.Loss, 0, MaxLoss),
		within("runs", o.Runs, 1, 10_000))
	if err == nil && (o.Duration < crashEvery || o.Duration > 24*time.Hour) {
		err = fmt.Errorf("duration %s: from %s to 24h is possible", o.Duration, crashEvery)
	}
	return err
}

// detectRun is one simulated cluster.
type detectRun struct {
	report *sim.Report
	detail *sim.Detail
	err    error
}

// Run does the experiment for each setting.
func (o *Detect) Run(ctx context.Context, w Work, settings []DetectSetting) ([]DetectPoint, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	runs, err := spread(ctx, w, o.Seed, len(settings)*o.Runs,
		func() func(int, *rand.Rand) detectRun {
			return func(i int, _ *rand.Rand) detectRun {
				return o.simulate(settings[i/o.Runs].Config, o.Seed+uint64(i%o.Runs))
			}
		})
	if err != nil {
		return nil, err
	}
	var points []DetectPoint
	for i, s := range settings {
		p, err := o.sum(s.Name, runs[i*o.Runs:(i+1)*o.Runs])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		points = append(points, p)
	}
	return points, nil
}

func (o *Detect) simulate(c gossip.Config, seed uint64) (r detectRun) {
	net := sim.LAN()
	net.Within.Loss, net.Between.Loss = o.Loss, o.Loss
	times := int((o.Duration-crashFor)/crashEvery) + 1
	opt := sim.Options{Nodes: o.Nodes, Seed: seed, Warm: true, Unchecked: true,
		Duration: o.Duration, Network: net, Gossip: c,
		Actions: []sim.Action{{At: time.Second, Do: sim.Crash, Who: sim.Any(1), For: crashFor,
			Every: crashEvery, Times: times}}}
	r.report, r.detail, r.err = sim.Watch(opt, func(sim.Progress) {})
	return r
}

func (o *Detect) sum(name string, runs []detectRun) (DetectPoint, error) {
	p := DetectPoint{Setting: name}
	var first, half, all, bytes []float64
	wrong := 0
	for _, r := range runs {
		if r.err != nil {
			return p, r.err
		}
		wrong += r.report.FalseFailures
		bytes = append(bytes, r.detail.Bytes...)
		for k := range r.detail.Crashes {
			c := &r.detail.Crashes[k]
			p.Crashes++
			if c.First >= 0 {
				first = append(first, c.First.Seconds())
			}
			if t, ok := c.When(0.5); ok {
				half = append(half, t.Seconds())
			}
			if t, ok := c.When(1); ok {
				all = append(all, t.Seconds())
			}
		}
	}
	mean := func(v []float64) (m float64) {
		if len(v) > 0 {
			m, _ = moments(v)
		}
		return m
	}
	p.Detected, p.First, p.Half, p.All, p.BytesRate = len(all), mean(first), mean(half), mean(all),
		mean(bytes)
	if len(all) > 0 {
		_, p.AllSE = moments(all)
	}
	p.FalseFailures = float64(wrong) / (o.Duration.Hours() * float64(len(runs)))
	return p, nil
}
