package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/size"
)

var (
	swarmSeeds = flag.Int("sim.seeds", 0, "how many seeds the swarm draws its runs from; 0: as "+
		"many as the size of the run has")
	swarmFirst  = flag.Uint64("sim.seed", 1, "the swarm's first seed")
	swarmReplay = flag.String("sim.replay", "", "run these options (JSON) in place of the swarm")
	swarmTrace  = flag.String("sim.trace", "", "write a readable trace of the replay to this file")
)

// known are seeds that fail for a reason that is known and not yet mended.
var known = map[uint64]string{}

func TestSwarm(t *testing.T) {
	if *swarmReplay != "" {
		replay(t)
		return
	}
	seeds := *swarmSeeds
	if seeds == 0 {
		seeds = size.Of(20, 20, 2000) // by day make swarm runs 2,000, these among them
	}
	for i := range seeds {
		seed := *swarmFirst + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if why := known[seed]; why != "" {
				t.Skip(why)
			}
			o := Draw(seed)
			if found := Try(o); len(found) > 0 {
				t.Errorf("%s\nreplay it:\n%s", list(found), command(t, o))
				small := Shrink(o, found[0].Checker, 60, nil)
				t.Errorf("smaller, and fails as well:\n%s", command(t, small))
			}
		})
	}
}

func list(all []Violation) string {
	var b strings.Builder
	for _, v := range all {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}

// command is what replays a run.
func command(t *testing.T, o Options) string {
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("go test ./internal/sim -run 'TestSwarm$' -sim.trace trace.txt "+
		"-sim.replay '%s'", b)
}

func replay(t *testing.T) {
	o, err := ReadOptions([]byte(*swarmReplay))
	if err != nil {
		t.Fatal(err)
	}
	if *swarmTrace != "" {
		f, err := os.Create(*swarmTrace)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		o.Trace = f
	}
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Violations) > 0 {
		t.Error(list(r.Violations))
	}
}

// A replay needs nothing but what is printed.
func TestOptionsSurviveJSON(t *testing.T) {
	for seed := range uint64(300) {
		o := Draw(seed)
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var back Options
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(back)
		if string(again) != string(b) {
			t.Fatalf("seed %d:\n%s\n%s", seed, b, again)
		}
	}
}

// What a swarm found once stays mended: testdata/swarm has the options of runs that failed, by what
// was wrong.
//
//   - catch-up-within-a-budget: after a cut two zones catch up over a budget. Requests for pieces
//     took it all, and answers and keys had none.
func TestFound(t *testing.T) {
	files, err := filepath.Glob("testdata/swarm/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o, err := ReadOptions(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range Try(o) {
				t.Error(v)
			}
		})
	}
}
