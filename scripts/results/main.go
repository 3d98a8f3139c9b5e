// Results runs the experiments of docs/results.md and writes what they measured between the marks
// of that page:
//
//	go run ./scripts/results            all of them; `make results`
//	go run ./scripts/results -quick     smaller ones, printed and not written
//	go run ./scripts/results -only NAME one of them
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const page = "docs/results.md"

// outcome is what this program reads of `starling sim --json`.
type outcome struct {
	Summary map[string]struct{ N, Mean, P50, P99, Max float64 }
	Cost    struct {
		Speed, Wall float64
		Memory      float64 `json:"memory_bytes"`
	}
	Runs []struct {
		Trace      string
		Join       float64
		Settled    []struct{ After float64 }
		Timeline   []struct{ At, Up, Bytes float64 }
		Keys       *keysOf
		Violations []struct{ Checker, Text string }
		Across     struct {
			Planes map[string]float64
			Pairs  []struct{ Bytes, Peak float64 }
		}
		Messages struct {
			Count int
			Ratio float64
		}
	}
}

// lab runs commands and collects the text of one experiment.
type lab struct {
	binary string
	quick  bool
	text   bytes.Buffer
}

// sim runs `starling sim` and returns what it printed. What checkers found is no failure here: it
// is shown.
func (l *lab) sim(args string) *outcome {
	log.Print("starling sim ", args)
	cmd := exec.Command(l.binary, append([]string{"sim", "--json", "--cost"},
		strings.Fields(args)...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	o := &outcome{}
	if jsonErr := json.Unmarshal(out.Bytes(), o); jsonErr != nil {
		log.Fatalf("starling sim %s: %v\n%s", args, err, errs.String())
	}
	return o
}

// seeds is how many seeds are run.
func (l *lab) seeds(n int) int {
	if l.quick {
		return max(1, n/8)
	}
	return n
}

func (l *lab) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(&l.text, "| %v ", c)
	}
	fmt.Fprintln(&l.text, "|")
}

func (l *lab) head(cells ...any) {
	l.row(cells...)
	fmt.Fprintln(&l.text, strings.Repeat("|---", len(cells))+"|")
}

func (l *lab) say(format string, args ...any) { fmt.Fprintf(&l.text, format+"\n", args...) }

// command shows a command line.
func command(args string) string { return "`starling sim " + args + "`" }

// violations says what the checkers found.
func violations(o *outcome) string {
	n, first := 0, ""
	for _, r := range o.Runs {
		for _, v := range r.Violations {
			if n++; first == "" {
				first = ", such as: " + v.Checker + ": " + v.Text
			}
		}
	}
	return fmt.Sprintf("%d%s", n, first)
}

// verdict says whether an aim is reached.
func verdict(ok bool) string {
	if ok {
		return "yes"
	}
	return "**no**"
}

func main() {
	log.SetFlags(log.Ltime)
	quick := flag.Bool("quick", false, "smaller experiments, printed and not written")
	only := flag.String("only", "", "run this experiment alone")
	flag.Parse()
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "starling")
	if out, err := exec.Command("go", "build", "-o", binary,
		"./cmd/starling").CombinedOutput(); err != nil {
		log.Fatalf("%v\n%s", err, out)
	}
	begin := time.Now()
	for _, e := range experiments {
		if *only != "" && *only != e.name {
			continue
		}
		l := &lab{binary: binary, quick: *quick}
		e.run(l)
		if *quick {
			fmt.Printf("## %s\n\n%s\n", e.name, l.text.String())
		} else if err := write(e.name, l.text.String()); err != nil {
			log.Fatal(err)
		}
	}
	log.Printf("done in %s", time.Since(begin).Round(time.Second))
}

// write puts a text between an experiment's marks.
func write(name, text string) error {
	doc, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end "+name+" -->"
	between := regexp.MustCompile("(?s)" + regexp.QuoteMeta(begin) + ".*" + regexp.QuoteMeta(end))
	if !between.Match(doc) {
		return fmt.Errorf("%s has no marks for %s", page, name)
	}
	return os.WriteFile(page, between.ReplaceAllLiteral(doc, []byte(begin+text+end)), 0o644)
}
