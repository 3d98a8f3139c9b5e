package main

// This file makes a simulation's options of flags and files, and says what is wrong with them and
// where.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/cmd/internal/settings"
	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/accrual"
	"github.com/starling-gossip/starling/internal/gossip/heartbeat"
	"github.com/starling-gossip/starling/internal/gossip/swim"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/sim"
)

const (
	maxRuns    = 10_000
	maxChecked = 2_000     // nodes: what each holds of each is kept, to be looked at each second
	maxFile    = 256 << 20 // bytes of a scenario, or of a run to be replayed

	defaultDuration = time.Minute
)

// detectors are the failure detectors that can be simulated: configurations of the same core. The
// first is the default.
var detectors = []struct {
	name, about string
	config      gossip.Config
}{
	{"inquest", "private suspicion, a jury, evidence in place of waiting",
		gossip.Config{Detector: gossip.INQUEST}},
	{"swim", "SWIM with Lifeguard, and forgiving what fell due while the process itself stood " +
		"still", swimWith(swim.Config{})},
	{"swim-lifeguard", "SWIM with Lifeguard as published (Dadgar, Phillips, Currey 2018)",
		swimWith(swim.Config{NoStallShift: true})},
	{"swim-suspicion", "SWIM as published, with suspicion (Das, Gupta, Motivala 2002)",
		swimWith(swim.Config{NoStallShift: true, NoLocalHealth: true, NoNack: true,
			NoShrink: true, NoBuddy: true})},
	{"swim-plain", "SWIM without suspicion: a failed probe is a verdict",
		swimWith(swim.Config{NoStallShift: true, NoLocalHealth: true, NoNack: true,
			NoShrink: true, NoBuddy: true, NoSuspicion: true})},
	{"heartbeat", "gossiped counters; one that does not rise in time fails its member (van " +
		"Renesse, Minsky, Hayden 1998)",
		gossip.Config{Detector: gossip.HEARTBEAT}},
	{"heartbeat-local", "the same as published: each judges for itself and forgets the dead " +
		"after T_cleanup",
		gossip.Config{Detector: gossip.HEARTBEAT, Heartbeat: heartbeat.Config{Local: true}}},
	{"accrual", "phi over heartbeats to nine watchers, normally distributed (Hayashibara et al. " +
		"2004; as in Akka)",
		gossip.Config{Detector: gossip.ACCRUAL}},
	{"accrual-cassandra", "phi over gossiped counters, exponentially distributed (as in Cassandra)",
		gossip.Config{Detector: gossip.ACCRUAL, Accrual: accrual.Config{Counters: true,
			Exponential: true}}},
}

func swimWith(c swim.Config) gossip.Config { return gossip.Config{Detector: gossip.SWIM, SWIM: c} }

func detectorNames() string {
	var names []string
	for _, d := range detectors {
		names = append(names, d.name)
	}
	return strings.Join(names, ", ")
}

// job makes what is to be run of the flags and the argument.
func (f *simFlags) job(args []string) (*simJob, error) {
	o := sim.Options{Nodes: f.nodes, Zones: f.zones, Racks: f.racks, Unzoned: f.unzoned,
		Seed: f.seed, Settle: f.settle, Duration: f.duration, Warm: f.warm,
		Sealed: f.sealed, Unchecked: f.unchecked || f.nodes > maxChecked}
	switch {
	case f.nodes < 1 || f.nodes > sim.MaxNodes:
		return nil, fmt.Errorf("--nodes %d: from 1 to %d are possible", f.nodes, sim.MaxNodes)
	case f.zones < 1 || f.zones > f.nodes:
		return nil, fmt.Errorf("--zones %d: from 1 to the number of nodes, %d, are possible",
			f.zones, f.nodes)
	case f.racks < 0:
		return nil, fmt.Errorf("--racks %d: it is negative", f.racks)
	case f.duration < 0:
		return nil, fmt.Errorf("--duration %s: it is negative", f.duration)
	case f.settle < 0:
		return nil, fmt.Errorf("--settle %s: it is negative", f.settle)
	case f.pathMTU < 0:
		return nil, fmt.Errorf("--path-mtu %d: it is negative", f.pathMTU)
	}
	for _, n := range f.mtu {
		if n < wire.MinMTU || n > wire.MaxMTU {
			return nil, fmt.Errorf("--mtu %d: it must be at least %d and at most %d", n,
				wire.MinMTU, wire.MaxMTU)
		}
	}
	j := &simJob{Scenario: "steady", Detector: f.detector}
	if err := f.gossip(&o.Gossip); err != nil {
		return nil, err
	}
	if len(f.mtu) == 1 {
		o.Gossip.MTU = f.mtu[0]
	} else {
		o.MTUs = f.mtu
	}
	if err := f.network(&o.Network); err != nil {
		return nil, err
	}
	var where []string // each action came from
	switch {
	case len(args) > 0:
		j.Scenario = args[0]
	case len(f.at) > 0:
		j.Scenario = ""
	}
	if j.Scenario != "" {
		var err error
		if where, err = loadScenario(j.Scenario, &o); err != nil {
			return nil, err
		}
	}
	if err := f.lose(&o); err != nil {
		return nil, err
	}
	f.narrow(&o.Network)
	for _, text := range f.at {
		a, err := sim.ParseAction(text)
		if err != nil {
			return nil, fmt.Errorf("--at: %w", err)
		}
		o.Actions = append(o.Actions, a)
		where = append(where, "--at")
	}
	if o.Duration == 0 {
		o.Duration = defaultDuration
	}
	j.opt = o
	return j, checkActions(&o, where)
}

// checkActions says which action cannot be done, and where it was given.
func checkActions(o *sim.Options, where []string) error {
	i, err := o.Check()
	if err != nil && i >= 0 {
		return fmt.Errorf("%s: action %q: %w", where[i], o.Actions[i], err)
	}
	if err != nil {
		return err
	}
	for i, a := range o.Actions {
		if a.At >= o.Duration {
			return fmt.Errorf("%s: action %q: the scenario is over after %s; --duration makes "+
				"it longer", where[i], a, o.Duration)
		}
	}
	return nil
}

// network sets the latencies.
func (f *simFlags) network(n *sim.Network) error {
	for _, x := range []struct {
		flag, text string
		to         []*sim.Latency
	}{{"--latency", f.latency, []*sim.Latency{&n.Within.Latency, &n.Between.Latency}},
		{"--between", f.between, []*sim.Latency{&n.Between.Latency}},
		{"--access", f.access, []*sim.Latency{&n.Access}}} {
		if x.text == "" {
			continue
		}
		l, err := sim.ParseLatency(x.text)
		if err != nil {
			return fmt.Errorf("%s: %w", x.flag, err)
		}
		for _, to := range x.to {
			*to = l
		}
	}
	for flag, v := range map[string]string{"--between": f.between,
		"--loss-between": f.lossBetween, "--link-between": f.linkBetween, "--map": f.chart} {
		if v != "" && f.zones == 1 {
			return fmt.Errorf("%s %s: there is one zone; --zones makes more", flag, v)
		}
	}
	if f.chart != "" && f.between != "" {
		return fmt.Errorf("--between %s: the map %s says how far zones are apart", f.between,
			f.chart)
	}
	if f.between != "" && f.latency == "" {
		n.Within.Latency = sim.LAN().Within.Latency
	}
	if f.chart != "" {
		if f.latency == "" {
			lan := sim.LAN()
			n.Within.Latency, n.Between.Latency = lan.Within.Latency, lan.Between.Latency
		}
		if err := n.Map(f.chart, f.zones); err != nil {
			return fmt.Errorf("--map: %w", err)
		}
	}
	return f.bandwidth(n)
}

// bandwidth sets what links carry.
func (f *simFlags) bandwidth(n *sim.Network) (err error) {
	if f.link != "" {
		if n.Own, err = sim.ParseBandwidth(f.link); err != nil {
			return fmt.Errorf("--link: %w", err)
		}
	}
	if f.linkBetween == "" {
		return nil
	}
	if n.Between.Pipe, err = sim.ParseBandwidth(f.linkBetween); err != nil {
		return fmt.Errorf("--link-between: %w", err)
	}
	for i := range n.Paths {
		n.Paths[i].Link.Pipe = n.Between.Pipe
	}
	return nil
}

// narrow sets the longest packet of all links.
func (f *simFlags) narrow(n *sim.Network) {
	n.Within.MTU, n.Between.MTU = f.pathMTU, f.pathMTU
	for i := range n.Paths {
		n.Paths[i].Link.MTU = f.pathMTU
	}
}

// lose sets the loss of all links.
func (f *simFlags) lose(o *sim.Options) error {
	loss, err := sim.ParseShare(f.loss)
	if err != nil {
		return fmt.Errorf("--loss: %w", err)
	}
	between := loss
	if f.lossBetween != "" {
		if between, err = sim.ParseShare(f.lossBetween); err != nil {
			return fmt.Errorf("--loss-between: %w", err)
		}
	}
	o.Network.Within.Loss, o.Network.Between.Loss = loss, between
	for i := range o.Network.Paths {
		o.Network.Paths[i].Link.Loss = between
	}
	return nil
}

// loadScenario adds a named scenario, or a file's, and returns where each action stands.
func loadScenario(name string, o *sim.Options) (where []string, err error) {
	var names []string
	for _, s := range sim.Scenarios() {
		if names = append(names, s.Name); s.Name == name {
			if err := sim.Named(name, o); err != nil {
				return nil, err
			}
			if o.Duration > 0 { // a shorter one cuts the scenario short
				o.Actions = slices.DeleteFunc(o.Actions,
					func(a sim.Action) bool { return a.At >= o.Duration })
			}
			for range o.Actions {
				where = append(where, "scenario "+name)
			}
			return where, nil
		}
	}
	text, err := readFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no scenario and no file %q: did you mean %s? 'starling "+
			"sim list' shows all", name, settings.Nearest(name, names))
	}
	if err != nil {
		return nil, err
	}
	if o.Actions, err = sim.ParseScenario(name, strings.NewReader(text)); err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if action, _, _ := strings.Cut(line, "#"); strings.TrimSpace(action) != "" {
			where = append(where, fmt.Sprintf("%s:%d", name, n))
		}
	}
	return where, nil
}

// readFile reads a file of a sane size.
func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: it is longer than %d bytes", name, maxFile)
	}
	return string(b), err
}

// gossip sets the nodes' configuration.
func (f *simFlags) gossip(c *gossip.Config) error {
	var names []string
	for _, d := range detectors {
		if names = append(names, d.name); d.name == f.detector {
			*c = d.config
			names = nil
			break
		}
	}
	if names != nil {
		return fmt.Errorf("--detector: there is no %q; there are %s", f.detector, detectorNames())
	}
	for _, text := range f.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--set %q is not name=value", text)
		}
		if err := setField(reflect.ValueOf(c).Elem(), name, value); err != nil {
			return fmt.Errorf("--set %s: %w", text, err)
		}
	}
	return nil
}
