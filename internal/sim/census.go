package sim

import "github.com/starling-gossip/starling/internal/gossip"

// A census says what a swarm draws: a fault that is never drawn is never survived either, and its
// checker proves nothing.

// draw is something that a seed may draw.
type drawKind struct {
	name string
	in   func(*Options) bool
}

// has returns whether any action is of the kind that a function looks for.
func has(of func(*Action) bool) func(*Options) bool {
	return func(o *Options) bool {
		for i := range o.Actions {
			if of(&o.Actions[i]) {
				return true
			}
		}
		return false
	}
}

func does(v Verb) func(*Options) bool { return has(func(a *Action) bool { return a.Do == v }) }

var spoils = has(func(a *Action) bool { return a.Link.Spoil > 0 })

var drawKinds = []drawKind{
	{"zones", func(o *Options) bool { return o.Zones > 1 }},
	{"zone budget", func(o *Options) bool { return o.Gossip.ZoneBudget > 0 }},
	{"loss", func(o *Options) bool { return o.Network.Within.Loss > 0 }},
	{"bursts", func(o *Options) bool { return o.Network.Within.Burst.Bad > 0 }},
	{"duplicates", func(o *Options) bool { return o.Network.Within.Dup > 0 }},
	{"reordering", func(o *Options) bool { return o.Network.Within.Reorder > 0 }},
	{"links of hosts", func(o *Options) bool { return !o.Network.Access.IsZero() }},
	{"loss over 10 %", func(o *Options) bool { return o.Network.Within.Loss > 0.1 }},
	{"loss by pair of zones", func(o *Options) bool {
		return len(o.Network.Paths) > 0 &&
			o.Network.Paths[0].Link.Loss > 0
	}},
	{"long ways within a zone", func(o *Options) bool {
		return o.Network.Within.Latency.Quantile(0) >= longWay
	}},
	{"hubs", func(o *Options) bool { return o.Gossip.Tree.Share > 0 }},
	{"own links with a bandwidth", func(o *Options) bool { return o.Network.Own.Rate > 0 }},
	{"shared links with a bandwidth", func(o *Options) bool {
		return o.Network.Between.Pipe.Rate > 0
	}},
	{"a link that is narrow for a while", has(func(a *Action) bool {
		return a.Link.Pipe.Rate > 0
	})},
	{"sealed", func(o *Options) bool { return o.Sealed }},
	{"MTU by node", func(o *Options) bool { return len(o.MTUs) > 1 }},
	{"narrow paths", func(o *Options) bool {
		return o.Network.Within.MTU > 0 || has(func(a *Action) bool { return a.Link.MTU > 0 })(o)
	}},
	{"longest packet over the path", (*Options).blackHole},
	{"a node behind a small path", func(o *Options) bool {
		return has(func(a *Action) bool { return a.Link.MTU > 0 && a.Link.MTU < leastPath })(o)
	}},
	{"a store", func(o *Options) bool { return o.Gossip.Keep }},
	{"a torn store", func(o *Options) bool { return o.Tear > 0 }},
	{"unlike nodes", func(o *Options) bool { return len(o.Unlike) > 0 }},
	{"short retention", func(o *Options) bool { return o.Gossip.Retention > 0 }},
	{"over 50 nodes", func(o *Options) bool { return o.Nodes > 50 }},
	{"crash", has(func(a *Action) bool { return a.Do == Crash && a.For == 0 })},
	{"crash and return", has(func(a *Action) bool { return a.Do == Crash && a.For > 0 })},
	{"kill", does(Kill)},
	{"pause", does(Pause)},
	{"slow", does(Slow)},
	{"restart", does(Restart)},
	{"move", does(Move)},
	{"start", does(Start)},
	{"leave", does(Leave)},
	{"cut", has(func(a *Action) bool { return a.Do == Cut && !a.OneWay })},
	{"cut one way", has(func(a *Action) bool { return a.Do == Cut && a.OneWay })},
	{"deaf", has(func(a *Action) bool { return a.Do == Cut && a.OneWay && a.Who.Kind == Rest })},
	{"cut one way, without Inquest", func(o *Options) bool {
		return detectorOf(o) != gossip.INQUEST &&
			has(func(a *Action) bool { return a.Do == Cut && a.OneWay })(o)
	}},
	{"link", has(func(a *Action) bool { return a.Do == Links && !a.OneWay })},
	{"link one way", has(func(a *Action) bool { return a.Do == Links && a.OneWay })},
	{"repeated faults", has(func(a *Action) bool { return a.Times > 0 && a.For > 0 })},
	{"streams of messages", has(func(a *Action) bool { return a.Do == Publish && a.Times > 1 })},
	{"several topics", has(func(a *Action) bool { return a.Do == Publish && a.Topic != "" })},
	{"urgent messages", has(func(a *Action) bool { return a.Urgent })},
	{"receipts", has(func(a *Action) bool { return a.Confirm })},
	{"keys", does(Set)},
	{"keys with a time to live", has(func(a *Action) bool { return a.TTL > 0 })},
	{"deleted keys", does(Unset)},
	{"clock", does(Clock)},
	{"tags", does(Tag)},
	{"leave right after a message", func(o *Options) bool {
		for i := 1; i < len(o.Actions); i++ {
			a, b := &o.Actions[i-1], &o.Actions[i]
			if a.Do == Publish && b.Do == Leave && a.Who.Kind == Range && a.Who.From == b.Who.From {
				return true
			}
		}
		return false
	}},
	{"clone", does(Clone)},
	{"strangers", does(Invade)},
	{"strangers, joined", func(o *Options) bool { return does(Invade)(o) && does(Joins)(o) }},
	{"spoiled, sealed", func(o *Options) bool { return o.Sealed && spoils(o) }},
	{"spoiled, in the clear", func(o *Options) bool { return !o.Sealed && spoils(o) }},
	{"forged, sealed", func(o *Options) bool { return o.Sealed && does(Forge)(o) }},
	{"forged, in the clear", func(o *Options) bool { return !o.Sealed && does(Forge)(o) }},
	{"replayed, sealed", func(o *Options) bool { return o.Sealed && does(Replay)(o) }},
	{"replayed, in the clear", func(o *Options) bool { return !o.Sealed && does(Replay)(o) }},
}

// Draws names all that seeds may draw.
func Draws() (names []string) {
	for _, d := range drawKinds {
		names = append(names, d.name)
	}
	return names
}

// Drawn names what a seed drew, as Draws has it.
func Drawn(o *Options) (names []string) {
	for _, d := range drawKinds {
		if d.in(o) {
			names = append(names, d.name)
		}
	}
	return names
}
