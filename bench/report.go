package main

// This file turns the records into rows: medians side by side, and how much better Starling is.

import (
	"fmt"
	"math"
	"slices"

	"github.com/starling-gossip/starling/bench/internal/measure"
	"github.com/starling-gossip/starling/bench/internal/peer"
)

// report is all that is told.
type report struct {
	runs    []saved
	records []record // of all runs
	peers   []string
	tables  []table
	notes   []string
}

// table is one measure at one size in one world.
type table struct {
	world, title, name string
	n                  int
	rows               []row
}

type row struct {
	key   string // of the metric
	title string
	unit  string
	cells []cell // one a peer
}

type cell struct {
	text     string
	ratio    float64 // how many times better Starling is; NaN if that cannot be said
	doubtful bool
	notes    []int // numbers of notes, from 1
}

func newReport(runs ...saved) *report {
	r := &report{runs: runs}
	for _, run := range runs {
		r.records = append(r.records, run.Records...)
	}
	for _, p := range peer.Names() {
		if slices.ContainsFunc(r.records, func(rec record) bool { return rec.Job.Peer == p }) {
			r.peers = append(r.peers, p)
		}
	}
	for _, world := range []string{measure.Real, measure.Virtual} {
		for _, m := range measure.All {
			for _, n := range r.sizes(world, m.Name) {
				r.tables = append(r.tables, r.table(world, m, n))
			}
		}
	}
	return r
}

func (r *report) sizes(world, name string) (all []int) {
	for _, rec := range r.records {
		if rec.Job.World == world && slices.Contains(rec.Job.Measures, name) {
			all = append(all, rec.Job.N)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// samples are all that was found of one measure with one peer.
type samples struct {
	values   map[string][]float64
	asked    bool
	doubtful bool
	notes    []string
}

func (r *report) samples(world, name, peerName string, n int) (s samples) {
	s.values = map[string][]float64{}
	for _, rec := range r.records {
		j := rec.Job
		if j.World != world || j.Peer != peerName || j.N != n ||
			!slices.Contains(j.Measures, name) {
			continue
		}
		s.asked = true
		s.doubtful = s.doubtful || world == measure.Real && rec.Machine.doubtful()
		i := slices.IndexFunc(rec.Results,
			func(res measure.Result) bool { return res.Measure == name })
		if i < 0 {
			s.note(cmpOr(rec.Failure, "no result"))
			continue
		}
		res := rec.Results[i]
		s.note(res.Note)
		for k, v := range res.Values {
			s.values[k] = append(s.values[k], v...)
		}
		if world == measure.Real && res.CPU > 0 && res.Wall > 0 {
			s.values[cpuKey] = append(s.values[cpuKey], 100*res.CPU/res.Wall)
		}
	}
	switch {
	case s.asked:
	case name == "equal" && peerName != "starling":
		// nothing of it is changed, so this is its tolerance
		return r.samples(world, "tolerance", peerName, n)
	case peerName == "serf":
		s.note("not run here: its members, detector and packets are memberlist's")
	case peerName == "gossipsub" && world == measure.Virtual && name == "message":
		s.note("it runs on real sockets alone")
	case peerName != "gossipsub":
		s.note("not run at this size")
	}
	return s
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (s *samples) note(text string) {
	if text != "" && !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

const cpuKey = "cpu of the process"

func (r *report) table(world string, m *measure.Measure, n int) table {
	t := table{world: world, title: m.Title, name: m.Name, n: n}
	var all []samples
	for _, p := range r.peers {
		all = append(all, r.samples(world, m.Name, p, n))
	}
	metrics := m.Metrics
	if world == measure.Real && m.Name != "codec" && m.Name != "idle" {
		metrics = append(slices.Clone(metrics), measure.Metric{Key: cpuKey,
			Title: "CPU used meanwhile", Unit: "% of a core"})
	}
	numbers := make([][]int, len(all))
	for i, s := range all {
		for _, text := range s.notes {
			numbers[i] = append(numbers[i], r.noteNumber(r.peers[i]+": "+text))
		}
	}
	for _, metric := range metrics {
		rw := row{key: metric.Key, title: metric.Title, unit: metric.Unit}
		some := false
		for i, s := range all {
			c := cellOf(metric, s, all[0], i > 0 && r.peers[0] == "starling")
			if c.notes = numbers[i]; metric.Key != metrics[0].Key && c.text != missing {
				c.notes = nil
			}
			some = some || c.text != missing
			rw.cells = append(rw.cells, c)
		}
		if some {
			t.rows = append(t.rows, rw)
		}
	}
	if len(t.rows) == 0 { // nobody got anywhere: the row says so
		t.rows = append(t.rows, emptyRow(metrics[0], numbers))
	}
	return t
}

func emptyRow(m measure.Metric, numbers [][]int) (rw row) {
	rw.key, rw.title, rw.unit = m.Key, m.Title, m.Unit
	for _, n := range numbers {
		rw.cells = append(rw.cells, cell{text: missing, ratio: math.NaN(), notes: n})
	}
	return rw
}

const missing = "—"

func cellOf(m measure.Metric, s, starling samples, compare bool) (c cell) {
	c.ratio = math.NaN()
	v, ok := middle(m, s.values[m.Key])
	if !ok {
		c.text = missing
		return c
	}
	c.text, c.doubtful = format(v), s.doubtful
	ours, ok := middle(m, starling.values[m.Key])
	if !compare || !ok {
		return c
	}
	if m.More {
		v, ours = ours, v
	}
	switch {
	case ours == v:
		c.ratio = 1
	case ours == 0:
		c.ratio = math.Inf(1)
	default:
		c.ratio = v / ours
	}
	return c
}

func (r *report) noteNumber(text string) int {
	if i := slices.Index(r.notes, text); i >= 0 {
		return i + 1
	}
	r.notes = append(r.notes, text)
	return len(r.notes)
}

// middle is what is told of a metric's samples.
func middle(m measure.Metric, v []float64) (float64, bool) {
	if m.Mean && len(v) > 0 {
		sum := 0.0
		for _, x := range v {
			sum += x
		}
		return sum / float64(len(v)), true
	}
	return median(v)
}

func median(v []float64) (float64, bool) {
	if len(v) == 0 {
		return 0, false
	}
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 0 {
		return (v[len(v)/2-1] + v[len(v)/2]) / 2, true
	}
	return v[len(v)/2], true
}

// format writes three significant digits.
func format(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	case a >= 0.001:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.1e", v)
}

// string is a cell as it is shown.
func (c *cell) string() string {
	s := c.text
	if c.doubtful {
		s = "~" + s
	}
	switch {
	case math.IsInf(c.ratio, 1):
		s += " (∞×)"
	case !math.IsNaN(c.ratio):
		s += " (" + format(c.ratio) + "×)"
	}
	for _, n := range c.notes {
		s += fmt.Sprintf(" [%d]", n)
	}
	return s
}

func (rw *row) name() string {
	if rw.unit == "" {
		return rw.title
	}
	return rw.title + ", " + rw.unit
}
