package main

import (
	"fmt"
	"strings"

	"github.com/starling-gossip/starling/internal/transport"
)

// This file is the experiments with messages between whole nodes.

// lan is the network of the messages' aims: what a packet takes one way.
const lan = "--latency 50µs+450µs~0.4"

// latency is a time's median, with the 99th percentile beside it, in milliseconds.
func latency(o *outcome, measure string) string {
	s, ok := o.Summary[measure]
	if !ok {
		return "never"
	}
	return fmt.Sprintf("%.1f / %.1f", 1e3*s.P50, 1e3*s.P99)
}

// got is the share of due deliveries that happened, in the worst of all runs, and how many messages
// there were.
func got(o *outcome) (share float64, count int) {
	share = 1
	for _, r := range o.Runs {
		share, count = min(share, r.Messages.Ratio), count+r.Messages.Count
	}
	return share, count
}

// cost is what a node sent for one message, as if sealed: what it sent, less what it sent in the
// same run without messages.
func cost(l *lab, o *outcome, idle string, seconds float64) (datagrams, bytes float64) {
	i := l.sim(idle)
	_, count := got(o)
	each := seconds * float64(len(o.Runs)) / float64(max(count, 1))
	more := func(measure string) float64 {
		return (o.Summary[measure].Mean - i.Summary[measure].Mean) * each
	}
	datagrams = more("node_packets_per_second")
	return datagrams, more("node_bytes_per_second") + datagrams*transport.SealOverhead
}

// spreads is how fast one message reaches all of 1,000 nodes, and what it costs.
func spreads(l *lab) {
	l.head("Network", "", "Messages", "t50", "t99", "t100", "Copies", "Datagrams", "Bytes",
		"All got it", "Aim", "Reached", "Command")
	seeds := l.seeds(24)
	for _, x := range []struct {
		network, args string
		aim           float64 // for the median t100, in milliseconds
		cheap         bool    // and for datagrams and bytes
	}{
		{"no loss", "", 5, true}, {"10 % loss", "--loss 10%", 8, false}, {"25 % loss",
			"--loss 25%", 20, false},
		{"50 % loss", "--loss 50%", 0, false}, {"50 % crashed, unknown", "--at 2s=crash:50%",
			40, false},
	} {
		for _, y := range []struct {
			when, publish, calm string
			runs                int
			seconds             float64
		}{
			{"cold", "--at 2.001s=publish:1,bytes=128", "--at 0s=calm", seeds, 4},
			{"lately", "--at 2s=publish:1,bytes=128,every=300ms,times=100", "--at 0s=calm",
				max(seeds/12, 1), 40},
		} {
			if y.when != "cold" && strings.Contains(x.args, "crash") {
				continue // they are not unknown for long
			}
			if x.network == "50 % loss" { // the last few wait for digests
				y.seconds = 30
			}
			form := strings.Join(strings.Fields(fmt.Sprintf("--nodes 1000 --warm --unchecked %s "+
				"%s WHAT --duration %gs --seeds %d", lan, x.args, y.seconds, y.runs)), " ")
			args := strings.Replace(form, "WHAT", y.publish, 1)
			o := l.sim(args)
			datagrams, bytes := cost(l, o, strings.Replace(form, "WHAT", y.calm, 1), y.seconds)
			share, count := got(o)
			t := 1e3 * o.Summary["message_reached100_seconds"].P50
			aim, reached := "-", "-"
			switch {
			case x.cheap:
				aim = fmt.Sprintf("t100 ≤ %g ms, ≤ 4 datagrams, ≤ 550 B", x.aim)
				reached = verdict(share == 1 && t <= x.aim && datagrams <= 4 && bytes <= 550)
			case x.aim > 0:
				aim = fmt.Sprintf("t100 ≤ %g ms", x.aim)
				reached = verdict(share == 1 && t <= x.aim)
			}
			l.row(x.network, y.when, count, latency(o, "message_reached50_seconds"),
				latency(o, "message_reached99_seconds"),
				latency(o, "message_reached100_seconds"), fmt.Sprintf("%.2f",
					o.Summary["message_copies_per_node"].Mean),
				fmt.Sprintf("%.1f", datagrams), fmt.Sprintf("%.0f",
					bytes), percent(share), aim, reached, command(args))
		}
	}
	l.say("\nTimes are medians and 99th percentiles over messages, in milliseconds. Copies, "+
		"datagrams and bytes are sent by a live node for a "+
		"message, until the end of the run; for datagrams and bytes the same runs without the "+
		"message (`0s=calm` in its place) are subtracted, and %d bytes a datagram added, "+
		"those of sealing.", transport.SealOverhead)
}

// percent is a share, with all its nines.
func percent(share float64) string {
	if share == 1 {
		return "100 %"
	}
	return fmt.Sprintf("%.5f %%", 100*share)
}

// reliability is that all of the living get everything, in order.
func reliability(l *lab) {
	l.head("What happens", "Nodes", "Messages", "Runs", "The living got", "t100, ms",
		"Caught up after", "Violations", "Aim", "Reached", "Command")
	for _, x := range []struct {
		what, args   string
		nodes, seeds int
		pause        bool
	}{
		{"50 % loss", "--loss 50% --at 2s=publish:1,bytes=128,every=20ms,times=1000 --duration " +
			"35s", 128, 20, false},
		{"50 % loss", "--loss 50% --at 2s=publish:1,bytes=128,every=20ms,times=50 --duration " +
			"12s", 1000, 20, false},
		{"half crash", "--at 2s=crash:50% --at 2.001s=publish:1,bytes=128,every=20ms,times=1000 " +
			"--duration 35s", 128, 20, false},
		{"half crash", "--at 2s=crash:50% --at 2.001s=publish:1,bytes=128,every=20ms,times=50 " +
			"--duration 12s", 1000, 20, false},
		{"one stands still for 20 s, 200 messages/s",
			"--at 2s=publish:1,bytes=128,every=5ms,times=5000 --at 3s=pause:n7,for=20s " +
				"--duration 35s", 128, 20, true},
		{"the same, one publisher", "--at 2s=publish:n1,bytes=128,every=5ms,times=5000 --at " +
			"3s=pause:n7,for=20s --duration 35s", 128, 20, true},
	} {
		if l.quick && x.nodes > 128 {
			continue
		}
		args := fmt.Sprintf("--nodes %d --warm %s %s --seeds %d", x.nodes, lan, x.args,
			l.seeds(x.seeds))
		o := l.sim(args)
		share, count := got(o)
		broken := 0
		for _, r := range o.Runs {
			broken += len(r.Violations)
		}
		aim, late, ok := "100 %", "-", share == 1 && broken == 0
		if s := o.Summary["caught_up_seconds"]; x.pause {
			aim, late = "100 %, ≤ 3 s", fmt.Sprintf("%.2f s, at most %.2f s", s.P50, s.Max)
			ok = ok && int(s.N) == len(o.Runs) && s.Max <= 3
		}
		l.row(x.what, x.nodes, count, len(o.Runs), percent(share),
			latency(o, "message_reached100_seconds"), late, violations(o), aim, verdict(ok),
			command(args))
	}
	l.say("\nThe checkers watch that each node gets each origin's messages in order, once, and " +
		"without a gap.")
}
