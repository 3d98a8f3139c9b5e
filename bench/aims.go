package main

// This file is what the bench was made to show: the aims, and why Starling is behind where it is.

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/bench/internal/measure"
)

// aim is how many times better than memberlist Starling means to be in a row.
type aim struct {
	what         string
	world        string
	measure, key string
	n            int
	times        float64
}

var aims = []aim{
	{"a message reaches all", measure.Virtual, "message", "t100", 128, 15},
	{"a message reaches all, by sockets", measure.Real, "message", "t100", 128, 15},
	{"messages a second from one node", measure.Real, "rate", "one999", 128, 50},
	{"messages a second from all nodes", measure.Real, "rate", "all999", 128, 50},
	{"a host dies, all know", measure.Virtual, "host", "all", 128, 6},
	{"a process dies, all know", measure.Virtual, "crash", "all", 128, 12},
	{"a process dies, all know, by sockets", measure.Real, "crash", "all", 128, 12},
	{"bytes of an idle node", measure.Virtual, "idle", "bytes", 128, 1},
	{"false failures at 25 % loss", measure.Virtual, "loss", "false25", 128, 1},
	{"false failures at 50 % loss", measure.Virtual, "loss", "false50", 128, 1},
	{"nodes of 1,000 that know all 60 s after they all began to join", measure.Real, "join",
		"complete", 1000, 1},
	{"heap of a node", measure.Real, "idle", "heap", 128, 3},
}

const rival = "memberlist"

// writeAims tells how far the aims are reached.
func (r *report) writeAims(b *strings.Builder) {
	var lines, reasons strings.Builder
	for _, a := range aims {
		rw, ok := r.find(a)
		i := slices.Index(r.peers, rival)
		if !ok || i < 0 {
			continue
		}
		ours, theirs := rw.cells[0], rw.cells[i]
		reached := "no"
		switch {
		case theirs.text == missing && ours.text != missing:
			reached = "yes: " + rival + " did not get there"
		case theirs.ratio >= a.times:
			reached = "yes"
		default:
			fmt.Fprintf(&reasons, "- %s, n = %d: %s\n", a.what, a.n, why(a.measure, a.key))
		}
		theirs.notes, ours.notes = nil, nil
		fmt.Fprintf(&lines, "| %s, n = %d | %s | %s | %s | %s× | %s |\n", a.what, a.n,
			cmp.Or(rw.unit, "—"), ours.string(), theirs.string(),
			format(a.times), reached)
	}
	if lines.Len() > 0 {
		fmt.Fprintf(b, "## The aims\n\n| | Unit | starling | %s | At least | Reached "+
			"|\n|---|---|---|---|---|---|\n%s\n", rival, &lines)
		if reasons.Len() > 0 {
			fmt.Fprintf(b, "Why not:\n\n%s\n", &reasons)
		}
	}
}

func (r *report) find(a aim) (row, bool) {
	for _, t := range r.tables {
		if t.world != a.world || t.name != a.measure || t.n != a.n {
			continue
		}
		for _, rw := range t.rows {
			if rw.key == a.key {
				return rw, true
			}
		}
	}
	return row{}, false
}

// reason is why Starling is behind in some rows, and what would change it.
type reason struct {
	measures []string
	keys     []string // how the metrics' keys begin
	why      string
}

var reasons = []reason{
	{
		[]string{"idle"}, []string{"packets", "bytes"},
		"A node pings 1.7 times a second, one of memberlist once: so a death is known in 1.7 s " +
			"instead of 10. A longer " +
			"`Inquest.Period` and `Grace` cost fewer packets and find later. memberlist's bytes " +
			"grow with the cluster, by its full " +
			"state syncs; Starling's do not: among 1,000 they are alike.",
	},
	{
		[]string{"message"}, []string{"bytes"},
		"What a message costs memberlist is less here than its traffic differs from one second " +
			"to the next by its full state syncs, " +
			"so that taking off the idle rate leaves nothing. The copies a node are what a " +
			"message costs.",
	},
	{
		[]string{"rate"}, []string{"all"},
		"128 nodes on two cores send, receive and confirm over a hundred thousand deliveries a " +
			"second here, and then the " +
			"processors are used up, which one publisher alone does not do: its messages share " +
			"datagrams on every way, those of 128 " +
			"publishers on few. More cores, or a system call for many datagrams, would raise it.",
	},
	{
		[]string{"tolerance", "equal"}, []string{"host", "process"},
		"The default grace of 1.5 s fails a host that stands still for longer: that is why its " +
			"death is known in 2 s. memberlist " +
			"forgives more because it decides later. `--grace` (`Inquest.Grace`) moves the " +
			"balance; the measure `equal` compares the " +
			"two at the same tolerance.",
	},
	{
		[]string{"pauses"}, []string{"sick"},
		"A process that stands still for longer than the ten seconds that Inquest grants it " +
			"while its kernel answers is failed, and " +
			"is taken back when it goes on. `Inquest.StallGrace` raises that, and lets a " +
			"process that hangs for ever be known later.",
	},
	{
		[]string{"partition"}, []string{"seen"},
		"More than half of the members on the small side are kept from failing the large side: " +
			"Inquest asks a jury, and a node that " +
			"reaches too few jurors fails nobody. It is the price of not letting a node that is " +
			"cut off itself fail everybody else.",
	},
	{
		[]string{"loss", "lossudp"}, []string{"bytes"},
		"Without loss it is what idling costs, as above. Under loss Inquest asks again, " +
			"directly and by others, before it accuses, and messages are sent again until they " +
			"are " +
			"confirmed: those are the bytes, and they buy the rows of false failures, delivery " +
			"and detection.",
	},
}

// tie is the ratio from which Starling is not called behind: less than half a percent is nobody's
// choice.
const tie = 0.995

const unexplained = "No reason is written down for these yet."

// why returns the reason for being behind in a row.
func why(name, key string) string {
	for _, x := range reasons {
		if slices.Contains(x.measures, name) && slices.ContainsFunc(x.keys,
			func(k string) bool { return strings.HasPrefix(key, k) }) {
			return x.why
		}
	}
	return unexplained
}

// writeBehind tells where Starling is not ahead among 128 or more, and why.
func (r *report) writeBehind(b *strings.Builder) {
	var order []string
	rows := map[string][]string{}
	for _, t := range r.tables {
		for _, rw := range t.rows {
			for i, c := range rw.cells {
				if t.n < 128 || !(c.ratio < tie) || rw.key == cpuKey {
					continue
				}
				text := why(t.name, rw.key)
				if rows[text] == nil {
					order = append(order, text)
				}
				rows[text] = append(rows[text], fmt.Sprintf("| %s | %s | %d | %s | %s | %s %s "+
					"|", t.name, rw.name(), t.n, t.world,
					rw.cells[0].text, r.peers[i], c.string()))
			}
		}
	}
	if len(order) == 0 {
		return
	}
	b.WriteString("## Where Starling is behind (n ≥ 128), and why\n\n")
	for _, text := range order {
		fmt.Fprintf(b, "%s\n\n| Measure | Row | n | World | starling | "+
			"|\n|---|---|---|---|---|---|\n%s\n\n", text, strings.Join(rows[text], "\n"))
	}
}
