package main

// This file is the versioned keys that each node writes about itself: set, unset, get, state.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
	"github.com/starling-gossip/starling/internal/gossip/state"
)

func (a *app) setCmd() *cobra.Command {
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "set KEY=VALUE...", Short: "Write keys of the agent's node, for all members to read",
		Long: "Write keys of the agent's node, for all members to read. Only the node itself " +
			"can write them, and a node that starts\n" +
			"again has none. A key has up to 128 bytes, a value up to 64 KiB, all of a node up " +
			"to 256 KiB. With KEY=- the value is\n" +
			"read from standard input. A key that cannot be written is told, with exit code 1; " +
			"the others are written.",
		Example: "  starling set load=0.7 --ttl 30s\n  starling set config=- < config.json",
	}
	cmd.Args = func(_ *cobra.Command, given []string) error {
		if len(given) == 0 {
			return fmt.Errorf("at least one key=value is wanted")
		}
		all, err := pairs(given)
		streams := 0
		for _, v := range all {
			if v == "-" {
				streams++
			}
		}
		if streams > 1 {
			return fmt.Errorf("only one value can come from standard input")
		}
		return err
	}
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "delete the keys after this time; 0 keeps them")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, args []string) error {
		if ttl != 0 && (ttl < state.MinTTL || ttl > state.MaxTTL) {
			return usageError{fmt.Errorf("--ttl %s: from %s to %s can be, and 0 keeps the "+
				"keys", ttl, state.MinTTL, state.MaxTTL)}
		}
		all, err := pairs(args)
		if err != nil {
			return err
		}
		return eachKey(slices.Sorted(maps.Keys(all)), func(k string) error {
			value := []byte(all[k])
			if all[k] == "-" {
				if value, err = io.ReadAll(io.LimitReader(a.in, starling.MaxValue+1)); err != nil {
					return fmt.Errorf("standard input: %w", err)
				}
				if len(value) > starling.MaxValue { // how many more is not read
					return refused{fmt.Errorf("standard input has more than %s bytes, which a "+
						"value can have at most",
						thousands(starling.MaxValue))}
				}
			}
			return c.Set(ctx, k, value, ttl)
		})
	})
	return cmd
}

// eachKey does something to each key. One that cannot be is told and keeps no other from it; what
// is wrong with more than one key, such as an agent that is gone, ends it.
func eachKey(keys []string, do func(key string) error) error {
	var all []error
	for _, k := range keys {
		err := do(k)
		switch {
		case err == nil:
		case len(keys) == 1:
			return err
		case isStatus(err, http.StatusBadRequest), isStatus(err, http.StatusNotFound),
			errors.As(err, new(refused)):
			all = append(all, fmt.Errorf("%s: %w", clean(k), err))
		default:
			return errors.Join(append(all, fmt.Errorf("%s: %w", clean(k), err))...)
		}
	}
	if all != nil && len(all) < len(keys) {
		all = append(all, errors.New("the other keys are done"))
	}
	return errors.Join(all...)
}

// refused is what is wrong with one key before the agent is asked.
type refused struct{ error }

func (a *app) unsetCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unset KEY...", Short: "Delete keys of the agent's node",
		Long: "Delete keys of the agent's node. One that it does not have is told, with exit " +
			"code 1; the others are deleted.",
		Args: args(1, -1, "at least one key is wanted"),
	}
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, keys []string) error {
		return eachKey(keys, func(k string) error { return c.Delete(ctx, k) })
	})
	return cmd
}

func (a *app) getCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "get [NODE] [KEY]", Short: "Print what the members wrote: all keys, those of a " +
			"node, or one value as it is",
		Long: "Print what the members wrote, as the agent's node knows it: all keys, those of " +
			"one node, or one value, byte for byte.\n" +
			"Members that failed or left keep their keys until they are forgotten. A node that " +
			"nobody knows is an error.",
		Args: args(0, 2, "at most a node and a key are wanted"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, or one object if a key is "+
		"named; values in base64")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, args []string) error {
		owners, key := args[:min(1, len(args))], ""
		if len(args) == 2 {
			if key = args[1]; key == "" {
				return usageError{fmt.Errorf("the key is empty")}
			}
		}
		all, err := c.Keys(ctx, owners, key)
		switch {
		case err != nil:
			return err
		case key != "" && len(all) == 0:
			return fmt.Errorf("%s has no key %s, as far as is known here", clean(owners[0]),
				clean(key))
		case key != "" && asJSON:
			return a.printer().json(all[0])
		case key != "":
			_, err := a.out.Write(all[0].Value)
			if err == nil && isTerminal(a.out) {
				fmt.Fprintln(a.out)
			}
			return err
		case asJSON:
			return a.printer().json(all)
		}
		a.printer().keys(all)
		return nil
	})
	return cmd
}

// keys prints a table.
func (p *printer) keys(all []api.Key) {
	rows := [][]string{{"NODE", "KEY", "VERSION", "TTL", "VALUE"}}
	for _, k := range all {
		ttl := "-"
		if k.TTL > 0 {
			ttl = time.Duration(k.TTL * float64(time.Second)).Round(time.Second).String()
		}
		rows = append(rows, []string{dash(clean(k.Owner)), clean(k.Key), fmt.Sprint(k.Version),
			ttl, brief(k.Value)})
	}
	p.table(rows)
}

// brief shows the beginning of a value in a line.
func brief(value []byte) string {
	begin := func(most int) string {
		return strings.TrimSuffix(string(value[:min(len(value),
			most)]), "\n")
	}
	most := 60
	if text := begin(most); clean(text) != text {
		most = 15 // it becomes longer
	}
	text := dash(clean(begin(most)))
	if len(value) > most {
		text += fmt.Sprintf("… (%s)", size(float64(len(value))))
	}
	return text
}

func (a *app) stateCmd() *cobra.Command {
	var asJSON, watch bool
	var prefix string
	cmd := &cobra.Command{
		Use: "state", Short: "Sum up the keys of each node, or follow their changes until Ctrl-C",
		Example: "  starling state --watch --prefix flag/ --json",
		Args:    args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "begin with the keys that are there, and go on "+
		"with a line for each change, until Ctrl-C")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, or with --watch a JSON "+
		"object a line, values in base64")
	cmd.RunE = a.access(cmd).with(func(ctx context.Context, c *client.Client, _ []string) error {
		p := a.printer()
		if !watch {
			all, err := c.Keys(ctx, nil, "")
			if err != nil {
				return err
			}
			return p.owners(all, prefix, asJSON)
		}
		return c.WatchKeys(ctx, prefix, true, a.opened("watching; Ctrl-C ends it"),
			func(e api.KeyEvent) error {
				if asJSON {
					return p.json(e)
				}
				p.keyEvent(e)
				return nil
			})
	})
	return cmd
}

// owned is what `state` says of one node.
type owned struct {
	Owner   string `json:"owner"`
	Keys    int    `json:"keys"`
	Bytes   int    `json:"bytes"`   // of keys and values
	Version uint64 `json:"version"` // the highest of these keys
}

// owners prints what each node has: a table, or JSON.
func (p *printer) owners(all []api.Key, prefix string, asJSON bool) error {
	sums := []owned{}
	for _, k := range all { // in the order of owners
		if !strings.HasPrefix(k.Key, prefix) {
			continue
		}
		if len(sums) == 0 || sums[len(sums)-1].Owner != k.Owner {
			sums = append(sums, owned{Owner: k.Owner})
		}
		s := &sums[len(sums)-1]
		s.Keys++
		s.Bytes += len(k.Key) + len(k.Value)
		s.Version = max(s.Version, k.Version)
	}
	if asJSON {
		return p.json(sums)
	}
	rows := [][]string{{"NODE", "KEYS", "BYTES", "VERSION"}}
	for _, s := range sums {
		rows = append(rows, []string{dash(clean(s.Owner)), fmt.Sprint(s.Keys),
			fmt.Sprint(s.Bytes), fmt.Sprint(s.Version)})
	}
	p.table(rows)
	return nil
}

func (p *printer) keyEvent(e api.KeyEvent) {
	word := e.Event + strings.Repeat(" ", max(0, len("resync")-len(e.Event)))
	line := fmt.Sprintf("%s  %s  ", clock(e.Time), word)
	switch e.Event {
	case "resync":
		line += "events were missed; the keys that are there follow"
	case "reset":
		line += dash(clean(e.Owner)) + "  all its keys are void"
	case "gone":
		line += dash(clean(e.Owner)) + "  " + p.paint("36", clean(e.Key.Key))
	default:
		line += dash(clean(e.Owner)) + "  " + p.paint("36", clean(e.Key.Key)) + "  " +
			brief(e.Value)
	}
	fmt.Fprintln(p.w, line)
}
