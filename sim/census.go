package sim

// A census says what a swarm draws: a fault that is never drawn is never survived either, and its checker proves nothing.

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

var drawKinds = []drawKind{
	{"zones", func(o *Options) bool { return o.Zones > 1 }},
	{"zone budget", func(o *Options) bool { return o.Gossip.ZoneBudget > 0 }},
	{"loss", func(o *Options) bool { return o.Network.Within.Loss > 0 }},
	{"bursts", func(o *Options) bool { return o.Network.Within.Burst.Bad > 0 }},
	{"duplicates", func(o *Options) bool { return o.Network.Within.Dup > 0 }},
	{"reordering", func(o *Options) bool { return o.Network.Within.Reorder > 0 }},
	{"links of hosts", func(o *Options) bool { return !o.Network.Access.IsZero() }},
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
	{"link", has(func(a *Action) bool { return a.Do == Links && !a.OneWay })},
	{"link one way", has(func(a *Action) bool { return a.Do == Links && a.OneWay })},
	{"repeated faults", has(func(a *Action) bool { return a.Times > 0 && a.Do != Publish && a.Do != Set })},
	{"streams of messages", has(func(a *Action) bool { return a.Do == Publish && a.Times > 1 })},
	{"keys", does(Set)},
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
