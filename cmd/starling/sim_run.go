package main

// This file runs simulations, several side by side, and tells somebody at a terminal how far they
// are.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/starling-gossip/starling/internal/sim"
)

// simDone is what the runs of a job showed, and what they took.
type simDone struct {
	*sim.Outcome
	cost simCost
}

// simCost is what a simulation took. It differs from run to run, and is shown only where an option
// asks for it.
type simCost struct {
	Wall float64 `json:"wall_seconds"`
	Join float64 `json:"join_wall_seconds"` // of that, until the nodes had joined, with one run
	// simulated seconds a second, after the join, with one run
	Speed  float64 `json:"speed"`
	Memory uint64  `json:"memory_bytes"` // that the process took from the system
}

// Of many nodes, the tables fill gigabytes that stay: less garbage is let lie beside them.
const (
	manyNodes = 4_000
	manyGC    = 20 // percent
)

// runAll runs a job once for each seed, as many side by side as there are processors.
func (a *app) runAll(ctx context.Context, job *simJob, f *simShow) (*simDone, error) {
	trace, err := openTrace(f.trace)
	if err != nil {
		return nil, err
	}
	if job.opt.Nodes >= manyNodes {
		defer debug.SetGCPercent(debug.SetGCPercent(manyGC))
	}
	begin := time.Now()
	bar := a.newBar(f.runs)
	reports, details := make([]*sim.Report, f.runs), make([]*sim.Detail, f.runs)
	work, going := errgroup.WithContext(ctx) // going ends with the first error, or with ctx
	work.SetLimit(max(1, runtime.GOMAXPROCS(0)/f.workers))
	finished := make(chan error, 1)
	go func() {
		for i := range f.runs {
			work.Go(func() (err error) {
				if going.Err() != nil {
					return going.Err()
				}
				o := job.opt
				o.Seed += uint64(i)
				o.Workers, o.Trace = f.workers, trace.writer()
				reports[i], details[i], err = sim.Watch(o, func(p sim.Progress) { bar.show(i, p) })
				bar.done(i)
				return err
			})
		}
		finished <- work.Wait()
	}()
	select {
	case err = <-finished:
	case <-ctx.Done(): // a simulation under way cannot be stopped, but need not be waited for
		err = ctx.Err()
	}
	bar.clear()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted before the end")
	}
	if err != nil {
		return nil, usageError{err}
	}
	done := &simDone{Outcome: sim.Summarized(job.opt, job.opt.Gossip.SWIM.Period, reports, details)}
	done.cost = bar.cost(time.Since(begin), reports)
	return done, trace.close()
}

// traceFile is where a readable trace goes; nil: nowhere.
type traceFile struct {
	f *os.File
	b *bufio.Writer
}

func openTrace(name string) (*traceFile, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &traceFile{f, bufio.NewWriterSize(f, 1<<20)}, nil
}

func (t *traceFile) writer() io.Writer {
	if t == nil {
		return nil
	}
	return t.b
}

func (t *traceFile) close() error {
	if t == nil {
		return nil
	}
	return errors.Join(t.b.Flush(), t.f.Close())
}

// bar is a line on a terminal that says how far the runs are, and how fast they go.
type bar struct {
	w     io.Writer // nil: nobody watches
	begin time.Time

	mu     sync.Mutex
	runs   []sim.Progress
	left   int
	drawn  time.Time
	joined time.Duration // real time after which the first run had joined
	simAt  time.Duration // and its virtual time
}

func (a *app) newBar(runs int) *bar {
	b := &bar{begin: time.Now(), runs: make([]sim.Progress, runs), left: runs}
	if isTerminal(a.err) {
		b.w = a.err
	}
	return b
}

// barEvery is how often the line is drawn at most.
const barEvery = 100 * time.Millisecond

func (b *bar) show(i int, p sim.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[i] = p
	if p.End > 0 && b.joined == 0 {
		b.joined, b.simAt = time.Since(b.begin), p.Now
	}
	if b.w == nil || time.Since(b.drawn) < barEvery {
		return
	}
	b.drawn = time.Now()
	fmt.Fprint(b.w, "\r\x1b[K"+b.line(time.Since(b.begin)))
}

// line is the bar's text after a time.
func (b *bar) line(after time.Duration) string {
	var now, end time.Duration
	known := 0
	for _, p := range b.runs {
		now += p.Now
		if p.End > 0 {
			end += p.End
			known++
		}
	}
	speed := fmt.Sprintf("%.0f× real time", now.Seconds()/max(after.Seconds(), 1e-3))
	if known == 0 {
		return fmt.Sprintf("joining   %.0f s simulated   %s", now.Seconds(), speed)
	}
	// runs that have not begun are taken for alike
	whole := end / time.Duration(known) * time.Duration(len(b.runs))
	text := fmt.Sprintf("%s  %.0f of %.0f s simulated   %s",
		progressBar(float64(now)/float64(whole)), now.Seconds(), whole.Seconds(), speed)
	if len(b.runs) > 1 {
		text += fmt.Sprintf("   %d of %d runs", len(b.runs)-b.left, len(b.runs))
	}
	return text
}

// progressBar draws a share.
func progressBar(share float64) string {
	const width = 30
	full := max(0, min(int(width*share), width))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]"
}

// done says that a run is over.
func (b *bar) done(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	b.runs[i].Now = max(b.runs[i].Now, b.runs[i].End)
}

// clear takes the line away.
func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.w = nil
	}
}

func (b *bar) cost(wall time.Duration, reports []*sim.Report) simCost {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c := simCost{Wall: wall.Seconds(), Memory: m.Sys}
	if len(reports) == 1 && b.joined > 0 {
		c.Join = b.joined.Seconds()
		c.Speed = (float64(reports[0].Simulated) - b.simAt.Seconds()) / (wall - b.joined).Seconds()
	}
	return c
}
