package lab

import (
	"cmp"
	"context"
	"math/rand/v2"

	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// This file is the epidemic over subnets that a router joins.

// Topology is the options of an epidemic by the rules of Rounds over Subnets of sizes as equal
// as can be. With Uniform, targets are drawn among all. Without, each contact stays in its
// sender's subnet of n_i members with probability 1 − 1/n_i, and is drawn uniformly on the side
// that it goes to (topology.Subnets). A message between two subnets goes through the router,
// whether it arrives or not. The crashed members are spread over all subnets.
type Topology struct {
	Mode    rumor.Mode `json:"mode"`
	Fanout  int        `json:"fanout"`
	Nodes   int        `json:"nodes"`
	Subnets int        `json:"subnets"`
	Uniform bool       `json:"uniform"`
	Loss    float64    `json:"loss"`
	Crashed float64    `json:"crashed"`
	Runs    int        `json:"-"`
	Seed    uint64     `json:"seed"`
}

// TopologyResult is what the runs of Topology showed.
type TopologyResult struct {
	Mean float64 `json:"mean"` // rounds until all live members have the rumor
	SE   float64 `json:"se"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Runs int     `json:"runs"`
	// mean over runs of those through the router by rounds
	RouterMessages float64 `json:"router_messages_per_round"`
	RouterSE       float64 `json:"router_messages_se"`
	RouterShare    float64 `json:"router_share"` // of all messages
}

func (o *Topology) rounds() *Rounds {
	return &Rounds{Mode: o.Mode, Fanout: o.Fanout, Nodes: o.Nodes, Loss: o.Loss,
		Crashed: o.Crashed, Runs: o.Runs, Seed: o.Seed}
}

// Run does the experiment.
func (o *Topology) Run(ctx context.Context, w Work) (*TopologyResult, error) {
	if err := cmp.Or(o.rounds().check(), within("subnets", o.Subnets, 1, o.Nodes)); err != nil {
		return nil, err
	}
	net := topology.Split(o.Nodes, o.Subnets)
	seat := o.seats()
	place := make([]int32, o.Nodes)
	own := make([]int, o.Nodes)
	for i, s := range seat {
		place[s] = int32(i)
		own[i] = net.Of(int(s))
	}
	runs, err := spread(ctx, w, o.Seed, o.Runs, func() func(int, *rand.Rand) epidemicRun {
		e := o.rounds().epidemic()
		e.crosses = func(from, to int) bool { return own[from] != own[to] }
		e.pick = func(rng *rand.Rand, self int, dst []int32) []int32 {
			if o.Uniform {
				return topology.Others(rng, o.Nodes, self, o.Fanout, dst)
			}
			dst = net.Pick(rng, int(seat[self]), o.Fanout, dst)
			for i := range dst {
				dst[i] = place[dst[i]]
			}
			return dst
		}
		return e.run
	})
	if err != nil {
		return nil, err
	}
	return o.sum(runs), nil
}

// seats gives each member of the epidemic a number by which subnets are made. The last members have
// crashed. The numbers go by strides, so that the crashed are spread over all subnets.
func (o *Topology) seats() []int32 {
	seat := make([]int32, 0, o.Nodes)
	net := topology.Split(o.Nodes, o.Subnets)
	for k := int32(0); len(seat) < o.Nodes; k++ {
		for s := range o.Subnets {
			if net[s]+k < net[s+1] {
				seat = append(seat, net[s]+k)
			}
		}
	}
	return seat
}

func (o *Topology) sum(runs []epidemicRun) *TopologyResult {
	r := &TopologyResult{Runs: o.Runs}
	rounds := column(runs, func(r *epidemicRun) float64 { return float64(len(r.infected) - 1) })
	r.Mean, r.SE = moments(rounds)
	r.P50, r.P99 = quantile(rounds, 0.5), quantile(rounds, 0.99)
	r.RouterMessages, r.RouterSE = moments(column(runs, func(r *epidemicRun) float64 {
		return float64(r.crossed) / float64(max(len(r.infected)-1, 1))
	}))
	all, crossed := 0.0, 0.0
	for i := range runs {
		all, crossed = all+float64(runs[i].messages), crossed+float64(runs[i].crossed)
	}
	r.RouterShare = crossed / max(all, 1)
	return r
}
