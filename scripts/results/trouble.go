package main

import (
	"fmt"
	"slices"
	"strings"
)

// This file is the experiments about failure detectors in trouble that is not a crash, at rest, and
// without their parts.

// stalls is processes that stand still and go on.
func stalls(l *lab) {
	head := []any{"Detector"}
	times := []int{1, 2, 5, 8, 12}
	for _, d := range times {
		head = append(head, fmt.Sprintf("%d s", d))
	}
	l.head(append(head, "Reached")...)
	seeds := l.seeds(20)
	args := func(detector, d string) string {
		return fmt.Sprintf("%s --nodes 128 --warm --unchecked --at "+
			"5s=pause:4,for=%s,every=40s,times=5 --duration 220s --seeds %d", detector, d, seeds)
	}
	for _, c := range candidates {
		row, ok := []any{c.name}, true
		for _, d := range times {
			o := l.sim(args(c.args, fmt.Sprintf("%ds", d)))
			failures := sum(o, "live_failures")
			ok = ok && (failures == 0 || d > 8)
			row = append(row, failures)
		}
		l.row(append(row, aim(c.args, ok))...)
	}
	l.say("\nFailures of members that were up, summed over %d seeds, 20 stalls in each, and "+
		"observers. Command, with DETECTOR and D in place:\n%s",
		seeds, command(args("DETECTOR", "D")))
}

// oneSided is nodes that hear badly, or hear and are not heard.
func oneSided(l *lab) {
	l.head("Trouble", "Detector", "Well, failed at nodes that are well",
		"Failures of the living in all", "Busiest second, a node in the mean", "Reached", "Command")
	for _, x := range []struct{ what, args string }{
		{"1 % lose 80 % of what they are sent, for 2 min",
			"--at 5s=link:all/1%,oneway,loss=80%,for=120s --duration 140s"},
		{"1 % hear nobody for 20 s, are not heard for 20 s, and so on for 2 min",
			"--at 5s=cut:all/n0-n9,oneway,for=20s,every=40s,times=3 " +
				"--at 25s=cut:n0-n9/all,oneway,for=20s,every=40s,times=3 --duration 140s"},
	} {
		for _, c := range candidates {
			args := fmt.Sprintf("%s --nodes 1000 --warm --unchecked %s --seeds %d", c.args,
				x.args, l.seeds(4))
			o := l.sim(args)
			well := sum(o, "false_failures_at_well")
			l.row(x.what, c.name, well, sum(o, "live_failures"), busiest(o),
				aim(c.args, well == 0), command(args))
		}
	}
}

// partition is that 30 % are cut off for a minute.
func partition(l *lab) {
	l.head("Detector", "Seeds", "Whole again after the heal, mean", "slowest",
		"Failed by its own side", "Busiest second, a node in the mean",
		"Violations", "≤ 5 s", "Command")
	for _, c := range []string{"swim", "inquest"} {
		args := fmt.Sprintf("partition-heal --nodes 1000 --warm --detector %s --seeds %d", c,
			l.seeds(2))
		o := l.sim(args)
		s, own := o.Summary["agreement_seconds"], sum(o, "live_failures_same_side")
		l.row(c, len(o.Runs), fmt.Sprintf("%.2f s", s.Mean), fmt.Sprintf("%.2f s", s.Max), own,
			busiest(o), violations(o),
			verdict(s.Max <= 5 && int(s.N) == len(o.Runs) && own == 0), command(args))
	}
}

// churn is that somebody joins and somebody crashes each second.
func churn(l *lab) {
	l.head("Detector", "Seeds", "Views equal after the last change",
		"Known by all, each crash", "Failures of the "+
			"living", "Bytes a second", "Reached", "Command")
	for _, c := range candidates {
		args := fmt.Sprintf("%s --nodes 1000 --warm --unchecked --at "+
			"1s=start:1,every=1s,times=600 --at 1.5s=crash:1,every=1s,times=600 --duration 660s "+
			"--seeds %d",
			c.args, l.seeds(1))
		o := l.sim(args)
		worst := 0.0
		for _, r := range o.Runs {
			last := r.Settled[len(r.Settled)-1]
			if last.After < 0 {
				last.After = 60
			}
			worst = max(worst, last.After)
		}
		l.row(c.name, len(o.Runs), fmt.Sprintf("%.2f s at worst", worst),
			pair(o, "crash_known100_seconds"), sum(o, "live_failures"),
			fmt.Sprintf("%.0f", o.Summary["node_bytes_per_second"].Mean), aim(c.args,
				worst <= 3), command(args))
	}
}

// sealing is what sealing adds to a datagram, in bytes; transport.SealOverhead.
const sealing = 35

// idle is what nodes send when nothing happens.
func idle(l *lab) {
	l.head("Detector", "Nodes", "Packets a second", "Bytes a second", "and sealed", "Reached",
		"Command")
	for _, c := range everyone {
		for _, x := range []struct {
			nodes int
			time  string
		}{{50, "120s"}, {500, "120s"}, {5000, "60s"}} {
			if x.nodes > 500 && (l.quick || !slices.Contains(candidates, c)) {
				continue
			}
			args := fmt.Sprintf("%s --nodes %d --warm --unchecked --settle 150s --at 0s=calm "+
				"--duration %s", c.args, x.nodes, x.time)
			o := l.sim(args)
			packets, bytes := o.Summary["node_packets_per_second"].Mean,
				o.Summary["node_bytes_per_second"].Mean
			sealed := bytes + sealing*packets
			l.row(c.name, x.nodes, fmt.Sprintf("%.2f", packets), fmt.Sprintf("%.0f", bytes),
				fmt.Sprintf("%.0f", sealed),
				aim(c.args, packets <= 3.5 && sealed <= 360), command(args))
		}
	}
}

// ablation is what each part of Inquest buys, in the trouble that it is for.
func ablation(l *lab) {
	l.head("Part", "What is counted", "With it", "Without", "Command")
	crash := func(o *outcome) string {
		s := o.Summary["crash_known100_seconds"]
		return fmt.Sprintf("%.2f / %.2f / %.2f s", s.P50, s.P99, s.Max)
	}
	living := func(o *outcome) string { return fmt.Sprintf("%.0f", sum(o, "live_failures")) }
	load := func(o *outcome) string {
		return fmt.Sprintf("%.1f packets, %.0f alarms",
			o.Summary["node_packets_per_second"].Mean, sum(o, "false_suspicions"))
	}
	loss := "--nodes 128 --loss 50% --at 0s=calm --duration 10m"
	for _, x := range []struct {
		part, off, counted string
		count              func(*outcome) string
		args               string
		seeds              int
	}{
		{"lease", "nolease", "a host crash, known by all, median / p99 / max", crash,
			"--nodes 500 --at 5.3s=crash:1,every=8.1s,times=20 --duration 180s", 10},
		{"jury", "nojury", "50 % loss, failures of the living", living, loss, 2},
		{"kernel evidence", "nokernel", "four processes stand still for 5 s, failures of the " +
			"living", living,
			"--nodes 128 --at 5s=pause:4,for=5s,every=40s,times=5 --duration 220s", 4},
		{"kernel evidence", "nokernel", "a process crash, known by all, median / p99 / max",
			crash, "--nodes 500 --at 5.3s=kill:1,every=8.1s,times=20 --duration 180s", 4},
		{"storm brake", "nostormbrake", "3 s cut between 30 and 70 %, failures of the living",
			living,
			"--nodes 100 --at 5s=cut:30%/rest,for=3s --duration 30s", 20},
		{"stall shift", "nostallshift", "16 of 128 stand still for 8 s, again and again, " +
			"failures of the living", living,
			"--nodes 128 --at 5s=pause:n1-n16,for=8s,every=9s --duration 120s", 4},
		{"stall shift, and no jury", "nojury=true --set inquest.nostallshift", "the same", living,
			"--nodes 128 --at 5s=pause:n1-n16,for=8s,every=9s --duration 120s", 4},
		{"loss-adaptive attempts", "noadaptiveattempts",
			"50 % loss, packets a node and second, alarms", load, loss, 2},
	} {
		args := fmt.Sprintf("%s --warm --unchecked %s --seeds %d", inquest, x.args,
			l.seeds(x.seeds))
		off := " --set inquest." + x.off + "=true"
		with, without := l.sim(args), l.sim(args+off)
		l.row(x.part, x.counted, x.count(with), x.count(without),
			command(strings.TrimSpace(args+off)))
	}
}
