package main

// This file is three small experiments: lab rumor, lab topology, lab mttf.

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/lab"
)

func (a *app) labRumorCmd() *cobra.Command {
	var f labFlags
	var o lab.Rumor
	var mode string
	var feedback bool
	cmd := &cobra.Command{
		Use: "rumor",
		Long: "A rumor that sites lose interest in, as in tables 1 to 3 of the paper. One of n " +
			`sites has an
update; in each cycle, on the state at its start:

  push  each infectious site sends the update to one other
  pull  each site asks one other; who is infectious sends the update to all that asked it

A contact is useful if the other lacked the update when the cycle began. A site is removed
  --stop counter  after K useless contacts in a row
  --stop coin     with probability 1/K after each useless contact
Pull counts once a cycle: any useful answer makes it a useful one. With --blind nobody says
whether he knew, and each contact counts as useless. Nothing is lost. The end is when no
site is infectious; then residue is the share of sites without the update, traffic the
updates sent per site, t_ave and t_last the cycles until the mean and the last of the sites
that get it have it. For push, residue = e^-traffic. Table 1 is push, counter, feedback;
table 2 push, coin, blind; table 3 pull, counter, feedback.`,
		Example: "  starling lab rumor --mode push --stop counter --k 2\n  starling lab rumor " +
			"--stop coin --blind --k 3 --json",
	}
	fl := cmd.Flags()
	fl.StringVar(&mode, "mode", "push", "`MODE`: push or pull")
	fl.StringVar(&o.Stop, "stop", lab.StopCounter, "`RULE`: counter or coin")
	fl.IntVar(&o.K, "k", 1, "of the rule to stop by")
	fl.BoolVar(&feedback, "feedback", false, "only useless contacts count (the default)")
	fl.BoolVar(&o.Blind, "blind", false, "all contacts count")
	fl.IntVarP(&o.Nodes, "nodes", "n", 1000, "sites")
	f.add(cmd, 1000)
	cmd.MarkFlagsMutuallyExclusive("feedback", "blind")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.Mode, err = rumor.ParseMode(mode); err != nil {
			return usageError{fmt.Errorf("--mode: %w", err)}
		}
		o.Runs, o.Seed = f.runs, f.seed
		return a.experimentRun(cmd.Context(), &f, func(ctx context.Context,
			w lab.Work) (*findings, error) {
			r, err := o.Run(ctx, w)
			if err != nil {
				return nil, err
			}
			return rumorFindings(&o, r), nil
		}, func(ctx context.Context, w lab.Work) (*labChart, error) {
			return rumorChart(ctx, w,
				o)
		})
	}
	return cmd
}

// listening says in a word whether contacts tell.
func listening(blind bool) string {
	if blind {
		return "blind"
	}
	return "feedback"
}

func rumorFindings(o *lab.Rumor, r *lab.RumorResult) *findings {
	row := func(name string, mean, se float64) []string {
		return []string{name, fmt.Sprintf("%.4g", mean), fmt.Sprintf("± %.2g", se), ""}
	}
	f := &findings{title: fmt.Sprintf("%s, %s %d, %s, %s: %s", o.Mode, o.Stop, o.K,
		listening(o.Blind), quantity(o.Nodes, "site"), quantity(r.Runs, "run")),
		table: [][]string{{"", "MEAN", "", ""}, row("residue", r.Residue, r.SE.Residue),
			row("traffic", r.Traffic, r.SE.Traffic),
			row("t_ave", r.TAve, r.SE.TAve), row("t_last", r.TLast, r.SE.TLast)},
		json: struct {
			Options lab.Rumor `json:"options"`
			*lab.RumorResult
		}{*o, r}}
	if o.Mode == rumor.Push {
		f.notes = []string{fmt.Sprintf("e^-traffic is %.4g.", math.Exp(-r.Traffic))}
	}
	return f
}

// rumorChart draws what each rule to stop by leaves, against what it sends.
func rumorChart(ctx context.Context, w lab.Work, o lab.Rumor) (*labChart, error) {
	o.Runs = min(o.Runs, maxPlotRuns)
	left := plot.Chart{Title: "Sites that never get the update, by updates sent (k = 1 to 5)",
		X: plot.Axis{Label: "updates sent per site (traffic)"}, Y: plot.Axis{Label: "residue",
			Log: true}}
	last := plot.Chart{Title: "Cycles until the last site that gets it has it",
		X: plot.Axis{Label: "k", Hi: 7}, Y: plot.Axis{Label: "cycles"}}
	most := 0.0
	color := 0
	for _, mode := range []rumor.Mode{rumor.Push, rumor.Pull} {
		for _, rule := range []string{lab.StopCounter, lab.StopCoin} {
			for _, blind := range []bool{false, true} {
				if mode == rumor.Pull && blind {
					continue
				}
				o.Mode, o.Stop, o.Blind = mode, rule, blind
				l := plot.Series{Name: fmt.Sprintf("%s, %s, %s", mode, rule, listening(blind)),
					Colour: color + 1, Marked: true}
				t := l
				for o.K = 1; o.K <= 5; o.K++ {
					r, err := o.Run(ctx, w)
					if err != nil {
						return nil, err
					}
					l.Points = append(l.Points, [2]float64{r.Traffic, r.Residue})
					t.Points = append(t.Points, [2]float64{float64(o.K), r.TLast})
					most = max(most, r.Traffic)
				}
				left.Series, last.Series = append(left.Series, l), append(last.Series, t)
				color++
			}
		}
	}
	law := plot.Series{Name: "residue = e^-traffic", Colour: 7, Dashed: true}
	for m := 0.0; m <= min(most, 9); m += 0.1 {
		law.Points = append(law.Points, [2]float64{m, math.Exp(-m)})
	}
	left.Series = append(left.Series, law)
	return &labChart{title: fmt.Sprintf("Rumors that die out among %s: means of %s",
		quantity(o.Nodes, "site"), quantity(o.Runs, "run")),
		panels: []plot.Chart{left, last}}, nil
}

func (a *app) labTopologyCmd() *cobra.Command {
	var f labFlags
	var o lab.Topology
	var mode, loss, crashed string
	cmd := &cobra.Command{
		Use: "topology",
		Long: "The epidemic of lab rounds over subnets, as equal as can be, that one " +
			`router joins. Without
--uniform, each contact of a member of a subnet with n_i stays in it with probability
1 - 1/n_i, and is drawn uniformly on its side: one contact a round leaves each subnet in the
mean. With --uniform, contacts are drawn among all. A message between two subnets goes
through the router, lost or not; their number by round is the mean over runs of a run's
total by its rounds.`,
		Example: "  starling lab topology --nodes 1000 --subnets 2\n  starling lab topology " +
			"--nodes 1000 --subnets 2 --uniform --json",
	}
	fl := cmd.Flags()
	fl.StringVar(&mode, "mode", "push", "`MODE`: push, pull or push-pull")
	fl.IntVarP(&o.Nodes, "nodes", "n", 1000, "members")
	fl.IntVar(&o.Subnets, "subnets", 2, "over which they are spread")
	fl.IntVar(&o.Fanout, "fanout", 1, "how many are contacted in a round")
	fl.BoolVar(&o.Uniform, "uniform", false, "draw contacts among all")
	fl.StringVar(&loss, "loss", "0", "`SHARE` of the messages that is lost, such as 0.1 or 10%")
	fl.StringVar(&crashed, "crashed", "0", "`SHARE` of the members that has crashed")
	f.add(cmd, 1000)
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
			return topologyFindings(&o, r), nil
		}, func(ctx context.Context, w lab.Work) (*labChart, error) {
			return topologyChart(ctx,
				w, o)
		})
	}
	return cmd
}

func topologyFindings(o *lab.Topology, r *lab.TopologyResult) *findings {
	how := "contacts stay with probability 1 - 1/n"
	if o.Uniform {
		how = "uniform"
	}
	return &findings{title: fmt.Sprintf("%s, fan-out %d, %s in %s, %s: %s", o.Mode, o.Fanout,
		quantity(o.Nodes, "member"),
		quantity(o.Subnets, "subnet"), how, quantity(r.Runs, "run")),
		table: [][]string{{"", "MEAN", "±", "50 %", "99 %", ""},
			{"rounds until all have it", two(r.Mean), two(r.SE), whole(r.P50), whole(r.P99), ""},
			{"through the router in a round", two(r.RouterMessages), two(r.RouterSE), "", "", ""},
			{"of all messages", fmt.Sprintf("%.2f %%", 100*r.RouterShare), "", "", "", ""}},
		json: struct {
			Options lab.Topology `json:"options"`
			*lab.TopologyResult
		}{*o, r}}
}

// topologyChart draws the router's load and the rounds against the number of members.
func topologyChart(ctx context.Context, w lab.Work, o lab.Topology) (*labChart, error) {
	o.Runs = min(o.Runs, maxPlotRuns)
	load := plot.Chart{Title: "Messages through the router in a round",
		X: plot.Axis{Label: "members", Log: true}, Y: plot.Axis{Label: "messages",
			Log: true}, Legend: plot.TopLeft}
	rounds := plot.Chart{Title: "Rounds until all have it",
		X: plot.Axis{Label: "members",
			Log: true}, Y: plot.Axis{Label: "rounds"}, Legend: plot.TopLeft}
	for i, name := range []string{"stay with probability 1 - 1/n", "uniform"} {
		o.Uniform = i == 1
		a, b := plot.Series{Name: name, Colour: i + 1, Marked: true}, plot.Series{Name: name,
			Colour: i + 1, Marked: true}
		for _, n := range []int{10, 30, 100, 300, 1000, 3000, 10_000} {
			if o.Nodes = n; o.Subnets > n || o.Fanout >= n {
				continue
			}
			r, err := o.Run(ctx, w)
			if err != nil {
				return nil, err
			}
			a.Points = append(a.Points, [2]float64{float64(n), r.RouterMessages})
			b.Points = append(b.Points, [2]float64{float64(n), r.Mean})
		}
		load.Series, rounds.Series = append(load.Series, a), append(rounds.Series, b)
	}
	return &labChart{title: fmt.Sprintf("%s over %s, fan-out %d: means of %s", o.Mode,
		quantity(o.Subnets, "subnet"), o.Fanout, quantity(o.Runs, "run")),
		panels: []plot.Chart{load, rounds}}, nil
}

func (a *app) labMTTFCmd() *cobra.Command {
	var f labFlags
	var machines []int
	months := 120.0
	cmd := &cobra.Command{
		Use: "mttf",
		Long: "Each machine fails once in --months in the mean, independently and " +
			`without memory. The
first of n to do so fails after --months / n in the mean, and then the next. A month has 30
days. A day passes without any failure with probability e^-(failures a day). Nothing here
is drawn at random.`,
		Example: "  starling lab mttf --machines 120,12000",
	}
	cmd.Flags().IntSliceVar(&machines, "machines", []int{120, 1200, 12_000},
		"`N` of machines; several with commas")
	cmd.Flags().Float64Var(&months, "months", months, "mean time to failure of one machine")
	f.addShow(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.experimentRun(cmd.Context(), &f, func(context.Context, lab.Work) (*findings,
			error) {
			return mttfFindings(machines, months)
		},
			func(context.Context, lab.Work) (*labChart, error) { return mttfChart(months) })
	}
	return cmd
}

func mttfFindings(machines []int, months float64) (*findings, error) {
	f := &findings{title: fmt.Sprintf("a failure per machine per %g months", months),
		table: [][]string{{"MACHINES", "NEXT FAILURE AFTER", "FAILURES A DAY",
			"DAYS WITHOUT ANY", ""}}}
	var all []*lab.MTTFResult
	for _, n := range machines {
		r, err := (&lab.MTTF{Machines: n, Months: months}).Run()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
		f.table = append(f.table, []string{thousands(n), lapse(r.BetweenHours),
			fmt.Sprintf("%.3g", r.PerDay), fmt.Sprintf("%.3g %%", 100*r.QuietDay), ""})
	}
	if len(all) == 1 { // what was asked for, and no list
		f.json = all[0]
	} else {
		f.json = map[string]any{"clusters": slices.Clip(all)}
	}
	return f, nil
}

// lapse is a number of hours in the unit that suits it.
func lapse(hours float64) string {
	switch {
	case hours >= lab.HoursPerMonth:
		if hours == lab.HoursPerMonth {
			return "1 month"
		}
		return fmt.Sprintf("%.4g months", hours/lab.HoursPerMonth)
	case hours >= 48:
		return fmt.Sprintf("%.3g days", hours/24)
	case hours >= 1:
		return fmt.Sprintf("%.3g hours", hours)
	}
	return fmt.Sprintf("%.3g minutes", 60*hours)
}

func mttfChart(months float64) (*labChart, error) {
	l := plot.Series{Name: fmt.Sprintf("%g months / machines", months), Marked: true}
	for n := 1; n <= 1_000_000; n *= 10 {
		r, err := (&lab.MTTF{Machines: n, Months: months}).Run()
		if err != nil {
			return nil, err
		}
		l.Points = append(l.Points, [2]float64{float64(n), r.BetweenHours})
	}
	return &labChart{title: "How soon the next machine fails",
		panels: []plot.Chart{{Title: "Mean time to the next failure",
			X: plot.Axis{Label: "machines", Log: true}, Y: plot.Axis{Label: "hours",
				Log: true}, Series: []plot.Series{l}}}}, nil
}
