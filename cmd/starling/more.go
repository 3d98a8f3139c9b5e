package main

// This file is the commands that need no cluster: keygen, version.

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/cmd/internal/agent"
	"github.com/starling-gossip/starling/internal/gossip"
)

func (a *app) keygenCmd() *cobra.Command {
	return &cobra.Command{
		Use: "keygen", Short: "Print a new random key, for --key-file or --api-token-file",
		Example: "  (umask 077; starling keygen > cluster.key)",
		Args:    args(0, 0, "no arguments are wanted"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, starling.GenerateKey().Encode())
			return err
		},
	}
}

const platform = runtime.GOOS + "/" + runtime.GOARCH

// build is what a program was made of. What its build did not know is missing.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Dirty    *bool  `json:"dirty,omitempty"` // the tree held changes that the commit does not
	Protocol int    `json:"protocol"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildOf takes from what Go's linker wrote into a program, which may be nil.
func buildOf(info *debug.BuildInfo) build {
	b := build{
		Version: agent.Version(), Protocol: gossip.Version, Go: runtime.Version(),
		Platform: platform,
	}
	if info == nil {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			dirty := s.Value == "true"
			b.Dirty = &dirty
		}
	}
	return b
}

// String is what version and --version say, after the program's name.
func (b build) String() string {
	dirty := ""
	if b.Dirty != nil && *b.Dirty {
		dirty = " dirty"
	}
	return fmt.Sprintf("%s %s%s (protocol %d, %s, %s)",
		b.Version, dash(b.Commit), dirty, b.Protocol, b.Go, b.Platform)
}

// thisBuild is that of the program that runs.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(info)
}

func (a *app) versionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version",
		Args: args(0, 0, "no arguments are wanted"),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printer().json(thisBuild())
			}
			_, err := fmt.Fprintf(a.out, "starling %s\n", thisBuild())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
