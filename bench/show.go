package main

// This file shows a report: on the terminal and as Markdown.

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/starling-gossip/starling/bench/internal/measure"
	"github.com/starling-gossip/starling/bench/internal/peer"
)

var worldTitles = map[string]string{
	measure.Real:    "Real sockets: all nodes of a cluster in one process, over loopback",
	measure.Virtual: "Virtual time: the same network in memory, no noise of the machine",
}

func (r *report) terminal(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	world := ""
	for _, t := range r.tables {
		if t.world != world {
			world = t.world
			fmt.Fprintf(tw, "\n== %s ==\n", worldTitles[world])
		}
		fmt.Fprintf(tw, "\n%s, n = %d (%s)\t%s\n", t.title, t.n, t.name,
			strings.Join(r.peers, "\t"))
		for _, rw := range t.rows {
			fmt.Fprintf(tw, "  %s", rw.name())
			for _, c := range rw.cells {
				fmt.Fprintf(tw, "\t%s", c.string())
			}
			fmt.Fprintln(tw)
		}
		tw.Flush()
	}
	for i, n := range r.notes {
		fmt.Fprintf(w, "\n[%d] %s", i+1, n)
	}
	fmt.Fprintf(w, "\n\n%s\n", legend)
}

const legend = "Medians. (12×) says how many times better Starling is; below 1 it is worse. " +
	`— was not reached: the note says why.
~ is not to be trusted: others used the machine meanwhile, or a sleep of 5 ms came back late.`

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Side by side\n\nWritten by `%s` in `bench/`; do not edit.\n\n",
		commandLine())
	r.writeRuns(&b)
	fmt.Fprintf(&b, "%s\n\n", legend)
	r.writeAims(&b)
	r.writeBehind(&b)
	r.writePeers(&b)
	world := ""
	for _, t := range r.tables {
		if t.world != world {
			world = t.world
			fmt.Fprintf(&b, "## %s\n\n", worldTitles[world])
		}
		fmt.Fprintf(&b, "### %s, n = %d (`%s`)\n\n| | %s |\n|---%s|\n", t.title, t.n, t.name,
			strings.Join(r.peers, " | "),
			strings.Repeat("|---", len(r.peers)))
		for _, rw := range t.rows {
			fmt.Fprintf(&b, "| %s |", rw.name())
			for _, c := range rw.cells {
				fmt.Fprintf(&b, " %s |", c.string())
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	r.writeEnd(&b)
	return b.String()
}

// writeRuns tells which commands measured what is told, and on which machine.
func (r *report) writeRuns(b *strings.Builder) {
	for _, run := range r.runs {
		fmt.Fprintf(b, "- Measured by `%s` on %s.\n", run.Command, run.Machine)
	}
	b.WriteString("\n")
}

func (r *report) writePeers(b *strings.Builder) {
	b.WriteString("## The peers\n\nEvery system runs with its own defaults for a LAN. What is " +
		"changed:\n\n")
	for _, name := range r.peers {
		if s, err := peer.Named(name); err == nil {
			fmt.Fprintf(b, "- **%s** %s: %s\n", name, s.Version(), strings.Join(s.Changed, "; "))
		}
	}
	b.WriteString("\n")
}

func (r *report) writeEnd(b *strings.Builder) {
	if len(r.notes) > 0 {
		b.WriteString("## Notes\n\n")
		for i, n := range r.notes {
			fmt.Fprintf(b, "%d. %s\n", i+1, n)
		}
		b.WriteString("\n")
	}
	worst, others := machine{}, 0.0
	for _, rec := range r.records {
		if rec.Job.World == measure.Real {
			worst.Lag99, others = max(worst.Lag99, rec.Machine.Lag99), max(others,
				rec.Machine.Others)
		}
	}
	fmt.Fprintf(b, "The machine's lag while sockets were measured, at worst: 99 of 100 sleeps "+
		"of 5 ms came back at most %s ms late; "+
		"other processes used at most %s cores.\n", format(worst.Lag99), format(others))
}
