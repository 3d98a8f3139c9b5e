package main

// This file is how the outcome of simulations looks: as a table for people, as JSON, and as a page
// of plots.

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/cmd/internal/plot"
	"github.com/starling-gossip/starling/internal/sim"
)

// measure is a row of the table.
type measure struct{ name, title, of string }

// measures are the rows of the table, in parts; the first of each part heads it.
var measures = [][]measure{
	{{"", "join", ""},
		{sim.Join, "all tables complete", "run"}},
	{{"", "crash", ""},
		{sim.First, "first suspicion", "crash"}, {sim.Periods, "probed in which period", "crash"},
		{sim.Known50, "known by half", "crash"}, {sim.Known99, "known by 99 %",
			"crash"}, {sim.Known100, "known by all", "crash"}},
	{{"", "message", ""},
		{sim.Reached50, "at half", "message"}, {sim.Reached99, "at 99 %",
			"message"}, {sim.Reached100, "at all", "message"},
		{sim.CaughtUp, "caught up after trouble", "return"},
		{sim.Copies, "copies sent by a node", "run"}, {sim.Crossing,
			"copies across zones, in all", "message"}},
	{{"", "key", ""},
		{sim.Written, "a write is at all", "write"}},
	{{"", "any change", ""},
		{sim.Agree, "all views equal again", "change"}},
	{{"", "errors", ""},
		{sim.Suspicions, "false suspicions", "run"}, {sim.Failures, "false failures",
			"run"}, {sim.AtHealthy, "of these at nodes that are well", "run"},
		{sim.Living, "failures of the living", "run"}, {sim.SameSide,
			"of these with no fault between", "run"},
		{sim.Revived, "the dead came back", "run"}},
	{{"", "round trips by coordinates", ""},
		{sim.Estimated, "relative error", "pair"}},
	{{"", "sent by a node", ""},
		{sim.BytesRate, "bytes a second", "node"}, {sim.PacketRate, "packets a second", "node"}},
	{{"", "sent by a zone to others", ""},
		{sim.ZoneRate, "bytes a second", "run"}},
}

// table is the outcome as rows of cells.
func (d *simDone) table() [][]string {
	rows := [][]string{{"", "MEAN", "50 %", "99 %", "MAX", "OF"}}
	for _, part := range measures {
		head := part[0].title
		for _, m := range d.withTopics(part[1:]) {
			s, ok := d.Summary[m.name]
			if !ok {
				continue
			}
			if head != "" {
				rows = append(rows, []string{head})
				head = ""
			}
			form := format(m.name)
			rows = append(rows, []string{"  " + m.title, form(s.Mean), form(s.P50),
				form(s.P99), form(s.Max), quantity(s.N, m.of)})
		}
	}
	return rows
}

// withTopics puts the topics beside what is said of messages on all of them.
func (d *simDone) withTopics(part []measure) (all []measure) {
	for _, m := range part {
		if all = append(all, m); m.name != sim.Reached100 {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(d.Summary)) {
			if topic, ok := strings.CutPrefix(name, sim.OnTopic); ok {
				all = append(all, measure{name, "on topic " + clean(topic), m.of})
			}
		}
	}
	return all
}

// format is how a measure's values are written.
func format(name string) func(float64) string {
	switch {
	case strings.HasSuffix(name, "_seconds") || strings.HasPrefix(name, sim.OnTopic):
		return short
	case name == sim.BytesRate || name == sim.ZoneRate:
		return func(x float64) string { return size(x) }
	}
	return func(x float64) string {
		if x == float64(int64(x)) {
			return thousands(int(x))
		}
		return fmt.Sprintf("%.2f", x)
	}
}

// maxPairs is how many pairs of zones are listed.
const maxPairs = 12

// pairs is what zones sent to each other, those that sent most first, as rows of cells: the mean of
// all runs, and the busiest second of any.
func (d *simDone) pairs() [][]string {
	var all []sim.Pair
	for _, r := range d.Runs {
		if r.Across == nil {
			continue
		}
		for _, x := range r.Across.Pairs {
			i := slices.IndexFunc(all, func(y sim.Pair) bool {
				return x.From == y.From &&
					x.To == y.To
			})
			if i < 0 {
				i = len(all)
				all = append(all, sim.Pair{From: x.From, To: x.To})
			}
			all[i].Bytes += x.Bytes / float64(len(d.Runs))
			all[i].Packets += x.Packets / float64(len(d.Runs))
			all[i].Peak = max(all[i].Peak, x.Peak)
		}
	}
	slices.SortStableFunc(all, func(x, y sim.Pair) int { return cmp.Compare(y.Bytes, x.Bytes) })
	rows := [][]string{{"BETWEEN ZONES", "BYTES A SECOND", "PACKETS", "BUSIEST SECOND"}}
	for _, x := range all[:min(len(all), maxPairs)] {
		rows = append(rows, []string{fmt.Sprintf("  z%d to z%d", x.From, x.To), size(x.Bytes),
			fmt.Sprintf("%.1f", x.Packets), size(x.Peak)})
	}
	if more := len(all) - maxPairs; more > 0 {
		rows = append(rows, []string{fmt.Sprintf("  and %d more", more)})
	}
	return rows
}

// short is a time in seconds with a unit and three digits.
func short(s float64) string {
	switch {
	case s >= 100:
		return fmt.Sprintf("%.0f s", s)
	case s >= 10:
		return fmt.Sprintf("%.1f s", s)
	case s >= 1:
		return fmt.Sprintf("%.2f s", s)
	case s >= 0.1:
		return fmt.Sprintf("%.0f ms", s*1e3)
	}
	return fmt.Sprintf("%.1f ms", s*1e3)
}

// thousands is a whole number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// title says in a line what was simulated.
func (j *simJob) title(d *simDone) string {
	o := &j.opt
	name := j.Scenario
	if name == "" {
		name = "a cluster"
	}
	parts := []string{fmt.Sprintf("%s: %s", clean(name), quantity(max(o.Nodes, 1), "node"))}
	if o.Zones > 1 {
		parts = append(parts, quantity(o.Zones, "zone"))
	}
	if j.Detector != "" {
		parts = append(parts, j.Detector)
	}
	if l := o.Network.Within.Loss; l > 0 {
		parts = append(parts, fmt.Sprintf("%g %% loss", 100*l))
	}
	seeds := fmt.Sprintf("seed %d", o.Seed)
	if n := len(d.Runs); n > 1 {
		seeds = fmt.Sprintf("seeds %d to %d", o.Seed, o.Seed+uint64(n)-1)
	}
	start := "after the join"
	if o.Warm {
		start = "after a warm start"
	}
	return strings.Join(append(parts, fmt.Sprintf("%s %s", ago(o.Duration), start), seeds), ", ")
}

// maxShown is how many actions are listed.
const maxShown = 12

// outcome prints what happened for people.
func (p *printer) outcome(job *simJob, d *simDone, f *simShow) {
	fmt.Fprintln(p.w, job.title(d))
	for i, a := range job.opt.Actions {
		if i == maxShown {
			fmt.Fprintf(p.w, "  and %s more\n", quantity(len(job.opt.Actions)-i, "action"))
			break
		}
		fmt.Fprintf(p.w, "  %s\n", a)
	}
	fmt.Fprintln(p.w)
	p.table(rightAligned(d.table()))
	if pairs := d.pairs(); len(pairs) > 1 {
		fmt.Fprintln(p.w)
		p.table(rightAligned(pairs))
	}
	if notes := d.notes(job); len(notes) > 0 {
		fmt.Fprintf(p.w, "\n%s\n", strings.Join(notes, "\n"))
	}
	for _, r := range d.Runs {
		for _, v := range r.Violations {
			fmt.Fprintf(p.w, "\n%s seed %d, %s\n", p.paint("31", "VIOLATION"), r.Seed, v)
		}
	}
	if len(d.Runs) == 1 {
		fmt.Fprintf(p.w, "\ntrace %s\n", d.Runs[0].Trace)
	}
	if f.withCost {
		fmt.Fprintf(p.w, "\nsimulated in %.1f s", d.cost.Wall)
		if d.cost.Speed > 0 {
			fmt.Fprintf(p.w, ", after the join %.0f s a second", d.cost.Speed)
		}
		fmt.Fprintf(p.w, ", with %s of memory\n", size(float64(d.cost.Memory)))
	}
}

// maxUnreached is how many messages that somebody never got are listed.
const maxUnreached = 10

// notes say what a table of times does not: what never came to pass.
func (d *simDone) notes(job *simJob) (all []string) {
	never, unsettled, crashes, messages := 0, 0, 0, 0
	knew, got := 1.0, 1.0
	var unreached []string
	for i, r := range d.Runs {
		if r.Join < 0 {
			never++
		}
		for _, s := range r.Settled {
			if s.After < 0 {
				unsettled++
			}
		}
		for k := range d.Details[i].Crashes {
			if c := &d.Details[i].Crashes[k]; len(c.Known) < c.Due {
				crashes++
			}
		}
		for k := range d.Details[i].Messages {
			if c := &d.Details[i].Messages[k]; len(c.Known) < c.Due {
				messages++
			}
		}
		knew, got = min(knew, r.Crashes.Ratio), min(got, r.Messages.Ratio)
		for k := range r.Unreached {
			unreached = append(unreached, fmt.Sprintf("  seed %d: %s", r.Seed, &r.Unreached[k]))
		}
	}
	add := func(n int, format string, more ...any) {
		if n > 0 {
			all = append(all, fmt.Sprintf(format, more...))
		}
	}
	add(never, "In %s the tables were never complete.", quantity(never, "run"))
	add(crashes, "%s had not become known to all by the end, or by the return: at worst to %.2f "+
		"%%.", quantity(crashes, "crash"), 100*knew)
	add(messages, "%s had not reached all by the end: at worst %.2f %%.",
		quantity(messages, "message"), 100*got)
	all = append(all, unreached[:min(len(unreached), maxUnreached)]...)
	add(len(unreached)-maxUnreached, "  and %s more, listed with --json",
		thousands(len(unreached)-maxUnreached))
	add(unsettled, "After %s the views were not all equal and complete within the run.",
		quantity(unsettled, "change"))
	if job.opt.Unchecked {
		all = append(all, "Nobody watched for what must never happen: --unchecked, or many nodes.")
	}
	return all
}

// rightAligned puts numbers of a column under each other.
func rightAligned(rows [][]string) [][]string {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		for i := 1; i < len(r)-1; i++ {
			r[i] = strings.Repeat(" ", width[i]-len([]rune(r[i]))) + r[i]
		}
	}
	return rows
}

// simJSON is what --json prints; docs/sim.md explains it.
type simJSON struct {
	Scenario string              `json:"scenario"`
	Detector string              `json:"detector"`
	Options  sim.Options         `json:"options"`
	Summary  map[string]sim.Stat `json:"summary"`
	Cost     *simCost            `json:"cost,omitempty"`
	Runs     []*sim.Report       `json:"runs"`
}

func newSimJSON(job *simJob, d *simDone, f *simShow) *simJSON {
	j := &simJSON{Scenario: job.Scenario, Detector: job.Detector, Options: job.opt,
		Summary: d.Summary, Runs: d.Runs}
	if f.withCost {
		j.Cost = &d.cost
	}
	return j
}

// page is the outcome for plots.
func (d *simDone) page(job *simJob) *plot.Page {
	p := &plot.Page{Title: job.title(d), Table: d.table(), Outcome: d.Outcome}
	for _, a := range job.opt.Actions {
		p.Actions = append(p.Actions, plot.Mark{At: a.At.Seconds(),
			Text: strings.TrimPrefix(a.String(), a.At.String()+"=")})
		if a.For > 0 && a.Every == 0 {
			p.Actions = append(p.Actions, plot.Mark{At: (a.At + a.For).Seconds(),
				Text: "end of " + string(a.Do)})
		}
	}
	return p
}
