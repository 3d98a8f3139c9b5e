package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// A swarm is many small runs, each with a cluster, a network and faults drawn from a seed. What no
// one would think of testing is tested here.

// draws are what a swarm draws its options with.
type draws struct {
	stream
	faults time.Duration // how long the first part is
	long   bool
}

func (d *draws) below(n int) int { return int(d.Uint64() % uint64(n)) }

func (d *draws) between(lo, hi time.Duration) time.Duration {
	step := (hi - lo) / 64
	return lo + step*time.Duration(d.below(65))
}

// pick returns one of some values.
func pick[T any](d *draws, of ...T) T { return of[d.below(len(of))] }

// The swarm's runs: faults happen in the first part, and the second is long enough for everything
// to be well again. In short ones seeds are dialled soon again, so that it need not be so long; in
// long ones retention is short, so that more happens than is remembered, as after a day.
const (
	swarmFaults = 40 * time.Second
	swarmQuiet  = 90 * time.Second

	shortQuiet = 50 * time.Second
	longFaults = 90 * time.Second
)

// Draw returns the swarm's options of a seed.
func Draw(seed uint64) Options {
	d := &draws{stream: newStream(seed, 5), faults: swarmFaults}
	o := Options{Seed: seed, Nodes: 2 + d.below(pick(d, 4, 4, 14, 14, 46))}
	quiet := swarmQuiet
	switch d.below(8) {
	case 0:
		d.faults, d.long = longFaults, true
		o.Gossip.Retention, o.Gossip.Keys.Tombstone = d.between(20*time.Second,
			40*time.Second), d.between(2*time.Second, 20*time.Second)
		o.Gossip.Streams.Age = d.between(15*time.Second, 40*time.Second)
	case 1, 2, 3, 4, 5:
		quiet, o.Gossip.Reseed = shortQuiet, 15*time.Second
		o.Gossip.Streams.Age = pick(d, 0, 20*time.Second, 40*time.Second)
	}
	if d.below(250) == 0 {
		o.Nodes = 60 + d.below(141)
	}
	o.Duration = d.faults + quiet
	o.Zones = 1 + d.below(min(3, o.Nodes))
	o.Seeds = 1 + d.below(min(3, o.Nodes))
	o.Spread = pick(d, 0, 0, 2*time.Second)
	o.Network = d.network(o.Zones)
	o.Gossip.Inquest.ZoneGrace = 10 * time.Second // less than the second part
	o.Gossip.Detector = pick(d, gossip.SWIM, gossip.INQUEST, gossip.SWIM, gossip.INQUEST,
		gossip.HEARTBEAT, gossip.ACCRUAL)
	d.nodes(&o)
	rate := d.budget(&o)
	for range 1 + d.below(5) {
		o.Actions = append(o.Actions, d.action(&o)...)
	}
	d.traffic(&o, rate)
	if d.below(12) == 0 { // nothing reaches one of them, and all that it sends passes
		at := d.between(0, d.faults/2).Round(time.Millisecond)
		o.Actions = append(o.Actions, Action{
			At: at, Do: Cut, Who: Who{Kind: Rest}, Peer: Nodes(d.below(o.Nodes)), OneWay: true,
			For: d.between(time.Second, d.faults-at).Round(time.Millisecond),
		})
	}
	if d.below(16) == 0 { // one of them is behind a path that takes less than it sends
		o.Actions = append(o.Actions, Action{
			Do: Links, Who: Nodes(d.below(o.Nodes)), Peer: Who{Kind: All},
			Link: Link{MTU: leastPath - 1 - d.below(leastPath-smallestPath)},
		})
	}
	// addresses go to another cluster; in a third of the runs the two are joined later
	if d.below(10) == 0 {
		at := d.between(0, d.faults/2).Round(time.Millisecond)
		o.Actions = append(o.Actions, Action{At: at, Do: Invade, Who: Any(1 + d.below(2))})
		if d.below(3) == 0 {
			o.Actions = append(o.Actions, Action{At: d.between(at,
				d.faults).Round(time.Millisecond), Do: Joins, Who: Any(1)})
		}
	}
	d.bandwidth(&o)
	if share := (&draws{stream: newStream(seed, 13)}); share.below(3) == 0 {
		o.Gossip.Tree.Share = 1 + share.below(4) // a hub where there is hardly anything to share
	}
	if long := (&draws{stream: newStream(seed, 14)}); long.below(8) == 0 {
		// parcels and confirmations wait there (decision 44)
		o.Network.Within.Latency = Constant(long.between(longWay, 100*time.Millisecond))
	}
	d.topics(&o)
	slices.SortStableFunc(o.Actions, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	o.Suspend = suspended(&o)
	return o
}

// nodes draws how nodes are configured, and in what they differ.
func (d *draws) nodes(o *Options) {
	o.Sealed = d.below(2) == 0
	if d.below(4) == 0 {
		o.MTUs = pick(d, []int{1400}, []int{9000}, []int{1200, 1400, 9000}, []int{1200, 1280})
	}
	if d.below(3) == 0 {
		o.Gossip.Keep, o.Tear = true, pick(d, 0, 0, 3, 20)
	}
	if d.below(4) != 0 {
		return
	}
	for range 2 + d.below(2) {
		u := Unlike{Keep: d.below(3) == 0}
		if d.below(2) == 0 {
			u.Retention, u.Tombstone = d.between(20*time.Second,
				2*time.Minute), d.between(2*time.Second, 30*time.Second)
		}
		if d.below(2) == 0 {
			u.Age = d.between(15*time.Second, time.Minute)
		}
		if d.below(2) == 0 {
			u.Budget, u.Reconnect = 16<<10<<d.below(7), d.between(time.Second, 4*time.Second)
		}
		o.Unlike = append(o.Unlike, u)
	}
}

// budget draws what the links of hosts are like, and a budget between zones; it returns how many
// bytes a second may be published for sure. Detectors that probe anybody may fill the least budget,
// so they get more of it in larger clusters.
func (d *draws) budget(o *Options) int {
	if d.below(3) == 0 {
		o.Network.Access = Lognormal(d.between(100*time.Microsecond, 2*time.Millisecond),
			pick(d, 0.3, 1))
	}
	if o.Zones == 1 || d.below(3) > 0 {
		return 1 << 20
	}
	rate := gossip.MinPairBudget << d.below(7)
	if o.Gossip.Detector != gossip.INQUEST {
		rate = max(rate, o.Nodes*2<<10)
	}
	o.Gossip.ZoneBudget = rate
	return rate
}

// traffic draws messages and keys: what a rate of so many bytes a second holds in half of the
// faults' time.
func (d *draws) traffic(o *Options, rate int) {
	half := d.faults / 2
	for i := range 2 { // one amid the faults, one after all
		at := half + time.Duration(i)*(o.Duration-half-6*time.Second)
		o.Actions = append(o.Actions, Action{At: at, Do: Publish, Who: Any(1), Bytes: 1 +
			d.below(min(rate/2, pick(d, 100, 100_000))), Confirm: true})
	}
	publishers, bytes := 1+d.below(min(o.Nodes, 12)), 1+d.below(pick(d, 100, 100, 4_000))
	most := rate * int(half/time.Second) / (publishers * (bytes + messageCost))
	o.Actions = append(o.Actions, Action{
		At: d.between(0, half), Do: Publish, Who: Any(publishers), Bytes: bytes,
		Confirm: d.below(2) == 0,
		Every:   d.between(20*time.Millisecond, 2*time.Second), Times: 1 + min(d.below(20), most),
	})
	writers, bytes := 1+d.below(min(o.Nodes, 12)), 1+d.below(pick(d, 60, 60, 600))
	most = 2 * rate / (writers * (bytes + messageCost)) // that are held at once
	set := Action{
		At: d.between(0, half), Do: Set, Who: Any(writers), Keys: 1 +
			min(d.below(8), most), Bytes: bytes,
		Every: d.between(100*time.Millisecond, 2*time.Second), Times: 1 + d.below(20),
	}
	if d.below(4) == 0 {
		set.TTL = d.between(time.Second, 30*time.Second)
	}
	o.Actions = append(o.Actions, set)
	if d.below(2) == 0 {
		o.Actions = append(o.Actions, Action{
			At: set.At + d.between(0,
				half), Do: Unset, Who: set.Who, Keys: set.Keys, Every: set.Every, Times: 1 +
				d.below(20),
		})
	}
}

// longWay is the least latency of ways within a zone that are long.
const longWay = 10 * time.Millisecond

func (d *draws) network(zones int) Network {
	n := LAN()
	switch d.below(4) {
	case 0:
		n.Within.Latency = Uniform(100*time.Microsecond,
			d.between(time.Millisecond, 20*time.Millisecond))
	case 1:
		n = WAN(zones)
	}
	switch d.below(8) {
	case 0, 1, 2:
		n.Within.Loss = float64(d.below(11)) / 100
	case 3:
		n.Within.Loss = float64(10+d.below(31)) / 100
	}
	n.Between.Loss = n.Within.Loss
	if zones > 1 && d.below(4) == 0 { // each pair of zones loses something else
		n.Paths = nil
		for a := range zones {
			for b := a + 1; b < zones; b++ {
				n.Paths = append(n.Paths, Path{A: a, B: b,
					Link: Link{Latency: n.Between.Latency, Loss: float64(d.below(41)) / 100}})
			}
		}
	}
	if d.below(4) == 0 {
		n.Within.Burst = Burst{Good: d.between(time.Second, 20*time.Second),
			Bad: d.between(0, 300*time.Millisecond), Loss: pick(d, 0.8, 1)}
	}
	if d.below(3) == 0 {
		n.Within.Dup, n.Within.Reorder = float64(d.below(11))/100, float64(d.below(11))/100
	}
	if d.below(8) == 0 {
		n.Within.MTU, n.Between.MTU = leastPath, leastPath
	}
	return n
}

// action draws one fault that ends within the swarm's first part, or two that go together.
func (d *draws) action(o *Options) []Action {
	at := d.between(0, d.faults*3/4).Round(time.Millisecond)
	left := d.faults - at
	a := Action{At: at, Who: d.who(o)}
	lasting := d.between(100*time.Millisecond, left).Round(time.Millisecond)
	switch d.below(24) {
	case 0, 1:
		a.Do = Crash
	case 2:
		a.Do, a.For = Crash, lasting
	case 3:
		a.Do, a.For = Pause, lasting
	case 4:
		a.Do, a.For, a.Cost = Slow, lasting, d.between(time.Millisecond, 200*time.Millisecond)
	case 5, 6:
		a.Do = Restart
	case 7:
		a.Do, a.Peer = Move, Any(1)
	case 8:
		a.Do, a.Who = Start, Any(1+d.below(min(o.Nodes, 20)))
	case 9:
		a.Do = Leave
	case 10, 11, 12:
		a.Do, a.Peer, a.For, a.OneWay = Cut, Who{Kind: Rest}, lasting, d.below(3) == 0
	case 13, 14:
		a.Do, a.Peer, a.For, a.OneWay = Links, Who{Kind: All}, lasting, d.below(2) == 0
		a.Link = Link{Loss: float64(d.below(100)) / 100, Dup: float64(d.below(50)) / 100}
	case 15:
		a.Do = Kill
	case 16: // loss between two zones, or within one
		a.Do, a.Who, a.Peer = Links, Who{Kind: InZone,
			Zone: d.below(o.Zones)}, Who{Kind: InZone, Zone: d.below(o.Zones)}
		a.For, a.OneWay = lasting, d.below(2) == 0
		a.Link = Link{Loss: float64(d.below(51)) / 100}
		if d.below(2) == 0 {
			a.Link.Burst = Burst{Good: d.between(time.Second, 5*time.Second),
				Bad: d.between(0, time.Second), Loss: 1}
		}
	case 17:
		a.Do, a.Peer, a.For = Links, Who{Kind: All}, lasting
		a.Link = Link{MTU: leastPath}
	case 18: // a clock jumps; a process that starts then has another idea of the time
		jump := Action{At: at, Do: Clock, Who: a.Who,
			By: d.between(-time.Hour, time.Hour).Round(time.Second)}
		if d.below(2) == 0 {
			jump.By = d.between(-2*time.Second, 2*time.Second).Round(time.Millisecond)
		}
		if jump.By == 0 {
			jump.By = -time.Second
		}
		return []Action{jump, {At: at + time.Duration(d.below(3))*time.Second, Do: Restart,
			Who: a.Who}}
	case 19: // a publisher leaves at once
		who := Nodes(d.below(o.Nodes))
		publish := Action{At: at, Do: Publish, Who: who, Bytes: 1 + d.below(pick(d, 100, 50_000))}
		return []Action{publish, {At: at + pick(d, 0, time.Millisecond, time.Second),
			Do: Leave, Who: who}}
	case 20:
		a.Do, a.Every, a.Times = Tag, d.between(10*time.Millisecond, 2*time.Second), 1+d.below(5)
		return []Action{a}
	case 21:
		a.Do, a.Who = Clone, Any(1)
		return []Action{a}
	case 22:
		a.Do, a.Peer, a.For, a.Link = Links, Who{Kind: All}, lasting,
			Link{Spoil: float64(1+d.below(20)) / 100}
	case 23:
		a.Do, a.Every, a.Times = pick(d, Forge, Replay), d.between(10*time.Millisecond,
			500*time.Millisecond), 1+d.below(40)
		return []Action{a}
	}
	if d.below(6) == 0 && a.Do != Start && a.Do != Leave && a.Do != Crash && a.Do != Kill {
		a.Times = 1 + d.below(3)
		a.Every = max(left/time.Duration(a.Times), time.Millisecond)
		a.For = min(a.For, a.Every)
	}
	return []Action{a}
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

// Try runs options and says what must never happen and did: a panic is a finding like others,
// wherever it is, and so are options that cannot be run.
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

// Shrink returns smaller options whose run still violates what the given one does: fewer faults,
// fewer nodes, a calmer network. It tries at most so many runs, and calls progress, if there is
// one, after each that still fails.
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
		c.Suspend = suspended(&c)
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
	add(func(c *Options) { c.Network.Within.Latency = LAN().Within.Latency })
	add(func(c *Options) { c.Network.Within.Dup, c.Network.Within.Reorder = 0, 0 })
	add(func(c *Options) { c.Network.Access = Latency{} })
	add(func(c *Options) { c.Gossip.ZoneBudget = 0 })
	add(func(c *Options) { c.Zones = 1 })
	add(func(c *Options) { c.Unlike = nil })
	add(func(c *Options) { c.MTUs = nil })
	add(func(c *Options) { c.Sealed = false })
	add(func(c *Options) { c.Gossip.Keep, c.Tear = false, 0 })
	add(func(c *Options) { c.Network.Within.MTU, c.Network.Between.MTU = 0, 0 })
	add(func(c *Options) { c.Network.Paths = nil })
	add(func(c *Options) { c.Seeds = 1 })
	add(func(c *Options) { c.Spread = 0 })
	for i := range o.Actions {
		add(func(c *Options) { c.Actions[i].Every, c.Actions[i].Times = 0, 0 })
	}
	return all
}
