package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Seconds is a time in seconds.
type Seconds float64

func seconds(d time.Duration) Seconds { return Seconds(d.Seconds()) }

// Report is what a run showed. All times are virtual, and in seconds; all bytes include IP and UDP
// headers.
type Report struct {
	Nodes     int     `json:"nodes"` // in the end, those that are down too
	Up        int     `json:"up"`
	Seed      uint64  `json:"seed"`
	Trace     string  `json:"trace"`     // a hash over everything that happened
	Simulated Seconds `json:"simulated"` // in all
	Events    uint64  `json:"events"`

	Join     Seconds    `json:"join"` // until all tables were complete; -1: they never were
	Settled  []Settling `json:"settled"`
	Crashes  Detection  `json:"crashes"`
	Messages Multicast  `json:"messages"`
	Traffic  Load       `json:"traffic"`
	Across   *Across    `json:"across,omitempty"`   // with several zones
	Silences *Silences  `json:"silences,omitempty"` // of whole zones, if any were told
	Keys     *Keys      `json:"keys,omitempty"`     // if any were written

	FalseSuspicions int `json:"false_suspicions"` // of members up and out of trouble, by observer
	FalseFailures   int `json:"false_failures"`   // the same, at all observers
	FalseAtHealthy  int `json:"false_at_healthy"` // and at those out of trouble
	// dead members that an observer had held failed and held live again
	DeadRevived int `json:"dead_revived"`

	// of members that were up, whatever fault touched them, by observer
	LiveFailures int `json:"live_failures"`
	// and with no fault on the way between the two, then or 30 s before
	LiveSameSide int `json:"live_failures_same_side"`

	Packets    map[string]uint64 `json:"packets"`  // by what became of them
	Timeline   []Point           `json:"timeline"` // each second, from the start of the run
	Violations []Violation       `json:"violations"`
	// messages that did not reach members that could be reached
	Missed []Missed `json:"missed,omitempty"`
	// all that somebody never got, and why; at most 1,000
	Unreached []Unreached `json:"unreached,omitempty"`
}

// Point is how a second of the run was, all nodes together.
type Point struct {
	At      Seconds `json:"at"` // its end, on the scenario's clock
	Up      int     `json:"up"`
	Bytes   uint64  `json:"bytes"`
	Packets uint64  `json:"packets"`
}

// Detection is how crashes became known, over all crashes of a run.
type Detection struct {
	Count    int     `json:"count"`
	First    Summary `json:"first"` // suspicion, anywhere
	Known50  Summary `json:"known50"`
	Known99  Summary `json:"known99"`
	Known100 Summary `json:"known100"`
	Ratio    float64 `json:"ratio"` // of the nodes that should know, over all crashes
}

// Multicast is how messages spread, over all messages of a run.
type Multicast struct {
	Count      int     `json:"count"`
	Reached50  Summary `json:"reached50"`
	Reached99  Summary `json:"reached99"`
	Reached100 Summary `json:"reached100"`
	Ratio      float64 `json:"ratio"`  // of the nodes that should have got them
	Copies     float64 `json:"copies"` // of a message sent, per node
	// copies of a message that were sent to other zones, in all
	Across float64 `json:"across,omitempty"`
}

// Load is what nodes sent in the scenario's time, each second.
type Load struct {
	Seconds Seconds `json:"seconds"`
	Bytes   PerNode `json:"bytes"`
	Packets PerNode `json:"packets"`
}

// PerNode summarizes a number that each node has.
type PerNode struct {
	Mean float64 `json:"mean"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Summary summarizes times.
type Summary struct {
	N    int     `json:"n"`
	Mean Seconds `json:"mean"`
	P50  Seconds `json:"p50"`
	P99  Seconds `json:"p99"`
	Max  Seconds `json:"max"`
}

// rank returns the index, in n sorted values, of the one that a share p of them does not exceed.
func rank(p float64, n int) int { return max(int(math.Ceil(p*float64(n)))-1, 0) }

// Percentile returns the value that a share p of sorted values does not exceed, zero if there are
// none.
func Percentile[T any](sorted []T, p float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[rank(p, len(sorted))]
}

// Summarize summarizes times, which it sorts.
func Summarize(t []time.Duration) (s Summary) {
	if len(t) == 0 {
		return s
	}
	slices.Sort(t)
	sum := 0.0
	for _, d := range t {
		sum += d.Seconds()
	}
	return Summary{
		N: len(t), Mean: Seconds(sum / float64(len(t))), P50: seconds(Percentile(t, 0.5)),
		P99: seconds(Percentile(t, 0.99)), Max: seconds(t[len(t)-1]),
	}
}

func perNode(v []float64) (p PerNode) {
	if len(v) == 0 {
		return p
	}
	slices.Sort(v)
	for _, x := range v {
		p.Mean += x / float64(len(v))
	}
	p.P99, p.Max = Percentile(v, 0.99), v[len(v)-1]
	return p
}

func (w *World) report() *Report {
	m := &w.rec.meter
	r := &Report{
		Nodes: len(w.procs), Up: w.up(), Seed: w.seed, Trace: fmt.Sprintf("%016x", w.hash()),
		Simulated: seconds(span(w.now)), Events: w.events,
		Join: w.settlings[0].After, Settled: w.settlings[1:],
		Crashes: m.detection(), Messages: m.multicast(), Traffic: m.load(w),
		Across: m.acrossZones(w), Keys: w.rec.keys.report(w),
		Silences:        m.silencesIn(w),
		FalseSuspicions: m.falseSuspicions, FalseFailures: m.falseFailures,
		FalseAtHealthy: m.falseAtHealthy,
		DeadRevived:    m.revived,
		LiveFailures:   m.liveFailures, LiveSameSide: m.liveSameSide,
		Packets: map[string]uint64{}, Timeline: w.timeline, Violations: w.rec.failures,
	}
	for i := range r.Timeline { // the clock of the scenario was not known yet
		r.Timeline[i].At -= seconds(span(w.epoch))
	}
	var judge *arrival
	for _, c := range w.rec.checkers {
		if a, ok := c.(*arrival); ok {
			judge, r.Missed = a, a.missed
		}
	}
	r.Unreached = m.unreached(judge)
	for f, n := range w.fates {
		r.Packets[fate(f).String()] = n
	}
	return r
}

func (m *meter) detection() Detection {
	var first []time.Duration
	var c coverage
	for _, x := range m.crashes {
		if x.first != gossip.Never {
			first = append(first, x.first.Sub(x.at))
		}
		c.add(m.throughout(x.at, min(x.until, m.now)), x.knew)
	}
	return Detection{Count: len(m.crashes), First: Summarize(first), Known50: Summarize(c.half),
		Known99: Summarize(c.most), Known100: Summarize(c.all), Ratio: c.ratio()}
}

func (m *meter) multicast() Multicast {
	var c coverage
	copies, across, nodes := 0, 0, 0
	for _, k := range m.order {
		s := m.messages[k]
		who := m.readers(s)
		c.add(who, s.got)
		copies += s.copies
		across += s.across
		nodes += len(who)
	}
	return Multicast{Count: len(m.order), Reached50: Summarize(c.half),
		Reached99:  Summarize(c.most),
		Reached100: Summarize(c.all), Ratio: c.ratio(),
		Copies: float64(copies) / float64(max(nodes, 1)),
		Across: float64(across) / float64(max(len(m.order), 1))}
}

// unreached lists the messages that a member which they are for never got, once for each reason. A
// checker says why, if there is one.
func (m *meter) unreached(judge *arrival) (all []Unreached) {
	for _, k := range m.order {
		s := m.messages[k]
		first := len(all) // of this message
		for _, i := range m.readers(s) {
			if _, ok := s.got[i]; ok {
				continue
			}
			why := Why("")
			if judge != nil {
				why = judge.why(m.ledger, k, i)
			}
			at := first + slices.IndexFunc(all[first:],
				func(u Unreached) bool { return u.Why == why })
			if at < first {
				if at = len(all); at == maxMissed {
					return all
				}
				all = append(all, Unreached{Origin: fmt.Sprintf("n%d", k.origin), Seq: k.seq,
					Published: seconds(span(s.at)), Why: why})
			}
			all[at].Members = append(all[at].Members, fmt.Sprintf("n%d", i))
		}
	}
	return all
}

// ratio is the share of due nodes that came to know a thing; 1 if there was nothing to know.
func (c *coverage) ratio() float64 {
	if c.due == 0 {
		return 1
	}
	return float64(c.reached) / float64(c.due)
}

func (m *meter) load(w *World) Load {
	s := w.now.Sub(m.marked).Seconds()
	var bytes, packets []float64
	for i, h := range w.hosts {
		if i >= len(m.bytes) || h.proc == nil || s == 0 {
			continue
		}
		bytes = append(bytes, float64(h.bytes-m.bytes[i])/s)
		packets = append(packets, float64(h.packets-m.packets[i])/s)
	}
	return Load{Seconds: Seconds(s), Bytes: perNode(bytes), Packets: perNode(packets)}
}
