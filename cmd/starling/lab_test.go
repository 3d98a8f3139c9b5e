package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The whole of what small experiments print: they are the same on every machine.
func TestLabGolden(t *testing.T) {
	var all strings.Builder
	for _, args := range [][]string{
		{"lab", "list"},
		{"lab", "rounds", "--mode", "push-pull", "--nodes", "50", "--runs", "20"},
		{"lab", "rounds", "--mode", "pull", "--nodes", "20", "--fanout", "2", "--loss", "20%",
			"--crashed", "0.3", "--runs", "50", "--seed", "3", "--json"},
		{"lab", "rumor", "--nodes", "100", "--runs", "20", "--k", "2"},
		{"lab", "rumor", "--mode", "pull", "--stop", "coin", "--blind", "--nodes", "50",
			"--runs", "20", "--k", "3", "--json"},
		{"lab", "topology", "--nodes", "60", "--subnets", "3", "--runs", "20"},
		{"lab", "topology", "--nodes", "60", "--uniform", "--mode", "pull", "--loss", "0.1",
			"--runs", "20", "--json"},
		{"lab", "mttf", "--machines", "120,12000"},
		{"lab", "mttf", "--machines", "12000", "--json"},
		{"lab", "multicast", "--nodes", "30", "--runs", "3", "--loss", "10%", "--crashed",
			"0.1", "--crash-inner", "1"},
		{"lab", "multicast", "--nodes", "8,16", "--runs", "2", "--protocols",
			"unicast,srm,gossip:push:eager:fanout=2:counter=1", "--json"},
		{"lab", "pareto", "--nodes", "20", "--runs", "2", "--policies",
			"delegation,gossip:push:eager:blind:fanout=4:rounds=1"},
	} {
		all.WriteString(transcript(nil, "", args...))
	}
	golden(t, "lab", all.String())
}

// Each fault is named, says what is possible, and is exit code 2.
func TestLabBadInput(t *testing.T) {
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"rouns"}, []string{`no experiment "rouns"`, "rounds, rumor"}},
		{[]string{"rounds", "extra"}, []string{"no arguments"}},
		{[]string{"rounds", "--mode", "shove"},
			[]string{"--mode", `no "shove"`, "push, pull, push-pull"}},
		{[]string{"rounds", "--nodes", "0"}, []string{"--nodes 0", "from 1 to"}},
		{[]string{"rounds", "--fanout", "1000"}, []string{"--fanout 1000", "from 1 to 999"}},
		{[]string{"rounds", "--loss", "1"}, []string{"--loss 1", "0.99"}},
		{[]string{"rounds", "--loss", "x"}, []string{"--loss", "not a share"}},
		{[]string{"rounds", "--crashed", "100%"}, []string{"--crashed 1"}},
		{[]string{"rounds", "--runs", "0"}, []string{"--runs 0"}},
		{[]string{"rounds", "--workers", "-1"}, []string{"--workers -1"}},
		{[]string{"rounds", "--plot", "x.gif"}, []string{`"x.gif"`, ".svg"}},
		{[]string{"rumor", "--mode", "push-pull"}, []string{"--mode push-pull", "push and pull"}},
		{[]string{"rumor", "--stop", "never"}, []string{`--stop "never"`, "counter and coin"}},
		{[]string{"rumor", "--k", "0"}, []string{"--k 0"}},
		{[]string{"rumor", "--blind", "--feedback"}, []string{"blind", "feedback"}},
		{[]string{"topology", "--subnets", "1001"}, []string{"--subnets 1001", "from 1 to 1000"}},
		{[]string{"mttf", "--machines", "0"}, []string{"--machines 0"}},
		{[]string{"mttf", "--machines", "x"}, []string{"machines", "x"}},
		{[]string{"detect", "--detector", "swin"}, []string{"--detector", `no "swin"`}},
		{[]string{"detect", "--nodes", "1"}, []string{"--nodes 1", "from 3"}},
		{[]string{"detect", "--duration", "1s"}, []string{"--duration 1s", "30s"}},
		{[]string{"detect", "--sweep", "swim.period"}, []string{"--sweep", "NAME=VALUE"}},
		{[]string{"detect", "--sweep", "swim.perod=1s"}, []string{"--sweep", `no field "perod"`}},
		{[]string{"multicast", "--nodes", "1"}, []string{"--nodes 1", "from 2"}},
		{[]string{"multicast", "--protocols", "tre"},
			[]string{"--protocols", `"tre"`, "unicast, tree"}},
		{[]string{"multicast", "--protocols", "gossip:shove"}, []string{`"shove"`, "push-pull"}},
		{[]string{"multicast", "--loss", "2"}, []string{"--loss"}},
		{[]string{"multicast", "--latency", "x"}, []string{"--latency"}},
		{[]string{"multicast", "--crashed", "99%", "--nodes", "10"}, []string{"left to receive"}},
		{[]string{"multicast", "--plot", "x.gif"}, []string{`"x.gif"`}},
		{[]string{"pareto", "--loss", "10%"}, []string{"--loss"}},
	} {
		code, out, errOut := cli(nil, "", append([]string{"lab"}, c.args...)...)
		if code != exitUsage || out != "" {
			t.Errorf("lab %q: exit code %d, %q on standard output", c.args, code, out)
		}
		for _, s := range c.says {
			if !strings.Contains(errOut, s) {
				t.Errorf("lab %q does not say %q: %s", c.args, s, errOut)
			}
		}
		if strings.Count(errOut, "\n") != 2 {
			t.Errorf("lab %q: not one line and a hint: %s", c.args, errOut)
		}
	}
}

// What is drawn is a drawing; what is printed does not change by it.
func TestLabPlots(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"rounds", "--runs", "1"},
		{"rumor", "--nodes", "50", "--runs", "2"}, {"topology", "--runs", "1"}, {"mttf"},
		{"multicast", "--runs", "1", "--nodes", "20"}, {"multicast", "--runs", "1", "--nodes",
			"5,20"}, {"pareto", "--runs", "1", "--nodes", "20"}} {
		args = append([]string{"lab"}, args...)
		file := filepath.Join(dir, args[1]+".svg")
		code, out, errOut := cli(nil, "", append(args, "--plot", file)...)
		_, plain, _ := cli(nil, "", args...)
		b, err := os.ReadFile(file)
		if code != 0 || errOut != "" || out != plain || err != nil ||
			!strings.Contains(string(b), "<svg") {
			t.Errorf("%q: %d %s %v", args, code, errOut, err)
		}
	}
}

// A cluster whose members wait longer takes longer to know of a crash.
func TestLabDetect(t *testing.T) {
	args := []string{"lab", "detect", "--detector", "swim", "--sweep", "swim.alpha=0.5,4",
		"--nodes", "10", "--duration", "1m", "--runs", "2", "--json",
		"--plot", filepath.Join(t.TempDir(), "x.png")}
	code, out, errOut := cli(nil, "", args...)
	var d struct {
		Sweep  string
		Points []struct {
			Setting           string
			Crashes, Detected int
			All               float64 `json:"known100_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 {
		t.Fatal(err, code, errOut)
	}
	if len(d.Points) != 2 || d.Sweep != "swim.alpha" || d.Points[1].Setting != "4" ||
		d.Points[0].Crashes != 4 || d.Points[0].Detected != 4 ||
		!(d.Points[0].All < d.Points[1].All) || math.IsNaN(d.Points[0].All) {
		t.Error(out)
	}
	// The name of each detector that can be simulated has a parameter to sweep.
	for name := range strings.SplitSeq(detectorNames(), ", ") {
		if sweepOf(name) == "" {
			t.Errorf("no sweep for %s", name)
		} else if _, err := sweepSettings(&simFlags{detector: name}, sweepOf(name)); err != nil {
			t.Error(name, err)
		}
	}
}

func TestLabDocsNameEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := os.ReadFile("../../docs/multicast.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text) + string(more)
	root := (&app{}).root()
	cmd, _, err := root.Find([]string{"lab"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]*cobra.Command{cmd}, cmd.Commands()...) {
		if !strings.Contains(doc, c.CommandPath()) {
			t.Errorf("docs/lab.md does not name %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(doc, "`--"+f.Name+"`") {
				t.Errorf("docs/lab.md does not name --%s of %s", f.Name, c.Name())
			}
		})
	}
}
