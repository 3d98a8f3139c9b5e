package multicast

// This file is what can be set, and its defaults.

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/sim"
)

// MaxNodes bounds an experiment.
const MaxNodes = 20_000

// Options say what is run. Times without a value get their default; equal options give an equal
// outcome.
type Options struct {
	Nodes   int         `json:"nodes"`   // the origin included; default 1,000
	Runs    int         `json:"runs"`    // with the seeds from Seed on; default 20
	Seed    uint64      `json:"seed"`    // of all chance
	Bytes   int         `json:"bytes"`   // of the payload; default 128
	Loss    float64     `json:"loss"`    // of each datagram, independently
	Latency sim.Latency `json:"latency"` // one way; default 50µs+450µs~0.4
	// share of the nodes that are down before the start, floor(f·n), unknown to all; never the
	// origin
	Crashed float64 `json:"crashed"`
	Inner   int     `json:"crash_inner,omitempty"`
	// of a node's work on each datagram, in or out; default 5 µs, negative: none
	Cost  time.Duration `json:"cost_ns"`
	Limit time.Duration `json:"limit_ns"` // the longest run; default 10 s
	// for which a run goes on, and counts, after the last live node has the message; default 50 ms
	Linger time.Duration `json:"linger_ns"`

	// first wait for an answer, doubled up to 8 times; default twice the 99 % round trip and a
	// millisecond
	Retry  time.Duration `json:"retry_ns"`
	Tries  int           `json:"tries"`  // until somebody is given up; default 40
	Arity  int           `json:"arity"`  // of the trees: children of a node; default 4
	Degree int           `json:"degree"` // of the flooding's random graph, in the mean; default 6

	// tree: between a child's questions whether its parent lives; default 100 ms
	Heartbeat time.Duration `json:"heartbeat_ns"`
	// srm: between the session messages of all members together; default 1 ms
	Session time.Duration `json:"session_ns"`
	// rmtp: between a receiver's bitmaps; default 20 ms
	Status time.Duration `json:"status_ns"`
	// rmtp: between a designated receiver's "send acks to me"; default 100 ms
	Advert time.Duration `json:"advert_ns"`
	// gossip: between a node's digests, which ride on its probes; default 600 ms, as those of the
	// default detector
	Repair time.Duration `json:"repair_ns"`
}

// withDefaults fills in what is not set and says what is wrong.
func (o Options) withDefaults() (Options, error) {
	setInt(&o.Nodes, 1000)
	setInt(&o.Runs, 20)
	setInt(&o.Bytes, 128)
	setInt(&o.Tries, 40)
	setInt(&o.Arity, 4)
	setInt(&o.Degree, 6)
	if o.Latency.IsZero() {
		o.Latency = sim.Lognormal(450*time.Microsecond, 0.4).Plus(50 * time.Microsecond)
	}
	for _, x := range []struct {
		at     *time.Duration
		preset time.Duration
	}{
		{&o.Cost, 5 * time.Microsecond}, {&o.Limit, 10 * time.Second}, {&o.Linger,
			50 * time.Millisecond},
		{&o.Retry, 4*o.Latency.Quantile(0.99) + time.Millisecond}, {&o.Heartbeat,
			100 * time.Millisecond},
		{&o.Session, time.Millisecond}, {&o.Status, 20 * time.Millisecond}, {&o.Advert,
			100 * time.Millisecond},
		{&o.Repair, 600 * time.Millisecond},
	} {
		if *x.at == 0 {
			*x.at = x.preset
		}
	}
	return o, o.validate()
}

func setInt(at *int, preset int) {
	if *at == 0 {
		*at = preset
	}
}

func (o *Options) validate() error {
	for _, x := range []struct {
		name      string
		v, lo, hi int
	}{
		{"nodes", o.Nodes, 2, MaxNodes}, {"runs", o.Runs, 1, 100_000}, {"bytes", o.Bytes, 1,
			1024}, {"tries", o.Tries, 1, 1000},
		{"arity", o.Arity, 2, 64}, {"degree", o.Degree, 2, 64}, {"crash-inner", o.Inner, 0,
			o.Nodes - 2},
	} {
		if x.v < x.lo || x.v > x.hi {
			return fmt.Errorf("%s %d: from %d to %d are possible", x.name, x.v, x.lo, x.hi)
		}
	}
	if !(o.Loss >= 0 && o.Loss < 1) || !(o.Crashed >= 0 && o.Crashed < 1) {
		return fmt.Errorf("loss %g, crashed %g: shares from 0 to below 1 are possible", o.Loss,
			o.Crashed)
	}
	if int(o.Crashed*float64(o.Nodes))+o.Inner > o.Nodes-2 {
		return fmt.Errorf("crashed %g, crash-inner %d: of %d nodes nobody would be left to "+
			"receive", o.Crashed, o.Inner, o.Nodes)
	}
	for _, d := range []time.Duration{o.Retry, o.Heartbeat, o.Session, o.Status, o.Advert,
		o.Repair, o.Limit, o.Linger} {
		if d < 0 {
			return fmt.Errorf("a time of %s: it is negative", d)
		}
	}
	return nil
}

// Check says what is wrong with options.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

// Filled returns options that are right with their defaults in place.
func (o Options) Filled() Options {
	o, _ = o.withDefaults()
	return o
}
