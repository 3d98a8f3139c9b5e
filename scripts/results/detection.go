package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// This file is the experiments about failure detectors: what Inquest is to reach, and the others in
// the same worlds.

// candidate is a detector as the tables name it.
type candidate struct{ name, args string }

// candidates are the detectors that are compared everywhere, Inquest last. The second is SWIM with
// the numbers of memberlist's LAN defaults.
var candidates = []candidate{
	{"swim", "--detector swim"},
	{"swim, memberlist's numbers", "--detector swim-lifeguard --set swim.period=1s --set " +
		"swim.alpha=4 --set swim.confirm=2"},
	{"inquest", inquest},
}

// everyone is the candidates and those that go by heartbeats, which are compared where that costs
// little.
var everyone = slices.Insert(slices.Clone(candidates), len(candidates)-1,
	candidate{"heartbeat", "--detector heartbeat"}, candidate{"accrual", "--detector accrual"})

const inquest = "--detector inquest"

// pair is a median and a 99th percentile.
func pair(o *outcome, measure string) string {
	s, ok := o.Summary[measure]
	if !ok {
		return "never"
	}
	return fmt.Sprintf("%.2f / %.2f s", s.P50, s.P99)
}

// sum adds a measure up over all runs.
func sum(o *outcome, measure string) float64 {
	s := o.Summary[measure]
	return math.Round(s.Mean * s.N)
}

// aim says whether a detector that is held to an aim reaches it.
func aim(args string, ok bool) string {
	if !strings.Contains(args, inquest) {
		return ""
	}
	return verdict(ok)
}

// crashes is how long it takes until a crash is known to all.
func crashes(l *lab) {
	l.head("What happens", "Detector", "First suspicion", "Known by all", "Crashes",
		"Aim for Inquest", "Reached", "Command")
	const five = ",every=8.1s,times=5"
	type scene struct {
		what, args     string
		seeds          int
		median, p99    float64
		small, largest bool // run by everyone; not when time is short
		quiet          bool
	}
	for _, x := range []scene{
		{"a host crashes, n = 100", "--nodes 100 --at 5.3s=crash:1" + five, 20, 2, 2.6, true,
			false, false},
		{"n = 1,000", "--nodes 1000 --at 5.3s=crash:1" + five, 20, 2, 2.6, false, false, false},
		{"n = 5,000, 2 seeds", "--nodes 5000 --at 5.3s=crash:1,every=3.1s,times=10", 2, 2, 2.6,
			false, true, false},
		{"a process crashes, its host lives, n = 1,000", "--nodes 1000 --at 5.3s=kill:1" +
			five, 20, 0.7, 1.2, false, false, false},
		{"a host crashes, 50 % loss, n = 1,000", "--nodes 1000 --loss 50% --at 20.3s=crash:1" +
			five, 20, 2.2, 3.2, false, false, true},
		{"a host crashes, three datacenters 40 to 80 ms apart, n = 1,000",
			"--nodes 1000 --zones 3 --between 20ms-40ms --at 5.3s=crash:1" +
				five, 20, 2.2, 2.8, false, false, false},
	} {
		if l.quick && x.largest {
			continue
		}
		who := candidates
		if x.small {
			who = everyone
		}
		for _, c := range who {
			seeds := l.seeds(x.seeds)
			duration := 75
			if c.args == inquest {
				duration = 45
			}
			if x.quiet { // what a node knows of the loss it has to learn first
				duration += 15
			}
			scene := x.args
			// half of all probes fail: everybody is suspected all the time, which takes long
			if x.quiet && c.args != inquest {
				scene = strings.Replace(scene, "1000", "128", 1)
			}
			args := fmt.Sprintf("%s --warm --unchecked --duration %ds %s --seeds %d", c.args,
				duration, scene, seeds)
			o := l.sim(args)
			s := o.Summary["crash_known100_seconds"]
			l.row(x.what, c.name, pair(o, "first_suspicion_seconds"),
				pair(o, "crash_known100_seconds"), s.N,
				fmt.Sprintf("≤ %.1f / %.1f s", x.median, x.p99), aim(c.args, s.N > 0 &&
					s.P50 <= x.median && s.P99 <= x.p99), command(args))
			x.what = ""
		}
	}
}

// mass is that many nodes die at once.
func mass(l *lab) {
	l.head("Die at once", "Detector", "Known by all", "the last",
		"Busiest second, a node in the mean", "Violations", "Aim for Inquest", "Reached", "Command")
	for _, x := range []struct {
		share string
		aim   float64
	}{{"10%", 3.5}, {"50%", 9}} {
		for _, c := range append(slices.Clone(candidates),
			candidate{"swim without local health",
				"--detector swim --set swim.nolocalhealth=true"}) {
			args := fmt.Sprintf("%s --nodes 1000 --warm --at 5.3s=crash:%s --duration 150s "+
				"--seeds %d", c.args, x.share, l.seeds(3))
			if c.args == inquest {
				args = strings.Replace(args, "150s", "75s", 1)
			}
			o := l.sim(args)
			s := o.Summary["crash_known100_seconds"]
			l.row(x.share, c.name, pair(o, "crash_known100_seconds"),
				fmt.Sprintf("%.1f s", s.Max), busiest(o), violations(o),
				fmt.Sprintf("≤ %.1f s", x.aim), aim(c.args, s.N > 0 &&
					s.Max <= x.aim), command(args))
		}
	}
}

// lossy is that packets are lost for an hour, and everybody lives.
func lossy(l *lab) {
	l.head("Loss", "Detector", "Nodes, time", "Suspicions", "Failures of the living",
		"a node and hour", "Packets a second", "Bytes a second", "Reached", "Command")
	for _, loss := range []string{"10%", "25%", "50%"} {
		for _, c := range candidates {
			nodes, minutes := 128, 10
			if c.args == inquest && !l.quick {
				nodes, minutes = 1000, 60
			}
			args := fmt.Sprintf("%s --nodes %d --warm --unchecked --loss %s --at 0s=calm "+
				"--duration %dm", c.args, nodes, loss, minutes)
			o := l.sim(args)
			failures := sum(o, "live_failures")
			hours := float64(nodes) * float64(minutes) / 60
			l.row(loss, c.name, fmt.Sprintf("%d, %d min", nodes, minutes),
				sum(o, "false_suspicions"), failures,
				fmt.Sprintf("%.2f", failures/float64(nodes-1)/hours), fmt.Sprintf("%.1f",
					o.Summary["node_packets_per_second"].Mean),
				fmt.Sprintf("%.0f", o.Summary["node_bytes_per_second"].Mean), aim(c.args,
					failures == 0), command(args))
		}
	}
}

// slow is members that are slow, as Lifeguard's authors had them, and processes that stand still.
func slow(l *lab) {
	head := []any{"Grid", "Slow members", "for"}
	for _, c := range candidates {
		head = append(head, c.name)
	}
	l.head(append(head, "Reached")...)
	seeds := l.seeds(2)
	const every = "--nodes 128 --warm --unchecked --at 5s=ACTION --duration 120s --seeds "
	for _, g := range []struct{ name, action string }{
		{"slow links", "link:n1-nC/all,for=D,every=E,latency=1ms-D"}, {"stand still",
			"pause:n1-nC,for=D,every=E"},
	} {
		for _, c := range []string{"1", "4", "16", "32"} {
			for _, x := range []struct{ d, every string }{{"2s", "3s"}, {"8s", "9s"},
				{"32s", "33s"}} {
				row := []any{g.name, c, x.d}
				healthy := 0.0
				for _, k := range candidates {
					action := strings.NewReplacer("C", c, "D", x.d, "E", x.every).Replace(g.action)
					o := l.sim(k.args + " " + strings.Replace(every, "ACTION", action, 1) +
						fmt.Sprint(seeds))
					healthy = sum(o, "false_failures")
					row = append(row, fmt.Sprintf("%.0f; %.0f", healthy,
						sum(o, "live_failures")-healthy))
				}
				l.row(append(row, verdict(healthy == 0))...) // inquest's, the last
			}
		}
	}
	l.say("\nSums over %d seeds, observers and members. Commands, with DETECTOR, C, D and E = D "+
		"+ 1s in place:\n%s", seeds,
		command("DETECTOR "+strings.Replace(every, "ACTION",
			"link:n1-nC/all,for=D,every=E,latency=1ms-D", 1)+fmt.Sprint(seeds)))
}
