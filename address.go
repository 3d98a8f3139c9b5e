package starling

// This file turns what people write for addresses into addresses.

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/transport"
)

// lookupTimeout is how long a name server may take. The attempt after it asks again.
const lookupTimeout = 5 * time.Second

// firstLookup is how long a start waits for a name server. What it does not find is looked up
// later.
const firstLookup = time.Second

// splitAddr takes apart IP, IP:PORT, [IP], [IP]:PORT, HOST and HOST:PORT. An IPv6 address needs
// brackets only with a port; its zone stands within them.
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
			return "", 0, fmt.Errorf("%q is no address: write HOST, HOST:PORT, IP:PORT or "+
				"[IPv6]:PORT", s)
		}
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return "", 0, fmt.Errorf("%q is no address: the port %q is not a number from 0 to "+
				"65535", s, p)
		}
		host, port = h, uint16(v)
	}
	if host != "" && strings.Trim(host, "0123456789") == "" {
		return "", 0, fmt.Errorf("%q is no address: %q is a number, and no host: write "+
			"HOST:PORT, or :PORT to bind to all interfaces", s, host)
	}
	if strings.ContainsAny(host, " \t\r\n/,@") {
		return "", 0, fmt.Errorf("%q is no address: %q is not a host name", s, host)
	}
	return host, port, nil
}

// lookUp returns all addresses of a host, which may be an IP address.
func lookUp(ctx context.Context, m machine, host string,
	within time.Duration) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	found, err := m.lookupIP(ctx, host)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// bindAddr reads Config.Bind. No host means all interfaces; of a name the first address counts. A
// socket can be bound to what no node has to itself, and nothing that is sent to this node alone
// comes there.
func bindAddr(m machine, s string) (netip.AddrPort, error) {
	host, port, err := splitAddr(s, DefaultPort)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: %w", ErrConfig, err)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), port), nil
	}
	if unzoned(host) {
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: %w", ErrConfig, noZone(s, host))
	}
	found, err := lookUp(context.Background(), m, host, lookupTimeout)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: %w", ErrConfig, err)
	}
	if why := everybodys(m, found[0]); why != "" {
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: %s is %s, and no node's alone", ErrConfig,
			found[0], why)
	}
	return netip.AddrPortFrom(found[0], port), nil
}

// unzoned says whether a host is a link-local IPv6 address that does not say on which interface.
func unzoned(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == ""
}

func noZone(s, host string) error {
	return fmt.Errorf("%q is a link-local address, which means another host on each interface: "+
		"write it with its "+
		"interface, as in %s%%eth0", s, host)
}

// notFound is the error of a name that led to no address; it may later. It embeds no error: go doc
// would take that for a type of this package, and not show Join beside Node.
type notFound struct{ err error }

func (e notFound) Error() string { return e.err.Error() }
func (e notFound) Unwrap() error { return e.err }

// advertiseAddr reads Config.Advertise for a socket that is bound to local. Without one it is where
// the socket is bound; not valid if that is all interfaces. A name that leads nowhere within a time
// is a notFound.
func advertiseAddr(m machine, s string, local netip.AddrPort,
	within time.Duration) (netip.AddrPort, error) {
	switch {
	case s == "" && local.Addr().IsUnspecified():
		return netip.AddrPort{}, nil
	case s == "" && local.Addr().Is6() && local.Addr().IsLinkLocalUnicast():
		return netip.AddrPort{}, fmt.Errorf("%w: Bind: others cannot be told the link-local "+
			"address %s, which means "+
			"another host at each: set Advertise", ErrConfig, local)
	case s == "":
		return local, nil
	}
	return ownAddr(m, "Advertise", s, local, within,
		func(a netip.Addr) bool { return a.Is4() || !a.IsLinkLocalUnicast() })
}

// outsideAddr reads Config.AdvertiseOutside; without a port it is that of the socket.
func outsideAddr(m machine, s string, local netip.AddrPort,
	within time.Duration) (netip.AddrPort, error) {
	if s == "" {
		return netip.AddrPort{}, nil
	}
	return ownAddr(m, "AdvertiseOutside", s, local, within, func(netip.Addr) bool { return true })
}

// ownAddr reads an address of this node's own, and takes the first that is good of those that its
// name leads to.
func ownAddr(m machine, what, s string, local netip.AddrPort, within time.Duration,
	good func(netip.Addr) bool) (netip.AddrPort, error) {
	host, port, err := splitAddr(s, local.Port())
	if err == nil && (host == "" || port == 0) {
		err = fmt.Errorf("%q lacks the host or the port that others can send to", s)
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %s: %w", ErrConfig, what, err)
	}
	found, err := lookUp(context.Background(), m, host, within)
	if err != nil {
		return netip.AddrPort{}, notFound{fmt.Errorf("%s: %w", what, err)}
	}
	for _, a := range found {
		if serves(local, a) && nobodys(m, a) == "" && good(a) {
			return netip.AddrPortFrom(a, port), nil
		}
	}
	for _, a := range found {
		if why := nobodys(m, a); why != "" {
			return netip.AddrPort{}, fmt.Errorf("%w: %s: others cannot send to this node at %s: "+
				"it is %s",
				ErrConfig, what, a, why)
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w: %s: a socket bound to %s is not reached at %s",
		ErrConfig, what, local, s)
}

// nobodys says what an address is that no node has to itself; empty: it may be one's own.
func nobodys(m machine, a netip.Addr) string {
	switch why := everybodys(m, a); {
	case why != "":
		return why
	case a.IsUnspecified():
		return "the address of all interfaces"
	case a.Is6() && a.IsLinkLocalUnicast():
		return "a link-local address, which means another host at each member; it can be a " +
			"seed's alone"
	}
	return ""
}

// everybodys says which kind of address it is, if many hosts get what is sent to it. Empty: it is
// none of those, as far as this host knows from the networks that it is in.
func everybodys(m machine, a netip.Addr) string {
	switch {
	case a.IsMulticast():
		return "a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	case !a.Is4():
		return ""
	}
	own, _ := m.addrs() // without, nothing is known
	if slices.ContainsFunc(own, func(o transport.HostAddr) bool { return o.Addr == a }) {
		return ""
	}
	for _, o := range own {
		if o.Addr.Is4() && o.Bits < 31 && broadcast(o.Addr, o.Bits) == a { // longer ones have none
			return fmt.Sprintf("the broadcast address of %s, a network of this host",
				netip.PrefixFrom(o.Addr, o.Bits).Masked())
		}
	}
	return ""
}

// broadcast returns the last address of a network, to which all of its hosts listen.
func broadcast(a netip.Addr, bits int) netip.Addr {
	b := a.As4()
	last := binary.BigEndian.Uint32(b[:]) | uint32(1<<(32-bits)-1)
	binary.BigEndian.PutUint32(b[:], last)
	return netip.AddrFrom4(b)
}

// late are addresses of a node's own whose names led nowhere when it started, as at boot when the
// name server is late. They are looked up as seeds are, and no seed is asked to let the node in
// before.
type late struct{ advertise, outside string }

// findSelf looks them up. It is called outside the node's goroutine, by what seeks.
func (n *Node) findSelf() error {
	l, local := n.late, n.conn.LocalAddr()
	if l == nil {
		return nil
	}
	addr, err := advertiseAddr(n.machine, l.advertise, local, lookupTimeout)
	outside, err2 := outsideAddr(n.machine, l.outside, local, lookupTimeout)
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	called := n.call(n.ctx, func(now gossip.Time, out *gossip.Outbox) {
		if !addr.IsValid() {
			self := n.core.Self()
			addr = self.Addr()
		}
		if err = n.core.Do(now, gossip.Moved{Addr: addr, Outside: outside}, out); err == nil {
			n.home.here, n.home.since = false, now
			n.log.write(logLine{slog.LevelInfo, "the address of this node is found",
				[]any{"addr", addr, "outside", outside}})
		}
	})
	if called == nil && err == nil {
		n.late = nil
	}
	return cmp.Or(called, err)
}

// serves says whether a socket bound to local and an address are of one family.
func serves(local netip.AddrPort, a netip.Addr) bool {
	return local.Addr() == netip.IPv6Unspecified() || local.Addr().Is4() == a.Is4()
}

// familyWait is how long a member at an address of the other IP family has to be heard from one of
// this node's.
const familyWait = time.Second

// otherFamily says so if nothing is sent to a member from here. Its address is of the other IP
// family then, and after a while it was not heard from an address that could be answered.
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
			// others may have come meanwhile
			for i := 0; i < n.core.Table().Live() && (!ok || !m.OutOfFamily); i++ {
				m, ok = n.core.Table().At(i), true
			}
			if ok && m.OutOfFamily && m.State.Live() {
				why := "this node's socket does not serve the IP family of its address; to " +
					"serve both, bind to [::]"
				if serves(n.conn.LocalAddr(), m.Addr().Addr()) {
					why = "this host has no route of the IP family of its address"
				}
				how := "a member is reached through others alone: "
				if n.core.Unserved() {
					how = "nobody is left to reach a member through: "
				}
				n.log.warn(now, "family", how+why, "member", m.Name(), "addr", m.Addr(),
					"bound", n.conn.LocalAddr())
			}
		})
	})
}

// errFamily says why an address is of no use.
var errFamily = errors.New("the socket does not serve its address family (see Bind)")
