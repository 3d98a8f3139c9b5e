package main

import (
	"fmt"
	"strings"
)

// This file is the experiments with the detectors that go by heartbeats.

// known says after what time a crash was known to all.
func known(o *outcome) (mean, last string) {
	s := o.Summary["crash_known100_seconds"]
	if s.N == 0 {
		return "not by all", "-"
	}
	return fmt.Sprintf("%.1f s", s.Mean), fmt.Sprintf("%.1f s", s.Max)
}

// growth is detection and bytes as the cluster grows.
func growth(l *lab, detector, crash string, seeds int, durations map[int]string) {
	l.head("Nodes", "Detector", "Known by all, mean", "last", "Bytes a second",
		"False failures a run", "Command")
	for _, n := range []int{50, 200, 1000} {
		args := fmt.Sprintf("--nodes %d --warm --unchecked --detector %s --at %s=crash:1 "+
			"--duration %s --seeds %d",
			n, detector, crash, durations[n], l.seeds(seeds))
		o := l.sim(args)
		mean, last := known(o)
		l.row(n, detector, mean, last, fmt.Sprintf("%.0f", o.Summary["node_bytes_per_second"].Mean),
			fmt.Sprintf("%.1f", o.Summary["false_failures"].Mean), command(args))
	}
	l.say("")
}

// heartbeat is gossip-style detection: its cost in n, its mistakes, and what T_cleanup is for.
func heartbeats(l *lab) {
	growth(l, "heartbeat", "1s", 1, map[int]string{50: "30s", 200: "45s", 1000: "130s"})

	l.head("Loss", "T_fail", "False failures a run", "Crash known by all, mean")
	args := "--nodes 50 --warm --unchecked --detector heartbeat-local --loss %s --set " +
		"heartbeat.fail=%s --at 100s=crash:1 --duration 140s --seeds %d"
	for _, loss := range []string{"0%", "10%", "30%"} {
		for _, fail := range []string{"2s", "4s", "6s", "8s", "10s"} {
			o := l.sim(fmt.Sprintf(args, loss, fail, l.seeds(4)))
			mean, _ := known(o)
			l.row(loss, fail, fmt.Sprintf("%.1f", o.Summary["false_failures"].Mean), mean)
		}
	}
	l.say("\nCommand, with LOSS and T_FAIL in place: %s\n",
		command(fmt.Sprintf(args, "LOSS", "T_FAIL", l.seeds(4))))

	l.head("T_fail", "T_cleanup", "The dead came back, times a run")
	args = "--nodes 50 --warm --unchecked --detector heartbeat-local --set heartbeat.fail=8s " +
		"--set heartbeat.cleanup=%s --at 5s=crash:1 --duration 90s --seeds %d"
	for _, cleanup := range []string{"8s", "8500ms", "9s", "10s", "12s", "16s"} {
		o := l.sim(fmt.Sprintf(args, cleanup, l.seeds(8)))
		l.row("8s", cleanup, fmt.Sprintf("%.1f", o.Summary["dead_revived"].Mean))
	}
	l.say("\nCommand, with T_CLEANUP in place: %s",
		command(fmt.Sprintf(args, "T_CLEANUP", l.seeds(8))))
}

// accrual is phi: its cost in n, its mistakes, and the intervals after which Cassandra's 8
// convicts.
func accrual(l *lab) {
	growth(l, "accrual", "10s", 2, map[int]string{50: "30s", 200: "30s", 1000: "30s"})
	growth(l, "accrual-cassandra", "100s", 1, map[int]string{50: "160s", 200: "180s", 1000: "260s"})

	l.head("Loss", "Phi", "False failures a run", "Crash known by all, mean")
	args := "--nodes 50 --warm --unchecked --detector accrual --loss %s --set " +
		"accrual.threshold=%d --at 100s=crash:1 --duration 140s --seeds %d"
	for _, loss := range []string{"0%", "10%", "30%"} {
		for _, phi := range []int{1, 3, 8, 12} {
			o := l.sim(fmt.Sprintf(args, loss, phi, l.seeds(4)))
			mean, _ := known(o)
			l.row(loss, phi, fmt.Sprintf("%.1f", o.Summary["false_failures"].Mean), mean)
		}
	}
	l.say("\nCommand, with LOSS and PHI in place: %s\n",
		command(strings.Replace(fmt.Sprintf(args, "LOSS", 0, l.seeds(4)), "threshold=0",
			"threshold=PHI", 1)))

	// Of two nodes each hears the other once a period, so the mean interval is the period; the last
	// heartbeat was up to one period before the crash.
	l.head("Period", "18.42 intervals", "From the crash to the verdict, mean", "last",
		"Mean, half an interval added, in intervals")
	args = "--nodes 2 --warm --detector accrual-cassandra --set accrual.period=%s --set " +
		"accrual.window=50 --at 200s=crash:n1 --duration %s --seeds %d"
	for _, x := range []struct {
		period, duration string
		seconds          float64
	}{{"500ms", "220s", 0.5}, {"1s", "240s", 1}, {"2s", "280s", 2}} {
		o := l.sim(fmt.Sprintf(args, x.period, x.duration, l.seeds(32)))
		s := o.Summary["crash_known100_seconds"]
		l.row(x.period, fmt.Sprintf("%.2f s", 18.42*x.seconds), fmt.Sprintf("%.2f s", s.Mean),
			fmt.Sprintf("%.2f s", s.Max),
			fmt.Sprintf("%.2f", s.Mean/x.seconds+0.5))
	}
	l.say("\nCommand, with PERIOD and DURATION in place: %s",
		command(fmt.Sprintf(args, "PERIOD", "DURATION", l.seeds(32))))
}
