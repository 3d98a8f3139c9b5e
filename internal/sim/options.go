package sim

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Options say what is simulated. Equal options give an equal run.
type Options struct {
	Nodes int `json:"nodes"` // that start at first; default 100
	// over which they are spread in turn; default 1
	Zones int `json:"zones,omitempty"`
	// of each zone, over which its nodes are spread in turn; 0: none
	Racks int `json:"racks,omitempty"`
	// the nodes do not know of zones: to compare
	Unzoned bool `json:"unzoned,omitempty"`
	// every node's: the first so many nodes, later the first that run; default 1
	Seeds int    `json:"seeds,omitempty"`
	Seed  uint64 `json:"seed"` // of all chance
	// over which the nodes start at first; 0: all at once
	Spread time.Duration `json:"spread,omitempty"`
	// all know each other from the start; Spread and JoinIn do not count
	Warm bool `json:"warm,omitempty"`
	// all have to be joined after; default 60 s
	JoinIn time.Duration `json:"join_in,omitempty"`
	// between the join and the scenario; default 5 s
	Settle   time.Duration `json:"settle,omitempty"`
	Duration time.Duration `json:"duration,omitempty"` // of the scenario; default 60 s
	Actions  []Action      `json:"actions,omitempty"`  // the scenario
	Network  Network       `json:"network,omitzero"`   // default LAN
	Gossip   gossip.Config `json:"gossip,omitzero"`    // of all nodes
	// each datagram has the bytes that sealing adds, as with a cluster key
	Sealed bool  `json:"sealed,omitempty"`
	MTUs   []int `json:"mtus,omitempty"` // of the nodes in turn; none: Gossip.MTU
	// in what nodes differ from Gossip, in turn
	Unlike []Unlike `json:"unlike,omitempty"`
	// with Gossip.Keep: of its last writes, a crash loses up to so many
	Tear   int    `json:"tear,omitempty"`
	Bounds Bounds `json:"bounds,omitzero"` // that the checkers hold the cluster to
	// default 1; the result does not depend on it
	Workers int `json:"workers,omitempty"`
	// checkers that do not count: the swarm's table says under which faults
	Suspend   []string `json:"suspend,omitempty"`
	Unchecked bool     `json:"unchecked,omitempty"` // no checkers: for thousands of nodes

	Trace io.Writer `json:"-"` // gets a readable line for everything that happens; one worker then

	tamper func(*proc, *gossip.Outbox) // breaks nodes on purpose, for the checkers' tests
}

// Unlike is in what a node's configuration differs from the others'; zero: it does not.
type Unlike struct {
	Retention time.Duration `json:"retention,omitempty"`
	Age       time.Duration `json:"age,omitempty"` // of messages
	Bytes     int           `json:"bytes,omitempty"`
	Budget    int           `json:"budget,omitempty"`
	Reconnect time.Duration `json:"reconnect,omitempty"`
	Tombstone time.Duration `json:"tombstone,omitempty"`
	Keep      bool          `json:"keep,omitempty"`
}

// configOf is the configuration of a process's node.
func (o *Options) configOf(process int32) gossip.Config {
	c := o.Gossip
	c.MTU = o.mtu(process)
	if len(o.Unlike) == 0 {
		return c
	}
	u := &o.Unlike[int(process)%len(o.Unlike)]
	c.Retention, c.Reconnect = cmp.Or(u.Retention, c.Retention), cmp.Or(u.Reconnect, c.Reconnect)
	c.Streams.Age, c.Streams.Bytes = cmp.Or(u.Age, c.Streams.Age), cmp.Or(u.Bytes, c.Streams.Bytes)
	c.Keys.Tombstone, c.Budget = cmp.Or(u.Tombstone, c.Keys.Tombstone), cmp.Or(u.Budget, c.Budget)
	c.Keep = c.Keep || u.Keep
	return c
}

// leastRetention is for how long the dead are remembered at the node that forgets first.
func (o *Options) leastRetention() time.Duration {
	least := cmp.Or(o.Gossip.Retention, 24*time.Hour)
	for i := range o.Unlike {
		least = min(least, cmp.Or(o.Unlike[i].Retention, least))
	}
	return least
}

// leastAge is for how long messages are held at the node that lets go first.
func (o *Options) leastAge() time.Duration {
	least := cmp.Or(o.Gossip.Streams.Age, time.Minute)
	for i := range o.Unlike {
		least = min(least, cmp.Or(o.Unlike[i].Age, least))
	}
	return least
}

// MaxNodes bounds a world.
const MaxNodes = 100_000

func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		v *int
		d int
	}{{&o.Nodes, 100}, {&o.Zones, 1}, {&o.Seeds, 1}, {&o.Workers, 1}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&o.JoinIn, 60 * time.Second}, {&o.Settle, 5 * time.Second}, {&o.Duration,
		60 * time.Second}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if o.Network.Within.Latency.IsZero() && o.Network.Between.Latency.IsZero() {
		lan := LAN()
		o.Network.Within.Latency, o.Network.Between.Latency = lan.Within.Latency,
			lan.Between.Latency
	}
	if o.Trace != nil {
		o.Workers = 1
	}
	switch {
	case o.Nodes < 1 || o.Nodes > MaxNodes:
		return o, fmt.Errorf("%d nodes: from 1 to %d are possible", o.Nodes, MaxNodes)
	case o.Zones < 1 || o.Zones > o.Nodes:
		return o, fmt.Errorf("%d zones for %d nodes", o.Zones, o.Nodes)
	case o.Racks < 0:
		return o, fmt.Errorf("%d racks", o.Racks)
	case o.Seeds < 1 || o.Seeds > o.Nodes:
		return o, fmt.Errorf("%d seeds of %d nodes", o.Seeds, o.Nodes)
	case o.Workers < 1 || o.Workers > 64:
		return o, fmt.Errorf("%d workers: from 1 to 64 are possible", o.Workers)
	case slices.ContainsFunc(o.MTUs, func(n int) bool {
		return n < wire.MinMTU ||
			n > wire.MaxMTU
	}):
		return o, fmt.Errorf("MTUs of %v bytes; each must be at least %d and at most %d",
			o.MTUs, wire.MinMTU, wire.MaxMTU)
	case o.Spread < 0 || o.JoinIn < 0 || o.Settle < 0 || o.Duration < 0:
		return o, fmt.Errorf("a negative time")
	}
	for i := range o.Actions {
		if err := o.validate(&o.Actions[i]); err != nil {
			return o, fmt.Errorf("action %q: %w", o.Actions[i], err)
		}
	}
	return o, nil
}

// validate says what an action names that will not be there.
func (o *Options) validate(a *Action) error {
	if _, ok := verbs[a.Do]; !ok {
		return fmt.Errorf("there is no %q; there are %s", a.Do, verbNames())
	}
	most := o.Nodes
	for _, b := range o.Actions {
		if b.Do == Start && b.Every > 0 {
			most = MaxNodes
		} else if b.Do == Start {
			most += b.Who.N
		}
	}
	if most > MaxNodes {
		return fmt.Errorf("%d nodes in the end: at most %d are possible", most, MaxNodes)
	}
	for _, side := range []Who{a.Who, a.Peer} {
		for _, w := range append([]Who{side}, side.Plus...) {
			if w.Kind == Range && w.To >= most {
				return fmt.Errorf("there is no n%d; the nodes are n0 to n%d", w.To, most-1)
			}
			if w.Kind == InZone && w.Zone >= o.Zones {
				return fmt.Errorf("there is no z%d; the zones are z0 to z%d", w.Zone, o.Zones-1)
			}
		}
	}
	return a.complete(map[string]bool{"for": a.For > 0, "cost": a.Cost > 0, "by": a.By != 0})
}

// mtu is the MTU of the node of a process.
func (o *Options) mtu(process int32) int {
	if len(o.MTUs) > 0 {
		return o.MTUs[int(process)%len(o.MTUs)]
	}
	return cmp.Or(o.Gossip.MTU, wire.DefaultMTU)
}

// longest is how many bytes, with headers, the longest packet of any node has.
func (o *Options) longest() int {
	most := o.mtu(0)
	for _, n := range o.MTUs {
		most = max(most, n)
	}
	return wire.OnWire(wire.RoomOf(most), o.Sealed) + Overhead
}

// spares says whether a live member that is well is never held for failed: where nothing is lost,
// and with Inquest where half of the packets are.
func (o *Options) spares() bool {
	if o.Network.lossless(o.longest()) {
		return true
	}
	worst := max(lossOf(&o.Network.Within, true), lossOf(&o.Network.Between, true))
	for i := range o.Network.Paths {
		worst = max(worst, lossOf(&o.Network.Paths[i].Link, true))
	}
	return cmp.Or(o.Gossip.Detector, gossip.DefaultDetector) == gossip.INQUEST &&
		worst <= passable && o.Network.Own.Rate == 0
}

// writes says whether keys are written at all.
func (o *Options) writes() bool {
	return slices.ContainsFunc(o.Actions, func(a Action) bool { return a.Do == Set })
}

// publishes says whether messages are published at all.
func (o *Options) publishes() bool {
	for _, a := range o.Actions {
		if a.Do == Publish {
			return true
		}
	}
	return false
}
