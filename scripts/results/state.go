package main

import "fmt"

// This file is the experiments with versioned keys.

// deltaCost is what a write of a value of 32 bytes under a key such as k17 takes in a delta;
// docs/protocol.md says how.
const deltaCost = 12 + 1 + 1 + 2 + 1 + 1 + 1 + 1 + 4 + 1 + 32

// keysOf is what is read of one run's keys.
type keysOf struct {
	Writes  int
	Reached struct{ P50, P99, Max float64 }
	Ratio   float64
	Bytes   float64
	Resets  int
	Equal   bool
}

// rate is what a node sent a second, in the mean, from one second of the scenario to another.
func rate(o *outcome, from, to int) float64 {
	sum, n := 0.0, 0
	for _, r := range o.Runs {
		for _, p := range r.Timeline {
			if p.At > float64(from) && p.At <= float64(to) {
				sum += p.Bytes / p.Up
				n++
			}
		}
	}
	return sum / float64(max(n, 1))
}

// state is how versioned keys spread, what that costs, and that no deleted key comes back.
func state(l *lab) {
	l.head("What happens", "Writes", "At all, p50 / p99 / max", "Reached all",
		"Bytes/s a node", "Deltas/s", "Maps anew", "Equal in the "+
			"end", "Violations", "Aim", "Reached", "Command")
	row := func(what string, o *outcome, from, to int, deltas float64, aim string, ok bool,
		args string) {
		k := o.Runs[0].Keys
		sum := "-"
		if deltas > 0 {
			sum = fmt.Sprintf("%.0f B", deltas*deltaCost)
		}
		l.row(what, k.Writes, fmt.Sprintf("%.0f / %.0f / %.0f ms", 1e3*k.Reached.P50,
			1e3*k.Reached.P99, 1e3*k.Reached.Max), percent(k.Ratio),
			fmt.Sprintf("%.0f", rate(o, from, to)), sum, k.Resets, verdict(k.Equal), violations(o),
			aim, verdict(ok), command(args))
	}
	nodes, keys, times := 1000, 64, 70
	if l.quick {
		nodes, keys, times = 200, 8, 10
	}
	for _, loss := range []string{"", " --loss 1%", " --loss 10%"} {
		n, every, often := nodes, keys, times
		if loss != "" {
			n, often = nodes/2, 12
		}
		args := fmt.Sprintf("--nodes %d --warm --unchecked%s --at "+
			"2s=set:all,keys=%d,bytes=32,every=1s,times=%d --duration "+
			"%ds", n, loss, every, often, often+40)
		o := l.sim(args)
		k := o.Runs[0].Keys
		aim, ok := "p99 ≤ 1 s", k.Ratio == 1 && k.Equal && k.Reached.P99 <= 1
		if loss != "" {
			aim, ok = "all, equal", k.Ratio == 1 && k.Equal
		}
		row(fmt.Sprintf("%d nodes × %d keys, each node writes once a second%s", n, every,
			loss), o, 4, often, float64(n), aim, ok, args)
	}
	args := fmt.Sprintf("--nodes %d --warm --set keys.tombstone=10s --at "+
		"1s=set:n0-n4,keys=64,every=50ms,times=64 "+
		"--at 10s=cut:%d/rest,for=60s --at 12s=unset:n0-n4,keys=48,every=100ms,times=48 --at "+
		"50s=set:n0-n4 --duration 150s", nodes/5, nodes/50)
	o := l.sim(args)
	k := o.Runs[0].Keys
	row("10 % are cut off for 60 s; keys are deleted, tombstones last 10 s", o, 1, 150, 0,
		"no deleted key comes back", k.Equal && k.Resets > 0 && violations(o) == "0", args)
	for _, x := range []struct {
		what, at string
	}{{"idle, no key was ever written", "0s=calm"}, {"idle, each node has 8 keys",
		"1s=set:all,keys=8,bytes=32,every=1s,times=8"}} {
		args := fmt.Sprintf("--nodes %d --warm --unchecked --at %s --duration 90s", nodes/2, x.at)
		o := l.sim(args)
		if o.Runs[0].Keys == nil {
			l.row(x.what, 0, "-", "-", fmt.Sprintf("%.0f", rate(o, 30, 90)), "-", 0, "-",
				violations(o), "-", "-", command(args))
			continue
		}
		row(x.what, o, 30, 90, 0, "as without, but for 8 B a probe", o.Runs[0].Keys.Equal, args)
	}
	l.say("\nA write is at all when the last of the others has it. Deltas/s is what all writes "+
		"of a second take, written down once (%d bytes each): "+
		"each node must get at least that. Bytes a node are what it sends for everything, "+
		"headers of IP and UDP included.", deltaCost)
}
