package main

// This file is the command that tells in plain words why a member was declared failed, or that it
// came back.

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
)

func (a *app) whyCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "why NAME", Short: "Tell why a member was declared failed, and whether it came back",
		Example: "  starling why db-3",
		Args:    args(1, 1, "the name of one member is wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, args []string) error {
		why, err := c.Why(ctx, args[0])
		if err != nil {
			return err
		}
		if asJSON {
			return a.printer().json(why)
		}
		a.printer().why(why, time.Now())
		return nil
	})
	return cmd
}

// why prints a sentence for each verdict, the oldest first.
func (p *printer) why(w api.Why, now time.Time) {
	name := clean(w.Name)
	for _, v := range w.Verdicts {
		when := ago(now.Sub(v.Time)) + " ago"
		switch {
		case v.Kind == "refuted":
			fmt.Fprintf(p.w, "%s came back %s, after %s: it contradicted, so its process had "+
				"lived on.\n", name, when, exact(v.After))
		case v.Kind == "restarted":
			fmt.Fprintf(p.w, "%s came back %s, after %s: in a new life, so its process had been "+
				"started again.\n", name, when, exact(v.After))
		case v.Kind == "forgotten":
			fmt.Fprintf(p.w, "%s was forgotten %s, by the word of an operator (starling "+
				"forget).\n", name, when)
		case v.Evidence == nil:
			fmt.Fprintf(p.w, "%s was declared failed %s; the reasons have not come to this "+
				"node.\n", name, when)
		default:
			fmt.Fprintf(p.w, "%s was declared failed %s by %s: %s\n", name, when,
				clean(v.Evidence.Accuser), reasons(v.Evidence, w.Detector))
		}
	}
	if last := len(w.Verdicts) - 1; last >= 0 && w.Verdicts[last].Kind == "forgotten" {
		if w.State == "" {
			fmt.Fprintf(p.w, "%s is no member here any more. One that lives comes back by "+
				"itself, others by a start.\n", name)
		} else {
			fmt.Fprintf(p.w, "%s is a member again: %s.\n", name, w.State)
		}
	}
	switch {
	case w.State == "left":
		fmt.Fprintf(p.w, "%s left the cluster by itself %s ago.\n", name, ago(now.Sub(*w.Since)))
	case len(w.Verdicts) == 0 && w.State == "failed":
		fmt.Fprintf(p.w, "%s is held failed, and why is no longer remembered here.\n", name)
	case len(w.Verdicts) == 0:
		fmt.Fprintf(p.w, "%s is %s; this node has not seen it fail.\n", name, w.State)
	}
	if w.State == "failed" && w.Cause == "deaf" {
		from := ""
		if w.Heard != "" {
			from = " (last from " + w.Heard + ")"
		}
		fmt.Fprintf(p.w, "%s is deaf: it sends%s, and answers nobody at %s.\n", name, from, w.Addr)
	}
	switch {
	case w.Doubt == "unreachable" && w.OutOfFamily:
		fmt.Fprintf(p.w, "%s cannot be reached from here: it is of the other IP family, and "+
			"nobody that "+
			"answers this node reaches it. It may be dead or live.\n", name)
	case w.Doubt == "unreachable":
		fmt.Fprintf(p.w, "%s cannot be reached from here, and too few others can be asked: it "+
			"may be "+
			"dead or live.\n", name)
	}
	if d := w.Damped; d != nil {
		fmt.Fprintf(p.w, "%s came back %s lately, so it is granted %s of silence for now, and "+
			"not %s.\n",
			name, plural(d.Returns, "time"), exact(d.Grace), exact(d.Usual))
	}
}

// reasons says what a verdict rests on.
func reasons(e *api.Evidence, detector string) string {
	if detector == "swim" {
		return suspicion(e)
	}
	if len(e.Votes) == 0 {
		return fmt.Sprintf("%s, in %s to it over %s; %s", heard(e.Cause, "it"),
			plural(e.Pings, "ping"), exact(e.Span), moral(e.Cause))
	}
	same, pings, span := 0, e.Pings, 0.0
	for _, v := range e.Votes {
		pings += v.Pings
		if v.Cause == e.Cause {
			same++
			span = max(span, v.Span)
		}
	}
	voted := plural(len(e.Votes), "juror")
	if e.Seats >= len(e.Votes) {
		voted = fmt.Sprintf("%d of %s", len(e.Votes), plural(e.Seats, "juror"))
	}
	jurors := voted
	if same < len(e.Votes) {
		jurors = voted + fmt.Sprintf(" voted against it, %d of them", same)
	}
	return fmt.Sprintf("%s %s for %s (%s in all); %s", jurors, heard(e.Cause, ""), exact(span),
		plural(pings, "ping"), moral(e.Cause))
}

// heard says what somebody saw: "it heard nothing", or for many "heard nothing".
func heard(cause, who string) string {
	if who != "" {
		who += " "
	}
	switch cause {
	case "refused":
		return who + "got no answer but refused connections"
	case "stalled":
		return who + "got connections but no answer"
	case "deaf":
		return who + "heard it and got no answer"
	}
	return who + "heard nothing"
}

// moral says what is behind it.
func moral(cause string) string {
	switch cause {
	case "refused":
		return "its host refused connections: the process is gone."
	case "stalled":
		return "its host took connections: the process stands still, or what it sends by UDP " +
			"does not arrive."
	case "deaf":
		return "it sends, and nothing that is sent to it arrives: a firewall, or another " +
			"address than the one it tells."
	}
	return "nothing came from its host at all."
}

// suspicion tells the evidence of SWIM.
func suspicion(e *api.Evidence) string {
	if len(e.Votes) == 0 {
		return "it did not answer a probe."
	}
	var names []string
	for _, v := range e.Votes {
		names = append(names, clean(v.Juror))
	}
	who := names[0]
	if last := len(names) - 1; last > 0 {
		who = strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return fmt.Sprintf("it did not answer probes, %s suspected it, and it did not contradict "+
		"for %s.", who, exact(e.Span))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// exact is how long something lasted: to the tenth of a second, as long as that matters.
func exact(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return ago(time.Duration(seconds * float64(time.Second)))
}
