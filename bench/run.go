package main

// This file runs the children: those with real sockets one after the other, those in virtual time
// as many at once as there are cores, since nothing in them depends on speed.

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/starling-gossip/starling/bench/internal/measure"
)

func runAll(ctx context.Context, tasks []task) ([]record, error) {
	if len(tasks) == 0 {
		return nil, fmt.Errorf("nothing to measure: no chosen peer does any of the chosen " +
			"measures there")
	}
	records := make([]record, len(tasks))
	bar := progressbar.NewOptions(len(tasks),
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	var beside sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for i, t := range tasks {
		if ctx.Err() != nil {
			break
		}
		do := func() {
			bar.Describe(fmt.Sprintf("%-44.44s", describe(t.job)))
			if r := runTask(ctx, t); ctx.Err() == nil { // what the user cut short says nothing
				records[i] = r
			}
			bar.Add(1)
		}
		if t.job.World == measure.Real {
			do()
			continue
		}
		slots <- struct{}{}
		beside.Go(func() {
			defer func() { <-slots }()
			do()
		})
	}
	beside.Wait()
	bar.Finish()
	return records, nil
}

func describe(j measure.Job) string {
	return fmt.Sprintf("%s n=%d %s %s", j.World, j.N, j.Peer, strings.Join(j.Measures, "+"))
}
