package plot

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/starling-gossip/starling/internal/sim"
)

// This file is what the panels show.

const (
	maxFaint  = 60  // curves behind the one that stands for all
	maxPoints = 400 // of a curve
	maxMarks  = 8   // actions that are pointed out
	fewest    = 5   // crashes that make a distribution
)

func (p *Page) curves(of func(*sim.Detail) []sim.Curve) (all []sim.Curve) {
	for _, d := range p.Outcome.Details {
		for _, c := range of(d) {
			if c.Due > 0 && len(c.Known) > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// messages shows how messages spread, in logarithmic time: the first hop takes a millisecond, the
// last repair seconds.
func (p *Page) messages() *plot.Plot {
	all := p.curves(func(d *sim.Detail) []sim.Curve { return d.Messages })
	pooled, due := pool(all)
	if len(pooled) == 0 || pooled[len(pooled)-1] <= 0 {
		return nil
	}
	panel := newPanel("How a message spreads", "time since it was published", "nodes that have it")
	// its origin has it at once: that has no place on the axis
	i, _ := slices.BinarySearch(pooled, 1)
	lo := niceBelow(pooled[min(i, len(pooled)-1)].Seconds())
	logarithmic(&panel.X, lo, max(niceAbove(pooled[len(pooled)-1].Seconds()), 10*lo), seconds)
	percent(&panel.Y)
	grid(panel)
	infection(panel, all, pooled, due, lo, "message")
	return panel
}

// crashes shows how crashes became known.
func (p *Page) crashes() *plot.Plot {
	all := p.curves(func(d *sim.Detail) []sim.Curve { return d.Crashes })
	pooled, due := pool(all)
	if len(pooled) == 0 {
		return nil
	}
	panel := newPanel("How a crash becomes known", "time since the crash", "nodes that know")
	room := 1.05
	if len(all) == 1 {
		room = 1.3 // its line would run through the legend
	}
	linear(&panel.X, room*pooled[len(pooled)-1].Seconds(), seconds)
	percent(&panel.Y)
	grid(panel)
	if first := all[0].First.Seconds(); len(all) == 1 && first >= 0 {
		line(panel, plotter.XYs{{X: first, Y: 0}, {X: first, Y: 100}}, orange, 1.4,
			"first suspicion", 3, 3)
	}
	infection(panel, all, pooled, due, 0, "crash")
	return panel
}

// infection draws the share of nodes that know over time: of each thing faintly, of all together
// strongly.
func infection(panel *plot.Plot, all []sim.Curve, pooled []time.Duration, due int,
	from float64, what string) {
	if len(all) > 1 {
		step := max(1, len(all)/maxFaint)
		for i := 0; i < len(all); i += step {
			line(panel, share(all[i].Known, all[i].Due, from, panel.X.Max), faint(blue, 50),
				0.7, "")
		}
	}
	name := "the " + what
	if len(all) > 1 {
		name = fmt.Sprintf("%d together", len(all))
		panel.Legend.Add("each "+what,
			&plotter.Line{LineStyle: draw.LineStyle{Color: faint(blue, 110), Width: 1}})
	}
	line(panel, share(pooled, due, from, panel.X.Max), red, 2, name)
	panel.Legend.Left, panel.Legend.Top = false, false
	panel.Legend.YOffs, panel.Legend.XOffs = 6, -6
}

// detection shows how the times to detection are distributed over crashes.
func (p *Page) detection() *plot.Plot {
	all := p.curves(func(d *sim.Detail) []sim.Curve { return d.Crashes })
	if len(all) < fewest {
		return nil
	}
	rows := []struct {
		name string
		when func(*sim.Curve) (time.Duration, bool)
	}{
		{"first suspicion", func(c *sim.Curve) (time.Duration, bool) {
			return c.First,
				c.First >= 0
		}},
		{"known by all", func(c *sim.Curve) (time.Duration, bool) { return c.When(1) }},
		{"known by half", func(c *sim.Curve) (time.Duration, bool) { return c.When(0.5) }},
	}
	panel := newPanel(fmt.Sprintf("When %d crashes were detected", len(all)),
		"time since the crash", "crashes")
	var times [][]time.Duration
	last := time.Duration(1)
	for _, r := range rows {
		var t []time.Duration
		for i := range all {
			if d, ok := r.when(&all[i]); ok {
				t = append(t, d)
				last = max(last, d)
			}
		}
		slices.Sort(t)
		times = append(times, t)
	}
	linear(&panel.X, 1.05*last.Seconds(), seconds)
	percent(&panel.Y)
	grid(panel)
	line(panel, share(times[0], len(all), 0, panel.X.Max), orange, 2, rows[0].name)
	line(panel, share(times[1], len(all), 0, panel.X.Max), red, 2, rows[1].name)
	// mostly right on the one before
	line(panel, share(times[2], len(all), 0, panel.X.Max), blue, 2, rows[2].name, 6, 4)
	panel.Legend.YOffs, panel.Legend.XOffs = 6, -6
	return panel
}

// bandwidth shows what a node sends, in the mean over nodes, while the scenario happens.
func (p *Page) bandwidth() *plot.Plot {
	at, mean, least, most := timeline(p.Outcome.Runs)
	if len(at) < 2 {
		return nil
	}
	runs := len(p.Outcome.Runs)
	title := "What a node sends, headers included: mean over all that are up"
	if runs > 1 {
		title += fmt.Sprintf(", range over %d runs", runs)
	}
	// a long label of a logarithmic axis would squeeze the panel
	panel := newPanel(title, "time in the scenario", "")
	lo, hi := slices.Min(least), slices.Max(most)
	if lo > 0 && hi > 20*lo {
		logarithmic(&panel.Y, niceBelow(lo), niceAbove(hi), bytesRate)
	} else {
		linear(&panel.Y, 1.1*max(hi, 1), bytesRate)
	}
	linear(&panel.X, at[len(at)-1], seconds)
	grid(panel)
	p.marks(panel)
	if runs > 1 {
		var band plotter.XYs
		for i, s := range at {
			band = append(band, plotter.XY{X: s, Y: most[i]})
		}
		for i := len(at) - 1; i >= 0; i-- {
			band = append(band, plotter.XY{X: at[i], Y: max(least[i], panel.Y.Min)})
		}
		if area, err := plotter.NewPolygon(band); err == nil {
			area.Color, area.LineStyle.Width = faint(blue, 50), 0
			panel.Add(area)
		}
	}
	var points plotter.XYs
	for i, s := range at {
		points = append(points, plotter.XY{X: s, Y: mean[i]})
	}
	line(panel, points, blue, 1.6, "")
	return panel
}

// timeline puts the runs' timelines together: for each second of the scenario, bytes per node that
// is up.
func timeline(runs []*sim.Report) (at, mean, least, most []float64) {
	for _, r := range runs {
		i := 0
		for _, pt := range r.Timeline {
			if pt.At <= 0 || pt.Up == 0 {
				continue
			}
			v := float64(pt.Bytes) / float64(pt.Up)
			if i == len(at) {
				at, mean = append(at, math.Ceil(float64(pt.At))), append(mean, 0)
				least, most = append(least, v), append(most, v)
			}
			mean[i] += v / float64(len(runs))
			least[i], most[i] = min(least[i], v), max(most[i], v)
			i++
		}
	}
	return at, mean, least, most
}

// marks draws a dashed line at each action.
func (p *Page) marks(panel *plot.Plot) {
	for i, m := range p.Actions {
		if i == maxMarks {
			break
		}
		line(panel, plotter.XYs{{X: m.At, Y: panel.Y.Min}, {X: m.At, Y: panel.Y.Max}}, mark,
			0.8, "", 3, 3)
		labels, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: m.At,
			Y: panel.Y.Max}}, Labels: []string{m.Text}})
		if err != nil {
			continue
		}
		labels.TextStyle[0] = textStyle(8)
		labels.TextStyle[0].Color = mark
		labels.Offset = vg.Point{X: 3, Y: -9 - 10*vg.Length(i%3)}
		panel.Add(labels)
	}
}
