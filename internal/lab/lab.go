// Package lab is the analysis of gossip as experiments: how many rounds an epidemic takes, when
// rumors die, what subnets change, what failure detectors trade. They ask the engine that runs in
// production (gossip/rumor, gossip/topology), or run whole nodes in the simulator. docs/lab.md has
// the rules of each and the theory behind it.
//
// An experiment is a struct of options with a method Run. Equal options give an equal result, to
// the last bit, for any number of workers. A wrong option is an error that begins with the option's
// name. The experiments are safe for concurrent use.
package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// Bounds of options.
const (
	MaxNodes = 1_000_000
	MaxRuns  = 10_000_000
	MaxLoss  = 0.99 // with more, an epidemic takes for ever

	maxCrashed = 0.999_999 // one lives
)

// Work is how an experiment is run. What comes out does not depend on it.
type Work struct {
	Workers int // goroutines; 0: one for each processor
	// is told how many runs are over; called by several goroutines at once; may be nil
	Progress func(done, of int)
}

// maxChunk is how many runs a worker takes at a time at most.
const maxChunk = 16

// spread does runs, each with its own source of chance that depends on the seed and its number
// alone, and returns what they showed, by number. Each worker gets its own function from newWorker,
// which may keep memory from run to run.
func spread[T any](ctx context.Context, w Work, seed uint64, runs int,
	newWorker func() func(i int, rng *rand.Rand) T) ([]T, error) {
	workers := w.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	chunk := max(1, min(runs/(8*workers), maxChunk))
	results := make([]T, runs)
	var next, done atomic.Int64
	var wait sync.WaitGroup
	for range min(workers, runs) {
		wait.Go(func() {
			source := rand.NewPCG(0, 0)
			rng, run := rand.New(source), newWorker()
			for ctx.Err() == nil {
				from := int(next.Add(int64(chunk))) - chunk
				if from >= runs {
					return
				}
				to := min(from+chunk, runs)
				for i := from; i < to && ctx.Err() == nil; i++ {
					source.Seed(mix(seed), mix(seed^mix(uint64(i))))
					results[i] = run(i, rng)
				}
				if n := done.Add(int64(to - from)); w.Progress != nil {
					w.Progress(int(n), runs)
				}
			}
		})
	}
	wait.Wait()
	return results, ctx.Err()
}

// mix makes numbers that are alike unlike (Steele, Lea and Flood 2014, SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// within says that a number has to be from lo to hi.
func within[N int | float64](name string, x, lo, hi N) error {
	if x >= lo && x <= hi { // a NaN is not
		return nil
	}
	return fmt.Errorf("%s %v: from %v to %v is possible", name, x, lo, hi)
}
