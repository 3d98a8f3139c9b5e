package main

// This file is the command that tells how far two members are apart, and how such figures look.

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
)

func (a *app) rttCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "rtt A [B]", Short: "Estimate the round trip between two members, or a member and " +
			"the agent's node",
		Long: "Estimate the round trip between two members, or between a member and the agent's " +
			"node. No packet has to go between them:\n" +
			"each finds coordinates of its own from the round trips of its probes, and is asked " +
			"for them. After ± is the error that\n" +
			"such estimates had of late; 'measured' is what the agent's node measured itself, " +
			"if it is one of the two.",
		Example: "  starling rtt db-1 web-3\n  starling members --near db-1",
		Args:    args(1, 2, "the names of one or two members are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client,
		names []string) error {
		if slices.Contains(names, "") {
			return usageError{fmt.Errorf("a name is empty")}
		}
		to := ""
		if len(names) == 2 {
			to = names[1]
		}
		r, err := c.RTT(ctx, names[0], to)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printer().json(r)
		}
		a.printer().rtt(r)
		return nil
	})
	return cmd
}

func (p *printer) rtt(r api.RTT) {
	line := fmt.Sprintf("%s to %s: %s", clean(r.From), clean(r.To), estimate(r.Estimate, r.Error))
	if r.Measured > 0 {
		line += " (measured " + millis(r.Measured) + ")"
	}
	fmt.Fprintln(p.w, line)
}

// estimate shows a round trip and how far off it may be.
func estimate(seconds, err float64) string {
	switch {
	case seconds == 0: // from a member to itself
		return "0 ms"
	case err >= 1:
		return millis(seconds) + ", a guess"
	}
	return millis(seconds) + " " + percent(err)
}

func percent(err float64) string { return fmt.Sprintf("± %.0f %%", max(100*err, 1)) }

// millis is a time in milliseconds, to three digits or the hundredth.
func millis(seconds float64) string {
	switch ms := seconds * 1000; {
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.2f ms", ms)
	}
}

// estimatesText says how good the estimates of a node are.
func estimatesText(c api.Coordinates) string {
	inside, outside := c.Inside < 1, c.Outside != nil && *c.Outside < 1
	switch {
	case inside && outside:
		return "of round trips: " + percent(c.Inside) + " in this zone, " +
			percent(*c.Outside) + " between zones"
	case inside:
		return "of round trips: " + percent(c.Inside)
	case outside:
		return "of round trips: " + percent(*c.Outside) + " between zones"
	}
	return "guesses: too few round trips were measured yet"
}
