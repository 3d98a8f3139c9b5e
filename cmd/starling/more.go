package main

// This file is the commands that need no cluster: keygen, version.

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling/agent"
	"github.com/starling-gossip/starling/transport"
)

func (a *app) keygenCmd() *cobra.Command {
	return &cobra.Command{
		Use: "keygen", Short: "Print a new random key, for --key-file or --api-token-file",
		Example: "  (umask 077; starling keygen > cluster.key)",
		Args:    args(0, 0, "no arguments are wanted"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, transport.GenerateKey().Encode())
			return err
		},
	}
}

const platform = runtime.GOOS + "/" + runtime.GOARCH

// versionText is what version and --version say: the release, the commit, and what built it.
func versionText() string {
	return fmt.Sprintf("%s %s (%s, %s)", agent.Version(), dash(commit()), runtime.Version(), platform)
}

func (a *app) versionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version",
		Args: args(0, 0, "no arguments are wanted"),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printer().json(struct {
					Version  string `json:"version"`
					Commit   string `json:"commit,omitempty"`
					Go       string `json:"go"`
					Platform string `json:"platform"`
				}{agent.Version(), commit(), runtime.Version(), platform})
			}
			_, err := fmt.Fprintf(a.out, "starling %s\n", versionText())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// commit is what the program was built from, if the build knew.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return ""
}
