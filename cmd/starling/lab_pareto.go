package main

// This file is lab pareto: all policies of gossip, and delegation, by what they cost and how long
// they take.

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/lab/multicast"
)

// paretoJSON is what --json prints.
type paretoJSON struct {
	Options    multicast.Options `json:"options"`
	Conditions []paretoCondition `json:"conditions"`
}

// paretoCondition is how the policies did in one network.
type paretoCondition struct {
	multicast.Condition
	Results []*multicast.Result `json:"results"`
	// those that none beats in bytes and the time to 99 %
	Front99  []string `json:"front_t99"`
	Front100 []string `json:"front_t100"` // and to all
}

func (a *app) labParetoCmd() *cobra.Command {
	var f multicastFlags
	var policies []string
	nodes := 0
	cmd := &cobra.Command{
		Use: "pareto",
		Long: "Compare policies of gossip, and delegation, while packets are lost and while " +
			`nodes are down
without being known to be, and show which of them no other beats in both the bytes that a node
sends and the time until all have the message. docs/multicast.md explains the policies' names.`,
		Example: "  starling lab pareto --runs 50 --plot pareto.svg",
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntVarP(&nodes, "nodes", "n", 1000, "how many nodes, the origin included")
	f.world(cmd)
	fl.Lookup("loss").Hidden, fl.Lookup("crashed").Hidden = true, true
	fl.StringSliceVar(&policies, "policies", multicast.Policies, "`NAMES` with commas between them")
	f.parameters(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if fl.Changed("loss") || fl.Changed("crashed") {
			return usageError{fmt.Errorf("--loss, --crashed: the comparison is over several of " +
				"both")}
		}
		f.nodes, f.protocols = []int{nodes}, policies
		jobs, err := f.jobs()
		if err != nil {
			return usageError{err}
		}
		var all []multicastJob
		for _, c := range multicast.Conditions {
			for _, j := range jobs {
				j.o.Loss, j.o.Crashed = c.Loss, c.Crashed
				all = append(all, j)
			}
		}
		results, err := a.runMulticast(cmd.Context(), all)
		if err != nil {
			return err
		}
		out := &paretoJSON{Options: jobs[0].o.Filled()}
		for i, c := range multicast.Conditions {
			out.Conditions = append(out.Conditions,
				newParetoCondition(c, results[i*len(jobs):(i+1)*len(jobs)]))
		}
		p := a.printer()
		if f.asJSON {
			err = p.json(out)
		} else {
			p.pareto(out)
		}
		if err == nil && f.plot != "" {
			err = plot.SaveCharts(f.plot, paretoTitle(&out.Options), out.charts()...)
		}
		return err
	}
	return cmd
}

func newParetoCondition(c multicast.Condition, all []*multicast.Result) paretoCondition {
	x := paretoCondition{Condition: c, Results: all}
	for i, on := range multicast.Front(all,
		func(r *multicast.Result) multicast.Seconds { return r.T99.P50 }) {
		if on {
			x.Front99 = append(x.Front99, all[i].Protocol)
		}
	}
	for i, on := range multicast.Front(all,
		func(r *multicast.Result) multicast.Seconds { return r.T100.P50 }) {
		if on {
			x.Front100 = append(x.Front100, all[i].Protocol)
		}
	}
	return x
}

func (c *paretoCondition) title() string {
	switch {
	case c.Loss > 0:
		return fmt.Sprintf("%g %% loss", 100*c.Loss)
	case c.Crashed > 0:
		return fmt.Sprintf("%g %% crashed and not known", 100*c.Crashed)
	}
	return "no loss, nobody crashed"
}

func paretoTitle(o *multicast.Options) string {
	return fmt.Sprintf("what policies of gossip cost and take: %s, %d bytes, %s one way, %s "+
		"from seed %d",
		quantity(o.Nodes, "node"), o.Bytes, o.Latency, quantity(o.Runs, "run"), o.Seed)
}

// pareto prints an outcome for people.
func (p *printer) pareto(out *paretoJSON) {
	fmt.Fprintln(p.w, paretoTitle(&out.Options))
	for i := range out.Conditions {
		c := &out.Conditions[i]
		rows := [][]string{{"POLICY", "T50", "T99", "T100", "COPIES", "DATAGRAMS", "BYTES",
			"BUSIEST", "FRONT"}}
		sorted := slices.Clone(c.Results)
		slices.SortStableFunc(sorted, func(a,
			b *multicast.Result) int {
			return int(a.Mean.SentBytes - b.Mean.SentBytes)
		})
		for _, r := range sorted {
			front := ""
			if slices.Contains(c.Front99, r.Protocol) {
				front = "99 % "
			}
			if slices.Contains(c.Front100, r.Protocol) {
				front += "100 %"
			}
			rows = append(rows, []string{r.Protocol, moment(r.T50.P50), moment(r.T99.P50),
				moment(r.T100.P50), fmt.Sprintf("%.2f", r.Copies),
				fmt.Sprintf("%.1f", r.Mean.Sent), thousands(int(r.Mean.SentBytes +
					0.5)), outIn(r.Busiest), front})
		}
		fmt.Fprintf(p.w, "\n%s\n", c.title())
		p.table(rightAligned(rows))
	}
	fmt.Fprintln(p.w, "\nOn the front is who is beaten by nobody in both: bytes, and the time "+
		"to 99 % or to all. Times are medians over runs.")
}

// charts draws one panel for each condition.
func (out *paretoJSON) charts() (all []plot.Chart) {
	for i := range out.Conditions {
		c := &out.Conditions[i]
		chart := plot.Chart{Title: c.title(), X: plot.Axis{Label: "bytes that a node sends",
			Log: true, Lo: 200, Hi: 10_000},
			Y: plot.Axis{Label: "time until all have it", Log: true, Unit: plot.Seconds,
				Lo: 0.001, Hi: 20}}
		series := []plot.Series{{Name: "delegation", Dots: true, Colour: 2},
			{Name: "gossip", Dots: true, Colour: 1}, {Colour: 7}}
		sorted := slices.Clone(c.Results)
		slices.SortStableFunc(sorted, func(a,
			b *multicast.Result) int {
			return int(a.Mean.SentBytes - b.Mean.SentBytes)
		})
		for _, r := range sorted {
			at := [2]float64{r.Mean.SentBytes, float64(r.T100.P50)}
			kind := 1
			if r.Protocol == "delegation" {
				kind = 0
			}
			if at[1] <= 20 {
				series[kind].Points = append(series[kind].Points, at)
			}
			if slices.Contains(c.Front100, r.Protocol) {
				series[2].Points = append(series[2].Points, at)
			}
		}
		series[2].Name = "nobody beats these in both"
		chart.Series = series
		all = append(all, chart)
	}
	return all
}
