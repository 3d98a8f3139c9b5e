package sim

import (
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip"
)

func goTime(ms int) gossip.Time { return gossip.Time(ms) * 1e6 }

func TestActionsSurviveTheirText(t *testing.T) {
	for _, s := range []string{
		"5s=crash:10%", "5s=crash:n3,for=2s", "1m0s=cut:30%/rest,for=1m0s",
		"0s=cut:n1/n2+n5-n9,every=2s,times=3,oneway",
		"1s=pause:4,for=8s", "1s=slow:z1,cost=5ms", "1s=restart:dead", "1s=move:n3/n5",
		"1s=clock:all,by=-1h0m0s", "1s=leave:n0",
		"1s=publish:1,every=100ms,bytes=1000", "1s=start:5", "1s=calm",
		"1s=link:all/1%,loss=0.8,dup=0.1,reorder=0.2,hold=5ms,latency=1ms-2ms,mtu=600,good=1s," +
			"bad=100ms,burst=0.9",
	} {
		a, err := ParseAction(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		b, err := ParseAction(a.String())
		if err != nil || b.String() != a.String() {
			t.Errorf("%s became %s and then %s: %v", s, a, b, err)
		}
	}
}

func TestBadActions(t *testing.T) {
	for text, names := range map[string]string{
		"crash":                    "no TIME=WHAT",
		"x=crash:1":                `"x" is not a time`,
		"5s=explode:1":             `no "explode"`,
		"5s=crash":                 "needs somebody",
		"5s=crash:110%":            "not a share",
		"5s=crash:bob":             `"bob" is nobody`,
		"5s=crash:n9-n3":           "is nobody",
		"5s=crash:1/rest":          "done to one side",
		"5s=calm:1":                "done to nobody",
		"5s=pause:1":               "needs for=",
		"5s=cut:30%":               "needs two sides",
		"5s=cut:30%/rest,loss=0.1": `takes no "loss"`,
		"5s=link:1/all,loss=1.5":   `"1.5" is not a share`,
		"5s=crash:1,times=3":       "times needs every",
		"5s=start:10%":             "how many",
	} {
		if a, err := ParseAction(text); err == nil || !strings.Contains(err.Error(), names) ||
			!strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v and %v, want an error that has %q", text, a, err, names)
		}
	}
}

func TestScenarioFile(t *testing.T) {
	good := "# two things\n\n5s=crash:1 # one\n 6s=leave:1\n"
	if all, err := ParseScenario("x", strings.NewReader(good)); err != nil || len(all) != 2 {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := ParseScenario("f.txt", strings.NewReader(good+"7s=crush:1\n")); err == nil ||
		!strings.Contains(err.Error(), "f.txt:5:") {
		t.Errorf("got %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	who := func(text string) []Action {
		a, err := ParseAction(text)
		if err != nil {
			t.Fatal(err)
		}
		return []Action{a}
	}
	for _, c := range []struct {
		o     Options
		names string
	}{
		{Options{Nodes: 5, Actions: who("1s=crash:n5")}, "there is no n5; the nodes are n0 to n4"},
		{Options{Nodes: 5, Actions: who("1s=crash:z1")}, "there is no z1"},
		{Options{Nodes: 5, Zones: 6}, "6 zones for 5 nodes"},
		{Options{Nodes: -1}, "-1 nodes"},
		{Options{Network: Network{Within: Link{Loss: 1.5}}},
			"a loss of 1.5 is not between 0 and 1"},
		{Options{Actions: []Action{{Do: "dance"}}}, `there is no "dance"`},
		{Options{Gossip: gossip.Config{MTU: 1}}, "MTU of 1 bytes"},
	} {
		if _, err := Run(c.o); err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("got %v, want an error that has %q", err, c.names)
		}
	}
}

func FuzzParseAction(f *testing.F) {
	f.Add("5s=cut:30%/rest,for=60s")
	f.Add("1s=link:all/n1+z2,loss=0.8,latency=1ms~0.5")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAction(s)
		if err != nil {
			return
		}
		if b, err := ParseAction(a.String()); err != nil || b.String() != a.String() {
			t.Fatalf("%q became %q and then %q: %v", s, a, b, err)
		}
	})
}
