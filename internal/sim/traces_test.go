package sim

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// testdata/traces.txt holds the trace of a few runs: a name and a hash over all that happened, each
// byte of each packet included. A change that should leave behaviour alone leaves the file alone;
// one that changes bytes on purpose rewrites it, and its commit says why.

var rewriteTraces = flag.Bool("sim.traces", false, "write testdata/traces.txt anew")

const tracesFile = "testdata/traces.txt"

// traced are the runs. Between them they have each detector, each kind of trouble and each plane.
var traced = []struct {
	name     string
	scenario string // of the library, if any
	actions  []string
	set      func(*Options)
}{
	{name: "steady", actions: []string{"1s=publish:1", "4s=tag:1"}},
	{name: "crash-10pct", scenario: "crash-10pct"},
	{name: "crash-half", scenario: "crash-half"},
	{name: "partition-heal", actions: []string{"1s=cut:30%/rest,for=12s", "3s=publish:2",
		"4s=set:2"}},
	{name: "one-way", actions: []string{"1s=cut:rest/n5,for=10s,oneway"}},
	{name: "churn", scenario: "churn"},
	{name: "ip-reuse", scenario: "ip-reuse"},
	{name: "rolling-restart", actions: []string{"1s=restart:n3", "3s=restart:n4", "5s=restart:n5"}},
	{name: "clone", actions: []string{"1s=clone:n3", "3s=leave:n4"}},
	{name: "wan", set: wan, actions: []string{"2s=publish:1", "5s=crash:1",
		"8s=cut:z2/rest,for=6s"}},
	{name: "hostile", actions: []string{"1s=forge:3,every=1s,times=8",
		"2s=replay:3,every=1s,times=8"}},
	{name: "zones with a budget and loss", actions: []string{"1s=publish:2,bytes=20000",
		"2s=set:3"},
		set: func(o *Options) {
			o.Zones, o.Gossip.ZoneBudget = 3, 64<<10
			o.Network.Within.Loss, o.Network.Between.Loss = 0.05, 0.1
			o.Network.Within.Latency = LAN().Within.Latency
			o.Network.Between.Latency = LAN().Between.Latency
		}},
	{name: "shared suspicions", actions: []string{"1s=crash:2", "2s=pause:1,for=3s"},
		set: func(o *Options) { o.Gossip.ShareSuspicions = true }},
	{name: "swim", scenario: "crash-10pct", set: detector(gossip.SWIM, false)},
	{name: "heartbeat", scenario: "crash-10pct", set: detector(gossip.HEARTBEAT, false)},
	{name: "heartbeat-local", scenario: "crash-10pct", set: detector(gossip.HEARTBEAT, true)},
	{name: "accrual", scenario: "crash-10pct", set: detector(gossip.ACCRUAL, false)},
	{name: "accrual-gossiped", scenario: "crash-10pct", set: detector(gossip.ACCRUAL, true)},
}

// detector sets options up for a detector, or for its variant.
func detector(d gossip.Detector, variant bool) func(*Options) {
	return func(o *Options) {
		o.Gossip.Detector = d
		o.Gossip.Heartbeat.Local = variant && d == gossip.HEARTBEAT
		o.Gossip.Accrual.Counters = variant && d == gossip.ACCRUAL
	}
}

func TestTraces(t *testing.T) {
	want := readTraces(t)
	var text strings.Builder
	for _, x := range traced {
		o := Options{Nodes: 16, Seed: 1, Settle: time.Second, Duration: 15 * time.Second,
			Unchecked: true}
		if x.set != nil {
			x.set(&o)
		}
		if x.scenario != "" {
			if err := Named(x.scenario, &o); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range x.actions {
			a, err := ParseAction(s)
			if err != nil {
				t.Fatal(err)
			}
			o.Actions = append(o.Actions, a)
		}
		got := run(t, o).Trace
		fmt.Fprintf(&text, "%s %s\n", got, x.name)
		if !*rewriteTraces && got != want[x.name] {
			t.Errorf("%s: the trace is %s, before %s", x.name, got,
				cmp.Or(want[x.name], "there was none"))
		}
	}
	if *rewriteTraces {
		if err := os.WriteFile(tracesFile, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if len(want) != len(traced) {
		t.Errorf("%s has %d traces for %d runs", tracesFile, len(want), len(traced))
	}
}

// readTraces returns the hash of each run by its name.
func readTraces(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(tracesFile)
	if err != nil {
		if *rewriteTraces {
			return nil
		}
		t.Fatal(err)
	}
	defer f.Close()
	traces := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		hash, name, _ := strings.Cut(s.Text(), " ")
		traces[name] = hash
	}
	return traces
}
