// Package dev is the first minute of a new user. It is a whole cluster over real UDP on loopback in
// one process, a script of what can happen to it, and measured times of that. The script knows
// nothing of how it is shown.
package dev

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling"
)

// Bounds on the number of nodes. Three: one crashes, one leaves, one sees it.
const (
	MinNodes = 3
	MaxNodes = 4096
)

// Settled is how long after the last start a node is idle. From its fourth second on it looks how
// long datagrams may be on eight of its ways, four times a second. That is ten times what it sends
// in quiet.
const Settled = 10 * time.Second

// Config is what a run is made of.
type Config struct {
	Nodes    int
	Detector starling.Detector // of all nodes; default starling.Inquest
	Messages int               // published one after another, each by another node; default 5
	Idle     time.Duration     // how long the idle cluster is measured; default 5 s
	Settle   time.Duration     // quiet time before that; default Settled
	Pause    time.Duration     // between steps, so that people can follow; default none
	Patience time.Duration     // how long a step may take before the run is given up; default 60 s
}

func (c Config) withDefaults() (Config, error) {
	if c.Nodes < MinNodes || c.Nodes > MaxNodes {
		return c, fmt.Errorf("%d nodes: from %d to %d can be", c.Nodes, MinNodes, MaxNodes)
	}
	if c.Messages == 0 {
		c.Messages = 5
	}
	if c.Idle == 0 {
		c.Idle = 5 * time.Second
	}
	if c.Settle == 0 {
		c.Settle = Settled
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	return c, nil
}

// Report is what a run measured. Times are in seconds, from the moment when it was done to the
// moment when the program that uses the node was told.
type Report struct {
	Nodes    int     `json:"nodes"`
	Version  string  `json:"version"`
	Detector string  `json:"detector"`
	Join     Join    `json:"join"`
	Publish  Publish `json:"publish"`
	Crash    Crash   `json:"crash"`
	Restart  Known   `json:"restart"`
	Leave    Known   `json:"leave"`
	Idle     Idle    `json:"idle"`
}

// Join is how long it took from the start of the second node until every node knew every other.
type Join struct {
	Complete float64 `json:"complete_seconds"`
}

// Publish is when a message had reached half of the nodes, 99 % of them and all that it reached:
// medians over the messages. Missed counts, over all messages, the nodes that one did not reach
// within five seconds.
type Publish struct {
	Messages int     `json:"messages"`
	Missed   int     `json:"missed"`
	T50      float64 `json:"t50_seconds"`
	T99      float64 `json:"t99_seconds"`
	T100     float64 `json:"t100_seconds"`
}

// Crash is how a node that stopped without a word was noticed by the others.
type Crash struct {
	// 0 if nobody suspected it before it was known
	Suspected float64 `json:"first_suspicion_seconds"`
	First     float64 `json:"first_known_seconds"`
	Known     float64 `json:"known_by_all_seconds"`
}

// Known is when all others knew.
type Known struct {
	Known float64 `json:"known_by_all_seconds"`
}

// Idle is what a node costs when nothing happens; bytes are those sent, with 28 for the headers of
// IP and UDP. CPU and heap are those of the process, which measures itself too, divided by the
// nodes.
type Idle struct {
	Seconds float64 `json:"seconds"`
	Bytes   float64 `json:"sent_bytes_per_second_per_node"`
	Packets float64 `json:"sent_packets_per_second_per_node"`
	CPU     float64 `json:"cpu_ratio_per_node"` // of one core
	Heap    float64 `json:"heap_bytes_per_node"`
}

// StepName names a step of the script.
type StepName string

// The steps, in order.
const (
	StepJoin    StepName = "join"
	StepPublish StepName = "publish"
	StepCrash   StepName = "crash"
	StepRestart StepName = "restart"
	StepLeave   StepName = "leave"
	StepIdle    StepName = "idle"
)

// Steps are all.
var Steps = []StepName{StepJoin, StepPublish, StepCrash, StepRestart, StepLeave, StepIdle}

// Update tells how far the script is: a step begins, or is done.
type Update struct {
	Step  StepName
	Node  string // the node that it happens to, if it is one
	Done  bool
	Facts []Fact // when done
	Wave  *Wave  // a message has reached everybody; in StepPublish, before it is done
}

// Fact is one thing that was measured, for people.
type Fact struct{ Name, Value string }

// Wave is how one message spread: when each node got it, in the order of the nodes.
type Wave struct {
	Origin int             // -1: a node from outside
	Delay  []time.Duration // negative: it did not come
}
