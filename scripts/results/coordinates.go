package main

import "fmt"

// This file is the experiments about the ways between zones: how well they are estimated, and how
// budgets for them hold.

// coordinates is how well coordinates estimate round trips.
func coordinates(l *lab) {
	l.head("Where", "Detector", "After", "Relative error, median", "mean",
		"Bytes a second a node", "Aim", "Reached", "Command")
	const internet = "--zones 20 --map internet --nodes 1000"
	for _, x := range []struct {
		what, args, detector, after string
		aim                         float64
	}{
		{"20 cities × 50, detours, access links", internet, "inquest", "1m", 0},
		{"", internet, "inquest", "3m", 0.11},
		{"", internet, "inquest", "15m", 0.11},
		{"10 % lost", internet + " --loss 10%", "inquest", "3m", 0.11},
		{"without zones", internet + " --unzoned", "inquest", "3m", 0},
		{"", internet + " --unzoned", "inquest", "15m", 0},
		{"other detectors", internet, "swim", "3m", 0},
		{"", internet, "accrual", "3m", 0},
		{"", internet, "heartbeat", "15m", 0},
		{"20 cities × 50, neither", "--zones 20 --map world --nodes 1000", "inquest", "3m", 0},
		{"3 zones × 333", "--zones 3 --map three --nodes 999", "inquest", "3m", 0},
		{"one LAN", "--nodes 1000", "inquest", "3m", 0},
	} {
		args := fmt.Sprintf("%s --warm --unchecked --detector %s --at 0s=calm --duration %s",
			x.args, x.detector, x.after)
		o := l.sim(args)
		s := o.Summary["round_trip_error"]
		aim, reached := "-", "-"
		if x.aim > 0 {
			aim, reached = fmt.Sprintf("≤ %.0f %% in the median",
				100*x.aim), verdict(s.P50 <= x.aim)
		}
		l.row(x.what, x.detector, x.after, fmt.Sprintf("%.1f %%", 100*s.P50),
			fmt.Sprintf("%.0f %%", 100*s.Mean),
			fmt.Sprintf("%.0f", o.Summary["node_bytes_per_second"].Mean), aim, reached,
			command(args))
	}
	l.say("\nOf 4,000 random pairs at the end, against the median round trip without queues. " +
		"The mean is that of few pairs that are very near each " +
		"other: between cities next door a few milliseconds count for much. Bytes are those of " +
		"the whole time.")
}

// budgets is what crosses between zones when there is a budget for it.
func budgets(l *lab) {
	l.head("3 × 100 nodes, 200 kB/s from zone to zone", "Messages", "At all, p50 / p99",
		"Copies across", "at most", "kB a second, busiest pair", "in its busiest second",
		"All got it", "Aim", "Reached", "Command")
	const (
		all   = "--at 5s=publish:3,bytes=1000,every=10ms,times=2000 --duration 60s"
		many  = "--at 5s=publish:all,bytes=1000,every=250ms,times=60 --duration 120s"
		one   = "--at 5s=publish:n0,bytes=1000,every=2ms,times=10000 --duration 90s"
		keys  = "--at 5s=set:all,keys=16,bytes=2000,every=1s,times=20 --duration 60s"
		bound = 200e3
	)
	for _, x := range []struct{ what, args, budget string }{
		{"half of it: all publish, 100 messages of 1 kB a second a zone", all, "200000"},
		{"the same, 10 % lost between zones", all + " --loss-between 10%", "200000"},
		{"the same, no budget", all + " --loss-between 10%", "0"},
		{"twice as much: all publish", many, "200000"},
		{"the same, no budget", many, "0"},
		{"twice as much: one publishes", one, "200000"},
		{"all write a key of 2 kB a second", keys, "200000"},
		{"the same, no budget", keys, "0"},
	} {
		args := fmt.Sprintf("--nodes 300 %s --set zonebudget=%s %s", three, x.budget, x.args)
		o := l.sim(args)
		share, count := got(o)
		measure := "message_reached100_seconds"
		if count == 0 {
			measure, count = "write_reached100_seconds",
				int(o.Summary["write_reached100_seconds"].N)
		}
		mean, peak := 0.0, 0.0
		for _, p := range o.Runs[0].Across.Pairs {
			mean, peak = max(mean, p.Bytes), max(peak, p.Peak)
		}
		aim, reached := "-", "-"
		if x.budget != "0" {
			aim, reached = "100 %, ≤ 230 kB in each second", verdict(share == 1 &&
				peak <= 1.15*bound)
		}
		across := o.Summary["message_copies_across_zones"]
		t := o.Summary[measure]
		l.row(x.what, count, fmt.Sprintf("%.2f / %.2f s", t.P50, t.P99),
			fmt.Sprintf("%.1f", across.Mean), fmt.Sprintf("%.0f", across.Max),
			fmt.Sprintf("%.0f", mean/1e3), fmt.Sprintf("%.0f",
				peak/1e3), percent(share), aim, reached, command(args))
	}
	l.say("\nBytes have the headers of IP and UDP in them; the mean is over the whole scenario. " +
		"Where more is published than the budget carries, publishers wait, " +
		"and the times have that in them.")
}
