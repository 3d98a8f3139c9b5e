package main

// This file is the command that runs an agent.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/cmd/internal/agent"
	"github.com/starling-gossip/starling/internal/gossip"
)

func (a *app) agentCmd() *cobra.Command {
	var cfg agent.Config
	cmd := &cobra.Command{
		Use: "agent", Short: "Run a node with its API, until it leaves",
		Long: `Run a node with its API, until it leaves.

Every flag is a key of the YAML file (--config) and, as STARLING_ with the name in
capitals and _ for -, an environment variable too. Flags win over the environment, the
environment over the file. SIGINT and SIGTERM leave the cluster, a second one quits at
once; SIGHUP reads the key file again.`,
		Example: `  starling agent
  starling agent --name db-1 --join 10.0.0.1,10.0.0.2 --zone eu/frankfurt --tag role=db
  STARLING_CLUSTER=prod starling agent --config /etc/starling.yaml`,
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().SortFlags = false
	cfg.Flags(cmd.Flags())
	cmd.Flags().String("config", "", "`FILE` of settings in YAML")
	cmd.RegisterFlagCompletionFunc("log-format", choices("text", "json"))
	cmd.RegisterFlagCompletionFunc("detector", choices(gossip.DetectorNames()...))
	cmd.RegisterFlagCompletionFunc("profile", choices(gossip.ProfileNames...))
	cmd.RegisterFlagCompletionFunc("log-level", choices("debug", "info", "warn", "error"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := agent.Load(cmd.Flags(), a.lookup); err != nil {
			return usageError{err}
		}
		for _, name := range []string{"retain", "retain-bytes"} {
			if f := cmd.Flags().Lookup(name); f.Changed &&
				(f.Value.String() == "0" || f.Value.String() == "0s") {
				return usageError{fmt.Errorf("--%s 0: messages are always held for a while: "+
					"leave it out for the default, or set --retain 1s, "+
					"--retain-bytes 1048576 for little", name)}
			}
		}
		log, err := cfg.NewLogger(a.err)
		if err != nil {
			return usageError{err}
		}
		running, err := agent.New(cfg, log)
		if errors.Is(err, starling.ErrConfig) {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		return a.serve(cmd.Context(), running)
	}
	return cmd
}

// echo is how long after a signal the same one is taken for its copy: timeout(1), make and go run
// pass on to their children what the terminal has sent these already.
const echo = 250 * time.Millisecond

// serve runs an agent until a signal. The second signal ends the process where it stands.
func (a *app) serve(ctx context.Context, running *agent.Agent) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	defer func() { signal.Stop(signals); close(done) }()
	go func() {
		var asked time.Time
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				if s == syscall.SIGHUP {
					running.Rekey()
					continue
				}
				switch {
				case asked.IsZero():
					asked = time.Now()
					leave()
				case time.Since(asked) > echo:
					fmt.Fprintf(a.err, "starling: %v again: quitting at once\n", s)
					os.Exit(exitFailed)
				}
			}
		}
	}()
	return running.Run(ctx)
}
