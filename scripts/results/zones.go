package main

import (
	"fmt"
	"strings"
)

// This file is the experiments with several zones: messages, news, detection and repair across
// them.

// three is the map of the aims: zones whose members are 20, 30 and 40 ms apart one way, with a LAN
// in each.
const three = "--zones 3 --map three --warm --unchecked " + lan

// world is twenty cities, 3 to 300 ms apart there and back.
const world = "--zones 20 --map world --warm --unchecked " + lan

// zones is all of them.
func zones(l *lab) {
	zonesMessages(l)
	zonesIdle(l)
	zonesKeys(l)
	zonesCrash(l)
}

// zonesKeys is what keys cost between zones.
func zonesKeys(l *lab) {
	l.head("Each of 3 × 100 nodes writes a key of 200 B a second", "At all, p50 / p99",
		"Bytes a second that a zone sends to others", "Equal in the end", "Command")
	const args = "--nodes 300 " + three + " --at 5s=set:all,keys=16,bytes=200,every=1s,times=20 " +
		"--duration 35s"
	for _, x := range []struct{ what, more string }{
		{"", ""}, {"5 % lost between zones", " --loss-between 5%"}, {"without zones", " --unzoned"},
	} {
		o := l.sim(args + x.more)
		l.row(x.what, latency(o, "write_reached100_seconds")+" ms",
			fmt.Sprintf("%.0f", o.Summary["zone_bytes_per_second"].Mean),
			verdict(o.Runs[0].Keys.Equal), command(args+x.more))
	}
	l.say("")
}

// zonesMessages is how fast a message reaches all zones, and how often it crosses between them.
func zonesMessages(l *lab) {
	l.head("Messages to all", "Messages", "t50", "t99", "t100", "Copies a node",
		"Copies across", "at most", "All got it", "Aim", "Reached", "Command")
	const each = "--at 2s=publish:1,bytes=128,every=500ms,times=20 --duration 16s"
	const crashed = "--at 2s=publish:1,bytes=128,every=100ms,times=20 --at 5s=crash:busiest5% " +
		"--at 5.001s=publish:1,bytes=128,every=500ms,times=20 --duration 20s"
	for _, x := range []struct {
		what, args     string
		across         float64 // copies across zones at most
		t50, t99, t100 float64 // milliseconds; the medians
		perNode        float64 // copies
		seeds          int
	}{
		{"3 × 333 nodes", three + " --nodes 999 " + each, 8, 0, 0, 90, 0, 4},
		{"the same without zones", three + " --nodes 999 --unzoned " + each, 0, 0, 0, 0, 0, 1},
		{"3 × 333, 25 % lost between zones", three + " --nodes 999 --loss-between 25% " + each,
			20, 0, 0, 0, 0, 4},
		{"3 × 333, the busiest 5 % of the links' holders crash", three + " --nodes 999 " +
			crashed, 20, 0, 0, 0, 0, 4},
		{"both", three + " --nodes 999 --loss-between 25% " + crashed, 20, 0, 0, 0, 0, 4},
		{"20 × 100 nodes, the world", world + " --nodes 2000 " + each, 0, 80, 150, 160, 2.5, 2},
		{"the same without zones", world + " --nodes 2000 --unzoned " + each, 0, 0, 0, 0, 0, 1},
		{"20 × 100, 10 % lost everywhere", world + " --nodes 2000 --loss 10% " + each, 0, 0, 0,
			200, 0, 2},
	} {
		args := fmt.Sprintf("%s --seeds %d", x.args, l.seeds(x.seeds))
		o := l.sim(args)
		share, count := got(o)
		across, copies := o.Summary["message_copies_across_zones"],
			o.Summary["message_copies_per_node"].Mean
		ok, aims := share == 1, []string{"100 %"}
		limit := func(format string, value, aim float64) {
			if aim > 0 {
				ok, aims = ok && value <= aim, append(aims, fmt.Sprintf(format, aim))
			}
		}
		ms := func(measure string) float64 { return 1e3 * o.Summary[measure].P50 }
		limit("t50 ≤ %g ms", ms("message_reached50_seconds"), x.t50)
		limit("t99 ≤ %g ms", ms("message_reached99_seconds"), x.t99)
		limit("t100 ≤ %g ms", ms("message_reached100_seconds"), x.t100)
		limit("≤ %g copies a node", copies, x.perNode)
		limit("≤ %g across", across.Max, x.across)
		aim, reached := strings.Join(aims, ", "), verdict(ok)
		if strings.Contains(x.args, "unzoned") {
			aim, reached = "-", "-"
		}
		l.row(x.what, count, latency(o, "message_reached50_seconds"),
			latency(o, "message_reached99_seconds"),
			latency(o, "message_reached100_seconds"), fmt.Sprintf("%.2f",
				copies), fmt.Sprintf("%.1f", across.Mean),
			fmt.Sprintf("%.0f", across.Max), percent(share), aim, reached, command(args))
	}
	l.say("\nTimes in milliseconds, medians and 99th percentiles over messages. The aim for " +
		"t100 of three zones is twice the longest " +
		"latency, 40 ms, and 10 ms to spread inside.\n")
}

// zonesIdle is what zones send to others when nothing happens.
func zonesIdle(l *lab) {
	l.head("Idle, 3 zones of", "Bytes a second that a zone sends to others", "of these probes",
		"without zones", "Aim", "Reached", "Command")
	first := 0.0
	for _, size := range []int{33, 100, 333, 1000} {
		if l.quick && size > 333 {
			continue
		}
		args := fmt.Sprintf("--nodes %d %s --settle 3m --at 0s=calm --duration 60s", 3*size, three)
		o, p := l.sim(args), l.sim(args+" --unzoned")
		rate := o.Summary["zone_bytes_per_second"].Mean
		if first == 0 {
			first = rate
		}
		l.row(size, fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f",
			o.Runs[0].Across.Planes["probes"]),
			fmt.Sprintf("%.0f", p.Summary["zone_bytes_per_second"].Mean), "does not grow",
			verdict(rate <= 1.25*first), command(args))
	}
	l.say("")
}

// zonesCrash is how fast crashes are known everywhere, and what the news of them costs between
// zones.
func zonesCrash(l *lab) {
	l.head("What happens in 3 × 100 nodes", "Known by all", "Wrongly failed",
		"Bytes a second that a zone sends to others", "Violations", "Aim", "Reached", "Command")
	for _, x := range []struct {
		what, args string
		most       float64
	}{
		{"a node crashes each second", "--at 2s=crash:1,every=1s,times=20 --duration 30s", 2.5},
		{"the same without zones", "--at 2s=crash:1,every=1s,times=20 --duration 30s --unzoned", 0},
		{"the same, 25 % lost between zones", "--at 2s=crash:1,every=1s,times=20 --duration 30s " +
			"--loss-between 25%", 3},
		{"a zone crashes, no zone grace", "--at 2s=crash:z1 --duration 40s --set " +
			"inquest.zonegrace=-1s", 0},
	} {
		args := fmt.Sprintf("--nodes 300 %s %s --seeds %d",
			strings.Replace(three, "--unchecked ", "", 1), x.args, l.seeds(8))
		o := l.sim(args)
		known := o.Summary["crash_known100_seconds"]
		aim, reached := "-", "-"
		if x.most > 0 {
			aim, reached = fmt.Sprintf("≤ %g s", x.most), verdict(known.P99 <= x.most &&
				o.Summary["live_failures"].Max == 0)
		}
		l.row(x.what, pair(o, "crash_known100_seconds"), sum(o, "live_failures"),
			fmt.Sprintf("%.0f", o.Summary["zone_bytes_per_second"].Mean), violations(o), aim,
			reached, command(args))
	}
}
