package main

// This file is the command that shows the ways between the agent's node and others, and how their
// troubles are said.

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
)

func (a *app) pathsCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "paths", Short: "Show the ways to the members that the agent's node talks to, and " +
			"what is wrong with them",
		Long: "Show the ways between the agent's node and the live members that it talks to, 64 " +
			"at most: those that it probes or that probe\n" +
			"it, or did of late. Of each: when it was heard last and where from, how many of " +
			"the last probes it answered, the\n" +
			"loss each way and the round trip, the longest datagram that is known to pass, its " +
			"TCP port, and what is not well.\n\n" +
			"  HEARD       when its last datagram came\n" +
			"  FROM        where that came from: there is the address that it tells\n" +
			"  ANSWERS     of the last probes (64 to 128, once there were so many), how many " +
			"were answered before the next; - where it is not\n" +
			"              probed from here\n" +
			"  LOSS        the share of packets that are lost each way, by the answers to those " +
			"probes. A member is probed every 5 s or\n" +
			"              so, a pair more often: it takes up to 10 minutes until a loss that " +
			"is over has left no trace\n" +
			"  ROUND TRIP  to it and back, smoothed\n" +
			"  PASSES      the longest datagram that is known to come there and back, sealing " +
			"included, headers of IP and UDP not\n" +
			"  TCP         of the port of the same number: open, refused (nobody listens), " +
			"filtered (nothing answers), - not tried\n" +
			"  NOT WELL    what is wrong, in words; docs/operating.md says what to do",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.Paths(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printer().json(all)
		}
		a.printer().paths(all, time.Now())
		return nil
	})
	return cmd
}

// paths prints a row for each way.
func (p *printer) paths(all []api.Path, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(p.w, "this node talks to nobody yet")
		return
	}
	rows := [][]string{{"NAME", "ADDRESS", "HEARD", "FROM", "ANSWERS", "LOSS", "ROUND TRIP",
		"PASSES", "TCP", "NOT WELL"}}
	for i := range all {
		x := &all[i]
		heard, from, answers, loss, rtt, passes := "never", "-", "-", "-", "-", "-"
		if x.Heard != nil {
			heard, from = ago(now.Sub(*x.Heard))+" ago", x.From
		}
		if x.From == x.Addr {
			from = "there"
		}
		if x.Probes > 0 {
			answers, loss = fmt.Sprintf("%d of %d", x.Answers,
				x.Probes), fmt.Sprintf("%.0f %%", 100*x.Loss)
		}
		if x.RTT > 0 {
			rtt = millis(x.RTT)
		}
		if x.Passed > 0 {
			passes = strconv.Itoa(x.Passed) + " B"
		}
		rows = append(rows, []string{
			clean(x.Name), x.Addr, heard, from, answers, loss, rtt, passes, dash(x.TCP),
			cmp.Or(p.paint("31", troubles(x)), "-"),
		})
	}
	p.table(rows)
}

// troubles says in a few words what is not well with a way.
func troubles(x *api.Path) string {
	var all []string
	add := func(is bool, text string) {
		if is {
			all = append(all, text)
		}
	}
	add(x.OutOfFamily, "this node's socket or its host's routes do not serve its IP family")
	add(x.Broken, "others reach it, this node does not"+yes(x.Mute, ", though it hears it", ""))
	add(x.Unreachable && !x.Broken, "not reached from here, and too few can be asked about it")
	add(x.Silent && !x.Broken && !x.Unreachable, "silent")
	add(x.Mute && !x.Broken && !x.Unreachable, "sends, answers nothing")
	add(x.TooLong > 0, fmt.Sprintf("datagrams of %d B do not pass", x.TooLong))
	add(x.TCP == "filtered", "TCP is filtered")
	add(x.TCP == "refused", "TCP is refused")
	return strings.Join(all, "; ")
}

// sizesText says on which ways the datagrams of the agent's node are too long.
func sizesText(i *api.Info) string {
	if len(i.SmallPaths) == 0 {
		if i.SizesChecked == 0 {
			return "not checked yet"
		}
		return fmt.Sprintf("datagrams of %d bytes, the longest that this node sends, pass on "+
			"all ways that were checked (%d)", i.Longest, i.SizesChecked)
	}
	var names []string
	least, looking := 0, false
	for _, s := range i.SmallPaths {
		names = append(names, s.Name)
		looking = looking || s.Passed == 0
		if s.Passed > 0 && (least == 0 || s.Passed < least) {
			least = s.Passed
		}
	}
	text := fmt.Sprintf("%s: datagrams of %d bytes do not pass between %s and this node, short "+
		"ones do", some(names), i.Longest,
		map[bool]string{true: "it", false: "them"}[len(names) == 1])
	switch {
	case least > 0:
		text += fmt.Sprintf(" (%d bytes pass)", least)
	case looking:
		text += " (what passes is looked for)"
	}
	text += ". What needs longer datagrams does not arrive: keys, perhaps messages, and what " +
		"the same node publishes after them. A tunnel, a VPN or a firewall on the way takes " +
		"less than it should"
	if i.Longest > 1200 && least >= 1200-sealing {
		return text + ", or --mtu is more than the network carries"
	}
	return text
}

// sealing is what is left free for it in each datagram.
const sealing = 35
