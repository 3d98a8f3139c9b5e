package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/bench/internal/measure"
)

// A test binary is its own child, as the program is.
func TestMain(m *testing.M) {
	if !childJob() {
		os.Exit(m.Run())
	}
}

// TestSmallBench runs the whole way: children, results, report.
func TestSmallBench(t *testing.T) {
	o, err := parse(strings.Fields("-quick -n 6 -only join,message -peers starling,memberlist"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := runAll(t.Context(), plan(o))
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 8 {
		t.Errorf("%d clusters; two peers, two worlds and two measures make 8", len(records))
	}
	for _, r := range records {
		if r.Failure != "" || len(r.Results) != len(r.Job.Measures) {
			t.Errorf("%s: %d results, %s", describe(r.Job), len(r.Results), r.Failure)
		}
		for _, res := range r.Results {
			if key := map[string]string{"join": "seconds",
				"message": "t100"}[res.Measure]; len(res.Values[key]) == 0 {
				t.Errorf("%s: no %s: %s", describe(r.Job), key, res.Note)
			}
		}
	}
	text := newReport(newSaved(records)).markdown()
	for _, want := range []string{"starling | memberlist", "all have it", "×)",
		"BindAddr 127.0.0.1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

// TestSaved: what was saved and read again is reported like what was just measured, each run's
// figures side by side.
func TestSaved(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for world, ms := range map[string]float64{measure.Real: 70, measure.Virtual: 30} {
		var all []record
		for peer, times := range map[string]float64{"starling": 1, "memberlist": 20} {
			all = append(all, record{
				Job: measure.Job{World: world, Measures: []string{"message"}, Peer: peer,
					N: 128},
				Results: []measure.Result{{Measure: "message",
					Values: map[string][]float64{"t100": {times * ms}, "copies": {2 / times}}}},
			})
		}
		run := newSaved(all)
		run.Command = "the command for " + world
		names = append(names, filepath.Join(dir, world))
		if err := run.write(names[len(names)-1]); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := load(names)
	if err != nil {
		t.Fatal(err)
	}
	text := newReport(runs...).markdown()
	for _, want := range []string{
		"the command for real", "the command for virtual",
		// an aim
		"| a message reaches all, n = 128 | ms | 30.0 | 600 (20.0×) | 15.0× | yes |",
		// a row
		"| all have it, ms | 70.0 | 1400 (20.0×) |",
		// behind
		"| message | copies that come in, per node | 128 | real | 2.00 | memberlist 0.100 " +
			"(0.050×) |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if _, err := load([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a file that is not there was read")
	}
}

// TestHang: a child that takes too long is ended, and what it has told until then is kept.
func TestHang(t *testing.T) {
	job := measure.Job{World: measure.Real, Measures: []string{"join", "idle"},
		Peer: "starling", N: 4, Seed: 1}
	r := runTask(t.Context(), task{job, 2 * time.Second}) // idle takes half a minute
	if r.Failure != "did not finish within 2s" {
		t.Errorf("failure %q", r.Failure)
	}
	if len(r.Results) != 1 || len(r.Results[0].Values["seconds"]) != 1 {
		t.Errorf("results %+v", r.Results)
	}
	text := newReport(newSaved([]record{r})).markdown()
	if !strings.Contains(text, missing+" [1]") || !strings.Contains(text,
		"did not finish within 2s") {
		t.Errorf("the report hides it:\n%s", text)
	}
}

// TestFailure: a child that cannot do its job says why.
func TestFailure(t *testing.T) {
	r := runTask(context.Background(), task{measure.Job{World: measure.Real,
		Measures: []string{"message"}, Peer: "nobody", N: 4}, time.Minute})
	if !strings.Contains(r.Failure, `no peer "nobody"`) {
		t.Errorf("failure %q", r.Failure)
	}
}

func TestParse(t *testing.T) {
	for args, want := range map[string]string{
		"-world x":    "-world",
		"-peers x":    "no peer",
		"-only x":     "no measure",
		"-n 3":        "from 4",
		"-n 4 hello":  "only flags",
		"-peers ,":    "nobody",
		"-n 10 -x":    "not defined",
		"-n 16,32":    "",
		"-only idle":  "",
		"-world real": "",
		"-from a,b":   "",

		"-from a -json b": "measures nothing",
	} {
		_, err := parse(strings.Fields(args))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestRatios: a ratio above 1 is in favour of Starling, whichever way is better.
func TestRatios(t *testing.T) {
	ours, theirs := samples{values: map[string][]float64{"k": {1, 2,
		3}}}, samples{values: map[string][]float64{"k": {8}}}
	for _, c := range []struct {
		m    measure.Metric
		want string
	}{
		{measure.Metric{Key: "k"}, "8.00 (4.00×)"},
		{measure.Metric{Key: "k", More: true}, "8.00 (0.250×)"},
		{measure.Metric{Key: "other"}, missing},
	} {
		if got := cellOf(c.m, theirs, ours, true); got.string() != c.want {
			t.Errorf("%+v: %s, want %s", c.m, got.string(), c.want)
		}
	}
}
