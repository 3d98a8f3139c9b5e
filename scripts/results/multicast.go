package main

import (
	"fmt"
	"strings"
)

// This file is how a message reaches a group.

// reach is what is read of one protocol's result.
type reach struct {
	Protocol          string
	Nodes             int
	Delivered, Copies float64
	T99, T100         struct{ P50 *float64 }
	Origin, Busiest   struct{ Sent, Received float64 }
	Mean              struct {
		Sent  float64
		Bytes float64 `json:"sent_bytes"`
	}
	Links float64
}

// millis is a time in milliseconds; null is never.
func millis(s *float64) string {
	if s == nil {
		return "never"
	}
	return fmt.Sprintf("%.1f ms", 1e3**s)
}

// rivals is all protocols in several networks, and as the group grows.
func rivals(l *lab) {
	l.head("", "Protocol", "Got it", "t99", "t100", "Copies a node",
		"Datagrams, bytes a node sends", "Origin, out/in", "Busiest, out/in", "Between routers")
	for _, args := range []string{"", "--loss 10%", "--loss 50%", "--crashed 10%",
		"--crashed 50%", "--crash-inner 10", "--nodes 64,4096 --loss 10%"} {
		var out struct{ Results []reach }
		l.lab(strings.TrimSpace(fmt.Sprintf("multicast --runs %d %s", l.seeds(20), args)), &out)
		for _, r := range out.Results {
			name := "`" + args + "`"
			if strings.Contains(args, "--nodes") {
				name = fmt.Sprintf("`--nodes %d --loss 10%%`", r.Nodes)
			} else if args == "" {
				name = "calm"
			}
			l.row(name, r.Protocol, fmt.Sprintf("%.4g %%", 100*r.Delivered), millis(r.T99.P50),
				millis(r.T100.P50), fmt.Sprintf("%.2f", r.Copies),
				fmt.Sprintf("%.1f, %.0f", r.Mean.Sent, r.Mean.Bytes), fmt.Sprintf("%.0f/%.0f",
					r.Origin.Sent, r.Origin.Received),
				fmt.Sprintf("%.0f/%.0f", r.Busiest.Sent,
					r.Busiest.Received), fmt.Sprintf("%.0f", r.Links))
		}
	}
	l.say("\nMedians and means over runs. Command, with what the first column says: %s",
		labCommand(fmt.Sprintf("multicast --runs %d", l.seeds(20))))
}

// pareto is the front that the default of the live cluster was chosen on, and its plot.
func pareto(l *lab) {
	l.head("", "Policy", "t99", "t100", "Copies a node", "Datagrams a node", "Bytes a node",
		"Busiest, out/in")
	args := fmt.Sprintf("pareto --runs %d", l.seeds(20))
	plot := ""
	if !l.quick {
		plot = " --plot docs/images/pareto.png"
	}
	var out struct {
		Conditions []struct {
			Loss, Crashed float64
			Results       []reach
			Front         []string `json:"front_t100"`
		}
	}
	l.lab(args+plot, &out)
	for _, c := range out.Conditions {
		name := fmt.Sprintf("%g %% loss, %g %% crashed", 100*c.Loss, 100*c.Crashed)
		for _, p := range c.Front {
			for _, r := range c.Results {
				if r.Protocol == p {
					l.row(name, strings.ReplaceAll(p, "gossip:", ""), millis(r.T99.P50),
						millis(r.T100.P50), fmt.Sprintf("%.2f", r.Copies),
						fmt.Sprintf("%.1f", r.Mean.Sent), fmt.Sprintf("%.0f", r.Mean.Bytes),
						fmt.Sprintf("%.0f/%.0f", r.Busiest.Sent, r.Busiest.Received))
				}
			}
		}
	}
	l.say("\nCommand: %s\n\n![The Pareto front](images/pareto.png)",
		labCommand(args+" --plot docs/images/pareto.png"))
}
