package lab

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"

	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// This file is the simple epidemic: one rumor that nobody ever lets go of, in rounds.

// Rounds is the options of a simple epidemic. Of n members, floor(Crashed·n) have crashed before
// the start, and no member knows that. The origin has not, and has the rumor at round 0. In a
// round, the members that Mode says contact Fanout distinct members each, drawn uniformly among the
// n − 1 others, the crashed included. All members act on the state at the round's start. Push: a
// member that has the rumor sends it. Pull: a member that lacks it asks, and a member that has it
// answers. Push-pull: every live member contacts; it sends the rumor if it has it, and asks if it
// lacks it. Each message, request and reply alike, is lost independently. A member that has the
// rumor stays infectious. A run ends when all that live have it.
type Rounds struct {
	Mode    rumor.Mode `json:"mode"`
	Fanout  int        `json:"fanout"`
	Nodes   int        `json:"nodes"`
	Loss    float64    `json:"loss"`
	Crashed float64    `json:"crashed"`
	Runs    int        `json:"-"` // it is in the result
	Seed    uint64     `json:"seed"`
}

// RoundsResult is what the runs of Rounds showed, in rounds and members.
type RoundsResult struct {
	Mean float64 `json:"mean"` // rounds until all live members have the rumor
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	SE   float64 `json:"se"` // standard error of the mean
	Runs int     `json:"runs"`
	// mean rounds until half of the live have it
	Half float64 `json:"half"`
	// mean number of members that have it, after each round from 0 on
	Infected []float64 `json:"infected"`
	// mean that a live member sent, lost ones included
	MessagesPerNode float64 `json:"messages_per_node"`
}

// Live is how many members live.
func (o *Rounds) Live() int {
	// 0.29·100 is 29, and a little less in floating point
	return o.Nodes - int(o.Crashed*float64(o.Nodes)+1e-9)
}

func (o *Rounds) check() error {
	return cmp.Or(checkMode(o.Mode), within("nodes", o.Nodes, 1, MaxNodes),
		within("fanout", o.Fanout, 1, max(o.Nodes-1, 1)),
		within("loss", o.Loss, 0, MaxLoss), within("crashed", o.Crashed, 0, maxCrashed),
		within("runs", o.Runs, 1, MaxRuns))
}

// Run does the experiment.
func (o *Rounds) Run(ctx context.Context, w Work) (*RoundsResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	runs, err := spread(ctx, w, o.Seed, o.Runs, func() func(int, *rand.Rand) epidemicRun {
		e := o.epidemic()
		e.pick = func(rng *rand.Rand, self int, dst []int32) []int32 {
			return topology.Others(rng, o.Nodes, self, o.Fanout, dst)
		}
		return e.run
	})
	if err != nil {
		return nil, err
	}
	rounds := column(runs, func(r *epidemicRun) float64 { return float64(len(r.infected) - 1) })
	r := &RoundsResult{Runs: o.Runs}
	r.Mean, r.SE = moments(rounds)
	r.P50, r.P99 = quantile(rounds, 0.5), quantile(rounds, 0.99) // the last sorted them
	r.Infected = make([]float64, int(rounds[len(rounds)-1])+1)
	for i := range runs {
		in := runs[i].infected
		for k := range r.Infected {
			r.Infected[k] += float64(in[min(k, len(in)-1)])
		}
		for k := 0; 2*int(in[k]) < o.Live(); k++ {
			r.Half++
		}
		r.MessagesPerNode += float64(runs[i].messages)
	}
	for k := range r.Infected { // whole numbers until here: no rounding
		r.Infected[k] /= float64(o.Runs)
	}
	r.Half /= float64(o.Runs)
	r.MessagesPerNode /= float64(o.Live()) * float64(o.Runs)
	return r, nil
}

func checkMode(m rumor.Mode) error {
	_, err := rumor.ParseMode(m.String())
	return err
}

func (o *Rounds) epidemic() *epidemic {
	return &epidemic{policy: rumor.Policy{Mode: o.Mode, Fanout: o.Fanout}, lost: lossOf(o.Loss),
		lives: make([]rumor.Life, o.Nodes), live: o.Live()}
}

// lossOf makes a test whether a message is lost of a share.
func lossOf(share float64) uint64 { return uint64(math.Round(share * (1 << 53))) }

func lose(rng *rand.Rand, lost uint64) bool { return lost > 0 && rng.Uint64()>>11 < lost }

// epidemic is one rumor among members. The first of them live, as many as the field live says. The
// very first is the origin.
type epidemic struct {
	policy rumor.Policy
	pick   func(rng *rand.Rand, self int, dst []int32) []int32
	// whether a message between them is counted as crossing; nil: none is
	crosses func(from, to int) bool
	lost    uint64
	lives   []rumor.Life
	live    int

	targets, fresh []int32 // memory that rounds reuse
}

// epidemicRun is what one epidemic showed: how many had it after each round, the messages, and how
// many of them crossed.
type epidemicRun struct {
	infected          []int32
	messages, crossed int64
}

func (e *epidemic) run(_ int, rng *rand.Rand) (r epidemicRun) {
	clear(e.lives)
	e.lives[0].Infect()
	infected := int32(1)
	r.infected = append(r.infected, infected)
	for int(infected) < e.live {
		e.round(rng, &r)
		for _, i := range e.fresh {
			if e.lives[i].Infect() {
				infected++
			}
		}
		r.infected = append(r.infected, infected)
	}
	return r
}

// round does one round on the state at its start, and collects the members that got the rumor.
func (e *epidemic) round(rng *rand.Rand, r *epidemicRun) {
	e.fresh = e.fresh[:0]
	for self := range e.live {
		word := e.policy.Says(e.lives[self])
		if word == rumor.Nothing {
			continue
		}
		e.targets = e.pick(rng, self, e.targets[:0])
		for _, t := range e.targets {
			to := int(t)
			if !e.send(rng, r, self, to) {
				continue
			}
			switch {
			case word == rumor.Tell:
				e.fresh = append(e.fresh, t)
			case e.policy.Answer(e.lives[to], word) == rumor.Tell && e.send(rng, r, to, self):
				e.fresh = append(e.fresh, int32(self))
			}
		}
	}
}

// send says whether a message arrives.
func (e *epidemic) send(rng *rand.Rand, r *epidemicRun, from, to int) bool {
	r.messages++
	if e.crosses != nil && e.crosses(from, to) {
		r.crossed++
	}
	return !lose(rng, e.lost) && to < e.live
}
