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

func TestSwarmPrints(t *testing.T) {
	code, out, errOut := cli(nil, "", "sim", "swarm", "--runs", "3", "--from", "7")
	well := strings.Contains(out, " a core-minute: 0 failed\n")
	if code != map[bool]int{true: 0, false: exitFailed}[well] ||
		!strings.Contains(out, "3 seeds from 7 in ") ||
		!strings.Contains(out, "\ndrawn by how many of 3 seeds: ") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	_, out, errOut = cli(nil, "", "sim", "swarm", "--runs", "2", "--json", "-j", "1")
	var j swarmDone
	if err := json.Unmarshal([]byte(out), &j); err != nil || j.Runs != 2 || j.From != 1 ||
		j.Rate <= 0 || len(j.Census) == 0 || j.Failures == nil {
		t.Errorf("%v\n%s%s", err, out, errOut)
	}
	code, out, _ = cli(nil, "", "sim", "swarm", "--census")
	if code != 0 || !strings.HasPrefix(out, "drawn by how many of 2,000 seeds: ") ||
		strings.Contains(out, "never drawn") {
		t.Errorf("%d %s", code, out)
	}
	code, out, errOut = cli(nil, "", "sim", "swarm", "--census", "--runs", "20")
	if code != exitFailed || !strings.Contains(out, "\nnever drawn: ") ||
		!strings.Contains(errOut, "20 seeds: more --runs draw more") {
		t.Errorf("%d %s%s", code, out, errOut)
	}
}

// With a time and no number of seeds, a swarm goes on until the time is over.
func TestSwarmForATime(t *testing.T) {
	_, out, errOut := cli(nil, "", "sim", "swarm", "--for", "1ms")
	if !strings.Contains(out, " from 1 in ") {
		t.Errorf("%s%s", out, errOut)
	}
}

// What a swarm prints of a failure replays it, from a file and as it is.
func TestSwarmReplay(t *testing.T) {
	options := `{"nodes":6,"seed":1,"actions":["1s=crash:n3"],"bounds":{"detect":1}}`
	file := filepath.Join(t.TempDir(), "failure.json")
	if err := os.WriteFile(file, []byte(options), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{options, file} {
		code, out, errOut := cli(nil, "", "sim", "swarm", "--replay", from)
		if code != exitFailed || !strings.Contains(out, "VIOLATION seed 1, completeness at ") {
			t.Errorf("%d\n%s%s", code, out, errOut)
		}
	}
}

// A failure names the seed, what was wrong, and the commands that replay it and its smaller form.
func TestSwarmFailure(t *testing.T) {
	var b strings.Builder
	small := sim.Options{Nodes: 2}
	x := swarmFailure{Seed: 9, Options: sim.Options{Nodes: 3}, Smaller: &small,
		Violations: []sim.Violation{{Checker: "order", At: 2, Text: "what was wrong"}}}
	(&printer{w: &b}).failure(&x)
	for _, s := range []string{"VIOLATION seed 9, order at 2.000 s: what was wrong\n",
		"replay it: starling sim swarm --replay '{\"nodes\":3,",
		"smaller:   starling sim swarm --replay '{\"nodes\":2,"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("does not say %q:\n%s", s, b.String())
		}
	}
}

func TestSwarmBar(t *testing.T) {
	b := &swarmBar{begin: time.Now().Add(-time.Hour), runs: 3000, done: 1500, bad: 2, jobs: 1}
	if got := b.line(time.Second); !strings.HasPrefix(got,
		"[===============               ]  1,500 of 3,000 seeds   ") ||
		!strings.HasSuffix(got, "a core-minute   2 failed") {
		t.Error(got)
	}
}

func TestSwarmBadInput(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"--runs 0", "--runs 0"}, {"--jobs 0", "--jobs 0"}, {"--for -1s",
			"--for -1s"}, {"--trace x", "--replay"}, {"--replay nowhere.json", "nowhere.json"},
		{"--replay {\"nods\":1}", "nods"}, {"--replay {}", "nodes"}, {"--replay {\"seed\":1}",
			"nodes"}, {"--replay=", "--replay"},
		{"--replay x --runs 2", "--runs"}, {"--replay x --from 2",
			"--from"}, {"--replay x --for 2s", "--for"}, {"--replay x --shrink", "--shrink"},
		{"--replay x -j 2", "--jobs"}, {"--replay x --census",
			"--census"}, {"--census --for 1s", "--for"}, {"--census --shrink", "--shrink"},
		{"--census -j 1", "--jobs"},
	} {
		code, out, errOut := cli(nil, "", append([]string{"sim", "swarm"},
			strings.Fields(c.args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: %d %s%s", c.args, code, out, errOut)
		}
	}
}
