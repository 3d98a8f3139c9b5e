// Bench lets Starling and its peers do the same work in the same run: over real sockets, all nodes
// of a cluster in one process, and in virtual time, on the same network in memory. See README.md.
//
//	go run . [-world real|virtual] [-peers a,b] [-n 32,128] [-only a,b] [-quick]
//		[-json FILE] [-o FILE]
//	go run . -from FILE,FILE
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/starling-gossip/starling/bench/internal/measure"
	"github.com/starling-gossip/starling/bench/internal/peer"
)

// options are what the user wishes.
type options struct {
	worlds, peers, only []string
	sizes               []int
	quick               bool
	json, out           string
	from                []string
}

const resultsFile = "RESULTS.md"

func main() {
	if childJob() {
		return
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	runs, err := load(o.from)
	if err != nil {
		return err
	}
	if len(o.from) == 0 {
		records, err := runAll(ctx, plan(o))
		if err != nil {
			return err
		}
		runs = []saved{newSaved(records)}
	}
	r := newReport(runs...)
	r.terminal(os.Stdout)
	if o.json != "" {
		if err := runs[0].write(o.json); err != nil {
			return err
		}
	}
	if o.out != "" && ctx.Err() == nil {
		return os.WriteFile(o.out, []byte(r.markdown()), 0o644)
	}
	return ctx.Err()
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	world := f.String("world", "", "real or virtual; both if not given")
	peers := f.String("peers", strings.Join(peer.Names(), ","), "the systems to compare")
	sizes := f.String("n", "", "the sizes of the clusters, such as 32,128; each measure's own "+
		"if not given")
	only := f.String("only", "", "the measures, such as join,message; all if not given")
	f.BoolVar(&o.quick, "quick", false, "shorter spans and one repetition, for a look")
	f.StringVar(&o.json, "json", "", "write every sample to this file")
	from := f.String("from", "", "measure nothing: report what -json wrote to these files, such "+
		"as virtual.json,real.json")
	f.StringVar(&o.out, "o", "", "write the tables to this file as Markdown; "+
		""+resultsFile+" if nothing is left out")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("what is %q? there are only flags: see -help", f.Arg(0))
	}
	o.from = fields(*from)
	if o.worlds = fields(*world); len(o.worlds) == 0 {
		o.worlds = []string{measure.Real, measure.Virtual}
	}
	o.peers, o.only = fields(*peers), fields(*only)
	for _, s := range fields(*sizes) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 4 || n > 5000 {
			return o, fmt.Errorf("-n %q: a size is a number from 4 to 5000", s)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.json != "" && len(o.from) > 0 {
		return o, fmt.Errorf("-json writes what was measured, and -from measures nothing")
	}
	if o.out == "" && *world+*only+*sizes == "" && !o.quick && len(o.peers) == len(peer.Names()) {
		o.out = resultsFile
	}
	return o, o.check()
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func (o *options) check() error {
	for _, w := range o.worlds {
		if w != measure.Real && w != measure.Virtual {
			return fmt.Errorf("-world %q: it is %q or %q", w, measure.Real, measure.Virtual)
		}
	}
	for _, p := range o.peers {
		if _, err := peer.Named(p); err != nil {
			return err
		}
	}
	if slices.Sort(o.peers); len(o.peers) == 0 {
		return fmt.Errorf("-peers names nobody")
	}
	names := peer.Names()
	slices.SortFunc(o.peers, func(a, b string) int {
		return slices.Index(names,
			a) - slices.Index(names, b)
	})
	for _, m := range o.only {
		if _, err := measure.Find(m); err != nil {
			return err
		}
	}
	return nil
}
