//go:build unix

// Command mutants asks whether the tests would notice. It plants bugs, one at a time, in a copy of the tree, runs the tests
// of the package, those of packages around it where the list says so, and the swarm, and prints for each who killed it.
//
// The lists are test/mutants/*.txt. A bug is a text that stands once in a file, and the text that takes its place, so
// that the list outlives moves of lines:
//
//	mutant: the dead are forgotten too early
//	file: gossip/upkeep.go
//	property: just before Retention a dead member is known
//	also: ./gossip ./sim          (packages around it; optional)
//	swarm: yes                    (the swarm alone should find it; optional)
//	--- old
//	> n.cfg.Retention
//	--- new
//	> n.cfg.Retention/24
//	--- end
//
// The exit code is 1 if one survives or cannot be planted. A test that does not end in time counts as killed, and is
// told.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

type options struct {
	only    *regexp.Regexp
	swarm   bool // the swarm alone, for those that are marked
	seeds   int
	from    uint64
	timeout time.Duration
	short   bool
}

func main() {
	var o options
	only := flag.String("only", "", "a regular expression of names, files and lists")
	flag.BoolVar(&o.swarm, "swarm", false, "run the swarm alone, over the bugs that are marked for it")
	flag.IntVar(&o.seeds, "seeds", 200, "of the swarm; 0: no swarm")
	flag.Uint64Var(&o.from, "from", 1, "the swarm's first seed")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "of the tests of one package")
	flag.BoolVar(&o.short, "short", false, "run the tests with -short")
	workers := flag.Int("j", 2, "bugs at the same time")
	list := flag.Bool("list", false, "only see whether each can be planted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if o.only, err = regexp.Compile("(?i)" + *only); err == nil {
		var ok bool
		if ok, err = run(ctx, o, *workers, *list); err == nil && !ok {
			os.Exit(1)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
}

// run plants all bugs that are wanted, and says whether all were noticed.
func run(ctx context.Context, o options, workers int, list bool) (ok bool, err error) {
	files, err := filepath.Glob("test/mutants/*.txt")
	if err != nil || len(files) == 0 {
		return false, fmt.Errorf("there is no test/mutants/*.txt here: %w", err)
	}
	var all []mutant
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return false, err
		}
		some, err := parse(f, string(text))
		if err != nil {
			return false, err
		}
		for _, m := range some {
			if o.only.MatchString(m.String()) && (m.swarm || !o.swarm) {
				all = append(all, m)
			}
		}
	}
	begin := time.Now()
	if list {
		return report(all, begin, func(m mutant) result { return plantable(".", m) }), nil
	}
	work := make(chan mutant)
	results := make(chan result)
	var wg sync.WaitGroup
	for range min(workers, len(all)) {
		dir, err := copyTree(ctx)
		if err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
		wg.Go(func() {
			for m := range work {
				results <- try(ctx, o, dir, m)
			}
		})
	}
	go func() {
		defer close(work)
		for _, m := range all {
			select {
			case work <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() { wg.Wait(); close(results) }()
	next := func(mutant) result { return <-results }
	return report(all, begin, next), ctx.Err()
}

// report prints results as they come, and the sum.
func report(all []mutant, begin time.Time, next func(mutant) result) (ok bool) {
	count := map[verdict]int{}
	var open []result
	for _, m := range all {
		r := next(m)
		if r.mutant.name == "" {
			break // interrupted
		}
		count[r.verdict]++
		fmt.Printf("%-10s %s", r.verdict, r.mutant)
		if r.by != "" {
			fmt.Printf(", by %s", r.by)
		}
		fmt.Printf(" (%s)\n", r.took.Round(time.Second))
		if r.verdict == survived || r.verdict == invalid {
			open = append(open, r)
		}
	}
	fmt.Printf("\n%d planted: %d killed, %d by time-out, %d survived, %d not planted, in %s\n", len(all), count[killed],
		count[timedOut], count[survived], count[invalid], time.Since(begin).Round(time.Second))
	for _, r := range open {
		fmt.Printf("%s: %s\n  to be held: %s\n", r.verdict, r.mutant, r.mutant.property)
	}
	return len(open) == 0 && count[killed]+count[timedOut]+count[planted] == len(all)
}

// copyTree copies what git knows of the tree, or would, to a temporary folder.
func copyTree(ctx context.Context) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "mutants"); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return "", fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(to, text, info.Mode()); err != nil {
			return "", err
		}
	}
	return dir, nil
}
