package main

// This file is both ends of a child process: a cluster in a process of its own, and what the parent
// sees of it.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/starling-gossip/starling/bench/internal/measure"
	"github.com/starling-gossip/starling/bench/internal/virtual"
)

const (
	jobVariable = "STARLING_BENCH_JOB"
	resultFD    = 3 // the first of exec.Cmd's ExtraFiles
)

// childJob does the job if this process is a child, and says whether it was one.
func childJob() bool {
	text := os.Getenv(jobVariable)
	if text == "" {
		return false
	}
	os.Args = os.Args[:1]
	var job measure.Job
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		fail(err)
	}
	out := json.NewEncoder(os.NewFile(resultFD, "results"))
	do := func() {
		err := measure.Do(job, func(r measure.Result) {
			if err := out.Encode(r); err != nil {
				fail(err)
			}
		})
		if err != nil {
			fail(err)
		}
		os.Exit(0) // what still runs has nothing more to say
	}
	if job.World == measure.Virtual {
		debug.SetGCPercent(400) // memory is there, and nobody measures the heap
		virtual.Run(do)
	}
	if os.Getenv(measure.Alone) != "" {
		if err := measure.RaiseLoopback(); err != nil {
			fail(err)
		}
	}
	do()
	return true
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// record is what came of a task.
type record struct {
	Job     measure.Job      `json:"job"`
	Results []measure.Result `json:"results"`
	Failure string           `json:"failure,omitempty"` // why some results are missing
	Machine machine          `json:"machine"`
}

// runTask runs a child until it is done or its time is up.
func runTask(ctx context.Context, t task) record {
	r := record{Job: t.job}
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	eye := watchMachine()
	results, tail, used, err := runChild(limited, t.job)
	r.Results, r.Machine = results, eye.stop(used)
	switch {
	case limited.Err() == context.DeadlineExceeded && t.job.World == measure.Virtual:
		r.Failure = fmt.Sprintf("this machine did not compute it within %v, which says nothing "+
			"of the peer but what it costs", t.limit)
	case limited.Err() == context.DeadlineExceeded:
		r.Failure = fmt.Sprintf("did not finish within %v", t.limit)
	case err != nil:
		r.Failure = lastLine(tail, err)
	}
	return r
}

func lastLine(tail string, err error) string {
	for line := range strings.Lines(tail) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return strings.TrimSpace(line)
		}
	}
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

func runChild(ctx context.Context, j measure.Job) (results []measure.Result, tail string,
	used time.Duration, err error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, "", 0, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, "", 0, err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, "", 0, err
	}
	defer in.Close()
	var said bytes.Buffer
	start := func(alone bool) (*exec.Cmd, error) {
		c := exec.CommandContext(ctx, exe)
		c.Env = append(os.Environ(), jobVariable+"="+string(text))
		c.Stdout, c.Stderr, c.ExtraFiles = &said, &said, []*os.File{out}
		if j.World == measure.Virtual {
			c.Env = append(c.Env, "GOMAXPROCS=1") // others run beside it
		} else if alone {
			c.Env = append(c.Env, measure.Alone+"=1")
			separate(c)
		}
		return c, c.Start()
	}
	c, err := start(canSeparate)
	if err != nil && canSeparate && ctx.Err() == nil {
		c, err = start(false) // it may not have a namespace: then its packets are not counted
	}
	out.Close()
	if err != nil {
		return nil, "", 0, err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var r measure.Result
		if json.Unmarshal(lines.Bytes(), &r) == nil {
			results = append(results, r)
		}
	}
	err = c.Wait()
	if err == nil && len(results) < len(j.Measures) {
		err = errors.New("it ended without a word")
	}
	return results, said.String(), c.ProcessState.UserTime() + c.ProcessState.SystemTime(), err
}
