package main

// This file is the experiment on failure detectors: lab detect.

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/lab"
)

// sweeps are the main parameter of each family of detectors, and the values it is given.
var sweeps = []struct{ prefix, sweep string }{
	{"swim-plain", "swim.period=300ms,500ms,800ms,1.5s,3s"},
	{"swim", "swim.alpha=0.25,0.5,1,1.5,2.5,4"},
	{"inquest", "inquest.grace=500ms,800ms,1.2s,1.5s,2.5s,4s"},
	{"heartbeat", "heartbeat.fail=3s,4s,5s,7s,10s"},
	{"accrual", "accrual.threshold=1,2,4,8,12"},
}

// sweepOf is the sweep of a detector by its name; "": there is none.
func sweepOf(detector string) string {
	for _, s := range sweeps {
		if strings.HasPrefix(detector, s.prefix) {
			return s.sweep
		}
	}
	return ""
}

func (a *app) labDetectCmd() *cobra.Command {
	var f labFlags
	var base simFlags
	var o lab.Detect
	var loss, sweep string
	cmd := &cobra.Command{
		Use: "detect",
		Long: "Whole clusters in the simulator, for each value of a detector's main " +
			`parameter. All members
know each other from the start. Every 30 s a host dies without a word, and comes back 25 s
later; each packet is lost with probability --loss. Shown are the times from a crash to the
first suspicion, and until half and all of the others know, and the false failures: each is
one observer that holds a living member failed. A detector that waits longer errs less: the
curve is what there is to choose from. --sweep names another field of the nodes'
configuration; --set sets one for all.`,
		Example: "  starling lab detect --detector swim --loss 20%\n  starling lab detect " +
			"--detector inquest --sweep inquest.grace=1s,2s --json",
	}
	fl := cmd.Flags()
	fl.StringVar(&base.detector, "detector", detectors[0].name,
		"`NAME` of the failure detector: "+detectorNames())
	fl.IntVarP(&o.Nodes, "nodes", "n", 64, "members")
	fl.StringVar(&loss, "loss", "0.3", "`SHARE` of the packets that is lost, such as 0.1 or 10%")
	fl.StringVar(&sweep, "sweep", "", "`NAME=V,V,...`: the field to sweep (default the "+
		"detector's main parameter)")
	fl.StringArrayVar(&base.set, "set", nil, "a field of the nodes' configuration, "+
		"`NAME=VALUE`; may be repeated")
	fl.DurationVar(&o.Duration, "duration", 5*time.Minute, "of a run, in virtual time")
	f.add(cmd, 4)
	cmd.RegisterFlagCompletionFunc("detector", choices(strings.Split(detectorNames(), ", ")...))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := share("loss", loss, &o.Loss); err != nil {
			return err
		}
		if sweep == "" {
			sweep = sweepOf(base.detector)
		}
		settings, err := sweepSettings(&base, sweep)
		if err != nil {
			return usageError{err}
		}
		o.Runs, o.Seed = f.runs, f.seed
		var points []lab.DetectPoint
		return a.experimentRun(cmd.Context(), &f, func(ctx context.Context,
			w lab.Work) (*findings, error) {
			if points, err = o.Run(ctx, w, settings); err != nil {
				return nil, err
			}
			return detectFindings(&o, base.detector, sweep, points), nil
		}, func(context.Context, lab.Work) (*labChart, error) {
			return detectChart(&o, base.detector, points), nil
		})
	}
	return cmd
}

// sweepSettings makes a configuration of each value of a sweep.
func sweepSettings(base *simFlags, sweep string) (all []lab.DetectSetting, err error) {
	var checked gossip.Config
	if err := base.gossip(&checked); err != nil {
		return nil, err
	}
	name, values, ok := strings.Cut(sweep, "=")
	for v := range strings.SplitSeq(values, ",") {
		var s lab.DetectSetting
		if err := base.gossip(&s.Config); err != nil {
			return nil, err
		}
		if !ok || v == "" {
			return nil, fmt.Errorf("--sweep %q is not NAME=VALUE,VALUE,... such as "+
				"swim.period=500ms,1s", sweep)
		}
		if err := setField(reflect.ValueOf(&s.Config).Elem(), name, v); err != nil {
			return nil, fmt.Errorf("--sweep %s: %w", sweep, err)
		}
		s.Name = v
		all = append(all, s)
	}
	return all, nil
}

func detectFindings(o *lab.Detect, detector, sweep string, points []lab.DetectPoint) *findings {
	name, _, _ := strings.Cut(sweep, "=")
	f := &findings{title: fmt.Sprintf("%s: %s, %g %% loss, %s of %s for each value", detector,
		quantity(o.Nodes, "member"), 100*o.Loss, quantity(o.Runs, "run"), ago(o.Duration)),
		table: [][]string{{strings.ToUpper(name), "CRASHES", "KNOWN BY ALL", "FIRST SUSPICION",
			"HALF KNOW", "ALL KNOW", "±", "FALSE FAILURES/H", "BYTES/S", ""}},
		json: struct {
			Detector string            `json:"detector"`
			Sweep    string            `json:"sweep"`
			Options  *lab.Detect       `json:"options"`
			Runs     int               `json:"runs"`
			Points   []lab.DetectPoint `json:"points"`
		}{detector, name, o, o.Runs, points}}
	for _, p := range points {
		f.table = append(f.table, []string{p.Setting, thousands(p.Crashes),
			thousands(p.Detected), short(p.First), short(p.Half), short(p.All), short(p.AllSE),
			fmt.Sprintf("%.4g", p.FalseFailures), whole(p.BytesRate), ""})
	}
	return f
}

// detectChart draws the trade.
func detectChart(o *lab.Detect, detector string, points []lab.DetectPoint) *labChart {
	all := plot.Series{Name: "known by all", Marked: true}
	half := plot.Series{Name: "known by half", Colour: 2, Marked: true}
	for _, p := range points {
		wrong := math.Round(p.FalseFailures*100) / 100
		if p.Detected > 0 {
			all.Points = append(all.Points, [2]float64{p.All, wrong})
		}
		if p.Half > 0 {
			half.Points = append(half.Points, [2]float64{p.Half, wrong})
		}
	}
	return &labChart{title: fmt.Sprintf("%s, %s, %g %% loss", detector,
		quantity(o.Nodes, "member"), 100*o.Loss),
		panels: []plot.Chart{{Title: "What waiting buys: each point is a setting",
			X: plot.Axis{Label: "mean time from a crash until it is known, in seconds"},
			Y: plot.Axis{Label: "false failures an hour"}, Series: []plot.Series{all, half}}}}
}
