package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/sim"
)

// The whole of what small runs print: they are the same on every machine. A change of the protocol
// changes them; go test -rewrite takes them over, and the difference is worth a look.
func TestSimGolden(t *testing.T) {
	var all strings.Builder
	for _, args := range [][]string{
		{"sim", "--nodes", "5", "--duration", "20s", "--at", "1s=crash:n3", "--at",
			"2s=publish:n1"},
		{"sim", "crash-one", "-n", "8", "--duration", "15s", "--seeds", "3", "--detector",
			"swim-plain", "--set", "swim.period=1s", "--loss", "2%"},
		{"sim", "list"},
	} {
		all.WriteString(transcript(nil, "", args...))
	}
	golden(t, "sim", all.String())
}

// Each fault is named, with its place, and is exit code 2.
func TestSimBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	word := write("word.sim", "# a comment\n\n1s=crash:1\n2s=crsh:1\n")
	node := write("node.sim", "1s=crash:1\n# 2\n\n3s=crash:n500 # nobody\n")
	late := write("late.sim", "70s=crash:1\n")
	syntax := write("syntax.json", "{\"options\": {\n  \"nodes\": 5,,\n}}")
	field := write("field.json", `{"nodes": 5, "nods": 6}`)
	action := write("action.json", `{"nodes": 5, "actions": ["1s=crash:n9"]}`)
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--loss", "1.5"}, []string{"--loss", `"1.5" is not a share`}},
		{[]string{"--loss", "x"}, []string{"--loss", `"x" is not a share`}},
		{[]string{"--nodes", "0"}, []string{"--nodes 0"}},
		{[]string{"--nodes", "1000000"}, []string{"--nodes 1000000", "100000"}},
		{[]string{"--zones", "200"}, []string{"--zones 200"}},
		{[]string{"--latency", "5ms-1ms"}, []string{"--latency", "a low and then a high end"}},
		{[]string{"--between", "5ms"}, []string{"--between 5ms", "one zone"}},
		{[]string{"--duration", "-1s"}, []string{"--duration", "negative"}},
		{[]string{"--duration", "long"}, []string{"--duration", "long"}},
		{[]string{"--detector", "phi"}, []string{"--detector", `no "phi"`, "swim-plain"}},
		{[]string{"--seeds", "0"}, []string{"--seeds 0"}},
		{[]string{"--workers", "0"}, []string{"--workers 0"}},
		{[]string{"--seeds", "2", "--trace", filepath.Join(dir, "t")},
			[]string{"--trace", "2 runs"}},
		{[]string{"--plot", "x.gif"}, []string{`"x.gif"`, ".svg"}},
		{[]string{"--set", "swim"}, []string{`--set "swim"`, "name=value"}},
		{[]string{"--set", "swim.perod=1s"}, []string{`no field "perod"`, "period"}},
		{[]string{"--set", "swim.period=1"}, []string{`"1" is not a time`}},
		{[]string{"--set", "swim=1"}, []string{"swim.FIELD"}},
		{[]string{"--set", "mtu.x=1"}, []string{"mtu is no group"}},
		{[]string{"--set", "mtu=3"}, []string{"MTU of 3", "at least 1200"}},
		{[]string{"--mtu", "1199"}, []string{"--mtu 1199", "at least 1200"}},
		{[]string{"--mtu", "9000,70000"}, []string{"--mtu 70000", "at most 65507"}},
		{[]string{"--path-mtu", "-1"}, []string{"--path-mtu -1", "negative"}},
		{[]string{"--at", "5s"}, []string{"--at", `"5s"`, "TIME=WHAT"}},
		{[]string{"--at", "5s=crsh:1"}, []string{"--at", `no "crsh"`}},
		{[]string{"--at", "5s=crash:n100"}, []string{"--at", "no n100", "n0 to n99"}},
		{[]string{"--at", "5s=crash:z1"}, []string{"--at", "no z1"}},
		{[]string{"--at", "90s=crash:1"}, []string{"--at", "over after 1m0s", "--duration"}},
		{[]string{"crash-on"}, []string{`"crash-on"`, "did you mean crash-one?"}},
		{[]string{dir}, []string{dir, "directory"}},
		{[]string{word}, []string{"word.sim:4", `no "crsh"`}},
		{[]string{node}, []string{"node.sim:4", "no n500"}},
		{[]string{late}, []string{"late.sim:1", "over after"}},
		{[]string{"flapping-link", "-n", "1"}, []string{"scenario flapping-link", "no n1"}},
		{[]string{"steady", "extra"}, []string{"at most one scenario"}},
		{[]string{"replay"}, []string{"one file"}},
		{[]string{"replay", filepath.Join(dir, "none")}, []string{"none", "no such file"}},
		{[]string{"replay", syntax}, []string{"syntax.json", "line 2, column 14"}},
		{[]string{"replay", field}, []string{"field.json", `"nods"`}},
		{[]string{"replay", action}, []string{"action.json", "no n9"}},
	} {
		code, out, errOut := cli(nil, "", append([]string{"sim"}, c.args...)...)
		if code != exitUsage || out != "" {
			t.Errorf("sim %q: exit code %d, %q on standard output", c.args, code, out)
		}
		for _, s := range c.says {
			if !strings.Contains(errOut, s) {
				t.Errorf("sim %q does not say %q: %s", c.args, s, errOut)
			}
		}
		if strings.Count(errOut, "\n") != 2 {
			t.Errorf("sim %q: not one line and a hint: %s", c.args, errOut)
		}
	}
}

// A named scenario can be cut short.
func TestSimCutShort(t *testing.T) {
	code, out, errOut := cli(nil, "", "sim", "steady", "-n", "3", "--duration", "20s")
	if code != 0 || !strings.Contains(out, "10s=publish:1") ||
		strings.Contains(out, "40s=publish:1") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
}

// What --json prints replays to the same run, and a run that is not the same is told.
func TestSimReplay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "run.json")
	args := []string{"sim", "churn", "-n", "10", "--seeds", "2", "--seed", "5", "--loss", "5%",
		"--set", "fanout=3", "--json"}
	code, out, errOut := cli(nil, "", args...)
	if code != 0 || errOut != "" {
		t.Fatalf("%d %s", code, errOut)
	}
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, again, errOut := cli(nil, "", "sim", "replay", file, "--json", "--workers",
		"3"); code != 0 || again != out {
		t.Errorf("%d %s: replayed:\n%s\nbefore:\n%s", code, errOut, again, out)
	}
	var j simJSON
	if err := json.Unmarshal([]byte(out), &j); err != nil || len(j.Runs) != 2 ||
		j.Runs[1].Seed != 6 || j.Summary[sim.Join].N != 2 {
		t.Fatalf("%v: %+v", err, j)
	}
	other := strings.Replace(out, j.Runs[0].Trace, "0123456789abcdef", 1)
	if code, _, errOut := cli(nil, other, "sim", "replay", "-"); code != exitFailed ||
		!strings.Contains(errOut, "not the same") {
		t.Errorf("another trace: %d %s", code, errOut)
	}
	options, err := json.Marshal(j.Options) // as a failing test prints them
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(dir, "trace.txt")
	code, out, errOut = cli(nil, string(options), "sim", "replay", "-", "--trace", trace)
	text, _ := os.ReadFile(trace)
	if code != 0 || !strings.Contains(out, "trace "+j.Runs[0].Trace) ||
		!strings.Contains(string(text), "scenario") {
		t.Errorf("options alone: %d %s%s, a trace of %d bytes", code, out, errOut, len(text))
	}
}

// What must never happen is shown and fails.
func TestSimViolation(t *testing.T) {
	code, out, errOut := cli(nil, `{"nodes":6,"seed":1,"actions":["1s=crash:n3"],`+
		`"bounds":{"detect":1}}`, "sim", "replay", "-")
	if code != exitFailed || !strings.Contains(out, "VIOLATION seed 1, completeness at ") ||
		!strings.Contains(errOut, "what must never happen did") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
}

func TestSimPlot(t *testing.T) {
	dir := t.TempDir()
	for end, begins := range map[string]string{"svg": "<?xml", "png": "\x89PNG",
		"html": "<!DOCTYPE html>"} {
		name := filepath.Join(dir, "a."+end)
		code, _, errOut := cli(nil, "", "sim", "-n", "6", "--duration", "15s", "--at",
			"1s=crash:1", "--at", "2s=publish:1", "--plot", name)
		b, err := os.ReadFile(name)
		if code != 0 || err != nil || len(b) < 10_000 || !strings.HasPrefix(string(b), begins) {
			t.Errorf("%s: %d %s, %v, %d bytes", end, code, errOut, err, len(b))
		}
	}
	if code, _, errOut := cli(nil, "", "sim", "-n", "3", "--duration", "2s", "--at", "0s=calm",
		"--plot", filepath.Join(dir, "no", "a.png")); code != exitFailed ||
		!strings.Contains(errOut, "no such file") {
		t.Errorf("nowhere to write: %d %s", code, errOut)
	}
}

func TestSimCostIsForThoseWhoAsk(t *testing.T) {
	_, out, _ := cli(nil, "", "sim", "-n", "4", "--duration", "2s", "--at", "0s=calm",
		"--json", "--cost")
	var j simJSON
	if err := json.Unmarshal([]byte(out), &j); err != nil || j.Cost == nil ||
		j.Cost.Wall <= 0 || j.Cost.Memory == 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSimBar(t *testing.T) {
	b := &bar{runs: make([]sim.Progress, 2), left: 2}
	b.show(0, sim.Progress{Now: 3 * time.Second})
	if got := b.line(time.Second); got != "joining   3 s simulated   3× real time" {
		t.Error(got)
	}
	b.show(0, sim.Progress{Now: 30 * time.Second, End: 60 * time.Second})
	if got := b.line(2 * time.Second); got != "[=======                       ]  30 of 120 s "+
		"simulated   15× real time   0 of 2 runs" {
		t.Error(got)
	}
	b.done(0)
	if got := b.line(4 * time.Second); got != "[===============               ]  60 of 120 s "+
		"simulated   15× real time   1 of 2 runs" {
		t.Error(got)
	}
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0.00123: "1.2 ms", 0.123: "123 ms",
		1.234: "1.23 s", 12.34: "12.3 s", 123.4: "123 s", 0: "0.0 ms"} {
		if got := short(x); got != want {
			t.Errorf("%g s is %q, want %q", x, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000",
		1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
