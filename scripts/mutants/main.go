//go:build unix

// Command mutants asks whether the tests would notice. It plants bugs, one at a time, in a copy of
// the tree. It runs the tests of the package, those of packages around it where the list says so,
// and the swarm. It prints for each bug which tests killed it.
//
// The lists are test/mutants/*.txt. A bug is a text that stands once in a file, and the text that
// takes its place, so that the list outlives moves of lines:
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
// A bug counts as noticed by the swarm if a checker speaks that is silent over the same seeds
// without a bug. It counts as noticed by the tests of a package if they fail with the bug, and pass
// without one in a copy of the tree as well. Otherwise it is told as not to be judged.
//
// The exit code is 1 if one survives or cannot be planted. A test that does not end in time counts
// as killed, and is told.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

type options struct {
	only    *regexp.Regexp
	swarm   bool // the swarm alone, for those that are marked
	seeds   int
	from    uint64
	timeout time.Duration
	short   bool
	// checkers of the swarm that speak without a bug, and in how many seeds: they notice none
	without map[string]int
	clean   *clean
}

func main() {
	var o options
	only := flag.String("only", "", "a regular expression of names, files and lists")
	flag.BoolVar(&o.swarm, "swarm", false, "run the swarm alone, over the bugs that are marked "+
		"for it")
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
	if o.seeds > 0 && len(all) > 0 {
		if o.without, err = baseline(ctx, o); err != nil {
			return false, err
		}
	}
	dir, err := copyTree(ctx)
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	o.clean = &clean{dir: dir, failed: map[string]string{}}
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

// baseline runs the swarm without a bug.
func baseline(ctx context.Context, o options) (spoke map[string]int, err error) {
	dir, err := copyTree(ctx)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, spoke, err = swarm(ctx, o, dir, nil); err != nil {
		return nil, fmt.Errorf("the swarm without a bug: %w", err)
	}
	if len(spoke) > 0 {
		fmt.Printf("without a bug, so that they notice none: %s\n", counts(spoke))
	}
	return spoke, ctx.Err()
}

// report prints results as they come, and the sum.
func report(all []mutant, begin time.Time, next func(mutant) result) (ok bool) {
	var done []result
	for range all {
		r := next(all[len(done)])
		if r.mutant.name == "" {
			break // interrupted
		}
		done = append(done, r)
		fmt.Printf("%-10s %s", r.verdict, r.mutant)
		if r.by != "" {
			fmt.Printf(", by %s", r.by)
		}
		fmt.Printf(" (%s)\n", r.took.Round(time.Second))
	}
	fmt.Println()
	ok = table(os.Stdout, done) && len(done) == len(all)
	fmt.Printf("\nin %s\n", time.Since(begin).Round(time.Second))
	for _, r := range done {
		if r.verdict == survived || r.verdict == invalid {
			fmt.Printf("%s: %s\n  to be held: %s\n", r.verdict, r.mutant, r.mutant.property)
		}
	}
	return ok
}

// table prints what became of the bugs of each list, and says whether all were noticed.
func table(w io.Writer, done []result) (ok bool) {
	type row struct{ all, tests, swarm, survived, invalid int }
	rows, sum := map[string]*row{}, &row{}
	for _, r := range done {
		list := strings.TrimSuffix(filepath.Base(r.mutant.list), ".txt")
		if rows[list] == nil {
			rows[list] = &row{}
		}
		for _, x := range []*row{rows[list], sum} {
			x.all++
			switch {
			case r.verdict == survived:
				x.survived++
			case r.verdict == invalid:
				x.invalid++
			case r.verdict == planted:
			case r.swarmed:
				x.swarm++
			default:
				x.tests++
			}
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "list\tplanted\tkilled by tests\tby the swarm\tsurvived\tnot to be planted\t")
	line := func(name string, x *row) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n", name, x.all, x.tests, x.swarm, x.survived,
			x.invalid)
	}
	for _, list := range slices.Sorted(maps.Keys(rows)) {
		line(list, rows[list])
	}
	line("all", sum)
	t.Flush()
	return sum.survived+sum.invalid == 0
}

// copyTree copies what git knows of the tree, or would, to a temporary folder.
func copyTree(ctx context.Context) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "mutants"); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others",
		"--exclude-standard").Output()
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
