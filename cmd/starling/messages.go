package main

// This file is messages: publish and subscribe.

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/agent/api"
	"github.com/starling-gossip/starling/agent/client"
)

// maxInput bounds what publish reads: more than a message can have, so that the agent can say that it is too long.
const maxInput = 60 << 10

func (a *app) publishCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "publish TOPIC [DATA | -]", Short: "Send a message to every member",
		Long:    "Send a message to every member: DATA, or standard input if DATA is -, or nothing.",
		Example: "  starling publish deploys 'v42 is out'\n  date | starling publish clock -",
		Args:    args(1, 2, "TOPIC and perhaps DATA are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was published as {topic, origin, seq}")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, args []string) error {
		if args[0] == "" {
			return usageError{fmt.Errorf("the topic is empty")}
		}
		var payload []byte
		if len(args) == 2 {
			payload = []byte(args[1])
			if args[1] == "-" {
				var err error
				if payload, err = io.ReadAll(io.LimitReader(a.in, maxInput+1)); err != nil {
					return fmt.Errorf("standard input: %w", err)
				}
			}
		}
		if len(payload) > maxInput {
			return fmt.Errorf("a message must fit one datagram, about 1,200 bytes; this has more than %d", maxInput)
		}
		sent, err := c.Publish(ctx, args[0], payload)
		if err != nil || !asJSON {
			return err
		}
		return a.printer().json(sent)
	})
	return cmd
}

func (a *app) subscribeCmd() *cobra.Command {
	var asJSON, raw bool
	cmd := &cobra.Command{
		Use: "subscribe [TOPIC...]", Short: "Print the messages on some topics (none: on all), until Ctrl-C",
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line, the payload in base64")
	cmd.Flags().BoolVar(&raw, "raw", false, "write only the payloads, as they are, with nothing between them")
	cmd.MarkFlagsMutuallyExclusive("json", "raw")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, topics []string) error {
		p := a.printer()
		return c.Subscribe(ctx, topics, a.opened("listening; Ctrl-C ends it"), func(m api.Message) error {
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
	origin := dash(m.Origin)
	fmt.Fprintf(p.w, "%s  %s  %s  %s\n", clock(m.Time), p.paint("36", clean(m.Topic)), origin,
		clean(strings.TrimSuffix(string(m.Payload), "\n")))
}
