package main

// This file is the commands that change something at an agent: join, leave, tags.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
	"github.com/starling-gossip/starling/cmd/internal/settings"
)

// maxPatience is how long an agent lets a request wait, at most.
const maxPatience = 25 * time.Second

// patience says what is wrong with a --timeout.
func patience(timeout time.Duration) error {
	if timeout <= 0 || timeout > maxPatience {
		return usageError{fmt.Errorf("--timeout %s: more than 0 and up to %s can be", timeout,
			maxPatience)}
	}
	return nil
}

func (a *app) joinCmd() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "join ADDR...", Short: "Join the cluster of further nodes, so that two become one",
		Args: args(1, -1, "at least one address is wanted"),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second,
		"how long to wait for an answer, 25s at most")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client,
		seeds []string) error {
		if err := patience(timeout); err != nil {
			return err
		}
		return c.Join(ctx, timeout, seeds...)
	})
	return cmd
}

func (a *app) forgetCmd() *cobra.Command {
	var req api.ForgetRequest
	cmd := &cobra.Command{
		Use: "forget NAME... | --unreachable | --failed", Short: "Have members forgotten, " +
			"everywhere, that are gone for good",
		Long: "Have members forgotten, everywhere, that are gone for good: they count in no " +
			"view any more, and their keys are void. They have\n" +
			"to be failed, left or unreachable at the agent. One that lives comes back by " +
			"itself. A node that hears nobody, or is not reached\n" +
			"itself, may be the one that is cut off: it forgets the --unreachable with " +
			"--yes-alone only, and is not ready until it has met\n" +
			"a member, or is started anew. Who misses the word, being cut off or asleep, hears " +
			"it when it is back. It may be said again.",
		Example: "  starling forget db-1 db-2\n  starling forget --unreachable",
		Args: func(_ *cobra.Command, names []string) error {
			if len(names) == 0 && !req.Unreachable && !req.Failed {
				return fmt.Errorf("whom? NAME..., --unreachable or --failed")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&req.Unreachable, "unreachable", false,
		"all live members that the agent cannot reach, and that too few can judge")
	cmd.Flags().BoolVar(&req.Alone, "yes-alone", false,
		"with --unreachable: even if the agent hears nobody, or is not reached itself")
	cmd.Flags().BoolVar(&req.Failed, "failed", false, "all that have failed")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client,
		names []string) error {
		req.Names = names
		forgotten, err := c.Forget(ctx, req)
		if err != nil {
			return err
		}
		before := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))),
			func(name string) bool {
				return slices.Contains(forgotten, name)
			})
		if len(forgotten)+len(before) == 0 {
			fmt.Fprintln(a.out, "there is nobody to forget")
		}
		list := func(what string, names []string) {
			for i, n := range names {
				names[i] = clean(n)
			}
			if len(names) > 0 {
				fmt.Fprintln(a.out, what+": "+strings.Join(names, ", "))
			}
		}
		list("forgotten", forgotten)
		list("already forgotten here", before)
		return nil
	})
	return cmd
}

func (a *app) leaveCmd() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "leave", Short: "Make the agent leave the cluster and stop",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second,
		"how long the leave may take, 25s at most")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, _ []string) error {
		if err := patience(timeout); err != nil {
			return err
		}
		return c.Leave(ctx, timeout)
	})
	return cmd
}

func (a *app) tagsCmd() *cobra.Command {
	tags := &cobra.Command{
		Use: "tags", Short: "Set and unset tags of the agent's node",
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) > 0 {
				return fmt.Errorf("there is no 'tags %s', there are 'tags set' and 'tags "+
					"unset'", given[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("what shall be done: 'tags set' or 'tags unset'?")}
		},
	}
	tags.AddCommand(a.tagsSetCmd(), a.tagsUnsetCmd())
	return tags
}

func (a *app) tagsSetCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set KEY=VALUE...", Short: "Set tags and print all that the node has then",
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) == 0 {
				return fmt.Errorf("at least one key=value is wanted")
			}
			_, err := pairs(given)
			return err
		},
	}
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, args []string) error {
		set, err := pairs(args)
		if err != nil {
			return err
		}
		return a.changeTags(ctx, c, set, nil)
	})
	return cmd
}

func (a *app) tagsUnsetCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unset KEY...", Short: "Unset tags and print all that the node has then",
		Args: args(1, -1, "at least one key is wanted"),
	}
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, keys []string) error {
		return a.changeTags(ctx, c, nil, keys)
	})
	return cmd
}

func (a *app) changeTags(ctx context.Context, c *client.Client, set map[string]string,
	unset []string) error {
	now, err := c.Tags(ctx, set, unset)
	if err == nil {
		fmt.Fprintln(a.out, tagText(now))
	}
	return err
}

func pairs(texts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range texts {
		k, v, err := settings.Pair(t)
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}
