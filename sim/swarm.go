package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip"
)

// A swarm is many small runs, each with a cluster, a network and faults drawn from a seed. What no one would think of
// testing is tested here.

// draws are what a swarm draws its options with.
type draws struct{ stream }

func (d *draws) below(n int) int { return int(d.Uint64() % uint64(n)) }

func (d *draws) between(lo, hi time.Duration) time.Duration {
	step := (hi - lo) / 64
	return lo + step*time.Duration(d.below(65))
}

// pick returns one of some values.
func pick[T any](d *draws, of ...T) T { return of[d.below(len(of))] }

// The swarm's runs: faults happen in the first part, and the second is long enough for everything to be well again.
const (
	swarmFaults = 40 * time.Second
	swarmQuiet  = 90 * time.Second
)

// Draw returns the swarm's options of a seed.
func Draw(seed uint64) Options {
	d := &draws{newStream(seed, 5)}
	o := Options{Seed: seed, Nodes: 2 + d.below(pick(d, 4, 14, 46)), Duration: swarmFaults + swarmQuiet}
	o.Zones = 1 + d.below(min(3, o.Nodes))
	o.Seeds = 1 + d.below(min(3, o.Nodes))
	o.Spread = pick(d, 0, 0, 2*time.Second)
	o.Network = d.network(o.Zones)
	for range 1 + d.below(5) {
		o.Actions = append(o.Actions, d.action(&o))
	}
	slices.SortStableFunc(o.Actions, func(a, b Action) int { return int(a.At - b.At) })
	for i := range 2 {
		at := swarmFaults/2 + time.Duration(i)*(swarmFaults/2+swarmQuiet-5*time.Second)
		o.Actions = append(o.Actions, Action{At: at, Do: Publish, Who: Any(1)})
	}
	o.Gossip.Inquest.ZoneGrace = 10 * time.Second // less than the second part
	o.Gossip.Detector = pick(d, gossip.SWIM, gossip.INQUEST, gossip.SWIM, gossip.INQUEST, gossip.HEARTBEAT, gossip.ACCRUAL)
	d.ways(&o)
	return o
}

// ways draws what the links of hosts and those between zones are like: last, so that a seed's faults do not depend on it. A
// budget comes with more to send, keys too: what it holds in a half of the faults' time, or faster. Detectors that probe anybody
// may fill the least one, so they get more of it in larger clusters.
func (d *draws) ways(o *Options) {
	if d.below(3) == 0 {
		o.Network.Access = Lognormal(d.between(100*time.Microsecond, 2*time.Millisecond), pick(d, 0.3, 1))
	}
	if o.Zones == 1 || d.below(2) == 0 {
		return
	}
	rate := gossip.MinPairBudget << d.below(7)
	if o.Gossip.Detector != gossip.INQUEST {
		rate = max(rate, o.Nodes*2<<10)
	}
	o.Gossip.ZoneBudget = rate
	for i := range o.Actions {
		if a := &o.Actions[i]; a.Do == Publish {
			a.Bytes = 1 + d.below(rate/2)
		}
	}
	publishers, bytes := 1+d.below(o.Nodes), 1+d.below(4000)
	if d.below(2) == 0 {
		most := rate * int(swarmFaults/2/time.Second) / (publishers * (bytes + messageCost))
		o.Actions = append(o.Actions, Action{
			At: swarmFaults / 2, Do: Publish, Who: Any(publishers), Bytes: bytes,
			Every: d.between(10*time.Millisecond, 200*time.Millisecond), Times: 1 + min(d.below(100), most),
		})
	}
	writers, bytes := 1+d.below(o.Nodes), 1+d.below(600)
	if d.below(2) == 0 {
		most := 2 * rate / (writers * (bytes + messageCost)) // that are held at once
		o.Actions = append(o.Actions, Action{
			At: swarmFaults / 4, Do: Set, Who: Any(writers), Keys: 1 + min(d.below(8), most), Bytes: bytes,
			Every: d.between(100*time.Millisecond, 2*time.Second), Times: 1 + d.below(20),
		})
	}
}

func (d *draws) network(zones int) Network {
	n := LAN()
	switch d.below(4) {
	case 0:
		n.Within.Latency = Uniform(100*time.Microsecond, d.between(time.Millisecond, 20*time.Millisecond))
	case 1:
		n = WAN(zones)
	}
	if d.below(2) == 0 {
		n.Within.Loss = float64(d.below(11)) / 100
		n.Between.Loss = n.Within.Loss
	}
	if d.below(4) == 0 {
		n.Within.Burst = Burst{Good: d.between(time.Second, 20*time.Second), Bad: d.between(0, 300*time.Millisecond), Loss: 0.8}
	}
	if d.below(3) == 0 {
		n.Within.Dup, n.Within.Reorder = float64(d.below(11))/100, float64(d.below(11))/100
	}
	return n
}

// action draws one fault that ends within the swarm's first part.
func (d *draws) action(o *Options) Action {
	at := d.between(0, swarmFaults*3/4).Round(time.Millisecond)
	left := swarmFaults - at
	a := Action{At: at, Who: d.who(o)}
	lasting := d.between(100*time.Millisecond, left).Round(time.Millisecond)
	switch d.below(13) {
	case 0, 1:
		a.Do = Crash
	case 2:
		a.Do, a.For = Crash, lasting
	case 3:
		a.Do, a.For = Pause, lasting
	case 4:
		a.Do, a.For, a.Cost = Slow, lasting, d.between(time.Millisecond, 200*time.Millisecond)
	case 5:
		a.Do = Restart
	case 6:
		a.Do, a.Peer = Move, Any(1)
	case 7:
		a.Do, a.Who = Start, Any(1+d.below(o.Nodes))
	case 8:
		a.Do = Leave
	case 9, 10:
		a.Do, a.Peer, a.For, a.OneWay = Cut, Who{Kind: Rest}, lasting, d.below(3) == 0
	case 11:
		a.Do, a.Peer, a.For, a.OneWay = Links, Who{Kind: All}, lasting, d.below(2) == 0
		a.Link = Link{Loss: float64(d.below(100)) / 100, Dup: float64(d.below(50)) / 100}
	case 12:
		a.Do = Kill
	}
	if d.below(6) == 0 && a.Do != Start && a.Do != Leave && a.Do != Crash && a.Do != Kill {
		a.Times = 1 + d.below(3)
		a.Every = max(left/time.Duration(a.Times), time.Millisecond)
		a.For = min(a.For, a.Every)
	}
	return a
}

func (d *draws) who(o *Options) Who {
	switch d.below(5) {
	case 4:
		return Who{Kind: InZone, Zone: d.below(o.Zones)}
	case 0:
		return Nodes(d.below(o.Nodes))
	case 1:
		return Any(1 + d.below(max(o.Nodes/2, 1)))
	}
	return Percent(float64(10 + d.below(60)))
}

// Try runs options and says what must never happen and did: a panic is a finding like others, wherever it is, and so
// are options that cannot be run.
func Try(o Options) (found []Violation) {
	r, found := try(o)
	if r != nil {
		found = append(found, r.Violations...)
	}
	return found
}

// try runs options. What kept the run from its end is a violation, and there is no report.
func try(o Options) (r *Report, broken []Violation) {
	var text string
	defer func() {
		if text != "" {
			r, broken = nil, []Violation{{Checker: "panic", Text: text}}
		}
	}()
	defer catch(&text)
	r, err := Run(o)
	if err != nil {
		return nil, []Violation{{Checker: "error", Text: err.Error()}}
	}
	return r, nil
}

// Shrink returns smaller options whose run still violates what the given one does: fewer faults, fewer nodes, a
// calmer network. It tries at most so many runs, and calls progress, if there is one, after each that still fails.
func Shrink(o Options, checker string, tries int, progress func(Options)) Options {
	fails := func(c Options) bool {
		if tries--; tries < 0 {
			return false
		}
		return slices.ContainsFunc(Try(c), func(v Violation) bool { return v.Checker == checker })
	}
	for again := true; again && tries > 0; {
		again = false
		for _, c := range smaller(o) {
			if fails(c) {
				o, again = c, true
				if progress != nil {
					progress(o)
				}
				break
			}
		}
	}
	return o
}

// smaller returns the options that are one step simpler, the largest steps first.
func smaller(o Options) (all []Options) {
	add := func(change func(c *Options)) {
		c := o
		c.Actions = slices.Clone(o.Actions)
		change(&c)
		if _, err := c.withDefaults(); err == nil && fmt.Sprint(c) != fmt.Sprint(o) {
			all = append(all, c)
		}
	}
	for i := range o.Actions {
		add(func(c *Options) { c.Actions = slices.Delete(c.Actions, i, i+1) })
	}
	for _, n := range []int{o.Nodes / 2, o.Nodes - 1} {
		add(func(c *Options) {
			c.Nodes = n
			c.Zones, c.Seeds = min(c.Zones, n), min(c.Seeds, n)
		})
	}
	add(func(c *Options) { c.Network = LAN() })
	add(func(c *Options) { c.Network.Within.Burst = Burst{} })
	add(func(c *Options) { c.Network.Within.Loss, c.Network.Between.Loss = 0, 0 })
	add(func(c *Options) { c.Network.Within.Dup, c.Network.Within.Reorder = 0, 0 })
	add(func(c *Options) { c.Network.Access = Latency{} })
	add(func(c *Options) { c.Gossip.ZoneBudget = 0 })
	add(func(c *Options) { c.Zones = 1 })
	add(func(c *Options) { c.Seeds = 1 })
	add(func(c *Options) { c.Spread = 0 })
	for i := range o.Actions {
		add(func(c *Options) { c.Actions[i].Every, c.Actions[i].Times = 0, 0 })
	}
	return all
}
