package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
)

// This file is the experiments. Each prints its commands beside its figures.

var experiments = []struct {
	name string
	run  func(*lab)
}{
	{"speed", speed}, {"trace", trace}, {"detection", detection}, {"scale", scale},
	{"lifeguard", lifeguard}, {"detectors", sideBySide},
	{"crashes", crashes}, {"mass", mass}, {"lossy", lossy}, {"slow", slow}, {"stalls",
		stalls}, {"one-sided", oneSided},
	{"partition", partition}, {"churn", churn}, {"idle", idle}, {"ablation", ablation},
	{"rounds", rounds}, {"rumor", rumors}, {"topology", subnets},
	{"heartbeat", heartbeats}, {"accrual", accrual},
	{"multicast", rivals}, {"pareto", pareto},
	{"messages", spreads}, {"reliability", reliability},
	{"zones", zones}, {"silence", silence}, {"coordinates", coordinates}, {"budgets", budgets},
	{"state", state},
}

// speed is how fast idle clusters are simulated.
func speed(l *lab) {
	l.head("Idle nodes", "Aim", "Simulated seconds a second", "Memory", "Reached", "Command")
	for _, x := range []struct {
		nodes, seconds int
		speed, memory  float64 // the aims; memory in GB
	}{{1000, 300, 30, 8}, {10_000, 60, 2, 8}} {
		if l.quick && x.nodes > 1000 {
			continue
		}
		args := fmt.Sprintf("--nodes %d --warm --unchecked --at 0s=calm --duration %ds",
			x.nodes, x.seconds)
		o := l.sim(args)
		gb := o.Cost.Memory / 1e9
		l.row(x.nodes, fmt.Sprintf("≥ %.0f, ≤ %.0f GB", x.speed, x.memory),
			fmt.Sprintf("%.0f", o.Cost.Speed),
			fmt.Sprintf("%.2f GB", gb), verdict(o.Cost.Speed >= x.speed &&
				gb <= x.memory), command(args+" --cost"))
	}
	l.say("\nOn %d processors, with one goroutine for the simulation. The speed is that after "+
		"the join (`--cost` shows it).", runtime.NumCPU())
}

// trace is that equal options make an equal run.
func trace(l *lab) {
	l.head("Run", "Trace", "Command")
	first := ""
	same := true
	for _, x := range []struct{ name, more string }{{"one worker", ""}, {"again", ""},
		{"two workers", " --workers 2"}} {
		args := "churn --nodes 300 --zones 3 --between 20ms~0.1 --loss 5% --seed 7" + x.more
		o := l.sim(args)
		if first == "" {
			first = o.Runs[0].Trace
		}
		same = same && o.Runs[0].Trace == first
		l.row(x.name, "`"+o.Runs[0].Trace+"`", command(args))
	}
	l.say("\nEqual: %s.", verdict(same))
}

// detection is SWIM's e/(e-1).
func detection(l *lab) {
	l.head("Nodes, targets", "Theory", "Periods to the first probe, mean", "95 % interval",
		"Crashes", "Time to the verdict, mean", "Within 0.03", "Command")
	for _, x := range []struct {
		name   string
		theory float64
		args   string
	}{
		{"1,000, random", 1.582, fmt.Sprintf("--nodes 1000 --warm --unchecked --detector "+
			"swim-plain --set swim.period=1s --set swim.randomtargets=true "+
			"--at 1s=crash:1,for=12s,every=1.037s --duration 1100s --seeds %d", l.seeds(6))},
		{"55, shuffled", 1.564, fmt.Sprintf("--nodes 55 --warm --unchecked --detector "+
			"swim-plain --set swim.period=1s "+
			"--at 1s=crash:1,for=12s,every=17.123s --duration 7200s --seeds %d", l.seeds(24))},
	} {
		o := l.sim(x.args)
		s := o.Summary["first_probe_periods"]
		// the standard deviation of a geometric number with p = 1-1/e is 0.96
		margin := 1.96 * 0.96 / math.Sqrt(s.N)
		l.row(x.name, x.theory, fmt.Sprintf("%.3f", s.Mean), fmt.Sprintf("± %.3f", margin), s.N,
			fmt.Sprintf("%.2f s", o.Summary["first_suspicion_seconds"].Mean),
			verdict(math.Abs(s.Mean-x.theory) <= 0.03), command(x.args))
	}
}

// scale is that neither the first suspicion nor the load depends on the size.
func scale(l *lab) {
	l.head("Nodes", "First suspicion, mean", "median", "Crashes",
		"Packets a member and period", "Bytes a second", "Commands")
	var first, packets []float64
	for _, x := range []struct{ nodes, seeds int }{{50, 48}, {500, 24}, {5000, 1}} {
		if l.quick && x.nodes > 500 {
			continue
		}
		crash := fmt.Sprintf("--nodes %d --warm --unchecked --detector swim --set "+
			"swim.period=1s --at 5s=crash:0.4%%,for=20s,every=25.1s,times=10 --duration 260s "+
			"--seeds %d",
			x.nodes, l.seeds(x.seeds))
		idle := fmt.Sprintf("--nodes %d --warm --unchecked --detector swim --set swim.period=1s "+
			"--at 0s=calm --duration 120s", x.nodes)
		c, i := l.sim(crash), l.sim(idle)
		s := c.Summary["first_suspicion_seconds"]
		first, packets = append(first, s.Mean), append(packets,
			i.Summary["node_packets_per_second"].Mean)
		l.row(x.nodes, fmt.Sprintf("%.2f s", s.Mean), fmt.Sprintf("%.2f s", s.P50), s.N,
			fmt.Sprintf("%.2f", i.Summary["node_packets_per_second"].Mean), fmt.Sprintf("%.0f",
				i.Summary["node_bytes_per_second"].Mean),
			command(crash)+", "+command(idle))
	}
	l.say("\nThe largest mean is %.2f times the smallest for the first suspicion, %.2f times "+
		"for the packets.",
		slices.Max(first)/slices.Min(first), slices.Max(packets)/slices.Min(packets))
}

// lifeguard is Lifeguard's experiment.
func lifeguard(l *lab) {
	l.head("Slow members", "for", "False failures: suspicion alone", "with Lifeguard",
		"False suspicions: suspicion alone", "with Lifeguard")
	detectors := []string{"swim-suspicion", "swim-lifeguard"}
	seeds := l.seeds(4)
	args := func(detector, c, d, every string) string {
		return fmt.Sprintf("--nodes 128 --warm --unchecked --detector %s --set swim.period=1s "+
			"--set swim.alpha=5 --set swim.beta=6 --set swim.confirm=3 "+
			"--at 5s=link:n1-n%s/all,for=%s,every=%s,latency=1ms-%s --duration 120s --seeds "+
			"%d", detector, c, d, every, d, seeds)
	}
	var total [2]float64
	for _, c := range []string{"1", "4", "16", "32"} {
		for _, x := range []struct{ d, every string }{{"2s", "3s"}, {"8s", "9s"}, {"32s", "33s"}} {
			var failures, suspicions [2]float64
			for i, detector := range detectors {
				o := l.sim(args(detector, c, x.d, x.every))
				f, s := o.Summary["false_failures"], o.Summary["false_suspicions"]
				failures[i], suspicions[i] = f.Mean*f.N, s.Mean*s.N
				total[i] += failures[i]
			}
			l.row(c, x.d, failures[0], failures[1], suspicions[0], suspicions[1])
		}
	}
	l.say("\nSums over %d seeds, observers and members. Command, with C and D in place:\n%s",
		seeds, command(args("DETECTOR", "C", "D", "D+1s")))
	if total[0] == 0 {
		l.say("\nSWIM with suspicion alone made no false failures: there is nothing to compare.")
		return
	}
	l.say("\nFalse failures in all: %.0f with suspicion alone, %.0f with Lifeguard: %.1f %% "+
		"(aim: ≤ 5 %%; reached: %s).",
		total[0], total[1], 100*total[1]/total[0], verdict(total[1] <= 0.05*total[0]))
}

// busiest is what a node sent in the busiest second after the join, in the mean over nodes.
func busiest(o *outcome) string {
	most := 0.0
	for _, r := range o.Runs {
		for _, p := range r.Timeline[int(math.Ceil(r.Join))+1:] {
			most = max(most, p.Bytes/p.Up)
		}
	}
	return fmt.Sprintf("%.0f kB", most/1e3)
}

// sideBySide is the detectors in the same world.
func sideBySide(l *lab) {
	l.head("Loss", "Detector", "First suspicion, mean", "Known by all, mean", "99 %",
		"False suspicions a run", "False failures a run", "Bytes a second")
	seeds := l.seeds(16)
	args := "crash-one --nodes 128 --unchecked --loss %s --detector %s --seeds %d"
	for _, loss := range []string{"0%", "10%", "30%"} {
		for _, detector := range []string{"swim-plain", "swim-suspicion", "swim", "inquest"} {
			o := l.sim(fmt.Sprintf(args, loss, detector, seeds))
			known := "not by all"
			slow := "-"
			if s := o.Summary["crash_known100_seconds"]; s.N > 0 {
				known, slow = fmt.Sprintf("%.2f s", s.Mean), fmt.Sprintf("%.2f s", s.P99)
			}
			l.row(loss, detector, fmt.Sprintf("%.2f s",
				o.Summary["first_suspicion_seconds"].Mean), known, slow,
				fmt.Sprintf("%.1f", o.Summary["false_suspicions"].Mean), fmt.Sprintf("%.1f",
					o.Summary["false_failures"].Mean),
				fmt.Sprintf("%.0f", o.Summary["node_bytes_per_second"].Mean))
		}
	}
	l.say("\nCommand, with LOSS and DETECTOR in place: %s",
		command(fmt.Sprintf(args, "LOSS", "DETECTOR", seeds)))
}
