package multicast

// This file is what an experiment showed.

import (
	"math"
	"slices"
	"strconv"

	"github.com/starling-gossip/starling/internal/sim"
)

// Result is what the runs of one protocol showed together. docs/lab.md explains the JSON.
type Result struct {
	Protocol  string  `json:"protocol"`
	Nodes     int     `json:"nodes"`
	Runs      int     `json:"runs"`
	Live      int     `json:"live"`      // in a run, the origin included
	Delivered float64 `json:"delivered"` // share of the live that got it, over all runs
	Whole     int     `json:"whole"`     // runs in which all got it
	T50       Times   `json:"t50"`       // until half of the live had it
	T99       Times   `json:"t99"`
	T100      Times   `json:"t100"`
	Copies    float64 `json:"copies"`          // of the payload sent, for each live node
	Received  float64 `json:"copies_received"` // of it
	Origin    Load    `json:"origin"`
	Busiest   Load    `json:"busiest"` // the mean of each run's busiest node
	Mean      Load    `json:"mean"`
	// datagrams without the payload, by kind, in a run
	Control  map[string]float64 `json:"control"`
	Controls float64            `json:"control_sum"`
	Links    float64            `json:"links,omitempty"` // datagrams between routers, in a run
	// datagrams that found a socket full, in a run
	Overrun float64 `json:"overrun,omitempty"`
	// a run, in the mean; loads are of this time
	Lasted float64 `json:"lasted_seconds"`
	Trace  string  `json:"trace"` // a hash over everything that happened

	// when each node of each run got it, rising, in seconds; not the origin
	Curve []float64 `json:"-"`
	Due   int       `json:"-"` // how many should have
}

// Times are the runs' times to reach a share.
type Times struct {
	P50  Seconds `json:"p50"`
	P99  Seconds `json:"p99"`
	Mean Seconds `json:"mean"`
	Max  Seconds `json:"max"`
}

// Seconds is a time; +Inf, "never", is null in JSON.
type Seconds float64

// MarshalJSON writes a number or null.
func (s Seconds) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(s), 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(s), 'g', 6, 64), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = Seconds(math.Inf(1))
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	*s = Seconds(f)
	return err
}

func summarize(p *Protocol, o *Options, runs []*run) *Result {
	r := &Result{Protocol: p.Name, Nodes: o.Nodes, Runs: len(runs), Control: map[string]float64{}}
	share := 1 / float64(len(runs))
	got, hash := 0, uint64(0)
	for _, x := range runs {
		live := float64(x.live + 1)
		r.Live = x.live + 1
		got += len(x.got) + 1
		if len(x.got) == x.live {
			r.Whole++
		}
		r.Due += x.live
		for _, d := range x.got {
			r.Curve = append(r.Curve, d.Seconds())
		}
		r.Copies += share * float64(x.sent) / live
		r.Received += share * float64(x.copies) / live
		r.Origin.add(&x.load.origin, share)
		r.Busiest.add(&x.load.busiest, share)
		r.Mean.add(&x.load.mean, share)
		r.Links += share * float64(x.hops)
		r.Overrun += share * float64(x.overrun)
		r.Lasted += share * x.lasted.Seconds()
		hash = hash*0x100000001b3 ^ x.hash
		for k := kind(1); k < kinds; k++ {
			if n := share * float64(x.control[k]); k != data && k != probe && n > 0 {
				r.Control[kindNames[k]] += n
				r.Controls += n
			}
		}
	}
	slices.Sort(r.Curve)
	r.Delivered = float64(got) * share / float64(r.Live)
	r.Trace = strconv.FormatUint(hash, 16)
	r.T50, r.T99, r.T100 = times(runs, 0.5), times(runs, 0.99), times(runs, 1)
	return r
}

func times(runs []*run, share float64) (t Times) {
	var all []float64
	sum := 0.0
	for _, x := range runs {
		v := x.reached(share)
		all = append(all, v)
		sum += v
	}
	slices.Sort(all)
	return Times{P50: Seconds(sim.Percentile(all, 0.5)), P99: Seconds(sim.Percentile(all, 0.99)),
		Mean: Seconds(sum / float64(len(all))), Max: Seconds(all[len(all)-1])}
}
