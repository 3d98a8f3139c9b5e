package sim

import (
	"slices"
)

// suspension says which checkers do not count under a fault, since its defence is yet to be built,
// and which issue ends that. Everything else counts under every fault.
type suspension struct {
	fault    string // as the census has it
	checkers []string
	issue    int // 0: none does
	why      string
}

var membership = []string{"accuracy", "completeness", "convergence", "untold", "incarnation",
	"precedence", "gone", "ends", "rejoined", "lives", "grace", "deaf"}

// all are the checkers but panic, error and bounds.
var allCheckers = append([]string{"messages", "arrival", "accounted", "loss", "order",
	"receipts", "waits", "keys", "load", "budget", "zone budget",
	"unread", "join", "clusters"}, membership...)

var suspensions = []suspension{
	{"clone", []string{"accuracy"}, 9, "a heartbeat detector failed a live member after most " +
		"had crashed, beside a clone; not looked into yet"},
	{"forged, in the clear", allCheckers, 12, "a stranger's word is believed; sealing drops it"},
	{"replayed, in the clear", allCheckers, 12, "an old datagram is taken for a new one; " +
		"sealing drops it"},
	{"cut one way, without Inquest", []string{"accuracy", "completeness", "convergence"}, 9,
		"who sends and cannot receive is held for live, and holds others for failed"},
	{"longest packet over the path", []string{"messages", "arrival", "loss", "accounted",
		"keys", "accuracy", "convergence", "load"}, 0,
		"such a path is told, and not served: decision 30"},
}

// suspended names the checkers that do not count under what options draw.
func suspended(o *Options) (names []string) {
	drawn := Drawn(o)
	for _, s := range suspensions {
		if slices.Contains(drawn, s.fault) {
			names = append(names, s.checkers...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// blackHole says whether a packet may be longer than a path passes.
func (o *Options) blackHole() bool {
	over := func(l *Link) bool { return l.MTU > 0 && l.MTU < o.longest() }
	if over(&o.Network.Within) || over(&o.Network.Between) {
		return true
	}
	return slices.ContainsFunc(o.Actions, func(a Action) bool { return over(&a.Link) })
}
