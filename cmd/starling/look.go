package main

// This file is the commands that look at a cluster through an agent: members, watch, info.

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

var states = []string{"alive", "suspect", "failed", "left"}

func (a *app) membersCmd() *cobra.Command {
	var filter, tags []string
	var near string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "members", Short: "List the members of the cluster",
		Example: "  starling members --state alive,suspect --tag role=db\n  starling members " +
			"--near web-1 --tag role=db",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().StringSliceVar(&filter, "state", nil,
		"only members in these states: `"+strings.Join(states, ",")+"`")
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "only members with this `key=value`; may be "+
		"repeated")
	cmd.Flags().StringVar(&near, "near", "", "show the estimated round trips from the live "+
		"member `NAME`, the nearest first")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.RegisterFlagCompletionFunc("state", choices(states...))
	x := a.access(cmd)
	run := x.with(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := listMembers(ctx, c, near, filter, tags)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printer().json(all)
		}
		a.printer().members(all, near != "", time.Now())
		return nil
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, s := range filter {
			if !slices.Contains(states, s) {
				return usageError{fmt.Errorf("there is no state %q, there are %s", s,
					strings.Join(states, ", "))}
			}
		}
		for _, t := range tags {
			if k, _, ok := strings.Cut(t, "="); !ok || k == "" {
				return usageError{fmt.Errorf("--tag %q is not key=value", t)}
			}
		}
		if near == "" && cmd.Flags().Changed("near") {
			return usageError{fmt.Errorf("--near wants the name of a member")}
		}
		return run(cmd, args)
	}
	return cmd
}

func listMembers(ctx context.Context, c *client.Client, near string, states,
	tags []string) ([]api.Member, error) {
	if near != "" {
		return c.MembersNear(ctx, near, states, tags)
	}
	return c.Members(ctx, states, tags)
}

// members prints a table, with round trips if they were asked for.
func (p *printer) members(all []api.Member, near bool, now time.Time) {
	head := []string{"NAME", "ADDRESS", "STATE", "SINCE", "ZONE", "TAGS"}
	if near {
		head = slices.Insert(head, 2, "RTT")
	}
	rows := [][]string{head}
	for _, m := range all {
		state := p.stateText(m.State, m.Cause)
		state += doubtText(&m, now)
		if m.OutOfFamily {
			state += " (other IP family)"
		}
		row := []string{clean(m.Name), m.Addr, state, ago(now.Sub(m.Since)), dash(m.Zone),
			tagText(m.Tags)}
		if near {
			row = slices.Insert(row, 2, rttText(m))
		}
		rows = append(rows, row)
	}
	p.table(rows)
}

// doubtText says what is not well with a live member as seen from the agent's node.
func doubtText(m *api.Member, now time.Time) string {
	since := ""
	if m.Heard != nil {
		since = " for " + ago(now.Sub(*m.Heard))
	}
	switch m.Doubt {
	case "":
		return ""
	case "silent":
		return " (silent" + since + ")"
	case "mute":
		return " (sends, answers nothing)"
	case "broken":
		return " (others reach it, not this node)"
	case "unreachable":
		return " (unreachable" + since + ")"
	}
	return " (" + clean(m.Doubt) + ")"
}

// stateText is a state, with the cause of a failure if it is more than silence.
func (p *printer) stateText(state, cause string) string {
	text := p.state(state)
	if cause != "" && cause != "silent" {
		text += " (" + cause + ")"
	}
	return text
}

func rttText(m api.Member) string {
	if m.RTT == nil || m.RTTError == nil {
		return "-"
	}
	return estimate(*m.RTT, *m.RTTError)
}

// tagText shows tags in the order of their keys.
func tagText(tags map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, clean(k+"="+tags[k]))
	}
	return dash(strings.Join(out, " "))
}

func (a *app) watchCmd() *cobra.Command {
	var asJSON, replay bool
	cmd := &cobra.Command{
		Use: "watch", Short: "Print a line for each change in the membership, until Ctrl-C",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line")
	cmd.Flags().BoolVar(&replay, "replay", false, "begin with a joined event for each member "+
		"that is live now")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, _ []string) error {
		p := a.printer()
		return c.Watch(ctx, replay, a.opened("watching; Ctrl-C ends it"), func(e api.Event) error {
			if asJSON {
				return p.json(e)
			}
			p.event(e)
			return nil
		})
	})
	return cmd
}

// opened returns a function that tells a person at a terminal that there is something to wait for.
// It returns nil if the output goes elsewhere.
func (a *app) opened(text string) func() {
	if !isTerminal(a.out) || !isTerminal(a.err) {
		return nil
	}
	return func() { fmt.Fprintln(a.err, text) }
}

func (p *printer) event(e api.Event) {
	if e.Event == "resync" {
		fmt.Fprintf(p.w, "%s  %s  events were missed; the live members follow\n",
			clock(e.Time), p.state("resync"))
		return
	}
	word := p.state(e.Event) + strings.Repeat(" ", max(0, len("suspected")-len(e.Event)))
	if e.Event == "zone-unreachable" || e.Event == "zone-recovered" {
		fmt.Fprintf(p.w, "%s  %s  zone %s, %s\n", clock(e.Time), word, dash(e.Zone),
			plural(e.Members, "member"))
		return
	}
	if e.Event == "undecided" {
		fmt.Fprintf(p.w, "%s  %s  %d of %s silent: dead or cut off, %s cannot tell\n",
			clock(e.Time), word, e.Silent, plural(e.Members, "member"), clean(e.Name))
		return
	}
	line := fmt.Sprintf("%s  %s  %s  %s", clock(e.Time), word, clean(e.Name), e.Addr)
	if e.Cause != "" && e.Cause != "silent" {
		line += "  (" + e.Cause + ")"
	}
	if e.Event == "updated" {
		line += "  " + tagText(e.Tags)
	}
	fmt.Fprintln(p.w, line)
}

func (a *app) infoCmd() *cobra.Command {
	var asJSON, zones bool
	cmd := &cobra.Command{
		Use: "info", Short: "Show the agent's node: counts by state, agreement, health, " +
			"traffic, uptime",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().BoolVar(&zones, "zones", false, "show what went to and came from each zone instead")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, _ []string) error {
		info, err := c.Info(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printer().json(info)
		}
		if zones {
			a.printer().zones(info)
			return nil
		}
		a.printer().info(info)
		return nil
	})
	return cmd
}

// zones prints what went between the agent's node and each zone, and how much its whole zone may
// send there.
func (p *printer) zones(i api.Info) {
	budgets := slices.ContainsFunc(i.Traffic.Zones,
		func(z api.ZoneTraffic) bool { return z.Budget > 0 })
	rows := [][]string{{dash(member.Top(i.Zone)) + " and", "sent", "packets", "a second",
		"received", "packets", "a second"}}
	if budgets {
		rows[0] = append(rows[0], "zone may send")
	}
	for _, z := range i.Traffic.Zones {
		name := dash(z.Zone)
		switch {
		case z.Own:
			name += " (own)"
		case z.Unknown:
			name = "unknown"
		}
		row := []string{name}
		for _, way := range [][2]uint64{{z.SentBytes, z.SentPackets},
			{z.ReceivedBytes, z.ReceivedPackets}} {
			bytes := float64(way[0])
			row = append(row, size(bytes), strconv.FormatUint(way[1], 10),
				size(bytes/max(i.Uptime, 1))+"/s")
		}
		if budgets {
			row = append(row, budgetText(z.Budget))
		}
		rows = append(rows, row)
	}
	p.table(rows)
	if n := i.Traffic.BudgetWaits; n > 0 {
		fmt.Fprintf(p.w, "what could wait did so %s, since a budget was spent\n",
			plural(int(n), "time"))
	}
}

func budgetText(rate int) string {
	if rate == 0 {
		return "-"
	}
	return size(float64(rate)) + "/s"
}

func (p *printer) info(i api.Info) {
	var counts []string
	for _, s := range states {
		if n := i.Members[s]; n > 0 || s == "alive" {
			count := fmt.Sprintf("%d %s", n, p.state(s))
			if s == "failed" {
				count += causesText(i.Failed)
			}
			counts = append(counts, count)
		}
	}
	uptime := time.Duration(i.Uptime * float64(time.Second))
	rate := func(bytes uint64) string { return size(float64(bytes)/max(i.Uptime, 1)) + "/s" }
	t := i.Traffic
	p.table([][]string{
		{"node", clean(i.Name) + " (" + i.Addr + ")"},
		{"address", addressText(&i, time.Now())},
		{"cluster", clean(i.Cluster)},
		{"zone", dash(i.Zone)},
		{"tags", tagText(i.Tags)},
		{"members", strings.Join(counts, ", ")},
		{"agreement", agreementText(&i)},
		{"health", healthText(&i)},
		{"round trip", roundTrip(i.RTT)},
		{"estimates", estimatesText(i.Coordinates)},
		{"traffic", fmt.Sprintf("sent %s (%s), received %s (%s) on average",
			size(float64(t.SentBytes)), rate(t.SentBytes),
			size(float64(t.ReceivedBytes)), rate(t.ReceivedBytes))},
		{"dropped", dropText(t.Dropped)},
		{"sealed", yes(i.Sealed, "yes", "no: anybody on the network can read and forge packets "+
			"(--key-file)")},
		{"other keys", otherKeysText(&i)},
		{"settings", unlikeText(i.Unlike)},
		{"joined", yes(i.Welcomed, yes(i.Alone, "alone so far: its seeds lead to nobody else; "+
			"it looks on", "yes"), notInText(&i))},
		{"uptime", ago(uptime)},
		{"detector", i.Detector + detectionText(i)},
		{"isolated", isolatedText(&i)},
		{"reached", reachedText(&i)},
		{"broken paths", brokenText(i.Broken, i.Mute)},
		{"reachable", reachText(&i)},
		{"silent zones", silentText(i.Silent)},
		{"path sizes", sizesText(&i)},
		{"TCP", tcpText(i) + inboundText(&i)},
		{"undecided", undecidedText(i)},
		{"unreachable", unreachableText(&i)},
		{"other family", familyText(&i)},
		{"on disk", storeText(i.Store)},
		{"version", i.Version},
	})
}

// unlikeText says which settings others have otherwise.
func unlikeText(all []api.Unlike) string {
	if len(all) == 0 {
		return "as others have them, as far as this node knows"
	}
	var texts []string
	for _, u := range all {
		texts = append(texts, fmt.Sprintf("%s: %s %s here, %s there", clean(u.Name), u.Setting,
			dash(u.Here), cmp.Or(u.There, "another")))
	}
	return strings.Join(texts, "; ") + ". All members need the same"
}

// notInText says why no seed has let the node in, as far as it is known.
func notInText(i *api.Info) string {
	if i.Refused == "" {
		return "not yet: no seed has let this node in, or answered"
	}
	return "not yet: " + clean(i.Refused)
}

// isolatedText says whether the node is cut off, and in which way.
func isolatedText(i *api.Info) string {
	switch {
	case i.Unserved:
		return "yes: all others are at addresses of an IP family that this host cannot send to, " +
			"so nobody has its news: " +
			"look at this host's addresses and routes"
	case i.Unheard:
		return "yes: this node hears the others, and what it sends does not leave or arrive " +
			"(nobody answers it), so it declares nobody failed: " +
			"look at this host's firewall, for UDP that goes out"
	case i.Isolated:
		return "yes: this node hears from next to nobody, and declares nobody failed for it"
	}
	return "no"
}

// reachedText says whether others reach the node.
func reachedText(i *api.Info) string {
	switch {
	case i.Unheard:
		return "by the others, yes; but they do not hear this node"
	case i.Unreached:
		text := "no: others hear this node, and nothing that they send to " + i.Addr +
			" comes here: a firewall, or another address than this one"
		if i.Refused != "" {
			text += "; a seed refuses it for that: " + clean(i.Refused)
		}
		return text
	case i.Unserved:
		return "no, as far as it can tell: it can tell nobody where it is"
	case i.Isolated:
		return "no, as far as it can tell: next to nobody is heard here"
	case i.Deserted:
		return "not known: nobody is left who could reach it. It had all others forgotten while " +
			"it heard none of them (starling join)"
	case i.Members["alive"]+i.Members["suspect"] < 2:
		return "nobody else is there"
	}
	return "yes"
}

// causesText says how many failed for which cause; nothing if all were silent.
func causesText(failed map[string]int) string {
	var all []string
	for _, cause := range slices.Sorted(maps.Keys(failed)) {
		if n := failed[cause]; n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, cause))
		}
	}
	if text := strings.Join(all, ", "); len(all) > 1 || len(all) == 1 && failed["silent"] == 0 {
		return " (" + text + ")"
	}
	return ""
}

// addressText says where a node is reached, and what became of its address.
func addressText(i *api.Info, now time.Time) string {
	text := i.Addr
	if m := i.Moved; m != nil {
		text += fmt.Sprintf(", moved from %s %s ago", m.From, ago(now.Sub(m.Time)))
	}
	switch {
	case i.TranslatedHere:
		text += "; a seed sees it at " + i.Translated +
			": that is this host's own address, and --advertise is wrong"
	case i.Translated != "":
		text += "; a seed sees it at " + i.Translated +
			", where its packets are translated: others may not reach it (--advertise)"
	}
	if i.AddrGone {
		text += "; GONE from this host: nothing reaches the node (--advertise)"
	}
	return text
}

// otherKeysText says which seeds have another key, and from which other addresses datagrams come
// that do not open.
func otherKeysText(i *api.Info) string {
	if len(i.OtherKeys) > 0 {
		return some(i.OtherKeys) + " (--key-file)"
	}
	if n := i.Traffic.Dropped["unopened"]; n > 0 {
		return fmt.Sprintf("none seen in the last 3 minutes; %s not opened since the start",
			were(int(n), "datagram"))
	}
	return "none seen"
}

// nobodyThere says that none of the other live members is heard, so that what was seen of them last
// says nothing. The node is isolated, and not only because it is not heard; or all others are
// silent.
func nobodyThere(i *api.Info) bool {
	live := i.Members["alive"] + i.Members["suspect"]
	return i.Isolated && !i.Unheard || i.Undecided > 0 && i.Undecided >= live-1
}

// familyText says which members are out of reach since the socket, or the host by its routes,
// serves the other family alone.
func familyText(i *api.Info) string {
	if len(i.OutOfFamily) == 0 {
		return "none"
	}
	var names, lost []string
	for _, n := range i.OutOfFamily {
		if slices.Contains(i.Unbridged, n) {
			lost = append(lost, clean(n))
		} else {
			names = append(names, clean(n))
		}
	}
	const why = "this node's socket or its host's routes do not serve their IP family (look at " +
		"--bind, and at this " +
		"host's addresses)"
	if i.Unserved {
		return strings.Join(append(names, lost...), ", ") +
			": these are all others, so nobody is left to reach " +
			"them through; " + why
	}
	var texts []string
	if len(names) > 0 {
		texts = append(texts, strings.Join(names, ", ")+": reached through others alone")
	}
	if len(lost) > 0 {
		texts = append(texts, strings.Join(lost, ", ")+": not reached, since nobody that answers "+
			"this node has both IP families, or reaches them")
	}
	return strings.Join(append(texts, why), "; ")
}

// storeText says what is kept on disk.
func storeText(s *api.Store) string {
	switch {
	case s == nil:
		return "no messages are kept there (--data-dir with --retain)"
	case s.Error != "":
		return fmt.Sprintf("NOTHING is kept there, %s not: %s", were(int(s.Dropped), "piece"),
			clean(s.Error))
	}
	text := fmt.Sprintf("%s of messages, in %s", size(float64(s.Bytes)), clean(s.Path))
	if s.Dropped > 0 {
		text += fmt.Sprintf("; %s not kept since the start", were(int(s.Dropped), "piece"))
	}
	if s.Damaged > 0 {
		text += fmt.Sprintf("; damaged %s, and begun anew", plural(int(s.Damaged), "time"))
	}
	if s.Removed > 0 {
		text += fmt.Sprintf("; removed or replaced %s while it was open: what it kept is lost "+
			"after a restart",
			plural(int(s.Removed), "time"))
	}
	return text
}

func agreementText(i *api.Info) string {
	a := i.Agreement
	if nobodyThere(i) {
		return "nobody is there to agree with: no other member is heard"
	}
	if a.Heard == 0 {
		return "no peer heard lately"
	}
	return fmt.Sprintf("%d of the %d members heard lately hold the same view", a.Same, a.Heard)
}

// detectionText says when a crash will be known.
func detectionText(i api.Info) string {
	switch {
	case i.Detection == 0:
		return ""
	case i.Detector == "swim":
		return fmt.Sprintf("; a crash is known after %.2f s or more", i.Detection)
	case i.Detector == "inquest":
		return fmt.Sprintf("; a crash is known after about %.2f s, a process that ends on a "+
			"running host in half a second", i.Detection)
	}
	return fmt.Sprintf("; a crash is known after about %.2f s", i.Detection)
}

// tcpText says whether the ports of others can be tried.
func tcpText(i api.Info) string {
	switch {
	case nobodyThere(&i):
		return "not known: nobody answers this node"
	case i.Filtered > 0:
		port := ""
		if i.FilteredPort > 0 {
			port = fmt.Sprintf("%d ", i.FilteredPort)
		}
		at := ""
		if n := i.FilteredAt; len(n) > 0 {
			at = " (" + someOf(n, 3) + ")"
		}
		return fmt.Sprintf("%sfiltered at %d of %d watched members%s: a killed process is known "+
			"there as late as a dead host, in about %.2f s instead of 0.5 s",
			port, i.Filtered, i.Watched, at, i.Detection)
	case i.Watched == 0:
		return "nobody is watched"
	}
	return fmt.Sprintf("answers at all %d watched members, or is not tried yet", i.Watched)
}

// inboundText says that others do not come through to the node's own port.
func inboundText(i *api.Info) string {
	if !i.OwnFiltered || i.Isolated || i.Undecided > 0 {
		return ""
	}
	_, port, _ := net.SplitHostPort(i.Addr)
	return fmt.Sprintf("; nobody comes to this node's own TCP port %s, though others were asked "+
		"to try it: it is closed or filtered from outside", port)
}

// undecidedText says how many members nobody can judge, and what to do.
func undecidedText(i api.Info) string {
	if i.Undecided == 0 {
		return "nobody"
	}
	live := i.Members["alive"] + i.Members["suspect"]
	text := fmt.Sprintf("%d of %d members are silent, and too few others answer to judge them: "+
		"dead or cut off, this node cannot tell. ", i.Undecided, live)
	command := "starling forget --unreachable" + yes(i.Undecided >= live-1 || i.Unreached,
		" --yes-alone", "")
	if i.Unreached && !i.Isolated { // they come to its TCP port, or told it so
		return text + "Others are there, and what they send does not come here: look at this " +
			"host's " +
			"firewall and address first. Only if you know that they are gone: " + command
	}
	if i.Unheard {
		return text + "It hears the others, and they do not hear it: look at this host's " +
			"firewall first, for UDP " +
			"that goes out. Only if you know that they are gone: " + command
	}
	if i.Isolated { // then it is rather this host, and a node that forgot all would look well
		return text + "It hears from next to nobody: look at this host's network and firewall " +
			"first, for UDP " +
			"that comes in. Only if you know that they are gone: " + command
	}
	return text + "If they are gone: " + command
}

// brokenText names the members to which the way from here is broken, and not that from others, and
// says in which direction.
func brokenText(broken, mute []string) string {
	isMute := func(n string) bool { return slices.Contains(mute, n) }
	var deafToUs, unheard, early []string
	for _, n := range broken {
		if isMute(n) {
			deafToUs = append(deafToUs, n)
		} else {
			unheard = append(unheard, n)
		}
	}
	for _, n := range mute {
		if !slices.Contains(broken, n) {
			early = append(early, n)
		}
	}
	it := func(names []string) string { return yes(len(names) == 1, "it", "them") }
	var all []string
	if len(unheard) > 0 {
		all = append(all, fmt.Sprintf("%s: others reach %s, this node does not (nothing of "+
			"%[2]s comes here)", some(unheard), it(unheard)))
	}
	if len(deafToUs) > 0 {
		all = append(all, fmt.Sprintf("%s: others reach %s, this node does not (this node hears "+
			"%[2]s, and what it sends does not come to %[2]s)",
			some(deafToUs), it(deafToUs)))
	}
	if len(early) > 0 {
		all = append(all, fmt.Sprintf("%s: this node hears %s, and what it sends does not come "+
			"to %[2]s", some(early), it(early)))
	}
	if all == nil {
		return "none"
	}
	return strings.Join(all, "; ")
}

// some names the first few.
func some(names []string) string { return someOf(names, 5) }

func someOf(names []string, most int) string {
	var first []string
	for _, n := range names[:min(len(names), most)] {
		first = append(first, clean(n))
	}
	text := strings.Join(first, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// unreachableText names the first few members that cannot be reached.
func unreachableText(i *api.Info) string {
	if len(i.Unreachable) == 0 {
		return "nobody"
	}
	text := some(i.Unreachable)
	switch {
	case len(i.Silent) > 0:
		return text + ": whether they failed cannot be said yet"
	case len(i.Unbridged) == len(i.Unreachable):
		return text + ": nobody reaches their IP family for this node, so whether they failed " +
			"cannot be said. If they are gone: starling forget --unreachable" +
			yes(i.Isolated, " --yes-alone", "")
	}
	return text + ": too few others are left to say whether they failed"
}

// reachText says how much of the cluster is on this side.
func reachText(i *api.Info) string {
	v := i.View
	text := fmt.Sprintf("%d of %d (%.0f %%) of the last agreed view", v.Reachable, v.Agreed,
		100*float64(v.Reachable)/float64(max(v.Agreed, 1)))
	if i.NoMajority {
		text += ": not more than half, so this node may be the one that is cut off"
		if 2*v.Reachable < v.Agreed {
			text += ", and is not ready"
		}
	}
	return text
}

// silentText names the zones of which nobody is heard.
func silentText(zones []api.SilentZone) string {
	if len(zones) == 0 {
		return "none"
	}
	var all []string
	for _, z := range zones {
		all = append(all, fmt.Sprintf("%s (%s, since %s)", dash(z.Zone),
			plural(z.Members, "member"), clock(z.Since)))
	}
	return strings.Join(all, ", ")
}

func healthText(i *api.Info) string {
	switch {
	case i.Isolated || nobodyThere(i):
		return "not known: nobody answers this node"
	case i.Health == 0:
		return "good"
	}
	return fmt.Sprintf("%d (this node misses answers and is slower to accuse others; 0 is good)",
		i.Health)
}

func roundTrip(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f ms", seconds*1000)
}

func dropText(dropped map[string]uint64) string {
	var out []string
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		if n := dropped[reason]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, reason))
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

func yes(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
