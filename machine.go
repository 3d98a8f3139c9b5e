package starling

// This file is what a node asks of the host that it runs on.

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/transport"
)

// machine is that host. Tests put another in its place.
type machine interface {
	// lookupIP returns the addresses of a name.
	lookupIP(ctx context.Context, name string) ([]netip.Addr, error)
	// lookupSRV returns the targets of a name, those to be tried first in front.
	lookupSRV(ctx context.Context, name string) ([]*net.SRV, error)
	// source returns the address that is sent from to another.
	source(to netip.AddrPort) (netip.Addr, error)
	// addrs returns the host's own addresses.
	addrs() ([]transport.HostAddr, error)
	// after returns a channel that gets something once a pause between two tries is over.
	after(pause time.Duration) <-chan time.Time
}

type thisMachine struct{}

func (thisMachine) lookupIP(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

func (thisMachine) lookupSRV(ctx context.Context, name string) ([]*net.SRV, error) {
	_, targets, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	return targets, err
}

func (thisMachine) after(pause time.Duration) <-chan time.Time { return time.After(pause) }

func (thisMachine) source(to netip.AddrPort) (netip.Addr, error) { return transport.Source(to) }
func (thisMachine) addrs() ([]transport.HostAddr, error)         { return transport.HostAddrs() }
