package starling

// This file is the evidence that operating systems give: a node that runs Inquest listens on TCP at
// its gossip port and says nothing there, and asks other hosts whether anybody does. A host whose
// process died refuses; one whose process stands still accepts, by the kernel's own hand.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/transport"
)

const (
	dialTimeout = 2 * time.Second
	maxDials    = 64 // under way at once; over that the question is not asked
	// between two connections taken: a flood of them waits in the kernel
	acceptPause = time.Millisecond
	takenPause  = time.Second           // between two words to the core that somebody came
	maxTold     = 64                    // hosts of which the core hears in that time
	acceptRetry = 50 * time.Millisecond // after an error, such as too many open files
	// free UDP ports to be tried until the TCP port beside is free too
	portTries = 16
)

// tcpProbe is a node's part in it.
type tcpProbe struct {
	listener *net.TCPListener
	dials    chan struct{} // one for each under way
	taken    atomic.Int64  // when the last connection was taken, in Unix nanoseconds; 0: none was
}

// listenBoth binds the socket, and the TCP port beside it.
func listenBoth(bind string, mtu int) (*transport.Conn, *tcpProbe, error) {
	for try := 1; ; try++ {
		conn, err := listen(bind, mtu)
		if err != nil {
			return nil, nil, err
		}
		at := conn.LocalAddr()
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err == nil {
			return conn, &tcpProbe{listener: l, dials: make(chan struct{}, maxDials)}, nil
		}
		conn.Close()
		if _, port, _ := net.SplitHostPort(bind); port != "0" || try == portTries {
			return nil, nil, fmt.Errorf("starling: the detector inquest listens on TCP beside "+
				"UDP (Gossip.Inquest.NoKernel "+
				"turns that off): %w", err)
		}
	}
}

// serve takes connections and closes them, until the listener is closed, and tells where they come
// from: of each host at most once in a takenPause, and of maxTold hosts.
func (k *tcpProbe) serve(ctx context.Context, told func(from netip.Addr)) {
	var began time.Time
	seen := map[netip.Addr]bool{}
	for ctx.Err() == nil {
		c, err := k.listener.AcceptTCP()
		pause := acceptPause
		if err == nil {
			k.taken.Store(time.Now().UnixNano())
			from := netip.Addr{}
			if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
				from = a.AddrPort().Addr().Unmap().WithZone("")
			}
			c.SetLinger(0) // nothing was said: no farewell to wait for
			c.Close()
			if time.Since(began) >= takenPause {
				began = time.Now()
				clear(seen)
			}
			if !seen[from] && len(seen) < maxTold {
				seen[from] = true
				told(from)
			}
		} else {
			pause = acceptRetry
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// connect asks a host in another goroutine, and tells the core what it answered.
func (n *Node) connect(c gossip.Connect) {
	if n.tcpProbe == nil {
		return
	}
	select {
	case n.tcpProbe.dials <- struct{}{}:
	default:
		return
	}
	n.background.Go(func() {
		defer func() { <-n.tcpProbe.dials }()
		if o, ok := ask(n.ctx, c.Peer.Addr); ok {
			n.call(n.ctx, func(now gossip.Time, out *gossip.Outbox) {
				n.core.Connected(now, c,
					o, out)
			})
		}
	})
}

// ask tries a connection; a host that does not answer says nothing.
func ask(ctx context.Context, to netip.AddrPort) (o detect.Outcome, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", to.String())
	if err == nil {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	return outcomeOf(err)
}

// outcomeOf says what a host answered, by what came of an attempt to connect. A connection that was
// reset was taken before: a node closes those that come at once, sometimes before the other side
// has noticed that it stands.
func outcomeOf(err error) (o detect.Outcome, ok bool) {
	switch {
	case err == nil, errors.Is(err, syscall.ECONNRESET), errors.Is(err, errResetWindows):
		return detect.Accepted, true
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, errRefusedWindows):
		return detect.Refused, true
	}
	return 0, false
}

// These are WSAECONNREFUSED and WSAECONNRESET, which package syscall does not name.
const (
	errRefusedWindows = syscall.Errno(10061)
	errResetWindows   = syscall.Errno(10054)
)
