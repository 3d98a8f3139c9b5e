package main

// This file is the root of the command line: its tree, its exit codes, and how errors are said.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starling-gossip/starling/client"
	"github.com/starling-gossip/starling/cmd/internal/agent"
	"github.com/starling-gossip/starling/cmd/internal/settings"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what a command may touch of the world.
type app struct {
	in       io.Reader
	out, err io.Writer
	lookup   func(string) (string, bool) // the environment
	ran      bool                        // the command line was understood and its command begun
}

// usageError is an error of the command line or the configuration that a command found itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run does what the arguments say and returns the exit code.
func (a *app) run(args []string) int {
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	usage := usageError{}
	switch {
	case err == nil, errors.Is(err, context.Canceled): // interrupted by the user, who knows
		return exitOK
	case errors.As(err, &usage) || !a.ran:
		fmt.Fprintf(a.err, "starling: %s\nRun '%s --help' for usage.\n", oneLine(err),
			cmd.CommandPath())
		return exitUsage
	case errors.Is(err, client.ErrAbsent):
		fmt.Fprintf(a.err, "starling: %s: start one with 'starling agent', or say where it is "+
			"with --api or %s\n",
			oneLine(err), settings.EnvName("api"))
	case isStatus(err, http.StatusUnauthorized):
		fmt.Fprintf(a.err, "starling: the agent demands a token, and this is not it: give its "+
			"file with --api-token-file or %s\n",
			settings.EnvName("api-token-file"))
	default:
		fmt.Fprintf(a.err, "starling: %s\n", oneLine(err))
	}
	return exitFailed
}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*client.StatusError](err)
	return ok && e.Status == status
}

// oneLine makes one line of an error that has several, such as cobra's with its proposals.
func oneLine(err error) string {
	text := strings.Replace(strings.TrimPrefix(strings.TrimSpace(err.Error()), "starling: "),
		"\n\nDid you mean this?\n\t", ": did you mean ", 1)
	if _, proposal, ok := strings.Cut(text, ": did you mean "); ok &&
		!strings.Contains(proposal, "?") {
		text += "?"
	}
	return strings.NewReplacer("\n\t", ", ", "\n", "; ").Replace(text)
}

// root makes the whole tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "starling",
		Short: "Who is in the cluster, who is up, and what is new: by gossip, with no leader",
		Long: `Starling tells servers who is in their cluster, who is up, and what is new: by
gossip, with no leader and no external store, for thousands of nodes.

A first minute:   starling dev
A real node:      starling agent --join ADDR
Talk to it:       starling members | watch | info | publish TOPIC DATA`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			err := cmd.ValidateFlagGroups() // cobra itself does it later
			a.ran = err == nil
			return err
		},
	}
	root.Version = thisBuild().String()
	root.SetVersionTemplate("starling {{.Version}}\n")
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c, err) })
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "look", Title: "Look (at the agent that --api names):"},
		&cobra.Group{ID: "steer", Title: "Steer (the agent that --api " +
			"names):"}, &cobra.Group{ID: "more", Title: "More:"})
	add := func(group string, all ...*cobra.Command) {
		for _, c := range all {
			c.GroupID = group
		}
		root.AddCommand(all...)
	}
	add("run", a.agentCmd(), a.devCmd(), a.simCmd(), a.labCmd())
	add("look", a.membersCmd(), a.watchCmd(), a.infoCmd(), a.whyCmd(), a.rttCmd(),
		a.pathsCmd(), a.subscribeCmd(), a.topicsCmd(), a.getCmd(), a.stateCmd())
	add("steer", a.publishCmd(), a.setCmd(), a.unsetCmd(), a.joinCmd(), a.forgetCmd(),
		a.leaveCmd(), a.tagsCmd())
	add("more", a.keygenCmd(), a.versionCmd())
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	return root
}

// flagError names the flag that was most likely meant, and says of a number that is none what
// settings say of it.
func flagError(c *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if n, ok := errors.AsType[*strconv.NumError](err); ok {
			return fmt.Errorf("--%s: %q is not a number that can be: %w", e.GetFlag().Name,
				n.Num, n.Err)
		}
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok && e.GetSpecifiedShortnames() == "" {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if n := settings.Nearest(e.GetSpecifiedName(), known); n != "" {
			return fmt.Errorf("%w: did you mean --%s?", err, n)
		}
	}
	return err
}

// access is how a client command finds its agent.
type access struct {
	app             *app
	addr, tokenFile string
}

// access adds the flags of a client command.
func (a *app) access(cmd *cobra.Command) *access {
	x := &access{app: a}
	cmd.Flags().StringVar(&x.addr, "api", agent.DefaultAPI,
		"`HOST:PORT` or URL of the agent's API; also STARLING_API")
	cmd.Flags().StringVar(&x.tokenFile, "api-token-file", "",
		"`FILE` with the API's token; also STARLING_API_TOKEN_FILE")
	return x
}

// client makes the client that the flags and the environment ask for.
func (x *access) client(cmd *cobra.Command) (*client.Client, error) {
	named := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range []string{"api", "api-token-file"} {
		named.AddFlag(cmd.Flags().Lookup(name))
	}
	if err := settings.FromEnv(named, x.app.lookup); err != nil {
		return nil, usageError{err}
	}
	token := ""
	if x.tokenFile != "" {
		var err error
		if token, err = agent.ReadToken(x.tokenFile); err != nil {
			return nil, err
		}
	}
	c, err := client.New(x.addr, token)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// with makes a command's RunE of a function that gets a client and a context that Ctrl-C ends.
func (x *access) with(do func(ctx context.Context, c *client.Client,
	args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := x.client(cmd)
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return do(ctx, c, args)
	}
}

// args makes usage errors that say what is wanted.
func args(least, most int, wanted string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if len(given) < least || (most >= 0 && len(given) > most) {
			return fmt.Errorf("%s: %s; %s given", cmd.Name(), wanted, were(len(given), "argument"))
		}
		return nil
	}
}

// were is a number of things, and that they were.
func were(n int, what string) string {
	if n == 1 {
		return plural(n, what) + " was"
	}
	return plural(n, what) + " were"
}

// choices completes a flag's list of values with a comma between them.
func choices(values ...string) func(*cobra.Command, []string, string) ([]string,
	cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return slices.Clone(values), cobra.ShellCompDirectiveNoFileComp
	}
}
