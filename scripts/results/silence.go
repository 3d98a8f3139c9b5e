package main

import (
	"fmt"
	"strings"
)

// This file is the experiments with a whole zone that falls silent.

// silence is all of them.
func silence(l *lab) {
	const cut = "--at 5s=cut:z1/rest,for=60s "
	silenceTold(l, cut)
	silenceCrash(l, cut)
	silenceGrace(l)
}

// checked is three zones of 100, with the checkers on.
func checked(args string, seeds int) string {
	return fmt.Sprintf("--nodes 300 %s %s --seeds %d",
		strings.Replace(three, "--unchecked ", "", 1), args, seeds)
}

// silenceTold is how many nodes are told of a cut, and when.
func silenceTold(l *lab, cut string) {
	l.head("3 × 100 nodes, zone z1 is cut off for 60 s", "Told, a node in the mean", "at most",
		"Told after, at all", "Heard after the heal, at all",
		"Failed", "All have the messages after the heal", "Violations", "Aim", "Reached", "Command")
	for _, x := range []struct{ what, args string }{
		{"and nothing else", ""},
		{"10 % are lost between zones, before and after too", "--loss-between 10% "},
		{"messages are published meanwhile", "--at 30s=publish:3,bytes=128 --at " +
			"60s=publish:3,bytes=128 "},
	} {
		args := checked(cut+x.args+"--duration 90s", l.seeds(8))
		o := l.sim(args)
		told, when, heard := o.Summary["zones_told_silent"], o.Summary["zone_told_seconds"],
			o.Summary["zone_heard_seconds"]
		ok := everyOnce(told.Mean) && told.Max == 2 && o.Summary["live_failures"].Max == 0 &&
			heard.Max <= 70
		arrived := "-"
		if m := o.Summary["message_reached100_seconds"]; m.N > 0 {
			arrived = fmt.Sprintf("%.2f s", m.Max-35) // of the first ones
			ok = ok && m.Max <= 40
		}
		l.row(x.what, fmt.Sprintf("%.3f", told.Mean), fmt.Sprintf("%.0f", told.Max),
			fmt.Sprintf("%.1f / %.1f s", when.P50-5, when.Max-5),
			fmt.Sprintf("%.2f / %.2f s", heard.P50-65, heard.Max-65), sum(o,
				"live_failures"), arrived, violations(o),
			"told once of each silent zone, none failed, ≤ 5 s after the "+
				"heal", verdict(ok), command(args))
	}
	l.say("\nMedians and the most, over nodes and runs. A node of the two other zones is told " +
		"of one zone, a node of the zone that is cut off of two: " +
		"4/3 in the mean.\n")
}

// everyOnce says whether the nodes were told of as many silences as there are: one in two zones,
// two in the third.
func everyOnce(mean float64) bool { return mean > 1.3333 && mean < 1.3334 }

// silenceCrash is how fast single crashes are known while a zone is silent, by most of the nodes
// that can know.
func silenceCrash(l *lab, cut string) {
	l.head("Five nodes crash, one each 2 s", "Known by half of all",
		"All views equal after the heal, "+
			"most", "Wrongly failed", "Violations", "Aim", "Reached", "Command")
	const crashes = "--at 25s=crash:n3 --at 27s=crash:n6 --at 29s=crash:n9 --at 31s=crash:n12 " +
		"--at 33s=crash:n15 "
	for _, x := range []struct {
		what, args string
		most       float64
	}{
		{"zone z0, z1 is cut off", cut + crashes, 2.5},
		{"zone z0, nothing is cut", crashes, 0},
	} {
		args := checked(x.args+"--duration 90s", l.seeds(32))
		o := l.sim(args)
		known := o.Summary["crash_known50_seconds"]
		after, aim, reached := "-", "-", "-"
		if x.most > 0 {
			most := 0.0
			for _, r := range o.Runs {
				for i, at := range []float64{5, 25, 27, 29, 31, 33} {
					if i < len(r.Settled) {
						most = max(most, at+r.Settled[i].After-65)
					}
				}
			}
			after = fmt.Sprintf("%.2f s", most)
			aim, reached = fmt.Sprintf("≤ %g s; ≤ 5 s", x.most), verdict(known.Max <= x.most &&
				most <= 5 && o.Summary["live_failures"].Max == 0)
		}
		l.row(x.what, pair(o, "crash_known50_seconds"), after, sum(o, "live_failures"),
			violations(o), aim, reached, command(args))
	}
	l.say("\nMedian / 99th percentile. Who is cut off hears of the crashes after the heal.\n")
}

// silenceGrace is a zone that is dead.
func silenceGrace(l *lab) {
	l.head("All of z1 crashes", "Told, a node", "Told after, at all",
		"Failed at half of all after", "at all", "Violations", "Aim", "Reached", "Command")
	for _, x := range []struct {
		what, args string
		grace      float64
	}{
		{"zone grace 2 min", "--at 5s=crash:z1 --duration 180s", 120},
		{"zone grace 10 s", "--at 5s=crash:z1 --duration 60s --set inquest.zonegrace=10s", 10},
		{"no zone grace", "--at 5s=crash:z1 --duration 60s --set inquest.zonegrace=-1s", 0},
	} {
		args := checked(x.args, l.seeds(8))
		o := l.sim(args)
		told, when, half := o.Summary["zones_told_silent"], o.Summary["zone_told_seconds"],
			o.Summary["crash_known50_seconds"]
		aim, reached, often, after := "-", "-", "-", "-"
		if x.grace > 0 {
			aim = fmt.Sprintf("told once, failed after %g s", x.grace)
			reached = verdict(told.Mean > 0.9999 && told.Max == 1 && half.P50 >= x.grace &&
				o.Summary["crash_known100_seconds"].N == half.N)
			often, after = fmt.Sprintf("%.3f", told.Mean), fmt.Sprintf("%.1f / %.1f s",
				when.P50-5, when.Max-5)
		}
		l.row(x.what, often, after, fmt.Sprintf("%.1f s", half.P50),
			pair(o, "crash_known100_seconds"), violations(o), aim, reached, command(args))
	}
	l.say("\nThe 100 crashes of a run are counted one by one: when half of all knew of one, the " +
		"median, and when all did, median / 99th percentile.")
}
