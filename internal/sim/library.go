package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scenario is a named scenario: what it shows, and how it sets options up. Options that are set
// already stay.
type Scenario struct {
	Name, About string
	actions     []string
	setup       func(*Options)
	duration    time.Duration
}

// library holds the named scenarios, in the order in which they are best read.
var library = []Scenario{
	{Name: "steady", About: "nothing happens but two messages",
		actions: []string{"10s=publish:1", "40s=publish:1"}},
	{Name: "join-storm", About: "as many again start at once", setup: func(o *Options) {
		o.Actions = append(o.Actions, Action{At: 5 * time.Second, Do: Start, Who: Any(o.Nodes)})
	}},
	{Name: "crash-one", About: "one node dies", actions: []string{"5s=crash:1"}},
	{Name: "kill-one", About: "one process dies on a host that lives",
		actions: []string{"5s=kill:1"}},
	{Name: "crash-10pct", About: "one in ten dies at once", actions: []string{"5s=crash:10%"}},
	{Name: "crash-half", About: "half of the nodes die at once", actions: []string{"5s=crash:50%"}},
	{Name: "partition-heal", About: "30 % cannot reach the rest for a minute, then they can",
		actions: []string{"5s=cut:30%/rest,for=60s"}, duration: 90 * time.Second},
	{Name: "one-way", About: "for 20 s a node hears everybody, and nobody hears it",
		actions: []string{"5s=cut:1/rest,for=20s,oneway"}},
	{Name: "flapping-link", About: "the link between 10 % and the rest comes and goes, a second " +
		"each",
		actions: []string{"5s=cut:n0-n1/rest,for=1s,every=2s,times=15"}},
	{Name: "slow-nodes", About: "four nodes at once stand still for 5 s, again and again " +
		"(Lifeguard's anomalies)",
		actions: []string{"5s=pause:n1-n4,for=5s,every=7s,times=6"}, duration: 70 * time.Second},
	{Name: "lossy-node", About: "one node in a hundred loses 80 % of what it is sent",
		actions: []string{"5s=link:all/1%,oneway,loss=80%,for=40s"}},
	{Name: "flip-flop", About: "for 20 s two nodes hear nobody, then for 20 s nobody hears " +
		"them, and so on",
		actions: []string{"5s=cut:rest/n0-n1,oneway,for=20s,every=40s,times=2",
			"25s=cut:n0-n1/rest,oneway,for=20s,every=40s,times=2"},
		duration: 120 * time.Second},
	{Name: "rolling-restart", About: "every node is restarted, one after another", setup: rolling},
	{Name: "churn", About: "nodes crash and return, join and leave, all the time",
		actions: []string{
			"1s=crash:1,for=15s,every=3s,times=15", "2s=start:1,every=5s,times=9",
			"4s=leave:1,every=5s,times=9"},
		duration: 90 * time.Second},
	{Name: "ip-reuse", About: "dead nodes come back at each other's addresses",
		actions: []string{"5s=crash:n1+n2", "6s=move:n1/n2", "15s=move:n3/n4", "16s=restart:n4"}},
	{Name: "wan", About: "three datacenters, 40 to 160 ms apart; messages, a crash, and one is " +
		"cut off", setup: wan,
		actions: []string{"5s=publish:1", "10s=crash:1",
			"30s=cut:z2/rest,for=15s"}, duration: 90 * time.Second},
}

// Scenarios lists the named scenarios.
func Scenarios() []Scenario { return slices.Clone(library) }

// Named sets options up for a named scenario. What it adds to the actions comes after those there
// are.
func Named(name string, o *Options) error {
	i := slices.IndexFunc(library, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range library {
			names = append(names, s.Name)
		}
		return fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(names, ", "))
	}
	s := &library[i]
	if o.Nodes == 0 {
		o.Nodes = 100
	}
	if o.Duration == 0 {
		o.Duration = s.duration
	}
	if s.setup != nil {
		s.setup(o)
	}
	for _, text := range s.actions {
		a, err := ParseAction(text)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
		o.Actions = append(o.Actions, a)
	}
	return nil
}

// rolling restarts all nodes within 45 seconds.
func rolling(o *Options) {
	for i := range o.Nodes {
		at := 5*time.Second + 45*time.Second*time.Duration(i)/time.Duration(o.Nodes)
		o.Actions = append(o.Actions, Action{At: at, Do: Restart, Who: Nodes(i)})
	}
	if o.Seeds == 0 {
		o.Seeds = min(3, o.Nodes)
	}
}

func wan(o *Options) {
	o.Zones = 3
	if o.Network.Within.Latency.IsZero() {
		o.Network = WAN(3)
	}
}
