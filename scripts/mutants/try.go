//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

type verdict string

const (
	killed   verdict = "killed"
	timedOut verdict = "time-out"
	survived verdict = "SURVIVED"
	invalid  verdict = "INVALID" // it cannot be planted, or does not build
	planted  verdict = "planted"
)

// result is what became of a bug, and by what.
type result struct {
	mutant
	verdict verdict
	by      string
	took    time.Duration
}

// try plants a bug in a tree and runs tests until one fails.
func try(ctx context.Context, o options, dir string, m mutant) (r result) {
	r = result{mutant: m, verdict: survived}
	begin := time.Now()
	defer func() {
		if r.took = time.Since(begin); ctx.Err() != nil {
			r = result{} // it was interrupted
		}
	}()
	undo, err := plant(dir, m)
	if err != nil {
		r.verdict, r.by = invalid, err.Error()
		return r
	}
	defer undo()
	if out, err := command(ctx, dir, o.timeout, "go", "build", "-trimpath", m.packages()[0]); err != nil {
		r.verdict, r.by = invalid, "a build: "+lastLine(out)
		return r
	}
	if !o.swarm {
		for _, p := range m.packages() {
			args := []string{"test", "-trimpath", "-count=1", "-vet=off", "-failfast", "-timeout=0", p}
			if o.short {
				args = slices.Insert(args, 1, "-short")
			}
			if out, err := command(ctx, dir, o.timeout, "go", args...); err != nil {
				return r.failed(p, out, err)
			}
		}
	}
	if o.seeds > 0 {
		if out, err := swarm(ctx, o, dir); err != nil {
			return r.failed("the swarm", out, err)
		}
	}
	return r
}

// swarm runs the swarm over some seeds.
func swarm(ctx context.Context, o options, dir string) (out string, err error) {
	seeds, from := fmt.Sprint(o.seeds), fmt.Sprint(o.from)
	timeout := o.timeout + time.Duration(o.seeds)*time.Second
	if help, err := command(ctx, dir, o.timeout, "go", "run", "-trimpath", "./cmd/starling", "sim", "swarm", "--help"); err == nil &&
		strings.Contains(help, "--from") {
		return command(ctx, dir, timeout, "go", "run", "-trimpath", "./cmd/starling", "sim", "swarm", "--runs", seeds, "--from", from)
	}
	return command(ctx, dir, timeout, "go", "test", "-trimpath", "-count=1", "-vet=off", "-failfast", "-timeout=0", "-run", "^TestSwarm$",
		"./sim", "-sim.seeds="+seeds, "-sim.seed="+from)
}

// errTimeout says that a command was ended by this program.
var errTimeout = errors.New("it did not end")

// failed notes what noticed a bug.
func (r result) failed(what, out string, err error) result {
	r.verdict = killed
	if errors.Is(err, errTimeout) {
		r.verdict, r.by = timedOut, what
		return r
	}
	if r.by = what; strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") {
		r.verdict, r.by = invalid, "a build of the tests: "+lastLine(out)
	} else if test := failedTest.FindStringSubmatch(out); test != nil {
		r.by += " " + test[1]
	}
	return r
}

var failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)

// command runs something in a tree, and ends it with all its children when the time is over.
func command(ctx context.Context, dir string, timeout time.Duration, name string, args ...string) (out string, err error) {
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	text, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		err = errTimeout
	}
	return string(text), err
}

// lastLine is the end of an output, for a word of why.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}
