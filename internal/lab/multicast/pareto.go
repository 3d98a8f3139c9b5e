package multicast

// This file compares all policies of gossip, and delegation; the default of the live cluster is
// chosen by that. It finds what each costs and how long it takes, while the network is calm and
// while it is not.

import "math"

// Condition is one network that policies are compared in.
type Condition struct {
	Loss    float64 `json:"loss"`
	Crashed float64 `json:"crashed"` // and not known to be
}

// Conditions are those of the comparison.
var Conditions = []Condition{{0, 0}, {0.1, 0}, {0.25, 0}, {0.5, 0}, {0, 0.1}, {0, 0.5}}

// Policies are the names of those that are compared: each way to spread and each way to stop, from
// sparing to lavish.
var Policies = []string{
	"delegation",
	"gossip:push:eager:blind:fanout=4:rounds=1", "gossip:push:eager:blind:fanout=6:rounds=1",
	"gossip:push:eager:blind:fanout=8:rounds=1",
	"gossip:push:eager:blind:fanout=12:rounds=1", "gossip:push:eager:blind:fanout=16:rounds=1",
	"gossip:push:eager:blind:fanout=2:rounds=4", "gossip:push:eager:blind:fanout=4:rounds=2",
	"gossip:push:eager:blind:fanout=4:rounds=3",
	"gossip:push:eager:fanout=2:counter=1", "gossip:push:eager:fanout=2:counter=2",
	"gossip:push:eager:fanout=2:counter=4",
	"gossip:push:eager:fanout=4:counter=2", "gossip:push:eager:fanout=2:coin=2",
	"gossip:push:eager:fanout=2:coin=4",
	"gossip:push:eager:blind:lazy:fanout=8:rounds=1",
	"gossip:push:eager:blind:lazy:fanout=6:rounds=3",
	"gossip:push:eager:blind:fanout=2:offers=4:rounds=1",
	"gossip:push:eager:blind:fanout=4:offers=4:rounds=1",
	"gossip:push:eager:blind:fanout=2:offers=4:rounds=2",
	"gossip:push:fanout=1:counter=2:every=2ms", "gossip:pull:fanout=1:every=2ms",
	"gossip:push-pull:fanout=1:counter=2:every=2ms",
	"gossip:push-pull:eager:fanout=2:counter=2:every=5ms",
}

// Front says which results no other beats in both, the bytes a node sends and the time: the Pareto
// front. Results that never get there are not on it.
func Front(all []*Result, time func(*Result) Seconds) []bool {
	front := make([]bool, len(all))
	for i, r := range all {
		t := time(r)
		front[i] = !math.IsInf(float64(t), 1)
		for _, x := range all {
			if u := time(x); x.Mean.SentBytes <= r.Mean.SentBytes && u <= t &&
				(x.Mean.SentBytes < r.Mean.SentBytes || u < t) {
				front[i] = false
			}
		}
	}
	return front
}
