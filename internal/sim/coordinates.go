package sim

import (
	"math"
	"time"
)

// This file measures how well nodes' coordinates estimate the round trips between them.

// estimates is how many pairs of nodes are looked at in the end of a run.
const estimates = 4000

// coordinateErrors returns the relative errors of estimates between random pairs of processes that
// are up. What is true is the median round trip without queues and faults.
func (w *World) coordinateErrors() (errors []float64) {
	var up []*proc
	for _, p := range w.procs {
		if p.up {
			up = append(up, p)
		}
	}
	if len(up) < 2 {
		return nil
	}
	rng := newStream(w.seed, 6)
	for range estimates {
		a, b := up[rng.Uint64()%uint64(len(up))], up[rng.Uint64()%uint64(len(up))]
		if a == b {
			continue
		}
		x, y := a.node.Location(), b.node.Location()
		got, _ := x.Estimate(&y, w.opt.Unzoned || a.host.zone == b.host.zone)
		trip := w.roundTrip(a.host, b.host)
		errors = append(errors, math.Abs(float64(got-trip))/float64(trip))
	}
	return errors
}

// roundTrip is what a packet and its answer take between two hosts in the median.
func (w *World) roundTrip(a, b *host) time.Duration {
	return w.plan.links[int(a.zone)*w.plan.zones+int(b.zone)].Latency.Quantile(0.5) +
		w.plan.links[int(b.zone)*w.plan.zones+int(a.zone)].Latency.Quantile(0.5) +
		2*(a.access+b.access)
}
