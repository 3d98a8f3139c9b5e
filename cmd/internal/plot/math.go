package plot

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/starling-gossip/starling/internal/sim"
)

// pool puts curves together: all their times, rising, and how many there should be.
func pool(all []sim.Curve) (times []time.Duration, due int) {
	for i := range all {
		times = append(times, all[i].Known...)
		due += all[i].Due
	}
	slices.Sort(times)
	return times, due
}

// share is which percentage of those due there is at each time, as the corners of steps, at most
// maxPoints of them.
func share(times []time.Duration, due int, from, to float64) (points plotter.XYs) {
	skip := max(1, 2*len(times)/maxPoints)
	before := 0.0
	for i, t := range times {
		if i%skip != 0 && i != len(times)-1 {
			continue
		}
		x, y := max(t.Seconds(), from), 100*float64(i+1)/float64(due)
		points = append(points, plotter.XY{X: x, Y: before}, plotter.XY{X: x, Y: y})
		before = y
	}
	if len(points) > 0 {
		points = append(points, plotter.XY{X: to, Y: before})
	}
	return points
}

// niceBelow and niceAbove are the next 1, 2 or 5 times a power of ten, downwards and upwards.
func niceBelow(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, d := range []float64{5, 2} {
		if x >= d*p {
			return d * p
		}
	}
	return p
}

func niceAbove(x float64) float64 { return niceStep(x) }
