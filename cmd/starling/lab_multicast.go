package main

// This file is the experiments of how a message best reaches a group: lab multicast and lab pareto.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/lab/multicast"
	"github.com/starling-gossip/starling/internal/sim"
)

// multicastFlags are the flags of lab multicast.
type multicastFlags struct {
	opt                    multicast.Options
	nodes                  []int
	loss, crashed, latency string
	protocols              []string
	plot                   string
	asJSON                 bool
}

func (a *app) labMulticastCmd() *cobra.Command {
	var f multicastFlags
	var names []string
	for _, p := range multicast.Protocols {
		names = append(names, p.Name)
	}
	cmd := &cobra.Command{
		Use: "multicast",
		Long: "Send one message to a whole group with each of several protocols, over " +
			`the same simulated
links with the same losses and crashes, and show how many got it, when, and what it cost
the origin, the busiest node and the mean node. Several values of --nodes show what grows.

SRM and RMTP take multicast by the network for granted; they get it from simulated routers.
A gossip policy is named gossip:WORD:WORD..., of push, pull, push-pull, eager, lazy, blind,
alone, fanout=, rounds=, counter=, coin=, offers=, every=. docs/multicast.md explains it all.`,
		Example: `  starling lab multicast --loss 10%
  starling lab multicast --nodes 16,64,256,1024 --protocols unicast,rmtp,gossip --plot growth.svg
  starling lab multicast --crash-inner 5 --protocols ` +
			`tree,gossip,gossip:push:eager:fanout=4:rounds=2`,
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntSliceVarP(&f.nodes, "nodes", "n", []int{1000},
		"how many nodes, the origin included; several with commas between them")
	f.world(cmd)
	fl.StringSliceVar(&f.protocols, "protocols", names, "`NAMES` with commas between them")
	fl.IntVar(&f.opt.Inner, "crash-inner", 0, "how many inner nodes of the trees, or designated "+
		"receivers, are down too; as many at random where there are none")
	f.parameters(cmd)
	cmd.RegisterFlagCompletionFunc("protocols", choices(names...))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		jobs, err := f.jobs()
		if err != nil {
			return usageError{err}
		}
		return a.multicast(cmd.Context(), jobs, &f)
	}
	return cmd
}

// world adds the flags of the world and of how it is shown.
func (f *multicastFlags) world(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.loss, "loss", "0", "`SHARE` of all datagrams that is lost, such as 0.1 or 10%")
	fl.StringVar(&f.crashed, "crashed", "0", "`SHARE` of the nodes that is down from the start, "+
		"unknown to the others")
	fl.IntVar(&f.opt.Runs, "runs", 20, "how many, each with a seed of its own")
	fl.Uint64Var(&f.opt.Seed, "seed", 1, "of the first run")
	fl.IntVar(&f.opt.Bytes, "bytes", 128, "of the message")
	fl.StringVar(&f.latency, "latency", "50µs+450µs~0.4",
		"`DIST` of the time that a datagram takes one way, as for starling sim")
	fl.DurationVar(&f.opt.Cost, "cost", 5*time.Microsecond,
		"of a node's work on each datagram, in or out; negative: none")
	fl.DurationVar(&f.opt.Limit, "limit", 10*time.Second, "the longest run")
	fl.DurationVar(&f.opt.Linger, "linger", 50*time.Millisecond,
		"how long a run goes on, and counts, after all have the message")
	fl.StringVar(&f.plot, "plot", "", "draw it into `FILE`: .svg, .png or .html")
	fl.BoolVar(&f.asJSON, "json", false, "print a JSON object")
}

// parameters adds the flags of the protocols.
func (f *multicastFlags) parameters(cmd *cobra.Command) {
	fl, o := cmd.Flags(), &f.opt
	fl.DurationVar(&o.Retry, "retry", 0, "first wait for an answer, doubled up to 8 times "+
		"(default twice the 99 % round trip and 1ms)")
	fl.IntVar(&o.Tries, "tries", 40, "until a silent peer is given up")
	fl.IntVar(&o.Arity, "arity", 4, "of the trees: children of a node")
	fl.IntVar(&o.Degree, "degree", 6, "of flooding's random graph, in the mean")
	fl.DurationVar(&o.Heartbeat, "heartbeat", 100*time.Millisecond,
		"tree: between a child's questions to its parent")
	fl.DurationVar(&o.Session, "session", time.Millisecond,
		"srm: between the session messages of all members together")
	fl.DurationVar(&o.Status, "status", 20*time.Millisecond, "rmtp: between a receiver's statuses")
	fl.DurationVar(&o.Advert, "advert", 100*time.Millisecond,
		"rmtp: between a designated receiver's adverts")
	fl.DurationVar(&o.Repair, "repair", 600*time.Millisecond, "gossip: between a node's digests")
}

// multicastJob is one protocol at one size.
type multicastJob struct {
	p *multicast.Protocol
	o multicast.Options
}

// jobs are what is to be run, the protocols of each size together.
func (f *multicastFlags) jobs() (all []multicastJob, err error) {
	if f.opt.Loss, err = sim.ParseShare(f.loss); err != nil {
		return nil, fmt.Errorf("--loss: %w", err)
	}
	if f.opt.Crashed, err = sim.ParseShare(f.crashed); err != nil {
		return nil, fmt.Errorf("--crashed: %w", err)
	}
	if f.opt.Latency, err = sim.ParseLatency(f.latency); err != nil {
		return nil, fmt.Errorf("--latency: %w", err)
	}
	if f.plot != "" {
		if err := plot.Check(f.plot); err != nil {
			return nil, fmt.Errorf("--plot: %w", err)
		}
	}
	if len(f.nodes) == 0 || len(f.protocols) == 0 {
		return nil, errors.New("--nodes and --protocols: at least one of each is wanted")
	}
	for _, n := range f.nodes {
		for _, name := range f.protocols {
			p, err := multicast.Parse(name)
			if err != nil {
				return nil, fmt.Errorf("--protocols: %w", err)
			}
			o := f.opt
			o.Nodes = n
			if err := o.Check(); err != nil {
				return nil, fmt.Errorf("--%w", err)
			}
			all = append(all, multicastJob{p, o})
		}
	}
	return all, nil
}

// multicastJSON is what --json prints; docs/multicast.md explains it.
type multicastJSON struct {
	Options multicast.Options   `json:"options"`
	Results []*multicast.Result `json:"results"`
}

// multicast runs and shows an experiment.
func (a *app) multicast(ctx context.Context, jobs []multicastJob, f *multicastFlags) error {
	results, err := a.runMulticast(ctx, jobs)
	if err != nil {
		return err
	}
	p := a.printer()
	if f.asJSON {
		err = p.json(&multicastJSON{jobs[0].o.Filled(), results})
	} else {
		p.multicast(jobs, results)
	}
	if err == nil && f.plot != "" {
		err = plot.SaveCharts(f.plot, multicastTitle(&jobs[0].o, len(f.nodes) > 1),
			multicastCharts(results, len(f.nodes))...)
	}
	return err
}

// runMulticast runs jobs one after the other, each on all processors.
func (a *app) runMulticast(ctx context.Context, jobs []multicastJob) (all []*multicast.Result,
	err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	total := 0
	for _, j := range jobs {
		total += j.o.Runs
	}
	g := a.newGauge()
	defer g.clear()
	progress, done := g.work(0, "runs").Progress, atomic.Int64{}
	for _, j := range jobs {
		r, err := multicast.Run(ctx, j.p, j.o, func() { progress(int(done.Add(1)), total) })
		if ctx.Err() != nil {
			return nil, errors.New("interrupted before the end")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.p.Name, err)
		}
		all = append(all, r)
	}
	return all, nil
}
