package starling

// This file finds out at which address the others reach a node that nobody told it, at the start
// and whenever the host's addresses or routes change.

import (
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/transport"
)

const (
	// lookEvery is how often a node looks whether its address is still the host's, and whether it
	// still sends from it. A look is two system calls, and no packet. A node whose address changes
	// is to know it within ten seconds.
	lookEvery = 5 * time.Second
	// lookSoon is between two looks where one has found something new, or a member is met.
	lookSoon = time.Second
)

// Addresses of no host, for asking the kernel about its default routes.
var elsewhere = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:9"),
	netip.MustParseAddrPort("[2001:db8::1]:9")}

// home is what a node knows about where it is reached. It is of the node's goroutine.
type home struct {
	fixed bool           // Config.Advertise or Config.Bind says it
	peer  netip.AddrPort // whose route decides; not valid before a seed answered or a member is met
	from  netip.Addr     // what is sent from to it
	other netip.Addr     // what the last look found in its place; not valid: nothing
	here  bool           // the address was seen to be the host's
	gone  bool           // and is not any more, without another to take
	moved *Move          // the last
	since gossip.Time    // when that was
	// where a seed sees this node and others may not reach it; not valid: nowhere
	seen  netip.AddrPort
	ours  bool          // seen is an address of this host
	heard gossip.Time   // when a seed last told where it sees this node
	look  chan struct{} // asks for a look soon

	routes gossip.Family // of which the host has routes, as the core was told
	// what the last look found, if that is less than before; AnyFamily: it was not
	fewer  gossip.Family
	unsent gossip.Time // when a packet could last not be sent
}

// Move is a change of the address at which a node is reached.
type Move struct {
	From, To netip.AddrPort
	Time     time.Time
}

// reachedAt chooses where others reach a node whose socket is bound to all interfaces. It is the
// source of the kernel's route to the first seed that has one, else that of the default route, else
// a global address of the host, else the loopback. sure is false for an address that others hardly
// reach: one for containers alone, or the loopback.
func reachedAt(m machine, local netip.AddrPort, seeds []netip.AddrPort) (_ netip.Addr, sure bool) {
	var all []transport.HostAddr
	for _, s := range slices.Concat(seeds, elsewhere) {
		if !serves(local, s.Addr()) {
			continue
		}
		if a, err := m.source(s); err == nil && tellable(local, a) {
			return a, true
		}
		if zone := s.Addr().Zone(); zone != "" { // others there have no other address in common
			if all == nil {
				all, _ = m.addrs() // no list, no choice
			}
			for _, a := range all {
				if a.Up && (a.Interface == zone || strconv.Itoa(a.Index) == zone) &&
					tellable(local, a.Addr) {
					return a.Addr, true
				}
			}
		}
	}
	all, _ = m.addrs()
	const forContainers = 2 // the highest rank of their addresses
	best, rank := netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0
	if !serves(local, best) {
		best = netip.IPv6Loopback()
	}
	for _, a := range all {
		if !a.Up || !a.Addr.IsGlobalUnicast() || !tellable(local, a.Addr) {
			continue
		}
		r := 1
		if a.Addr.Is4() {
			r++
		}
		if !containers(a.Interface) {
			r += forContainers
		}
		if r > rank {
			best, rank = a.Addr, r
		}
	}
	return best, rank > forContainers
}

// tellable says whether an address can be told to others. A link-local one of IPv6 means another
// host at each, and so does the loopback.
func tellable(local netip.AddrPort, a netip.Addr) bool {
	return a.IsValid() && serves(local, a) && !a.IsUnspecified() && !a.IsLoopback() &&
		!a.IsMulticast() &&
		(a.Is4() || !a.IsLinkLocalUnicast())
}

// containers says whether an interface is, by its name, one to this host's own containers or
// virtual machines. Its address is often the same at each host, and then leads others to
// themselves.
func containers(name string) bool {
	return slices.ContainsFunc([]string{"docker", "br-", "virbr", "veth", "cni", "podman",
		"lxc", "lxd"},
		func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// maxTargets is how many members are tried until there is a route to one.
const maxTargets = 64

// routesOf says of which IP versions a host has routes, for a socket that has both. Such a route
// has a source that others can be told, and leads to one of the members at such addresses. If there
// is no member, it leads anywhere. A network of its own may have no way out: then an address that
// is not for containers alone is enough. AnyFamily is both; ok is false if it has none, which tells
// nothing.
func routesOf(m machine, local netip.AddrPort, all []transport.HostAddr,
	members []netip.AddrPort) (f gossip.Family, ok bool) {
	if local.Addr() != netip.IPv6Unspecified() {
		return gossip.AnyFamily, true // the socket's is all there is
	}
	has := func(four bool) bool {
		routed, known := false, false
		try := func(to []netip.AddrPort) {
			for _, a := range to {
				own := slices.ContainsFunc(all,
					func(x transport.HostAddr) bool { return x.Addr == a.Addr() })
				if a.Addr().Is4() != four || own || a.Addr().IsLoopback() || routed {
					continue
				}
				from, err := m.source(a)
				routed, known = err == nil && tellable(local, from), true
			}
		}
		if try(members); known {
			return routed
		}
		try(elsewhere)
		return routed || slices.ContainsFunc(all, func(x transport.HostAddr) bool {
			return x.Up && x.Addr.Is4() == four && !containers(x.Interface) &&
				tellable(local, x.Addr)
		})
	}
	switch v4, v6 := has(true), has(false); {
	case v4 && v6:
		return gossip.AnyFamily, true
	case v4:
		return gossip.IPv4, true
	case v6:
		return gossip.IPv6, true
	}
	return gossip.AnyFamily, false
}

// routed weighs what a look found of the host's routes. A family that came is served at once. A
// family that is gone is served until it was gone in two looks in a row, since an address is often
// changed by taking the old one away first. It says whether to look again soon.
func (n *Node) routed(now gossip.Time, is gossip.Family, out *gossip.Outbox) (soon bool) {
	h, was := &n.home, n.home.routes
	switch {
	case is == was:
		h.fewer = gossip.AnyFamily
		return false
	case is == gossip.AnyFamily || is == h.fewer:
		h.routes, h.fewer = is, gossip.AnyFamily
	default:
		h.routes, h.fewer, soon = gossip.AnyFamily, is, true
	}
	if h.routes == was {
		return soon
	}
	if n.core.Do(now, gossip.Routes{Family: h.routes}, out) != nil { // it has stopped
		return false
	}
	if t := n.core.Table(); t.Served() < t.Live() {
		n.otherFamily(t.IDAt(t.Live() - 1))
	}
	return soon
}

// unrouted has the host's routes looked at soon, since packets cannot be sent.
func (n *Node) unrouted(now gossip.Time) {
	if h := &n.home; h.unsent == 0 || now.Sub(h.unsent) >= lookSoon {
		h.unsent = now
		n.lookAround()
	}
}

// literal returns the seeds that are no names.
func literal(seeds []seed) (addrs []netip.AddrPort) {
	for _, s := range seeds {
		if a, err := netip.ParseAddr(s.host); err == nil {
			addrs = append(addrs, netip.AddrPortFrom(a.Unmap(), s.port))
		}
	}
	return addrs
}

// settle chooses the address that a node starts with, unless it is set.
func (n *Node) settle(self *gossip.Self) {
	n.home.look = make(chan struct{}, 1)
	if all, err := n.machine.addrs(); err == nil {
		self.Routes, _ = routesOf(n.machine, n.conn.LocalAddr(), all, nil)
		n.home.routes = self.Routes
	}
	// what it is set to is known later
	n.home.fixed = self.Addr.IsValid() || n.late != nil && n.late.advertise != ""
	if self.Addr.IsValid() {
		return
	}
	local := n.conn.LocalAddr()
	a, sure := reachedAt(n.machine, local, literal(n.seeds))
	self.Addr = netip.AddrPortFrom(a, local.Port())
	if !sure && !n.home.fixed {
		n.log.write(logLine{slog.LevelWarn, "this host has no address that others can be told, " +
			"unless Advertise names one",
			[]any{"name", self.Name, "addr", self.Addr}})
	}
}

// guess chooses by the seeds that were found, as long as none of them has answered.
func (n *Node) guess(now gossip.Time, out *gossip.Outbox) {
	if n.home.fixed || n.home.peer.IsValid() || len(n.found) == 0 {
		return
	}
	if a, sure := reachedAt(n.machine, n.conn.LocalAddr(), n.found); sure {
		n.move(now, a, out)
	}
}

// answered takes the address that is sent from to the first that answered of those that were
// dialled, be it that what it sends does not arrive.
func (n *Node) answered(from netip.AddrPort, out *gossip.Outbox) {
	self := n.core.Self()
	if from == self.Addr() || !n.asks(from) {
		return
	}
	a, sure := reachedAt(n.machine, n.conn.LocalAddr(), []netip.AddrPort{from})
	if source, err := n.machine.source(from); err == nil {
		n.home.peer, n.home.from = from, source
		if sure {
			n.move(n.now(), a, out)
		}
	}
}

// move tells the core, and so all others.
func (n *Node) move(now gossip.Time, to netip.Addr, out *gossip.Outbox) {
	self := n.core.Self()
	was, is := self.Addr(), netip.AddrPortFrom(to, self.Addr().Port())
	n.home.gone, n.home.other = false, netip.Addr{}
	if was == is {
		return
	}
	if err := n.core.Do(now, gossip.Moved{Addr: is}, out); err != nil {
		n.log.warn(now, "move", "the address of this node changed and cannot be told", "from",
			was, "to", is, "error", err)
		return
	}
	n.home.here, n.home.since, n.home.seen = false, now, netip.AddrPort{}
	n.home.moved = &Move{was, is, n.wall(now)}
	if !n.told(is.Addr()) {
		n.log.warn(now, "untold", "the address of this node is gone, and the one that is left "+
			"is of an IP version at which no other member is: "+
			"it can tell nobody", "from", was, "to", is)
		return
	}
	n.log.write(logLine{slog.LevelInfo, "this node is reached at another address; it tells the " +
		"others", []any{"from", was, "to", is}})
}

// told says whether there is nobody to tell of a new address of this node, or somebody at an
// address of its IP version.
func (n *Node) told(at netip.Addr) bool {
	t, self := n.core.Table(), n.core.Self()
	for i := range t.Live() {
		if m := t.At(i); m.ID != self.ID && m.Addr().Addr().Is4() == at.Is4() {
			return true
		}
	}
	return t.Live() < 2
}

// lookAround asks for a look soon. It never waits.
func (n *Node) lookAround() {
	select {
	case n.home.look <- struct{}{}:
	default:
	}
}

// watchHome looks at the host's addresses and routes now and then, until the node ends.
func (n *Node) watchHome() {
	t := time.NewTimer(lookEvery)
	defer t.Stop()
	var c clocks
	for n.ctx.Err() == nil {
		select {
		case <-t.C:
		case <-n.home.look:
		case <-n.ctx.Done():
			return
		}
		n.lookAtClocks(&c)
		next := lookEvery
		if n.takeLook() {
			next = lookSoon
		}
		t.Reset(next)
	}
}

// takeLook looks once, and says whether to look again soon. The kernel is asked outside the node's
// goroutine.
func (n *Node) takeLook() (soon bool) {
	var peer netip.AddrPort
	var members []netip.AddrPort
	if n.call(n.ctx, func(gossip.Time, *gossip.Outbox) {
		peer, members = n.guide(),
			n.targets()
	}) != nil {
		return false
	}
	all, err := n.machine.addrs()
	if err != nil {
		return false
	}
	var from netip.Addr
	if peer.IsValid() {
		from, _ = n.machine.source(peer) // no route, no word
	}
	is, known := routesOf(n.machine, n.conn.LocalAddr(), all, members)
	n.call(n.ctx, func(now gossip.Time, out *gossip.Outbox) {
		soon = n.looked(now, all, peer, from, out)
		if known && n.routed(now, is, out) {
			soon = true
		}
	})
	return soon
}

// targets returns where the live members say that they are, of each IP version as many as are
// tried.
func (n *Node) targets() (all []netip.AddrPort) {
	t, self := n.core.Table(), n.core.Self()
	var four, six int
	for i := 0; i < t.Live() && (four < maxTargets || six < maxTargets); i++ {
		m := t.At(i)
		a := m.Handle.Value().Addr
		count := &six
		if a.Addr().Is4() {
			count = &four
		}
		if m.ID != self.ID && *count < maxTargets {
			*count++
			all = append(all, a)
		}
	}
	return all
}

// guide returns the member whose route decides: the same as long as it lives, so that a host with
// several ways to several members does not move from one to the other. Of members on this host
// nothing is learned, nor of those that are sent to by the other IP version.
func (n *Node) guide() netip.AddrPort {
	if n.home.fixed {
		return netip.AddrPort{}
	}
	t, self := n.core.Table(), n.core.Self()
	var first *member.Member
	for i := range t.Live() {
		m := t.At(i)
		if m.Addr() == n.home.peer {
			return n.home.peer
		}
		if m.ID != self.ID && m.Addr().Addr() != self.Addr().Addr() &&
			m.Addr().Addr().Is4() == self.Addr().Addr().Is4() &&
			(first == nil || m.ID < first.ID) {
			first = &m
		}
	}
	if first == nil {
		return n.home.peer
	}
	return first.Addr()
}

// weighSeen weighs where a seed sees this node. An address of this host, told by the member whose
// route decides, is where it is reached: what the kernel says of routes is not all, since rules may
// choose another source. It says whether the node moved.
func (n *Node) weighSeen(now gossip.Time, has func(netip.Addr) bool, out *gossip.Outbox) bool {
	h, self, s := &n.home, n.core.Self(), n.core.Seen()
	r := self.Record()
	if !s.Addr.IsValid() || s.At < h.since {
		return false
	}
	was := h.seen
	h.seen = netip.AddrPort{}
	switch at := s.Addr.Addr(); {
	case s.Addr == r.Addr || s.Addr == r.Outside || at.IsLoopback():
	case h.fixed && (at == r.Addr.Addr() || at == r.Outside.Addr()):
		// only the port is another: what it sends is translated, as it may be
	case !h.fixed && has(at):
		if !tellable(n.conn.LocalAddr(), at) || s.Addr.Port() != r.Addr.Port() ||
			h.peer.IsValid() && h.peer != s.By {
			return false // a host with several networks is seen at several addresses
		}
		h.peer = s.By
		h.from, _ = n.machine.source(s.By)
		n.move(now, at, out)
		return true
	default:
		h.seen, h.ours = s.Addr, has(at)
		if h.seen != was {
			what := "a seed sees this node at another address than it tells the others; " +
				"--advertise says which is right"
			if h.ours {
				what = "a seed sees this node at an address of this host, and another is set: " +
					"--advertise is wrong"
			}
			n.log.warn(now, "seen", what, "seen", s.Addr, "told", r.Addr, "by", s.By)
		}
	}
	return false
}

// looked weighs what a look found: the host's addresses, and what is sent from to a member.
func (n *Node) looked(now gossip.Time, all []transport.HostAddr, peer netip.AddrPort,
	from netip.Addr, out *gossip.Outbox) (soon bool) {
	h, local, self := &n.home, n.conn.LocalAddr(), n.core.Self()
	own := self.Addr().Addr()
	has := func(a netip.Addr) bool {
		return slices.ContainsFunc(all, func(x transport.HostAddr) bool { return x.Addr == a })
	}
	switch {
	case has(own):
		h.here, h.gone = true, false
	case h.fixed && h.here && !h.gone:
		h.gone = true
		n.log.warn(now, "gone", "the address of this node is gone from this host, and is set, "+
			"so that no other is taken", "addr", own)
	}
	if n.weighSeen(now, has, out) || h.fixed {
		return false
	}
	// A member on this host has an address of it, or one that another host has too.
	useful := peer.IsValid() && tellable(local, from) && from != peer.Addr() && !has(peer.Addr())
	first := !h.peer.IsValid()
	if useful && peer != h.peer {
		h.peer, h.other = peer, netip.Addr{}
		if !first {
			h.from = from // another way than to the last one is no news
		}
	}
	switch {
	case own.IsLoopback() || !has(own):
		a, sure := from, useful
		if !useful {
			a, sure = reachedAt(n.machine, local, n.found)
		}
		if sure {
			h.from = from
			n.move(now, a, out)
		} else if h.here && !h.gone && !has(own) {
			h.gone = true
			n.log.warn(now, "gone", "the address of this node is gone from this host, and there "+
				"is no other to take", "addr", own)
		}
	case !useful || !first && from == h.from:
		h.other = netip.Addr{}
	case first || from == h.other: // for the first time, or twice in a row
		h.from = from
		n.move(now, from, out)
	default:
		h.other = from
		return true
	}
	return false
}
