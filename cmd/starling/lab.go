package main

// This file is the laboratory: its list of experiments, and what all of them share.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/lab"
	"github.com/starling-gossip/starling/internal/sim"
)

// experiment is one of the laboratory's.
type experiment struct {
	name, about, source string
	command             func(*app) *cobra.Command
}

// experiments are all that there are. A new one needs a line here and a section in docs/lab.md.
func experiments() []experiment {
	return []experiment{
		{"rounds", "how many rounds an epidemic takes: push, pull, push-pull; losses, crashes",
			"Demers et al. 1987; Pittel 1987; Karp, Schindelhauer, Shenker, Vöcking " +
				"2000", (*app).labRoundsCmd},
		{"rumor", "rumors that die out: residue, traffic and delay by the rule to stop by",
			"Demers et al. 1987, tables 1 to 3", (*app).labRumorCmd},
		{"topology", "subnets behind a router: contacts that stay at home with probability 1 − " +
			"1/n", "van Renesse, Minsky, Hayden 1998, section 4",
			(*app).labTopologyCmd},
		{"mttf", "how soon the next of many machines fails",
			"the minimum of exponential times", (*app).labMTTFCmd},
		{"detect", "what failure detectors trade: time to detection against false failures",
			"Chandra, Toueg 1996; Chen, Toueg, Aguilera 2002",
			(*app).labDetectCmd},
		{"multicast", "how a message best reaches a group: trees, NACKs, flooding and gossip in " +
			"the same world",
			"Floyd et al. 1997; Lin, Paul 1996; RFC 4644; Demers et al. " +
				"1987", (*app).labMulticastCmd},
		{"pareto", "all policies of gossip and delegation: latency against cost, in calm and " +
			"bad networks", "Demers et al. 1987", (*app).labParetoCmd},
	}
}

func (a *app) labCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lab", Short: "The analysis of gossip as experiments to run",
		Long: "Experiments that show why gossip works, with the engine that runs in " +
			`production. Each says
its rules and its source in its help; docs/lab.md has the theory, and what they measured.
Equal options and seeds give equal results, to the last digit, on any number of processors.`,
		Example: "  starling lab list\n  starling lab rounds --mode pull --loss 50%\n  starling " +
			"lab rumor --k 3 --json",
		Args: args(0, -1, ""),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("there is no experiment %q; there are %s", given[0],
				strings.Join(labNames(), ", "))}
		},
	}
	cmd.AddCommand(a.labListCmd())
	for _, e := range experiments() {
		c := e.command(a)
		c.Short, c.Args = strings.ToUpper(e.about[:1])+e.about[1:], args(0, 0,
			"no arguments are wanted")
		c.Long += "\n\nSource: " + e.source + "."
		c.Flags().SortFlags = false
		cmd.AddCommand(c)
	}
	return cmd
}

func labNames() (names []string) {
	for _, e := range experiments() {
		names = append(names, e.name)
	}
	return names
}

func (a *app) labListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the experiments", Args: args(0, 0, "no arguments are wanted"),
		RunE: func(*cobra.Command, []string) error {
			rows := [][]string{{"EXPERIMENT", "WHAT IT SHOWS", "SOURCE"}}
			for _, e := range experiments() {
				rows = append(rows, []string{e.name, e.about, e.source})
			}
			a.printer().table(rows)
			return nil
		},
	}
}

// labFlags are how an experiment is run and shown.
type labFlags struct {
	runs, workers int
	seed          uint64
	plot          string
	asJSON        bool
}

func (f *labFlags) add(cmd *cobra.Command, runs int) {
	fl := cmd.Flags()
	fl.IntVar(&f.runs, "runs", runs, "how many `RUNS` the means are taken over")
	fl.Uint64Var(&f.seed, "seed", 1, "of all chance")
	fl.IntVar(&f.workers, "workers", 0, "goroutines (default one for each processor); the "+
		"result does not depend on it")
	f.addShow(cmd)
}

func (f *labFlags) addShow(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.plot, "plot", "", "draw the experiment into `FILE`, .svg, .png or "+
		".html")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print a JSON object")
}

// findings are what an experiment showed.
type findings struct {
	title string
	table [][]string
	notes []string
	json  any
}

// labChart is panels under a title.
type labChart struct {
	title  string
	panels []plot.Chart
}

// experimentRun does an experiment and shows it. The work runs it; chart, which may run more, is
// asked with --plot alone.
func (a *app) experimentRun(ctx context.Context, f *labFlags,
	run func(context.Context, lab.Work) (*findings, error),
	chart func(context.Context, lab.Work) (*labChart, error)) error {
	if f.plot != "" {
		if err := plot.Check(f.plot); err != nil {
			return usageError{err}
		}
	}
	if f.workers < 0 || f.workers > 1024 {
		return usageError{fmt.Errorf("--workers %d: from 0 to 1024 are possible", f.workers)}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	g := a.newGauge()
	defer g.clear()
	found, err := run(ctx, g.work(f.workers, "runs"))
	var c *labChart
	if err == nil && f.plot != "" {
		c, err = chart(ctx, g.work(f.workers, "runs for the plot"))
	}
	g.clear()
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before the end")
	}
	if err != nil {
		// the laboratory's errors begin with the option's name, as here
		return usageError{fmt.Errorf("--%w", err)}
	}
	if p := a.printer(); f.asJSON {
		err = p.json(found.json)
	} else {
		fmt.Fprintf(p.w, "%s\n\n", found.title)
		p.table(rightAligned(found.table))
		if len(found.notes) > 0 {
			fmt.Fprintf(p.w, "\n%s\n", strings.Join(found.notes, "\n"))
		}
	}
	if err == nil && c != nil {
		err = plot.SaveCharts(f.plot, c.title, c.panels...)
	}
	return err
}

// share reads flags that are shares, such as 0.1 or 10%.
func share(flag, text string, to *float64) (err error) {
	if *to, err = sim.ParseShare(text); err != nil {
		return usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	return nil
}

// gauge is a line on a terminal that says how many runs are over.
type gauge struct {
	a     *app
	mu    sync.Mutex
	drawn time.Time
	off   bool
}

func (a *app) newGauge() *gauge { return &gauge{a: a, off: !isTerminal(a.err)} }

// work is how an experiment is run so that the line follows it.
func (g *gauge) work(workers int, what string) lab.Work {
	begin := time.Now()
	return lab.Work{Workers: workers, Progress: func(done, of int) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.off || time.Since(g.drawn) < barEvery {
			return
		}
		g.drawn = time.Now()
		fmt.Fprintf(g.a.err, "\r\x1b[K%s  %s of %s %s   %.0f a second",
			progressBar(float64(done)/float64(of)), thousands(done), thousands(of),
			what, float64(done)/max(time.Since(begin).Seconds(), 1e-3))
	}}
}

// clear takes the line away.
func (g *gauge) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.off {
		fmt.Fprint(g.a.err, "\r\x1b[K")
		g.off = true
	}
}
