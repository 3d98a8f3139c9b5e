package lab

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// This file is rumor mongering as in tables 1 to 3 of Demers et al. 1987.

// The rules to stop by.
const (
	StopCounter = "counter"
	StopCoin    = "coin"
)

// Rumor is the options of rumor mongering among Nodes sites. One has the update at first; all
// others are susceptible. All sites act on the state at a cycle's start: a contact is useful if the
// other lacked the update then. Push: each infectious site sends the update to one other site a
// cycle, drawn uniformly. Pull: each site asks one other; an infectious site sends the update to
// all that asked it. With StopCounter a site is removed after K useless contacts in a row; with
// StopCoin, with probability 1/K after each useless one. Pull counts once a cycle: any useful
// answer makes the cycle a useful contact, useless ones alone make it a useless one. Blind: all
// contacts count as useless. Nothing is lost. A run ends when no site is infectious.
type Rumor struct {
	Mode  rumor.Mode `json:"mode"` // Push or Pull
	Stop  string     `json:"stop"`
	K     int        `json:"k"`
	Blind bool       `json:"blind"`
	Nodes int        `json:"nodes"`
	Runs  int        `json:"-"`
	Seed  uint64     `json:"seed"`
}

// RumorMeans is a number for each measure of the paper.
type RumorMeans struct {
	Residue float64 `json:"residue"` // share of the sites that never get the update
	Traffic float64 `json:"traffic"` // updates sent, per site
	// cycles until a site that gets it has it, in the mean over those
	TAve  float64 `json:"t_ave"`
	TLast float64 `json:"t_last"` // cycles until the last of them has it
}

// RumorResult is the means over all runs, and their standard errors.
type RumorResult struct {
	RumorMeans
	SE   RumorMeans `json:"se"`
	Runs int        `json:"runs"`
}

func (o *Rumor) check() error {
	if o.Mode != rumor.Push && o.Mode != rumor.Pull {
		return fmt.Errorf("mode %s: push and pull are possible, as in the paper", o.Mode)
	}
	if o.Stop != StopCounter && o.Stop != StopCoin {
		return fmt.Errorf("stop %q: %s and %s are possible", o.Stop, StopCounter, StopCoin)
	}
	return cmp.Or(within("k", o.K, 1, 1000), within("nodes", o.Nodes, 2, MaxNodes),
		within("runs", o.Runs, 1, MaxRuns))
}

// Run does the experiment.
func (o *Rumor) Run(ctx context.Context, w Work) (*RumorResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	runs, err := spread(ctx, w, o.Seed, o.Runs, func() func(int, *rand.Rand) RumorMeans {
		m := &monger{policy: rumor.Policy{Mode: o.Mode, Fanout: 1, Blind: o.Blind},
			lives: make([]rumor.Life, o.Nodes),
			asked: make([]uint8, o.Nodes)}
		if o.Stop == StopCoin {
			m.policy.Coin = o.K
		} else {
			m.policy.Counter = o.K
		}
		return m.run
	})
	if err != nil {
		return nil, err
	}
	r := &RumorResult{Runs: o.Runs}
	r.Residue, r.SE.Residue = moments(column(runs,
		func(m *RumorMeans) float64 { return m.Residue }))
	r.Traffic, r.SE.Traffic = moments(column(runs,
		func(m *RumorMeans) float64 { return m.Traffic }))
	r.TAve, r.SE.TAve = moments(column(runs, func(m *RumorMeans) float64 { return m.TAve }))
	r.TLast, r.SE.TLast = moments(column(runs, func(m *RumorMeans) float64 { return m.TLast }))
	return r, nil
}

// monger is one rumor among sites.
type monger struct {
	policy rumor.Policy
	lives  []rumor.Life
	// of each site in this cycle, by pull: whether useless (1) and useful (2) answers were sent
	asked []uint8

	spreading, fresh []int32 // the infectious sites; those that got the update in this cycle
	target           [1]int32
	sent             int
}

func (m *monger) run(_ int, rng *rand.Rand) (r RumorMeans) {
	clear(m.lives)
	m.sent, m.spreading = 0, append(m.spreading[:0], 0)
	m.lives[0].Infect()
	reached, delay := 0, 0
	for cycle := 1; len(m.spreading) > 0; cycle++ {
		m.fresh = m.fresh[:0]
		if m.policy.Mode == rumor.Push {
			m.push(rng)
		} else {
			m.pull(rng)
		}
		still := m.spreading[:0]
		for _, i := range m.spreading {
			if m.lives[i].State == rumor.Infectious {
				still = append(still, i)
			}
		}
		for _, i := range m.fresh {
			if m.lives[i].Infect() {
				still = append(still, i)
				reached, delay = reached+1, delay+cycle
				r.TLast = float64(cycle)
			}
		}
		m.spreading = still
	}
	n := float64(len(m.lives))
	r.Residue, r.Traffic = (n-1-float64(reached))/n, float64(m.sent)/n
	r.TAve = float64(delay) / float64(max(reached, 1))
	return r
}

func (m *monger) other(rng *rand.Rand, self int) int32 {
	return topology.Others(rng, len(m.lives), self, 1, m.target[:0])[0]
}

// push lets each infectious site tell one other. A site that gets the update now counts as one that
// lacks it until the cycle ends.
func (m *monger) push(rng *rand.Rand) {
	for _, i := range m.spreading {
		to := m.other(rng, int(i))
		m.sent++
		useful := m.lives[to].State == rumor.Susceptible
		if useful {
			m.fresh = append(m.fresh, to)
		}
		m.policy.Contact(&m.lives[i], useful, rng)
	}
}

// pull lets each site ask one other: a site does not know what it lacks.
func (m *monger) pull(rng *rand.Rand) {
	clear(m.asked)
	for i := range m.lives {
		from := m.other(rng, i)
		if m.policy.Answer(m.lives[from], rumor.Ask) != rumor.Tell {
			continue
		}
		m.sent++
		if m.lives[i].State == rumor.Susceptible {
			m.asked[from] |= 2
			m.fresh = append(m.fresh, int32(i))
		} else {
			m.asked[from] |= 1
		}
	}
	for _, i := range m.spreading {
		if m.asked[i] != 0 {
			m.policy.Contact(&m.lives[i], m.asked[i]&2 != 0, rng)
		}
	}
}
