package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os/exec"
	"strings"
)

// This file is the experiments of `starling lab`.

// lab runs `starling lab` and reads what it printed.
func (l *lab) lab(args string, into any) {
	log.Print("starling lab ", args)
	out, err := exec.Command(l.binary, append([]string{"lab"},
		strings.Fields(args+" --json")...)...).Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		log.Fatalf("starling lab %s: %v", args, err)
	}
}

// runs is how many runs are done.
func (l *lab) runs(n int) int {
	if l.quick {
		return n / 20
	}
	return n
}

func labCommand(args string) string { return "`starling lab " + args + "`" }

// rounds is the simple epidemic against the figures that the theory gives.
func rounds(l *lab) {
	l.head("Mode", "Fan-out", "Rounds, expected", "Measured", "±", "Within 3 se",
		"Half of the messages lost", "Half of the members crashed", "Command")
	type result struct{ Mean, SE float64 }
	for _, x := range []struct {
		mode   string
		fanout int
		want   float64
	}{{"push", 1, 18.04}, {"pull", 1, 13.77}, {"push-pull", 1, 9.15}, {"push", 2,
		10.67}, {"pull", 2, 8.77}, {"push-pull", 2, 6.17}} {
		args := fmt.Sprintf("rounds --mode %s --fanout %d --nodes 1000 --runs %d", x.mode,
			x.fanout, l.runs(10_000))
		var plain, lossy, crashed result
		l.lab(args, &plain)
		l.lab(args+" --loss 50%", &lossy)
		l.lab(args+" --crashed 50%", &crashed)
		l.row(x.mode, x.fanout, x.want, fmt.Sprintf("%.3f", plain.Mean),
			fmt.Sprintf("%.3f", plain.SE), verdict(math.Abs(plain.Mean-x.want) <= 3*plain.SE+0.005),
			fmt.Sprintf("%.2f", lossy.Mean), fmt.Sprintf("%.2f", crashed.Mean), labCommand(args))
	}
}

// rumors is table 1 of Demers et al. 1987.
func rumors(l *lab) {
	l.head("k", "Residue: paper", "here", "±", "Traffic: paper", "here", "t_last: paper",
		"here", "±", "Within 3 % or 3 se of the rounded digits", "Command")
	for i, want := range [][3]struct{ value, half float64 }{
		{{0.18, 0.005}, {1.7, 0.05}, {16.8, 0.05}}, {{0.037, 0.0005}, {3.3, 0.05},
			{16.9, 0.05}}, {{0.011, 0.0005}, {4.5, 0.05}, {17.4, 0.05}},
		{{0.0036, 0.00005}, {5.6, 0.05}, {17.5, 0.05}}, {{0.0012, 0.00005}, {6.7, 0.05},
			{17.7, 0.05}},
	} {
		args := fmt.Sprintf("rumor --mode push --stop counter --k %d --nodes 1000 --runs %d",
			i+1, l.runs(10_000))
		type means struct {
			Residue, Traffic float64
			TLast            float64 `json:"t_last"`
		}
		var r struct {
			means
			SE means
		}
		l.lab(args, &r)
		ok := true
		for j, m := range [][2]float64{{r.Residue, r.SE.Residue}, {r.Traffic, r.SE.Traffic},
			{r.TLast, r.SE.TLast}} {
			ok = ok && math.Abs(m[0]-want[j].value)-want[j].half <= max(0.03*want[j].value, 3*m[1])
		}
		l.row(i+1, want[0].value, fmt.Sprintf("%.4g", r.Residue),
			fmt.Sprintf("%.1g", r.SE.Residue), want[1].value, fmt.Sprintf("%.2f", r.Traffic),
			want[2].value, fmt.Sprintf("%.2f", r.TLast), fmt.Sprintf("%.2g",
				r.SE.TLast), verdict(ok), labCommand(args))
	}
}

// subnets is the epidemic over two subnets.
func subnets(l *lab) {
	l.head("Targets", "Mode", "Rounds, mean", "99 %", "Messages through the router a round",
		"Command")
	for _, mode := range []string{"push", "push-pull"} {
		for _, more := range []string{"", " --uniform"} {
			args := fmt.Sprintf("topology --nodes 1000 --subnets 2 --mode %s --runs %d%s",
				mode, l.runs(2000), more)
			var r struct {
				Mean, P99 float64
				Router    float64 `json:"router_messages_per_round"`
			}
			l.lab(args, &r)
			name := "1 − 1/n_i stay"
			if more != "" {
				name = "uniform"
			}
			l.row(name, mode, fmt.Sprintf("%.2f", r.Mean), r.P99,
				fmt.Sprintf("%.2f", r.Router), labCommand(args))
		}
	}
}
