package main

// This file is the command that runs swarms: many small clusters, each with a network and faults
// drawn from a seed.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starling-gossip/starling/internal/sim"
)

// swarmFlags are the flags of sim swarm.
type swarmFlags struct {
	runs          int
	from          uint64
	last          time.Duration
	jobs          int
	shrink        bool
	asJSON        bool
	census        bool
	replay, trace string
}

const (
	defaultSwarm = 2_000 // seeds
	shrinkTries  = 60    // runs to make one failure smaller
)

func (a *app) simSwarmCmd() *cobra.Command {
	var f swarmFlags
	cmd := &cobra.Command{
		Use: "swarm", Short: "Simulate many small clusters with faults drawn from seeds, and " +
			"watch for what must never happen",
		Long: "Run one small cluster for each seed. A seed draws the cluster, its network, " +
			`its traffic and
its faults; checkers watch for what must never happen. For each seed that fails, what did and
the command that replays it are shown, and the exit code is 1. Ctrl-C ends with the summary.

docs/swarm.md says what is drawn, what is checked, and what was found.`,
		Example: `  starling sim swarm --runs 2000 --from 1
  starling sim swarm --for 10m --from 1000000 --shrink
  starling sim swarm --replay failure.json --trace trace.txt`,
		Args: args(0, 0, "no arguments are wanted"),
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntVar(&f.runs, "runs", defaultSwarm, "how many seeds; with --for and without --runs: as "+
		"many as there is time for")
	fl.Uint64Var(&f.from, "from", 1, "the first `SEED`")
	fl.DurationVar(&f.last, "for", 0, "begin no seed after this time")
	fl.BoolVar(&f.shrink, "shrink", false, "make each failure smaller, which takes up to 60 runs")
	fl.IntVarP(&f.jobs, "jobs", "j", runtime.GOMAXPROCS(0), "seeds at once")
	fl.BoolVar(&f.census, "census", false, "show how many seeds drew what, without running "+
		"them; the exit code is 1 if they are too few to draw everything")
	fl.StringVar(&f.replay, "replay", "", "run these options, a `FILE` or the JSON itself, in "+
		"place of a swarm")
	fl.StringVar(&f.trace, "trace", "", "with --replay: write a readable line for everything "+
		"that happens to `FILE`")
	fl.BoolVar(&f.asJSON, "json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.last > 0 && !cmd.Flags().Changed("runs") {
			f.runs = math.MaxInt
		}
		if err := f.validate(cmd.Flags()); err != nil {
			return usageError{err}
		}
		switch {
		case f.replay != "":
			return a.swarmReplay(cmd.Context(), &f)
		case f.census:
			return a.swarmCensus(&f)
		}
		return a.swarm(cmd.Context(), &f)
	}
	return cmd
}

func (f *swarmFlags) validate(given *pflag.FlagSet) error {
	one, not := "", []string{}
	switch {
	case given.Changed("replay"):
		one, not = "--replay runs one failure", []string{"runs", "from", "for", "shrink",
			"jobs", "census"}
	case f.census:
		one, not = "--census runs nothing", []string{"for", "shrink", "jobs"}
	}
	for _, name := range not {
		if given.Changed(name) {
			return fmt.Errorf("%s: --%s does not go with it", one, name)
		}
	}
	switch {
	case given.Changed("replay") && f.replay == "":
		return errors.New("--replay: a file or options in JSON are wanted")
	case f.runs < 1:
		return fmt.Errorf("--runs %d: at least 1 is possible", f.runs)
	case f.jobs < 1:
		return fmt.Errorf("--jobs %d: at least 1 is possible", f.jobs)
	case f.last < 0:
		return fmt.Errorf("--for %s: it is negative", f.last)
	case f.trace != "" && f.replay == "":
		return fmt.Errorf("--trace %s: a swarm has no one trace; --replay says of what", f.trace)
	}
	return nil
}

// swarmReplay runs the options of one failure, and shows it as sim replay does.
func (a *app) swarmReplay(ctx context.Context, f *swarmFlags) error {
	var job *simJob
	var err error
	if strings.HasPrefix(strings.TrimSpace(f.replay), "{") {
		job, err = parseJob("--replay", f.replay)
	} else {
		job, err = a.replayJob(f.replay)
	}
	if err == nil && job.opt.Nodes == 0 {
		err = errors.New("--replay: it has no options with nodes: a failure has those with " +
			"which it ran")
	}
	if err != nil {
		return usageError{err}
	}
	return a.simulate(ctx, job, &simShow{runs: max(len(job.traces), 1), workers: 1,
		trace: f.trace, asJSON: f.asJSON})
}

// swarmFailure is a seed whose run did what must never happen.
type swarmFailure struct {
	Seed       uint64          `json:"seed"`
	Violations []sim.Violation `json:"violations"`
	Options    sim.Options     `json:"options"`
	Smaller    *sim.Options    `json:"smaller,omitempty"` // with --shrink
}

// swarmDone is what a swarm has found.
type swarmDone struct {
	From        uint64         `json:"from"`
	Runs        int            `json:"runs"`                  // done
	Interrupted bool           `json:"interrupted,omitempty"` // by the user, before all were done
	Wall        float64        `json:"wall_seconds"`          //
	Rate        float64        `json:"runs_a_core_minute"`    //
	Census      map[string]int `json:"census"`                // how many seeds drew what
	Kinds       map[string]int `json:"failed,omitempty"`      // seeds, by each checker that spoke
	Failures    []swarmFailure `json:"failures"`              // by seed
	mu          sync.Mutex     //
	bar         *swarmBar      //
	show        func(*swarmFailure)
}

// swarm runs seeds, several side by side.
func (a *app) swarm(ctx context.Context, f *swarmFlags) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	begin := time.Now()
	d := &swarmDone{From: f.from, Census: map[string]int{}, Kinds: map[string]int{},
		Failures: []swarmFailure{}}
	d.bar = a.newSwarmBar(f)
	p := a.printer()
	d.show = func(x *swarmFailure) {
		if !f.asJSON {
			p.failure(x)
		}
	}
	seeds := make(chan uint64)
	var work sync.WaitGroup
	for range f.jobs {
		work.Go(func() {
			for seed := range seeds {
				d.one(seed, f)
			}
		})
	}
	var over <-chan time.Time // never, without a time
	if f.last > 0 {
		over = time.After(f.last)
	}
feed:
	for i := range f.runs {
		select {
		case seeds <- f.from + uint64(i):
			continue
		case <-over:
		case <-ctx.Done():
			d.Interrupted = true
		}
		break feed
	}
	close(seeds)
	stop() // a second Ctrl-C ends at once
	work.Wait()
	d.bar.clear()
	d.Wall, d.Rate = time.Since(begin).Seconds(), d.bar.rate()
	slices.SortFunc(d.Failures, func(x, y swarmFailure) int { return int(x.Seed - y.Seed) })
	if f.asJSON {
		if err := p.json(d); err != nil {
			return err
		}
	} else {
		p.swarm(d, f)
	}
	if n := len(d.Failures); n > 0 {
		return fmt.Errorf("what must never happen did: %s of %s", quantity(n, "seed"),
			thousands(d.Runs))
	}
	return nil
}

// one runs one seed.
func (d *swarmDone) one(seed uint64, f *swarmFlags) {
	o := sim.Draw(seed)
	found := sim.Try(o)
	x := swarmFailure{Seed: seed, Violations: found, Options: o}
	if len(found) > 0 && f.shrink {
		small := sim.Shrink(o, found[0].Checker, shrinkTries, nil)
		x.Smaller = &small
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Runs++
	for _, what := range sim.Drawn(&o) {
		d.Census[what]++
	}
	if len(found) > 0 {
		d.Failures = append(d.Failures, x)
		spoke := map[string]bool{}
		for _, v := range found {
			spoke[v.Checker] = true
		}
		for name := range spoke {
			d.Kinds[name]++
		}
		d.bar.aside(func() { d.show(&x) })
	}
	d.bar.show(d.Runs, len(d.Failures))
}

// replayCommand is what replays a run.
func replayCommand(o *sim.Options) string {
	b, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return "starling sim swarm --replay '" + string(b) + "'"
}

// failure prints a seed that failed.
func (p *printer) failure(x *swarmFailure) {
	for _, v := range x.Violations {
		fmt.Fprintf(p.w, "%s seed %d, %s\n", p.paint("31", "VIOLATION"), x.Seed, v)
	}
	fmt.Fprintf(p.w, "  replay it: %s\n", replayCommand(&x.Options))
	if x.Smaller != nil {
		fmt.Fprintf(p.w, "  smaller:   %s\n", replayCommand(x.Smaller))
	}
}

// swarm prints what a swarm has found.
func (p *printer) swarm(d *swarmDone, f *swarmFlags) {
	how := ""
	if d.Interrupted {
		how = ", interrupted"
	}
	fmt.Fprintf(p.w, "%s from %d in %.0f s, %.0f a core-minute%s: %d failed\n",
		quantity(d.Runs, "seed"), d.From, d.Wall, d.Rate, how, len(d.Failures))
	for _, k := range sortedKeys(d.Kinds) {
		fmt.Fprintf(p.w, "  %s: %d\n", k, d.Kinds[k])
	}
	p.census(d.Census, d.Runs)
}

// census prints how many seeds drew what.
func (p *printer) census(drawn map[string]int, of int) {
	var none, all []string
	for _, what := range sim.Draws() {
		if n := drawn[what]; n > 0 {
			all = append(all, fmt.Sprintf("%s %s", what, thousands(n)))
		} else {
			none = append(none, what)
		}
	}
	fmt.Fprintf(p.w, "drawn by how many of %s: %s\n", quantity(of, "seed"), strings.Join(all, "; "))
	if len(none) > 0 {
		fmt.Fprintf(p.w, "never drawn: %s\n", strings.Join(none, "; "))
	}
}

// swarmCensus draws seeds and runs none.
func (a *app) swarmCensus(f *swarmFlags) error {
	drawn := map[string]int{}
	for i := range f.runs {
		o := sim.Draw(f.from + uint64(i))
		for _, what := range sim.Drawn(&o) {
			drawn[what]++
		}
	}
	p := a.printer()
	if f.asJSON {
		return p.json(drawn)
	}
	p.census(drawn, f.runs)
	for _, what := range sim.Draws() {
		if drawn[what] == 0 {
			return fmt.Errorf("not everything is drawn by %s: more --runs draw more",
				quantity(f.runs, "seed"))
		}
	}
	return nil
}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// swarmBar is a line on a terminal that says how far a swarm is.
type swarmBar struct {
	w     io.Writer // nil: nobody watches
	begin time.Time
	cpu   time.Duration // taken before
	runs  int           // that are to be done
	last  time.Duration // or for how long
	jobs  int
	done  int
	bad   int
	drawn time.Time
}

func (a *app) newSwarmBar(f *swarmFlags) *swarmBar {
	b := &swarmBar{begin: time.Now(), runs: f.runs, last: f.last, jobs: f.jobs}
	b.cpu, _ = cpuTime()
	if isTerminal(a.err) {
		b.w = a.err
	}
	return b
}

// rate is how many runs a core did in a minute.
func (b *swarmBar) rate() float64 {
	spent := time.Since(b.begin) * time.Duration(b.jobs)
	if cpu, ok := cpuTime(); ok {
		spent = cpu - b.cpu
	}
	return float64(b.done) / max(spent.Minutes(), 1e-6)
}

func (b *swarmBar) show(done, bad int) {
	b.done, b.bad = done, bad
	if b.w == nil || time.Since(b.drawn) < barEvery {
		return
	}
	b.drawn = time.Now()
	fmt.Fprint(b.w, "\r\x1b[K"+b.line(time.Since(b.begin)))
}

// line is the bar's text after a time.
func (b *swarmBar) line(after time.Duration) string {
	share := float64(b.done) / float64(b.runs)
	if b.last > 0 {
		share = max(share, after.Seconds()/b.last.Seconds())
	}
	of := ""
	if b.runs < math.MaxInt {
		of = " of " + thousands(b.runs)
	}
	return fmt.Sprintf("%s  %s%s seeds   %.0f a core-minute   %d failed", progressBar(share),
		thousands(b.done), of, b.rate(), b.bad)
}

// aside takes the line away while something else is printed.
func (b *swarmBar) aside(print func()) {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.drawn = time.Time{}
	}
	print()
}

func (b *swarmBar) clear() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
