package sim

import (
	"slices"
	"time"
)

// Outcome is what the runs of one scenario with several seeds showed together.
type Outcome struct {
	Options Options // of the first run; those after it have the seeds after its
	Runs    []*Report
	Details []*Detail
	Summary map[string]Stat
}

// Stat summarizes a measure's values: over runs, crashes, messages, actions or nodes, whatever the
// measure has one of.
type Stat struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

func stat(v []float64) (s Stat) {
	slices.Sort(v)
	p := perNode(v)
	return Stat{N: len(v), Mean: p.Mean, P50: Percentile(v, 0.5), P99: p.P99, Max: p.Max}
}

// The measures of Outcome.Summary. One without values is absent.
const (
	Join  = "join_seconds"            // of each run: until all tables were complete
	First = "first_suspicion_seconds" // of each crash: until any node suspected it
	// of each crash: the period in which a node first probed it; the first is 1
	Periods    = "first_probe_periods"
	Known50    = "crash_known50_seconds" // of each crash: until half of the due nodes knew
	Known99    = "crash_known99_seconds"
	Known100   = "crash_known100_seconds"
	Reached50  = "message_reached50_seconds" // of each message
	Reached99  = "message_reached99_seconds"
	Reached100 = "message_reached100_seconds"
	// the same of each message on a topic, whose name follows; with several topics
	OnTopic  = "message_reached100_seconds_on_"
	Copies   = "message_copies_per_node"     // of each run with messages
	Crossing = "message_copies_across_zones" // of each message, in all, with several zones
	// of each run with several zones: what a zone sent to others, in the mean
	ZoneRate = "zone_bytes_per_second"
	// of each write of a key that reached all nodes that are up in the end
	Written = "write_reached100_seconds"
	// of each end of a node's trouble: until it had all messages that were sent during it
	CaughtUp = "caught_up_seconds"
	// of each action: until all views were equal and complete
	Agree      = "agreement_seconds"
	Suspicions = "false_suspicions"        // of each run; see Report
	Failures   = "false_failures"          //
	AtHealthy  = "false_failures_at_well"  //
	Revived    = "dead_revived"            //
	Living     = "live_failures"           //
	SameSide   = "live_failures_same_side" //
	// of each process: of how many silences of zones it was told
	ZonesTold = "zones_told_silent"
	// of each silence told, at one process: on the scenario's clock
	ZoneTold  = "zone_told_seconds"
	ZoneHeard = "zone_heard_seconds" // of each end of one
	// of each of some pairs of nodes: relative, of what their coordinates say in the end
	Estimated  = "round_trip_error"
	BytesRate  = "node_bytes_per_second"   // of each node: sent, with headers
	PacketRate = "node_packets_per_second" //
)

// Summarized puts runs together. The period is the failure detector's; if it is 0, nothing is
// counted in periods.
func Summarized(o Options, period time.Duration, runs []*Report, details []*Detail) *Outcome {
	v := map[string][]float64{}
	add := func(name string, values ...float64) { v[name] = append(v[name], values...) }
	for i, r := range runs {
		if r.Join >= 0 {
			add(Join, float64(r.Join))
		}
		for _, s := range r.Settled {
			if s.After >= 0 {
				add(Agree, float64(s.After))
			}
		}
		if r.Messages.Count > 0 {
			add(Copies, r.Messages.Copies)
		}
		add(Suspicions, float64(r.FalseSuspicions))
		add(Failures, float64(r.FalseFailures))
		add(AtHealthy, float64(r.FalseAtHealthy))
		add(Revived, float64(r.DeadRevived))
		add(Living, float64(r.LiveFailures))
		add(SameSide, float64(r.LiveSameSide))
		d := details[i]
		if r.Across != nil {
			add(ZoneRate, r.Across.Zone.Mean)
		}
		if s := r.Silences; s != nil {
			add(ZonesTold, s.Each...)
			add(ZoneTold, s.Told...)
			add(ZoneHeard, s.Heard...)
		}
		add(Estimated, d.Estimates...)
		add(BytesRate, d.Bytes...)
		add(PacketRate, d.Packets...)
		for k := range d.Crashes {
			c := &d.Crashes[k]
			if c.First >= 0 {
				add(First, c.First.Seconds())
				if period > 0 {
					add(Periods, firstProbe(c.First, period))
				}
			}
			addShares(add, c, Known50, Known99, Known100)
		}
		topics := slices.ContainsFunc(d.Messages, func(c Curve) bool {
			return c.Topic != d.Messages[0].Topic
		})
		for k := range d.Messages {
			c := &d.Messages[k]
			addShares(add, c, Reached50, Reached99, Reached100)
			if all, ok := c.When(1); ok && topics {
				add(OnTopic+c.Topic, all.Seconds())
			}
			if o.Zones > 1 {
				add(Crossing, float64(c.Across))
			}
		}
		for _, t := range d.Writes {
			add(Written, t.Seconds())
		}
		for _, t := range d.CaughtUp {
			add(CaughtUp, t.Seconds())
		}
	}
	out := &Outcome{Options: o, Runs: runs, Details: details, Summary: map[string]Stat{}}
	for name, values := range v {
		if len(values) > 0 {
			out.Summary[name] = stat(values)
		}
	}
	return out
}

func addShares(add func(string, ...float64), c *Curve, half, most, all string) {
	for _, x := range []struct {
		name  string
		share float64
	}{{half, 0.5}, {most, 0.99}, {all, 1}} {
		if d, ok := c.When(x.share); ok {
			add(x.name, d.Seconds())
		}
	}
}

// firstProbe returns in which period somebody first probed a crashed member, counted in whole
// periods from the crash; the first is 1. A probe fails, and is seen to, when its own period ends,
// so the first probe began one period before the first suspicion. This is the number whose mean is
// e/(e-1) in SWIM's analysis (section 3.2): in each period every live member begins one probe, and
// with probability 1-1/e one of them is of the crashed member. The members' periods need not begin
// together. It holds for healthy probers: Lifeguard stretches the periods of others.
func firstProbe(first, period time.Duration) float64 {
	return float64(max(1, (first-1)/period)) // the ceiling of first/period, less one
}
