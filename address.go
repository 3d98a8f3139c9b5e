package starling

// This file turns what people write for addresses into addresses.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/gossip"
	"github.com/starling-gossip/starling/gossip/member"
)

// lookupTimeout is how long a name server may take. The attempt after it asks again.
const lookupTimeout = 5 * time.Second

// splitAddr takes apart IP, IP:PORT, [IP], [IP]:PORT, HOST and HOST:PORT. An IPv6 address needs brackets
// only with a port; its zone stands within them.
func splitAddr(s string, defaultPort uint16) (host string, port uint16, err error) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	// A zone may hold any character for netip, a bracket too.
	if a, err := netip.ParseAddr(bare); err == nil && !strings.ContainsAny(a.Zone(), "[]:") {
		return a.String(), defaultPort, nil
	}
	if !strings.Contains(s, ":") {
		host, port = s, defaultPort
	} else {
		h, p, err := net.SplitHostPort(s)
		if err != nil {
			return "", 0, fmt.Errorf("%q is no address: write HOST, HOST:PORT, IP:PORT or [IPv6]:PORT", s)
		}
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return "", 0, fmt.Errorf("%q is no address: the port %q is not a number from 0 to 65535", s, p)
		}
		host, port = h, uint16(v)
	}
	if strings.ContainsAny(host, " \t\r\n/,@") {
		return "", 0, fmt.Errorf("%q is no address: %q is not a host name", s, host)
	}
	return host, port, nil
}

// lookUp returns all addresses of a host, which may be an IP address.
func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// bindAddr reads Config.Bind. No host means all interfaces; of a name the first address counts.
func bindAddr(s string) (netip.AddrPort, error) {
	host, port, err := splitAddr(s, DefaultPort)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: %w", ErrConfig, err)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), port), nil
	}
	found, err := lookUp(context.Background(), host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: %w", ErrConfig, err)
	}
	return netip.AddrPortFrom(found[0], port), nil
}

// advertiseAddr reads Config.Advertise for a socket that is bound to local. Without one it is where the
// socket is bound; not valid if that is all interfaces.
func advertiseAddr(s string, local netip.AddrPort) (netip.AddrPort, error) {
	switch {
	case s == "" && local.Addr().IsUnspecified():
		return netip.AddrPort{}, nil
	case s == "" && local.Addr().Is6() && local.Addr().IsLinkLocalUnicast():
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: others cannot be told the link-local address %s, which means "+
			"another host at each: set Advertise", ErrConfig, local)
	case s == "":
		return local, nil
	}
	host, port, err := splitAddr(s, local.Port())
	if err == nil && (host == "" || port == 0) {
		err = fmt.Errorf("%q lacks the host or the port that others can send to", s)
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: Advertise: %w", ErrConfig, err)
	}
	found, err := lookUp(context.Background(), host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: Advertise: %w", ErrConfig, err)
	}
	if slices.ContainsFunc(found, func(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }) && len(found) == 1 {
		return netip.AddrPort{}, fmt.Errorf("%w: Advertise: others cannot be told the link-local address %s, which means "+
			"another host at each; it can be a seed's alone", ErrConfig, s)
	}
	i := slices.IndexFunc(found, func(a netip.Addr) bool {
		return serves(local, a) && !a.IsUnspecified() && (a.Is4() || !a.IsLinkLocalUnicast())
	})
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("%w: Advertise: a socket bound to %s is not reached at %s", ErrConfig, local, s)
	}
	return netip.AddrPortFrom(found[i], port), nil
}

// outsideAddr reads Config.AdvertiseOutside; without a port it is that of the socket.
func outsideAddr(s string, local netip.AddrPort) (netip.AddrPort, error) {
	if s == "" {
		return netip.AddrPort{}, nil
	}
	host, port, err := splitAddr(s, local.Port())
	if err == nil && (host == "" || port == 0) {
		err = fmt.Errorf("%q lacks the host or the port that others can send to", s)
	}
	var found []netip.Addr
	if err == nil {
		found, err = lookUp(context.Background(), host)
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: AdvertiseOutside: %w", ErrConfig, err)
	}
	for _, a := range found {
		if !a.IsUnspecified() && serves(local, a) {
			return netip.AddrPortFrom(a, port), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w: AdvertiseOutside: nodes with sockets like this one, bound to %s, cannot send to %s", ErrConfig, local, s)
}

// serves says whether a socket bound to local and an address are of one family.
func serves(local netip.AddrPort, a netip.Addr) bool {
	return local.Addr() == netip.IPv6Unspecified() || local.Addr().Is4() == a.Is4()
}

// familyWait is how long a member at an address of the other IP family has to be heard from one of this node's.
const familyWait = time.Second

// otherFamily says so if nothing is sent to a member from here: its address is of the other IP family, and after
// a while it was not heard from one that could be answered.
func (n *Node) otherFamily(id member.ID) {
	if n.parted {
		return // one at a time: the log has a line a minute
	}
	n.parted = true
	n.background.Go(func() {
		n.pause(familyWait)
		n.call(n.ctx, func(now gossip.Time, _ *gossip.Outbox) {
			n.parted = false
			m, ok := n.core.Table().Get(id)
			for i := 0; i < n.core.Table().Live() && (!ok || !m.OutOfFamily); i++ { // others may have come meanwhile
				m, ok = n.core.Table().At(i), true
			}
			if ok && m.OutOfFamily && m.State.Live() {
				why := "this node's socket does not serve the IP family of its address; to serve both, bind to [::]"
				if serves(n.conn.LocalAddr(), m.Addr().Addr()) {
					why = "this host has no route of the IP family of its address"
				}
				n.log.warn(now, "family", "a member is reached through others alone: "+why, "member", m.Name(), "addr", m.Addr(), "bound", n.conn.LocalAddr())
			}
		})
	})
}

// errFamily says why an address is of no use.
var errFamily = errors.New("the socket does not serve its address family (see Bind)")
