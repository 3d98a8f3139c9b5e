package main

// This file is the command that simulates clusters: sim, sim list, sim replay.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/sim"
)

// simFlags are the flags of sim: first what is simulated, then how it is run and shown.
type simFlags struct {
	nodes, zones, racks    int
	loss, latency, between string
	lossBetween, chart     string
	link, linkBetween      string
	access                 string
	settle                 time.Duration
	duration               time.Duration
	seed                   uint64
	detector               string
	at, set                []string
	warm, unchecked        bool
	unzoned, sealed        bool
	mtu                    []int
	pathMTU                int
	simShow
}

// simShow is how runs are run and shown; replay has these flags too.
type simShow struct {
	runs, workers    int
	trace, plot      string
	asJSON, withCost bool
}

func (a *app) simCmd() *cobra.Command {
	var f simFlags
	cmd := &cobra.Command{
		Use: "sim [SCENARIO | FILE]", Short: "Simulate a cluster in virtual time: what happens " +
			"if ...",
		Long: `Run a whole cluster of real nodes in virtual time, do things to it, and show how long
it took until everybody knew, what was wrongly believed, and what it cost. The nodes run
the same code as an agent; the network between them is simulated. Equal options give an
equal run, to the last byte, on any machine.

First all nodes start and join. Then the scenario happens, a list of "at TIME do WHAT to
WHOM": a named one (starling sim list), a file with an action a line, or --at flags.
Without any of them, nothing happens but two messages.

What must never happen is watched for; if it does, it is shown, and the exit code is 1.
docs/sim.md explains scenarios, latencies and the JSON.`,
		Example: `  starling sim crash-10pct --nodes 500
  starling sim --nodes 3000 --zones 3 --between 40ms~0.1 --loss 10% --at 5s=crash:1 --seeds 5
  starling sim partition-heal --detector swim-suspicion --plot partition.html
  starling sim --at 5s=pause:n1-n4,for=8s --at 20s=publish:3 --trace trace.txt`,
		Args: args(0, 1, "at most one scenario or file is wanted"),
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntVarP(&f.nodes, "nodes", "n", 100, fmt.Sprintf("how many nodes start, up to %d",
		sim.MaxNodes))
	fl.IntVar(&f.zones, "zones", 1, "over how many zones they are spread")
	fl.StringVar(&f.loss, "loss", "0", "`SHARE` of all packets that is lost, such as 0.1 or 10%")
	fl.StringVar(&f.latency, "latency", "", "`DIST` of the time that packets take one way: 1ms, "+
		"1ms-5ms, 1ms~0.5 (lognormal: median, sigma), 1ms/2ms/9ms (as measured) (default "+
		"300µs~0.4)")
	fl.StringVar(&f.between, "between", "", "`DIST` between zones (default --latency)")
	fl.StringVar(&f.lossBetween, "loss-between", "",
		"`SHARE` of the packets between zones that is lost (default --loss)")
	fl.StringVar(&f.chart, "map", "", "`NAME` of a map that says how far zones are apart: "+
		""+strings.Join(sim.Maps(), ", "))
	fl.StringVar(&f.access, "access", "", "`DIST` from which each host draws once what its own "+
		"link adds to each packet that it sends or gets")
	fl.StringVar(&f.link, "link", "", "`RATE[/QUEUE]` of each host's own link, each way, such as "+
		"50Mbit or 1Gbit/256KiB: what may wait; the rest is dropped (default all at once)")
	fl.StringVar(&f.linkBetween, "link-between", "", "`RATE[/QUEUE]` of what all hosts of a "+
		"zone together can send to another one (default all at once)")
	fl.BoolVar(&f.sealed, "sealed", false, fmt.Sprintf("each datagram is %d bytes longer, as "+
		"with a cluster key", wire.SealSize))
	fl.IntSliceVar(&f.mtu, "mtu", nil, "`BYTES` of a datagram at most, as for an agent; "+
		"several, such as 1200,9000, are those of the nodes in turn (default 1200)")
	fl.IntVar(&f.pathMTU, "path-mtu", 0, fmt.Sprintf("`BYTES` of the longest packet that the "+
		"network passes, with %d of IP and UDP; longer ones vanish without a word (default: all "+
		"pass)", sim.Overhead))
	fl.BoolVar(&f.unzoned, "unzoned", false, "the nodes do not know of zones: to compare")
	fl.IntVar(&f.racks, "racks", 0, "of each zone, as the second level of the nodes' zones")
	fl.DurationVar(&f.duration, "duration", 0, "of the scenario (default the scenario's own, "+
		"mostly 60s)")
	fl.DurationVar(&f.settle, "settle", 0, "that the cluster is left alone between the join and "+
		"the scenario (default 5s)")
	fl.Uint64Var(&f.seed, "seed", 1, "of all chance")
	fl.StringVar(&f.detector, "detector", detectors[0].name,
		"`NAME` of the failure detector: "+detectorNames())
	fl.StringArrayVar(&f.at, "at", nil, "an action, `TIME=WHAT[:WHO][,KEY=VALUE]`, such as "+
		"5s=crash:10%; may be repeated")
	fl.StringArrayVar(&f.set, "set", nil, "a field of the nodes' configuration, `NAME=VALUE`, "+
		"such as swim.period=1s; may be repeated")
	fl.BoolVar(&f.warm, "warm", false, "all nodes know each other from the start: for thousands")
	fl.BoolVar(&f.unchecked, "unchecked", false, fmt.Sprintf("do not watch for what must never "+
		"happen (so anyway above %d nodes)", maxChecked))
	fl.IntVar(&f.runs, "seeds", 1, "how many runs, with the seeds from --seed on")
	f.show(cmd)
	cmd.RegisterFlagCompletionFunc("detector", choices(strings.Split(detectorNames(), ", ")...))
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string,
		cobra.ShellCompDirective) {
		var names []string
		for _, s := range sim.Scenarios() {
			names = append(names, s.Name+"\t"+s.About)
		}
		return names, cobra.ShellCompDirectiveDefault
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		job, err := f.job(args)
		if err != nil {
			return usageError{err}
		}
		return a.simulate(cmd.Context(), job, &f.simShow)
	}
	cmd.AddCommand(a.simListCmd(), a.simReplayCmd(), a.simSwarmCmd())
	return cmd
}

// show adds the flags of how runs are run and shown.
func (f *simShow) show(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.workers, "workers", 1, "goroutines for one run; the result does not depend on it")
	fl.StringVar(&f.trace, "trace", "", "write a readable line for everything that happens to "+
		"`FILE`; one run only")
	fl.StringVar(&f.plot, "plot", "", "draw what happened into `FILE`: .svg, .png or .html")
	fl.BoolVar(&f.asJSON, "json", false, "print a JSON object")
	fl.BoolVar(&f.withCost, "cost", false, "show also what the simulation itself took: time and "+
		"memory")
}

func (a *app) simListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the named scenarios and the failure detectors",
		Args: args(0, 0, "no arguments are wanted"),
		RunE: func(*cobra.Command, []string) error {
			p := a.printer()
			rows := [][]string{{"SCENARIO", "WHAT HAPPENS"}}
			for _, s := range sim.Scenarios() {
				rows = append(rows, []string{s.Name, s.About})
			}
			p.table(rows)
			fmt.Fprintln(p.w)
			rows = [][]string{{"DETECTOR", ""}}
			for _, d := range detectors {
				rows = append(rows, []string{d.name, d.about})
			}
			p.table(rows)
			return nil
		},
	}
}

func (a *app) simReplayCmd() *cobra.Command {
	var f simShow
	cmd := &cobra.Command{
		Use: "replay FILE", Short: "Run again what --json printed, or what a failing test printed",
		Long: "Run again what a file says, and show it. The file is what starling sim " +
			`--json printed, or
the options alone, as a failing test prints them; - is standard input. If the file has the
hash of a run's trace, the new run's has to equal it.`,
		Example: "  starling sim churn --json > run.json\n  starling sim replay run.json " +
			"--trace trace.txt",
		Args: args(1, 1, "one file is wanted"),
	}
	f.show(cmd)
	cmd.Flags().SortFlags = false
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		job, err := a.replayJob(args[0])
		if err != nil {
			return usageError{err}
		}
		f.runs = max(len(job.traces), 1)
		return a.simulate(cmd.Context(), job, &f)
	}
	return cmd
}

// simJob is what is to be run.
type simJob struct {
	Scenario string
	Detector string
	opt      sim.Options
	traces   []string // that the runs should have, for a replay
}

// simulate does a job and shows the outcome.
func (a *app) simulate(ctx context.Context, job *simJob, f *simShow) error {
	if err := f.validate(job); err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	done, err := a.runAll(ctx, job, f)
	if err != nil {
		return err
	}
	p := a.printer()
	if f.asJSON {
		err = p.json(newSimJSON(job, done, f))
	} else {
		p.outcome(job, done, f)
	}
	if err == nil && f.plot != "" {
		err = plot.Save(f.plot, done.page(job))
	}
	return errors.Join(err, job.verdict(done))
}

func (f *simShow) validate(job *simJob) error {
	switch {
	case f.runs < 1 || f.runs > maxRuns:
		return fmt.Errorf("--seeds %d: from 1 to %d runs are possible", f.runs, maxRuns)
	case f.trace != "" && f.runs > 1:
		return fmt.Errorf("--trace %s: %d runs have no one trace; choose one with --seed",
			f.trace, f.runs)
	case f.workers < 1 || f.workers > 64:
		return fmt.Errorf("--workers %d: from 1 to 64 are possible", f.workers)
	case f.plot != "":
		return plot.Check(f.plot)
	}
	return nil
}

// verdict is an error if anything was wrong with the cluster, or with the replay.
func (j *simJob) verdict(done *simDone) error {
	bad, runs := 0, 0
	for i, r := range done.Runs {
		bad += len(r.Violations)
		runs += min(len(r.Violations), 1)
		if i < len(j.traces) && j.traces[i] != r.Trace {
			return fmt.Errorf("the run is not the same: its trace is %s, in the file it is %s; "+
				"was it another version's?", r.Trace, j.traces[i])
		}
	}
	switch {
	case bad == 0:
		return nil
	case len(done.Runs) == 1:
		return fmt.Errorf("what must never happen did: %s", quantity(bad, "violation"))
	}
	return fmt.Errorf("what must never happen did: %s in %d of %d runs",
		quantity(bad, "violation"), runs, len(done.Runs))
}

// quantity is a number of things.
func quantity(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "sh") {
		what += "e"
	}
	return fmt.Sprintf("%s %ss", thousands(n), what)
}
