package main

// This file is the experiment of the simple epidemic: lab rounds.

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/lab"
)

// labRounds is what lab rounds prints with --json.
type labRounds struct {
	Options lab.Rounds `json:"options"`
	*lab.RoundsResult
}

func (a *app) labRoundsCmd() *cobra.Command {
	var f labFlags
	var o lab.Rounds
	var mode, loss, crashed string
	cmd := &cobra.Command{
		Use: "rounds",
		Long: "One rumor among n members, in rounds, until all that live have it. The origin " +
			`has it at
round 0 and lives; floor(f·n) others have crashed before, and nobody knows. In each round,
on the state at its start, members contact b distinct others of the n - 1, the crashed
included. Each message is lost independently. Who has the rumor stays infectious.

  push       who has the rumor sends it
  pull       who lacks it asks, and who has it replies; request and reply can each be lost
  push-pull  every live member contacts: who has the rumor sends it, who lacks it asks

The plot shows the infection round by round beside the logistic curve, rounds against n,
and what lost messages and crashed members cost.`,
		Example: "  starling lab rounds --mode push-pull --nodes 1000 --fanout 1\n  starling " +
			"lab rounds --mode push --loss 50% --crashed 50% --plot rounds.svg",
	}
	fl := cmd.Flags()
	fl.StringVar(&mode, "mode", "push", "`MODE`: push, pull or push-pull")
	fl.IntVarP(&o.Nodes, "nodes", "n", 1000, "members")
	fl.IntVar(&o.Fanout, "fanout", 1, "b: how many are contacted in a round")
	fl.StringVar(&loss, "loss", "0", "p: `SHARE` of the messages that is lost, such as 0.1 or 10%")
	fl.StringVar(&crashed, "crashed", "0", "f: `SHARE` of the members that has crashed")
	f.add(cmd, 1000)
	cmd.RegisterFlagCompletionFunc("mode", choices("push", "pull", "push-pull"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.Mode, err = rumor.ParseMode(mode); err != nil {
			return usageError{fmt.Errorf("--mode: %w", err)}
		}
		if err := cmpErr(share("loss", loss, &o.Loss),
			share("crashed", crashed, &o.Crashed)); err != nil {
			return err
		}
		o.Runs, o.Seed = f.runs, f.seed
		return a.experimentRun(cmd.Context(), &f, func(ctx context.Context,
			w lab.Work) (*findings, error) {
			r, err := o.Run(ctx, w)
			if err != nil {
				return nil, err
			}
			return roundsFindings(&o, r), nil
		}, func(ctx context.Context, w lab.Work) (*labChart, error) {
			return roundsChart(ctx,
				w, o)
		})
	}
	return cmd
}

// cmpErr is the first error.
func cmpErr(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func roundsFindings(o *lab.Rounds, r *lab.RoundsResult) *findings {
	f := &findings{title: fmt.Sprintf("%s, fan-out %d, %s, %g %% loss, %g %% crashed: %s",
		o.Mode, o.Fanout, quantity(o.Nodes, "member"),
		100*o.Loss, 100*o.Crashed, quantity(r.Runs, "run")), json: labRounds{*o, r}}
	f.table = [][]string{{"", "MEAN", "±", "50 %", "99 %", "UNIT"},
		{"until all have it", two(r.Mean), two(r.SE), whole(r.P50), whole(r.P99), "rounds"},
		{"until half have it", two(r.Half), "", "", "", "rounds"},
		{"sent by a live member", two(r.MessagesPerNode), "", "", "", "messages"},
		{""}, {"ROUND", "HAVE IT", "SHARE", ""}}
	for i, n := range r.Infected {
		if part := n / float64(o.Live()); part < 0.9999995 || r.Infected[max(i-1, 0)] < n {
			f.table = append(f.table, []string{whole(float64(i)), fmt.Sprintf("%.1f", n),
				fmt.Sprintf("%.2f %%", 100*part), ""})
		}
	}
	return f
}

func two(x float64) string   { return fmt.Sprintf("%.2f", x) }
func whole(x float64) string { return fmt.Sprintf("%.0f", x) }

var allModes = []rumor.Mode{rumor.Push, rumor.Pull, rumor.PushPull}

// maxPlotRuns bounds the runs of each point of a plot.
const maxPlotRuns = 200

// roundsChart draws four panels: the infection, rounds against n, the second half of them, and
// rounds against losses.
func roundsChart(ctx context.Context, w lab.Work, o lab.Rounds) (*labChart, error) {
	o.Runs = min(o.Runs, maxPlotRuns)
	curve, err := infectionPanel(ctx, w, o)
	if err != nil {
		return nil, err
	}
	sizes, last, err := sizePanels(ctx, w, o)
	if err != nil {
		return nil, err
	}
	harm, err := harmPanel(ctx, w, o)
	if err != nil {
		return nil, err
	}
	return &labChart{title: fmt.Sprintf("Epidemics in rounds, fan-out %d: means of %s",
		o.Fanout, quantity(o.Runs, "run")),
		panels: []plot.Chart{curve, sizes, last, harm}}, nil
}

// infectionPanel is the share of members that have the rumor, round by round: as asked, and with
// half of the messages or half of the members lost.
func infectionPanel(ctx context.Context, w lab.Work, o lab.Rounds) (plot.Chart, error) {
	title := fmt.Sprintf("%s among %s: live members that have it, in %%", o.Mode,
		thousands(o.Nodes))
	p := plot.Chart{Title: title, X: plot.Axis{Label: "round"}, Y: plot.Axis{Label: "%"},
		Legend: plot.BottomRight}
	last := 0
	for i, x := range []struct {
		name          string
		loss, crashed float64
	}{{"nothing lost", 0, 0}, {"half of the messages lost", 0.5,
		0}, {"half of the members crashed", 0, 0.5}} {
		o.Loss, o.Crashed = x.loss, x.crashed
		r, err := o.Run(ctx, w)
		if err != nil {
			return p, err
		}
		line := plot.Series{Name: x.name, Colour: i + 1, Marked: true}
		for round, n := range r.Infected {
			line.Points = append(line.Points, [2]float64{float64(round),
				100 * n / float64(o.Live())})
		}
		p.Series = append(p.Series, line)
		last = max(last, len(r.Infected)-1)
	}
	growth := float64(1 + o.Fanout) // of push and pull, as long as few have it
	if o.Mode == rumor.PushPull {
		growth += float64(o.Fanout)
	}
	logistic := plot.Series{Name: fmt.Sprintf("logistic, ×%g a round", growth), Colour: 7,
		Dashed: true}
	for t := 0.0; t <= float64(last); t += 0.25 {
		logistic.Points = append(logistic.Points, [2]float64{t,
			100 / (1 + float64(o.Nodes-1)*math.Pow(growth, -t))})
	}
	p.Series = append(p.Series, logistic)
	return p, nil
}

// sizePanels are the rounds that clusters of sizes take, all and those after half of the members
// have the rumor.
func sizePanels(ctx context.Context, w lab.Work, o lab.Rounds) (all, last plot.Chart, err error) {
	all = plot.Chart{Title: "Rounds until all have it: log n",
		X: plot.Axis{Label: "members",
			Log: true}, Y: plot.Axis{Label: "rounds"}, Legend: plot.TopLeft}
	last = plot.Chart{Title: "Of these, from half to all: push log n, pull and push-pull log " +
		"log n", X: plot.Axis{Label: "members",
		Log: true}, Y: plot.Axis{Label: "rounds"}, Legend: plot.TopLeft}
	for i, mode := range allModes {
		o.Mode = mode
		a, b := plot.Series{Name: mode.String(), Colour: i + 1,
			Marked: true}, plot.Series{Name: mode.String(), Colour: i + 1, Marked: true}
		for n := 10; n <= 10_000; n *= 10 {
			for _, k := range []int{1, 3} {
				if o.Nodes = n * k; o.Nodes > 10_000 || o.Fanout >= o.Nodes {
					continue
				}
				r, err := o.Run(ctx, w)
				if err != nil {
					return all, last, err
				}
				a.Points = append(a.Points, [2]float64{float64(o.Nodes), r.Mean})
				b.Points = append(b.Points, [2]float64{float64(o.Nodes), r.Mean - r.Half})
			}
		}
		all.Series, last.Series = append(all.Series, a), append(last.Series, b)
	}
	if o.Loss == 0 && o.Crashed == 0 && o.Fanout == 1 {
		theory := plot.Series{Name: "log₂ n + ln n (Pittel 1987)", Colour: 7, Dashed: true}
		for _, x := range all.Series[0].Points {
			theory.Points = append(theory.Points, [2]float64{x[0], math.Log2(x[0]) +
				math.Log(x[0])})
		}
		all.Series = append(all.Series, theory)
	}
	return all, last, nil
}

// harmPanel is what losses and crashes cost.
func harmPanel(ctx context.Context, w lab.Work, o lab.Rounds) (plot.Chart, error) {
	p := plot.Chart{Title: fmt.Sprintf("What is lost costs rounds: %s members",
		thousands(o.Nodes)), X: plot.Axis{Label: "lost or crashed, in " +
		"%"}, Y: plot.Axis{Label: "rounds"}, Legend: plot.TopLeft}
	for i, mode := range allModes {
		for _, crashed := range []bool{false, true} {
			o.Mode = mode
			l := plot.Series{Name: mode.String() + ", messages lost", Colour: i + 1,
				Marked: !crashed, Dashed: crashed}
			if crashed {
				l.Name = mode.String() + ", members crashed"
			}
			for share := 0.0; share < 0.75; share += 0.1 {
				if o.Loss, o.Crashed = share, 0; crashed {
					o.Loss, o.Crashed = 0, share
				}
				r, err := o.Run(ctx, w)
				if err != nil {
					return p, err
				}
				l.Points = append(l.Points, [2]float64{100 * share, r.Mean})
			}
			p.Series = append(p.Series, l)
		}
	}
	return p, nil
}
