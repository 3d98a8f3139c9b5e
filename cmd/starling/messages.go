package main

// This file is messages: publish and subscribe.

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
)

// maxInput bounds what publish reads: more than a message can have, so that the agent can say that
// it is too long.
const maxInput = 1<<20 + 1

func (a *app) publishCmd() *cobra.Command {
	var asJSON, urgent bool
	var need string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "publish TOPIC [DATA | -]", Short: "Send a message to every member",
		Long: "Send a message of up to 1 MiB to every member: DATA, or standard input if DATA " +
			"is -, or nothing.\n" +
			"With --wait it returns when so many members have it, and fails if that takes " +
			"too long.",
		Example: "  starling publish deploys 'v42 is out'\n  date | starling publish clock -\n  " +
			"starling publish --wait all --json flags on",
		Args: args(1, 2, "TOPIC and perhaps DATA are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was published as {topic, origin, "+
		"seq}, and with --wait its receipt")
	cmd.Flags().StringVar(&need, "wait", "", "wait until `all|N|P%` of the live members have "+
		"it, this one included")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second,
		"with --wait, how long to wait at most; up to 25s")
	cmd.Flags().BoolVar(&urgent, "urgent", false,
		"have it leave before messages on other topics that wait")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, args []string) error {
		var options []string
		if urgent {
			options = []string{client.Urgent}
		}
		if _, err := starling.ParseNeed(need); need != "" && err != nil {
			return usageError{fmt.Errorf("--wait: %w", err)}
		}
		if need == "" && cmd.Flags().Changed("timeout") {
			return usageError{fmt.Errorf("--timeout %s: it is how long --wait waits, and there "+
				"is no --wait", timeout)}
		}
		if err := patience(timeout); err != nil {
			return err
		}
		payload, err := a.payload(args)
		if err != nil {
			return err
		}
		if need == "" {
			sent, err := c.Publish(ctx, args[0], payload, options...)
			if err != nil || !asJSON {
				return err
			}
			return a.printer().json(sent)
		}
		sent, err := c.PublishWait(ctx, args[0], payload, need, timeout, options...)
		if err != nil {
			return err
		}
		return a.printer().receipt(&sent, asJSON)
	})
	return cmd
}

// payload is what is to be published.
func (a *app) payload(args []string) (payload []byte, err error) {
	switch {
	case args[0] == "":
		return nil, usageError{fmt.Errorf("the topic is empty")}
	case len(args) == 1:
		return nil, nil
	case args[1] != "-":
		payload = []byte(args[1])
	default:
		if payload, err = io.ReadAll(io.LimitReader(a.in, maxInput)); err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
	}
	if len(payload) >= maxInput {
		return nil, fmt.Errorf("a message has at most 1 MiB; this has more")
	}
	return payload, nil
}

// receipt prints how far a message came. That it was not far enough is an error, after all is
// printed.
func (p *printer) receipt(sent *api.Published, asJSON bool) error {
	r := sent.Receipt
	if r == nil {
		return fmt.Errorf("the agent does not know --wait: it is of an older version; the " +
			"message is on its way")
	}
	if asJSON {
		if err := p.json(sent); err != nil {
			return err
		}
	} else {
		reachable, apart := "", ""
		if r.Agreed > r.Of+r.Newer {
			reachable, apart = "reachable ", fmt.Sprintf("; %d were agreed before others failed "+
				"or were cut off", r.Agreed)
		}
		if r.Newer > 0 {
			apart += fmt.Sprintf("; %d more joined or started anew only after it was sent: not "+
				"counted, and without it", r.Newer)
		}
		fmt.Fprintf(p.w, "%d of %d %smembers have it after %s%s\n", r.Have, r.Of, reachable,
			time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Microsecond), apart)
	}
	if r.Reached {
		return nil
	}
	of := ""
	if len(r.Missing) > 0 {
		of = ": not yet confirmed by " + strings.Join(r.Missing, ", ")
	}
	return fmt.Errorf("too few members have it in time%s; it is still on its way", of)
}

func (a *app) subscribeCmd() *cobra.Command {
	var asJSON, raw, replay bool
	cmd := &cobra.Command{
		Use: "subscribe [TOPIC...]", Short: "Print the messages on some topics (none: on all), " +
			"until Ctrl-C",
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line, the payload in base64")
	cmd.Flags().BoolVar(&replay, "replay", false, "begin with the messages that the agent still "+
		"holds")
	cmd.Flags().BoolVar(&raw, "raw", false, "write only the payloads, as they are, with nothing "+
		"between them")
	cmd.MarkFlagsMutuallyExclusive("json", "raw")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client,
		topics []string) error {
		p := a.printer()
		return c.Subscribe(ctx, replay, topics, a.opened("listening; Ctrl-C ends it"),
			func(m api.Message) error {
				switch {
				case asJSON:
					return p.json(m)
				case raw:
					_, err := p.w.Write(m.Payload)
					return err
				}
				p.message(m)
				return nil
			})
	})
	return cmd
}

func (p *printer) message(m api.Message) {
	if m.Missed > 0 {
		fmt.Fprintln(p.w, p.paint("35", fmt.Sprintf("%d messages were missed here", m.Missed)))
	}
	if m.Lost > 0 {
		fmt.Fprintln(p.w, p.paint("35", fmt.Sprintf("%d messages are lost here: nobody has them "+
			"any more", m.Lost)))
	}
	if m.Seq == 0 { // it is only the word of that
		return
	}
	origin := dash(m.Origin)
	fmt.Fprintf(p.w, "%s  %s  %s  %s\n", clock(m.Time), p.paint("36", clean(m.Topic)), origin,
		clean(strings.TrimSuffix(string(m.Payload), "\n")))
}

func (a *app) topicsCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "topics", Short: "List the topics: messages, rates, what is still held",
		Long: "List the topics on which the agent's node received something since its start, or " +
			"still holds something for those who\nwere away.",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.Topics(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printer().json(all)
		}
		rows := [][]string{{"TOPIC", "MESSAGES", "BYTES", "A SECOND", "HELD"}}
		for _, t := range all {
			rows = append(rows, []string{dash(clean(t.Name)), fmt.Sprint(t.Messages),
				fmt.Sprint(t.Bytes), fmt.Sprintf("%.1f", t.Rate), fmt.Sprint(t.Held)})
		}
		a.printer().table(rows)
		return nil
	})
	return cmd
}
