//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
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
	swarmed bool // it was killed by the swarm
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
	if out, err := command(ctx, dir, o.timeout, "go", "build", "-trimpath",
		m.packages()[0]); err != nil {
		r.verdict, r.by = invalid, "a build: "+lastLine(out)
		return r
	}
	if !o.swarm {
		for _, p := range m.packages() {
			if by := o.clean.fails(ctx, o, p); by != "" {
				r.verdict, r.by = invalid, "tests that fail without it too: "+by
				return r
			}
			if out, err := test(ctx, o, dir, p); err != nil {
				return r.failed(p, out, err)
			}
		}
	}
	if o.seeds == 0 {
		return r
	}
	by, spoke, err := swarm(ctx, o, dir, o.without)
	switch {
	case errors.Is(err, errTimeout):
		r.verdict, r.by, r.swarmed = timedOut, "the swarm, "+err.Error(), true
	case err != nil:
		r.verdict, r.by = invalid, err.Error()
	case by != "":
		r.verdict, r.by, r.swarmed = killed, "the swarm: "+by, true
	case len(spoke) > 0:
		r.by = "(only " + counts(spoke) + ", which speak without it too)"
	}
	return r
}

// test runs the tests of a package in a tree.
func test(ctx context.Context, o options, dir, p string) (out string, err error) {
	args := []string{"test", "-trimpath", "-count=1", "-vet=off", "-failfast", "-timeout=0", p}
	if o.short {
		args = slices.Insert(args, 1, "-short")
	}
	return command(ctx, dir, o.timeout, "go", args...)
}

// clean is a tree without a bug. What fails there notices none.
type clean struct {
	dir    string
	mu     sync.Mutex
	failed map[string]string // by package: what failed, or nothing
}

// fails says what fails of a package's tests without a bug; "" if they pass. They run once.
func (c *clean) fails(ctx context.Context, o options, p string) (by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by, known := c.failed[p]
	if !known {
		if out, err := test(ctx, o, c.dir, p); err != nil {
			by = result{}.failed(p, out, err).by
		}
		c.failed[p] = by
	}
	return by
}

// stretch is how many seeds the swarm runs at a time: what a bug costs at most after the seed that
// noticed it.
const stretch = 50

// swarmed is what the swarm says over some seeds.
type swarmed struct {
	Failures []struct {
		Seed       uint64
		Violations []struct{ Checker string }
	}
}

// swarm builds the simulator of a tree and runs seeds until a checker speaks, other than those that
// speak without a bug. by says which did, and after how many seeds; none did if it is empty. With
// no such list it goes through all seeds, and returns the checkers that spoke, with the number of
// seeds.
func swarm(ctx context.Context, o options, dir string, without map[string]int) (by string,
	spoke map[string]int, err error) {
	binary := filepath.Join(dir, "starling-of-mutant")
	defer os.Remove(binary)
	if out, err := command(ctx, dir, o.timeout, "go", "build", "-trimpath", "-o", binary,
		"./cmd/starling"); err != nil {
		return "", nil, fmt.Errorf("a build: %s", lastLine(out))
	}
	spoke = map[string]int{}
	for done := 0; done < o.seeds && ctx.Err() == nil; done += stretch {
		runs, from := min(stretch, o.seeds-done), o.from+uint64(done)
		out, err := command(ctx, dir, o.timeout, binary, "sim", "swarm", "--json", "--jobs",
			"1", "--runs", fmt.Sprint(runs),
			"--from", fmt.Sprint(from))
		if errors.Is(err, errTimeout) {
			return "", spoke, fmt.Errorf("seeds %d to %d: %w", from, from+uint64(runs)-1, err)
		}
		var s swarmed
		if json.NewDecoder(strings.NewReader(out)).Decode(&s) != nil {
			return fmt.Sprintf("a crash (seeds %d to %d): %s", from, from+uint64(runs)-1,
				lastLine(out)), spoke, nil
		}
		for _, f := range s.Failures {
			seen := map[string]bool{}
			for _, v := range f.Violations {
				if n := without[v.Checker]; without != nil && n == 0 {
					return fmt.Sprintf("%s after %d seeds", v.Checker, f.Seed-o.from+1), spoke, nil
				}
				seen[v.Checker] = true
			}
			for name := range seen {
				spoke[name]++
			}
		}
	}
	return "", spoke, nil
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
	if r.by = what; strings.Contains(out, "[build failed]") ||
		strings.Contains(out, "[setup failed]") {
		r.verdict, r.by = invalid, "a build of the tests: "+lastLine(out)
	} else if test := failedTest.FindStringSubmatch(out); test != nil {
		r.by += " " + test[1]
	}
	return r
}

var failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)

// command runs something in a tree, and ends it with all its children when the time is over.
func command(ctx context.Context, dir string, timeout time.Duration, name string,
	args ...string) (out string, err error) {
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// -trimpath leaves it out, and tests that read sources need it
	cmd.Env = append(os.Environ(), "GOROOT="+goroot())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	text, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		err = errTimeout
	}
	return string(text), err
}

// counts prints numbers of seeds by checker.
func counts(of map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all = append(all, fmt.Sprintf("%s in %d seeds", name, of[name]))
	}
	return strings.Join(all, ", ")
}

// goroot is where the sources of the standard library are; "" if there is no go command, which the
// next one tells.
var goroot = sync.OnceValue(func() string {
	out, _ := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out))
})

// lastLine is the end of an output, for a word of why.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}
