package main

// This file is the command that shows a whole cluster in one process.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/cmd/internal/agent"
	"github.com/starling-gossip/starling/cmd/internal/dev"
	"github.com/starling-gossip/starling/cmd/internal/dev/live"
	"github.com/starling-gossip/starling/internal/gossip"
)

// Of the nodes that a held cluster has, the first few get an API, from this port on.
const (
	heldAPIs  = 3
	firstPort = 7748
)

// devFlags are the flags of dev.
type devFlags struct {
	cfg               dev.Config
	detector          string
	asJSON, hold, raw bool
	port              int
}

func (a *app) devCmd() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Show a whole cluster on loopback in this process: the first minute",
		Long: `Start n nodes over real UDP on loopback in this process, let them join, publish,
stop one without a word, start it again, let one leave, and show how long each took.
On a terminal this is a picture that moves; elsewhere, or with --plain, a line a step.`,
		Example: "  starling dev\n  starling dev -n 500\n  starling dev -n 128 --json\n  " +
			"starling dev --hold",
		Args: args(0, 0, "no arguments are wanted"),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().IntVarP(&f.cfg.Nodes, "nodes", "n", 25,
		fmt.Sprintf("how many nodes, %d to %d", dev.MinNodes, dev.MaxNodes))
	cmd.Flags().StringVar(&f.detector, "detector", gossip.DefaultDetector.String(),
		"failure detector: "+strings.Join(gossip.DetectorNames(), ", "))
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object with what was measured")
	cmd.Flags().BoolVar(&f.raw, "plain", false, "print a line a step, on a terminal too")
	cmd.Flags().BoolVar(&f.hold, "hold", false, "keep the cluster up, with an API for each of "+
		"the first nodes, until Ctrl-C")
	cmd.Flags().IntVar(&f.port, "api-port", firstPort, "TCP port of the first of these APIs")
	cmd.Flags().DurationVar(&f.cfg.Idle, "idle", 5*time.Second,
		"how long the idle cluster is measured")
	cmd.MarkFlagsMutuallyExclusive("json", "plain")
	cmd.RegisterFlagCompletionFunc("detector", choices(gossip.DetectorNames()...))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.cfg.Nodes < dev.MinNodes || f.cfg.Nodes > dev.MaxNodes {
			return usageError{fmt.Errorf("-n %d: from %d to %d nodes can be", f.cfg.Nodes,
				dev.MinNodes, dev.MaxNodes)}
		}
		if f.cfg.Idle <= 0 {
			return usageError{fmt.Errorf("--idle %s: it is to be more than 0", f.cfg.Idle)}
		}
		d, err := gossip.ParseDetector(f.detector)
		if err != nil {
			return usageError{fmt.Errorf("--detector: %w", err)}
		}
		f.cfg.Detector = starling.Detector(d.String())
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return a.dev(ctx, f)
	}
	return cmd
}

func (a *app) dev(ctx context.Context, f devFlags) error {
	held := &held{}
	if f.hold {
		if err := held.listen(f.port, min(heldAPIs, f.cfg.Nodes)); err != nil {
			return err
		}
	}
	defer held.close()
	cluster := dev.NewCluster(f.cfg.Nodes, f.cfg.Detector)
	defer cluster.Close()
	if isTerminal(a.out) && isTerminal(a.in) && !f.raw && !f.asJSON {
		return a.devLive(ctx, f, cluster, held)
	}
	tell := func(dev.Update) {}
	if !f.asJSON {
		fmt.Fprintf(a.out, "%d nodes over UDP on loopback, in one process\n\n", f.cfg.Nodes)
		tell = dev.Plain(a.out)
	}
	report, err := dev.Run(ctx, f.cfg, cluster, tell)
	if ctx.Err() != nil {
		// no results: that is no success to a script
		return errors.New("interrupted before the end")
	}
	if err != nil {
		return err
	}
	if f.asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	}
	if !f.hold {
		return nil
	}
	held.serve(cluster)
	// With --json standard output has the report and nothing else.
	fmt.Fprintf(a.err, "\nThe cluster stays up until Ctrl-C. Try, in another terminal:\n")
	for _, line := range held.hints() {
		fmt.Fprintln(a.err, "  "+line)
	}
	<-ctx.Done()
	return nil
}

// devLive shows the run on the terminal, and its results as plain lines after it.
func (a *app) devLive(ctx context.Context, f devFlags, cluster *dev.Cluster, held *held) error {
	no, _ := a.lookup("NO_COLOR")
	opts := live.Options{Config: f.cfg, Cluster: cluster, Color: no == "", In: a.in,
		Out: a.out, Hold: f.hold}
	opts.Held = func() []string { held.serve(cluster); return held.hints() }
	lines, err := live.Run(ctx, opts)
	fmt.Fprint(a.out, lines)
	if errors.Is(err, live.ErrQuit) {
		return nil
	}
	return err
}

// held are the APIs of a cluster that is kept up. Their ports are taken before anything else
// happens.
type held struct {
	listeners []net.Listener
	servers   []*agent.Server
}

func (h *held) listen(port, n int) error {
	for i := range n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
		if err != nil {
			h.close()
			return fmt.Errorf("the API of node %d: %w: choose other ports with --api-port", i, err)
		}
		h.listeners = append(h.listeners, l)
	}
	return nil
}

func (h *held) serve(cluster *dev.Cluster) {
	for i, l := range h.listeners {
		s := agent.NewServer(cluster.Node(i), agent.ServerOptions{})
		h.servers = append(h.servers, s)
		go s.Serve(l)
	}
}

func (h *held) hints() []string {
	first, last := h.listeners[0].Addr(), h.listeners[len(h.listeners)-1].Addr()
	flag := ""
	if first.String() != agent.DefaultAPI {
		flag = " --api " + first.String()
	}
	return []string{
		"starling members" + flag,
		"starling watch" + flag,
		"starling subscribe news" + flag,
		fmt.Sprintf("starling publish news hello --api %s", last),
		fmt.Sprintf("starling leave --api %s", last),
		fmt.Sprintf("open http://%s/", first),
	}
}

func (h *held) close() {
	for _, s := range h.servers {
		s.Close()
	}
	for _, l := range h.listeners {
		l.Close()
	}
}
