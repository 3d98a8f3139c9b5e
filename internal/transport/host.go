package transport

// This file asks the host about its addresses and its routes.

import (
	"fmt"
	"net"
	"net/netip"
)

// HostAddr is an address of this host.
type HostAddr struct {
	Addr      netip.Addr
	Bits      int    // of the prefix of its network
	Interface string // that has it
	Index     int    // of the interface
	Up        bool   // whether the interface is
}

// HostAddrs returns the addresses of this host in the order of its interfaces, those of interfaces
// that are down too.
func HostAddrs() ([]HostAddr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("transport: the interfaces of this host: %w", err)
	}
	var all []HostAddr
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it is gone since
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				all = append(all, HostAddr{p.Addr().Unmap(), p.Bits(), i.Name, i.Index,
					i.Flags&net.FlagUp != 0})
			}
		}
	}
	return all, nil
}

// Source returns the address that this host would send from to another, by its routes. Nothing is
// sent. Without a route it fails.
func Source(to netip.AddrPort) (netip.Addr, error) {
	to = unmap(to)
	network := "udp6"
	if to.Addr().Is4() {
		network = "udp4"
	}
	if to.Port() == 0 {
		to = netip.AddrPortFrom(to.Addr(), 9)
	}
	c, err := net.DialUDP(network, nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("transport: the way to %s: %w", to.Addr(), err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
