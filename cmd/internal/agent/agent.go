// Package agent is the daemon around a starling.Node: a control API over HTTP with its OpenAPI
// document, metrics, a small dashboard, and a memory of the peers on disk.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/starling-gossip/starling"
)

// Agent is a running node with its API. New makes one, Run serves it to its end.
type Agent struct {
	cfg      Config
	log      *slog.Logger
	node     *starling.Node
	peers    *peers // nil without a data directory
	server   *Server
	listener net.Listener
}

// New starts a node and opens its API's socket. Errors say which setting is at fault; those that
// only another setting mends wrap starling.ErrConfig.
func New(cfg Config, log *slog.Logger) (_ *Agent, err error) {
	a := &Agent{cfg: cfg, log: log}
	token, err := cfg.token()
	if err != nil {
		return nil, err
	}
	nodeCfg, err := cfg.node(log)
	if err != nil {
		return nil, err
	}
	if a.listener, err = net.Listen("tcp", cfg.API); err != nil {
		return nil, portTaken("api", cfg.API, "TCP",
			fmt.Errorf("--api %s: %w", cfg.API, reason(err)))
	}
	if a.peers, err = openPeers(cfg.DataDir, log); err != nil {
		a.listener.Close()
		return nil, err
	}
	nodeCfg.Peers, nodeCfg.ClusterID = a.peers.former(nodeCfg.Seeds, cfg.Cluster)
	if a.node, err = starling.Start(nodeCfg); err != nil {
		a.listener.Close()
		a.peers.close()
		return nil, portTaken("bind", cfg.Bind, "UDP and TCP", err)
	}
	a.server = NewServer(a.node, ServerOptions{Token: token, Log: log})
	return a, nil
}

// APIAddr returns where the API is served.
func (a *Agent) APIAddr() net.Addr { return a.listener.Addr() }

// Node returns the agent's node.
func (a *Agent) Node() *starling.Node { return a.node }

// Run serves until ctx ends or the node stops by itself, then leaves the cluster and closes
// everything. It returns nil after a leave, and otherwise why the node stopped.
func (a *Agent) Run(ctx context.Context) error {
	self := a.node.Self()
	a.log.Info("started", "name", self.Name, "addr", self.Addr.String(), "cluster",
		a.node.Info().Cluster,
		"api", a.listener.Addr().String())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	remembered := make(chan struct{})
	go func() { a.peers.follow(ctx, a.node); close(remembered) }()
	go a.logEvents(ctx)
	go a.logWelcome(ctx)

	var err error
	select {
	case <-ctx.Done():
	case <-a.node.Done():
	case err = <-served:
		err = fmt.Errorf("the API stopped: %w", err)
	}
	stop()
	<-remembered
	leaveErr := a.leave()
	a.server.Close()
	a.peers.close()
	return errors.Join(err, leaveErr)
}

// logEvents says what happens to members.
func (a *Agent) logEvents(ctx context.Context) {
	events := eventLog{log: a.log}
	for e := range a.node.Watch(ctx) {
		events.write(ctx, &e)
	}
}

// maxGone bounds the members of whose return an eventLog knows that it is one.
const maxGone = 4096

// eventLog writes what happens to members. What this node says of itself it does not. A join is
// told at the level debug, since a big cluster comes in all at once, but the return of a member at
// the level at which its end was told.
type eventLog struct {
	log  *slog.Logger
	gone map[string]bool // failed or left, as the log said, and not back
}

func (l *eventLog) write(ctx context.Context, e *starling.Event) {
	level := slog.LevelInfo
	name := e.Member.Name
	switch e.Kind {
	case starling.Resync, starling.Isolated, starling.Reunited, starling.Unreached,
		starling.Reached, starling.Unheard, starling.HeardAgain, starling.Undecided,
		starling.Decided, starling.ZoneUnreachable, starling.ZoneRecovered:
		return // it is of this node, or of a zone, and the node's own line says it better
	case starling.MemberFailed, starling.MemberLeft:
		if l.gone == nil {
			l.gone = map[string]bool{}
		}
		if len(l.gone) < maxGone {
			l.gone[name] = true
		}
	case starling.MemberRecovered:
		delete(l.gone, name)
	case starling.MemberJoined:
		back := l.gone[name]
		// one that is back may be told so, after missed events
		if delete(l.gone, name); e.Replayed && !back {
			return
		}
		if !back && len(l.gone) < maxGone {
			level = slog.LevelDebug
		}
	case starling.MemberUpdated:
		level = slog.LevelDebug
	}
	args := []any{"member", name, "addr", e.Member.Addr.String()}
	if e.Member.Cause != "" {
		args = append(args, "cause", string(e.Member.Cause))
	}
	l.log.Log(ctx, level, "member "+e.Kind.String(), args...)
}

// welcomeSoon is how long a node may wait for its seeds before the log says that it waits.
const welcomeSoon = 5 * time.Second

// logWelcome says when a seed has let this node in, and before that, once, when that takes long.
func (a *Agent) logWelcome(ctx context.Context) {
	soon, stop := context.WithTimeout(ctx, welcomeSoon)
	err := a.node.Welcomed(soon)
	stop()
	if err != nil && ctx.Err() == nil && a.node.Err() == nil {
		if i := a.node.Info(); i.Refused != "" { // the log has the reason
			a.log.Warn("no seed has let this node in yet, as said; it tries on", "after",
				welcomeSoon.String())
		} else {
			a.log.Warn("no seed has let this node in yet; it tries on", "error",
				timedOut{err, welcomeSoon})
		}
		err = a.node.Welcomed(ctx)
	}
	if err == nil {
		a.log.Info("in the cluster")
	}
}

// leave tells the cluster, if the node still runs.
func (a *Agent) leave() error {
	ctx, stop := context.WithTimeout(context.Background(), a.cfg.LeaveTimeout)
	defer stop()
	if a.node.Err() == nil {
		a.log.Info("leaving", "timeout", a.cfg.LeaveTimeout.String())
		if err := a.node.Leave(ctx); err != nil && !errors.Is(err, starling.ErrLeft) {
			a.log.Warn(notLetGo, "error", timedOut{err, a.cfg.LeaveTimeout})
		}
	}
	err := a.node.Err()
	if err == nil || errors.Is(err, starling.ErrLeft) || errors.Is(err, starling.ErrClosed) {
		a.log.Info("stopped")
		return nil
	}
	return err
}

// Rekey reads the key file again and gives its keys to the node.
func (a *Agent) Rekey() {
	if a.cfg.KeyFile == "" {
		a.log.Warn("SIGHUP reads the key file again, and there is none")
		return
	}
	ring, err := starling.ReadKeyFile(a.cfg.KeyFile)
	if err == nil {
		err = a.node.SetKeyRing(ring)
	}
	if err != nil {
		a.log.Error("the keys stay as they were", "error", err)
		return
	}
	a.log.Info("keys read again", "keys", len(ring.Keys()), "sealing", ring.Keys()[0].String())
}

// portTaken says which flags to give where an error is that another process has a port, most likely
// another agent.
func portTaken(flag, addr, kind string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	_, port, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		port = addr
	}
	return fmt.Errorf("port %s (%s, --%s) is in use on this host, perhaps by another agent: a "+
		"second one needs a --bind, an --api and "+
		"a --name of its own, such as --bind :7757 --api 127.0.0.1:7758 --name b (and a "+
		"--data-dir, if it has one): %w", port, kind, flag, err)
}

// reason unwraps the part of a network error that is news: the address is said already.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// httpTimeouts are bounds on slow or silent clients of the API.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 2 * time.Second
	maxHeader     = 16 << 10
)

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
