package main

// This file is how the outcome of lab multicast and lab pareto looks.

import (
	"fmt"
	"math"
	"strings"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/lab/multicast"
)

// multicastTitle says in a line what was run.
func multicastTitle(o *multicast.Options, sizes bool) string {
	parts := []string{"multicast: " + quantity(o.Nodes, "node")}
	if sizes {
		parts[0] = "multicast as the group grows"
	}
	parts = append(parts, fmt.Sprintf("%d bytes", o.Bytes), o.Latency.String()+" one way")
	if o.Loss > 0 {
		parts = append(parts, fmt.Sprintf("%g %% loss", 100*o.Loss))
	}
	if o.Crashed > 0 {
		parts = append(parts, fmt.Sprintf("%g %% crashed and not known", 100*o.Crashed))
	}
	if o.Inner > 0 {
		parts = append(parts, quantity(o.Inner, "inner node")+" crashed")
	}
	return strings.Join(append(parts, quantity(o.Runs,
		"run")+" from seed "+fmt.Sprint(o.Seed)), ", ")
}

// multicast prints an outcome for people.
func (p *printer) multicast(jobs []multicastJob, all []*multicast.Result) {
	sizes := jobs[0].o.Nodes != jobs[len(jobs)-1].o.Nodes
	fmt.Fprintf(p.w, "%s\n\n", multicastTitle(&jobs[0].o, sizes))
	rows := [][]string{{"PROTOCOL", "NODES", "GOT IT", "T50", "T99", "T100", "COPIES",
		"ORIGIN", "BUSIEST", "MEAN", "BYTES", "CONTROL", "IN WHOLE"}}
	for _, r := range all {
		rows = append(rows, []string{r.Protocol, thousands(r.Nodes), shareOf(r.Delivered),
			moment(r.T50.P50), moment(r.T99.P50), moment(r.T100.P50),
			fmt.Sprintf("%.2f", r.Copies), outIn(r.Origin), outIn(r.Busiest),
			fmt.Sprintf("%.1f/%.1f", r.Mean.Sent, r.Mean.Received),
			thousands(int(r.Mean.SentBytes + 0.5)), fmt.Sprintf("%.1f",
				r.Controls/float64(r.Live)), fmt.Sprintf("%d of %s", r.Whole, quantity(r.Runs,
				"run"))})
	}
	p.table(rightAligned(rows))
	fmt.Fprint(p.w, "\nTimes are medians over runs, until so many percent of the live had the "+
		"message. Copies, bytes and control (datagrams\n"+
		"without the message) are what a live node sends, in the mean; origin, busiest and mean "+
		"are datagrams sent/received.\n")
	for _, r := range all {
		if r.Links > 0 {
			fmt.Fprintf(p.w, "%s at %s: the network's routers passed on %s datagrams in a run, "+
				"which no node is charged for.\n",
				r.Protocol, quantity(r.Nodes, "node"), thousands(int(r.Links+0.5)))
		}
		if r.Overrun >= 0.5 {
			fmt.Fprintf(p.w, "%s at %s: %s datagrams in a run found a socket full.\n",
				r.Protocol, quantity(r.Nodes, "node"), thousands(int(r.Overrun+0.5)))
		}
	}
}

// shareOf is a share with as many digits as it needs to not look whole when it is not.
func shareOf(x float64) string {
	if x < 1 && x > 0.99995 {
		return "<100 %"
	}
	return fmt.Sprintf("%.4g %%", 100*x)
}

func moment(s multicast.Seconds) string {
	if math.IsInf(float64(s), 1) {
		return "never"
	}
	return short(float64(s))
}

func outIn(l multicast.Load) string {
	return thousands(int(l.Sent+0.5)) + "/" + thousands(int(l.Received+0.5))
}

// multicastCharts draws an outcome: of one size how the message spread and what it cost, of several
// what grows.
func multicastCharts(all []*multicast.Result, sizes int) []plot.Chart {
	if sizes > 1 {
		return growthCharts(all)
	}
	spread := plot.Chart{Title: "How the message spreads",
		X: plot.Axis{Label: "time since it was published", Log: true, Unit: plot.Seconds},
		Y: plot.Axis{Label: "live nodes that have it", Hi: 1.0001, Unit: plot.Percent}}
	cost := plot.Chart{Title: "What it costs", X: plot.Axis{Label: "bytes that a node sends, " +
		"headers included", Log: true},
		Y: plot.Axis{Label: "time until all have it, median", Log: true, Unit: plot.Seconds}}
	for i, r := range all {
		line := plot.Series{Name: r.Protocol, Colour: i + 1}
		step := max(1, len(r.Curve)/400)
		for k, t := range r.Curve {
			if k%step == 0 || k == len(r.Curve)-1 {
				line.Points = append(line.Points, [2]float64{t, float64(k+1) / float64(r.Due)})
			}
		}
		spread.Series = append(spread.Series, line)
		if t := float64(r.T100.P50); !math.IsInf(t, 1) {
			cost.Series = append(cost.Series, plot.Series{Colour: i + 1, Dots: true,
				Points: [][2]float64{{r.Mean.SentBytes, t}}, Labels: []string{r.Protocol}})
		}
	}
	return []plot.Chart{spread, cost}
}

// growthCharts draws what grows with the group.
func growthCharts(all []*multicast.Result) []plot.Chart {
	nodes := plot.Axis{Label: "nodes", Log: true}
	charts := []plot.Chart{
		{Title: "Datagrams in and out of the origin", X: nodes, Y: plot.Axis{Log: true}},
		{Title: "Datagrams in and out of the busiest node", X: nodes, Y: plot.Axis{Log: true}},
		{Title: "Time until all have it", X: nodes, Y: plot.Axis{Log: true, Unit: plot.Seconds}},
	}
	at := map[string]int{}
	for _, r := range all {
		i, ok := at[r.Protocol]
		if !ok {
			i = len(at)
			at[r.Protocol] = i
			for c := range charts {
				charts[c].Series = append(charts[c].Series,
					plot.Series{Name: r.Protocol, Colour: i + 1})
			}
		}
		n := float64(r.Nodes)
		for c, v := range []float64{r.Origin.Sent + r.Origin.Received, r.Busiest.Sent +
			r.Busiest.Received, float64(r.T100.P50)} {
			if !math.IsInf(v, 1) {
				charts[c].Series[i].Points = append(charts[c].Series[i].Points, [2]float64{n, v})
			}
		}
	}
	return charts
}
