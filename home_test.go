package starling

// This file tests at which address a node is reached, on a host that is made up: no test here asks
// the kernel or a name server.

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/transport"
)

// madeUp is a host. Its routes are by prefix, the first that fits.
type madeUp struct {
	mu     sync.Mutex
	own    []transport.HostAddr
	routes []route
	names  map[string][]string // HOST: addresses
	srv    map[string][]*net.SRV
	asked  int // lookups
	// its time passes at once; the longest pause that was asked for
	hurries bool
	longest time.Duration
}

func (m *madeUp) after(pause time.Duration) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.longest = max(m.longest, pause); m.hurries {
		pause = 0
	}
	return time.After(pause)
}

type route struct{ to, from string }

func (m *madeUp) lookupIP(_ context.Context, name string) (found []netip.Addr, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	for _, a := range m.names[name] {
		found = append(found, netip.MustParseAddr(a))
	}
	if found == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return found, nil
}

func (m *madeUp) lookupSRV(_ context.Context, name string) ([]*net.SRV, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.srv[name] == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return m.srv[name], nil
}

func (m *madeUp) source(to netip.AddrPort) (netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		if netip.MustParsePrefix(r.to).Contains(to.Addr().WithZone("")) {
			return netip.MustParseAddr(r.from), nil
		}
	}
	return netip.Addr{}, errors.New("no route to host")
}

func (m *madeUp) addrs() ([]transport.HostAddr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own, nil
}

// has sets the addresses of the host: INTERFACE=ADDR or INTERFACE=ADDR/BITS, with ! in front of one
// that is down.
func (m *madeUp) has(all ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own = nil
	for i, s := range all {
		name, addr, _ := strings.Cut(s, "=")
		if !strings.Contains(addr, "/") {
			addr += map[bool]string{true: "/128", false: "/32"}[strings.Contains(addr, ":")]
		}
		at := netip.MustParsePrefix(addr)
		up := !strings.HasPrefix(name, "!")
		m.own = append(m.own, transport.HostAddr{
			Addr: at.Addr(), Bits: at.Bits(), Interface: strings.TrimPrefix(name,
				"!"), Index: i + 1, Up: up,
		})
	}
}

func (m *madeUp) goes(routes ...route) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes = routes
}

func TestReachedAt(t *testing.T) {
	for _, c := range []struct {
		name   string
		local  string // default [::]:7747
		own    string
		routes []route
		seeds  string
		want   string
		unsure bool
	}{
		{name: "the route to the seed", own: "docker0=172.17.0.1 eth0=10.0.0.4",
			seeds:  "10.0.0.1:1",
			routes: []route{{"10.0.0.0/24", "10.0.0.4"}}, want: "10.0.0.4"},
		{name: "and not the default route", own: "wan=198.51.100.7 lan=10.0.0.4",
			seeds: "10.0.0.1:1",
			routes: []route{{"10.0.0.0/24", "10.0.0.4"},
				{"0.0.0.0/0", "198.51.100.7"}}, want: "10.0.0.4"},
		{name: "the first seed that has one", own: "eth0=10.0.0.4",
			seeds:  "203.0.113.1:1 10.0.0.1:1",
			routes: []route{{"10.0.0.0/24", "10.0.0.4"}}, want: "10.0.0.4"},
		{name: "no seeds: the default route", own: "docker0=172.17.0.1 eth1=10.0.1.4 eth0=10.0.0.4",
			routes: []route{{"0.0.0.0/0", "10.0.0.4"}}, want: "10.0.0.4"},
		{name: "a seed on loopback says nothing", own: "eth0=10.0.0.4", seeds: "127.0.0.1:1",
			routes: []route{{"127.0.0.0/8", "127.0.0.1"},
				{"0.0.0.0/0", "10.0.0.4"}}, want: "10.0.0.4"},
		{name: "no route: a global address", own: "lo=127.0.0.1 !eth1=10.0.1.4 eth0=10.0.0.4",
			want: "10.0.0.4"},
		{name: "those for containers last", own: "docker0=172.17.0.1 br-0f=172.18.0.1 " +
			"eth0=10.0.0.4", want: "10.0.0.4"},
		{name: "even before IPv4", own: "docker0=172.17.0.1 eth0=2001:db8::4", want: "2001:db8::4"},
		{name: "IPv4 first", own: "eth0=2001:db8::4 eth1=10.0.0.4", want: "10.0.0.4"},
		{name: "for containers alone", own: "lo=127.0.0.1 docker0=172.17.0.1",
			want: "172.17.0.1", unsure: true},
		{name: "nothing", own: "lo=127.0.0.1 eth0=fe80::4", want: "127.0.0.1", unsure: true},
		{name: "nothing on IPv6", local: "[2001:db8::1]:1", own: "lo=127.0.0.1", want: "::1",
			unsure: true},
		{name: "the family of the socket", local: "0.0.0.0:1",
			own: "eth0=2001:db8::4 eth1=10.0.0.4", seeds: "[2001:db8::1]:1",
			routes: []route{{"2001:db8::/32", "2001:db8::4"}}, want: "10.0.0.4"},
		{name: "a link-local seed: what its interface has beside",
			own: "eth0=10.0.0.4 eth1=fe80::4 eth1=fd00::4", seeds: "[fe80::1%eth1]:1",
			routes: []route{{"fe80::/10", "fe80::4"}, {"0.0.0.0/0", "10.0.0.4"}}, want: "fd00::4"},
		{name: "by its number", own: "eth0=10.0.0.4 eth1=fd00::4", seeds: "[fe80::1%2]:1",
			routes: []route{{"fe80::/10", "fe80::4"}, {"0.0.0.0/0", "10.0.0.4"}}, want: "fd00::4"},
		{name: "a link-local address is never told", own: "eth1=fe80::4 eth0=10.0.0.4",
			seeds:  "[fe80::1%eth1]:1",
			routes: []route{{"fe80::/10", "fe80::4"}}, want: "10.0.0.4"},
		{name: "one of IPv4 is, by its route", own: "eth0=169.254.3.4", seeds: "169.254.9.9:1",
			routes: []route{{"169.254.0.0/16", "169.254.3.4"}}, want: "169.254.3.4"},
	} {
		m := &madeUp{routes: c.routes}
		m.has(strings.Fields(c.own)...)
		var seeds []netip.AddrPort
		for _, s := range strings.Fields(c.seeds) {
			seeds = append(seeds, netip.MustParseAddrPort(s))
		}
		got, sure := reachedAt(m, netip.MustParseAddrPort(cmp.Or(c.local, "[::]:7747")), seeds)
		if got != netip.MustParseAddr(c.want) || sure == c.unsure {
			t.Errorf("%s: %v, sure %v, want %s", c.name, got, sure, c.want)
		}
	}
}

// onHost starts a node on a made-up host, which looks about only when the test has it look.
func onHost(t *testing.T, m *madeUp, cfg Config) *Node {
	t.Helper()
	cfg.Name, cfg.machine = "a", m
	cfg.Bind = cmp.Or(cfg.Bind, "0.0.0.0:0")
	n, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func (n *Node) at() string { return n.Self().Addr.Addr().String() }

// looks takes a look as the node does by itself every few seconds.
func (n *Node) looks() (soon bool) { return n.takeLook() }

// What was guessed at the start is put right by the first seed that answers, in the same life.
func TestTheSeedThatAnswersDecides(t *testing.T) {
	m := &madeUp{}
	m.has("lo=127.0.0.1", "eth0=10.0.0.4", "eth1=10.0.1.4")
	m.goes(route{"127.0.0.1/32", "10.0.1.4"}, route{"192.0.2.0/24", "10.0.0.4"},
		route{"0.0.0.0/0", "10.0.0.4"})
	seed, err := Start(Config{Name: "seed", Bind: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer seed.Close()
	dead, err := net.ListenPacket("udp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	n := onHost(t, m, Config{Seeds: []string{dead.LocalAddr().String(), seed.Self().Addr.String()}})
	started := n.Self()
	n.comesTo(t, "10.0.1.4")
	if x := n.Self(); x.Generation != started.Generation {
		t.Errorf("it began another life: %+v", x)
	}
}

// comesTo waits until a node tells an address. No datagram gets to those of a made-up host: seeds
// that are asked say so, and do not let it in.
func (n *Node) comesTo(t *testing.T, want string) {
	t.Helper()
	for n.at() != want {
		if t.Context().Err() != nil {
			t.Fatalf("it is at %s", n.at())
		}
		runtime.Gosched()
	}
}

func TestHomeChanges(t *testing.T) {
	m := &madeUp{}
	m.has("docker0=172.17.0.1", "eth0=10.0.0.4")
	m.goes(route{"0.0.0.0/0", "10.0.0.4"})
	n := onHost(t, m, Config{})
	if n.at() != "10.0.0.4" || n.looks() {
		t.Fatalf("it starts at %s", n.at())
	}
	m.has("docker0=172.17.0.1") // the address is gone, and there is no other
	m.goes()
	n.looks()
	if info := n.Info(); n.at() != "10.0.0.4" || !info.AddrGone {
		t.Errorf("it is at %s; gone: %v", n.at(), info.AddrGone)
	}
	m.has("docker0=172.17.0.1", "eth0=10.0.0.33")
	m.goes(route{"0.0.0.0/0", "10.0.0.33"})
	n.looks()
	info := n.Info()
	if n.at() != "10.0.0.33" || info.AddrGone || info.Moved == nil ||
		info.Moved.From.Addr().String() != "10.0.0.4" ||
		info.Moved.To != info.Self.Addr || info.Self.Incarnation != 1 {
		t.Errorf("it is at %s: %+v", n.at(), info.Moved)
	}
}

// Where another source than before is only a member's, or only for a moment, a node stays where it
// is.
func TestHomeStays(t *testing.T) {
	m := &madeUp{}
	m.has("eth0=10.0.0.4", "eth1=10.0.1.4")
	m.goes(route{"127.0.0.1/32", "10.0.0.4"}, route{"127.0.0.0/8", "10.0.1.4"},
		route{"0.0.0.0/0", "10.0.0.4"})
	n := onHost(t, m, Config{})
	b, c := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.2:9")
	look := func(at netip.AddrPort) (soon bool) {
		n.call(t.Context(), func(now gossip.Time, out *gossip.Outbox) {
			all, _ := m.addrs()
			from, _ := m.source(at)
			soon = n.looked(now, all, at, from, out)
		})
		return soon
	}
	look(b)
	look(c) // b is gone, and c is reached by another interface
	look(c)
	if n.at() != "10.0.0.4" {
		t.Errorf("it is at %s: another member is no move", n.at())
	}
	m.goes(route{"0.0.0.0/0", "10.0.0.4"})
	soon := look(c)
	m.goes(route{"127.0.0.0/8", "10.0.1.4"}, route{"0.0.0.0/0", "10.0.0.4"})
	look(c)
	if n.at() != "10.0.0.4" || !soon {
		t.Errorf("it is at %s: another route for a moment is no move", n.at())
	}
	m.goes(route{"0.0.0.0/0", "10.0.2.4"})
	look(c)
	look(c)
	if n.at() != "10.0.2.4" {
		t.Errorf("it is at %s: another route for good is a move", n.at())
	}
}

// The first member that is met decides for a node without seeds; one on the same host says nothing.
func TestTheFirstMemberDecides(t *testing.T) {
	m := &madeUp{}
	m.has("docker0=172.17.0.1", "eth0=10.0.0.4")
	n := onHost(t, m, Config{})
	if n.at() != "10.0.0.4" {
		t.Fatalf("it starts at %s", n.at())
	}
	m.has("docker0=172.17.0.1", "eth0=10.0.0.4", "eth1=10.0.1.4")
	m.goes(route{"127.0.0.0/8", "10.0.1.4"})
	peer, err := Start(Config{Name: "b", Bind: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var joins sync.WaitGroup
	joins.Go(func() { n.Join(ctx, peer.Self().Addr.String()) })
	n.comesTo(t, "10.0.1.4")
	cancel()
	joins.Wait()
}

// A set address stays, and its end is said.
func TestSetHomeStays(t *testing.T) {
	m := &madeUp{}
	m.has("eth0=10.0.0.4")
	m.goes(route{"0.0.0.0/0", "10.0.0.4"})
	n := onHost(t, m, Config{Advertise: "10.0.0.4"})
	n.looks()
	m.has("eth0=10.0.0.33")
	m.goes(route{"0.0.0.0/0", "10.0.0.33"})
	n.looks()
	if n.at() != "10.0.0.4" || !n.Info().AddrGone {
		t.Errorf("it is at %s", n.at())
	}
	m.has("eth0=10.0.0.4")
	n.looks()
	if n.Info().AddrGone {
		t.Error("it is back, and said to be gone")
	}
	// That of a translation is no address of the host, and does not go.
	if n := onHost(t, m, Config{Advertise: "203.0.113.9"}); n.looks() || n.Info().AddrGone {
		t.Error("the address of a translation is gone")
	}
}

// A node that asks for a look gets one at once.
func TestLookAround(t *testing.T) {
	m := &madeUp{}
	m.has("eth0=10.0.0.4")
	m.goes(route{"0.0.0.0/0", "10.0.0.4"})
	n := onHost(t, m, Config{})
	n.background.Go(n.watchHome)
	m.has("eth0=10.0.0.33")
	m.goes(route{"0.0.0.0/0", "10.0.0.33"})
	n.lookAround()
	for range n.Watch(t.Context()) {
		if n.at() == "10.0.0.33" {
			break
		}
	}
}

func TestNoHome(t *testing.T) {
	m := &madeUp{}
	m.has("lo=127.0.0.1")
	n := onHost(t, m, Config{})
	if n.at() != "127.0.0.1" {
		t.Fatalf("it starts at %s", n.at())
	}
	m.has("lo=127.0.0.1", "eth0=fe80::1") // of no use: it stays where it is, which is not gone
	n.looks()
	n.looks()
	if n.at() != "127.0.0.1" || n.Info().AddrGone {
		t.Errorf("it is at %s; gone: %t", n.at(), n.Info().AddrGone)
	}
	m.has("lo=127.0.0.1", "eth0=10.0.0.4") // the network comes up
	m.goes(route{"0.0.0.0/0", "10.0.0.4"})
	n.looks()
	if n.at() != "10.0.0.4" {
		t.Errorf("it is at %s", n.at())
	}
}

// A member at an address that the socket does not serve is named, with the reason; one that has
// both families, and tells the other, is none.
func TestOtherFamily(t *testing.T) {
	six, err := Start(Config{Name: "six", Bind: "[::1]:0"})
	if err != nil {
		t.Skip(err) // no IPv6 here
	}
	defer six.Close()
	var said lines
	four, err := Start(Config{Name: "four", Bind: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer four.Close()
	both, err := Start(Config{Name: "both", Bind: "[::]:0", Advertise: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	port := both.Self().Addr.Port()
	for n, at := range map[*Node]string{six: "::1", four: "127.0.0.1"} {
		if err := n.Join(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(at),
			port).String()); err != nil {
			t.Fatal(err)
		}
	}
	for range four.Watch(t.Context()) {
		if m, ok := four.Member("six"); ok && m.State == Alive {
			if !m.OutOfFamily {
				t.Errorf("nothing is said of %+v", m)
			}
			break
		}
	}
	if got := four.Info().OutOfFamily; len(got) != 1 || got[0] != "six" {
		t.Errorf("out of family: %v", got)
	}
	if got := both.Info().OutOfFamily; len(got) != 0 {
		t.Errorf("a socket of both families does not serve %v", got)
	}
	if m, ok := six.Member("both"); !ok || m.OutOfFamily || m.Addr.Addr() != netip.IPv6Loopback() {
		t.Errorf("one with both families is %+v", m)
	}
	said.has("IP family")
	if n := strings.Count(said.all(), "IP family"); n != 1 ||
		!strings.Contains(said.all(), "member=six") {
		t.Errorf("the log says it %d times: %s", n, said.all())
	}
}

// has waits until a text was said.
func (l *lines) has(part string) {
	for !strings.Contains(l.all(), part) {
		runtime.Gosched()
	}
}

// sees has a node hear where a seed sees it, as a Refuse to its Join brings it.
func (n *Node) sees(t *testing.T, at string, looks bool) {
	t.Helper()
	seen := netip.AddrPortFrom(netip.MustParseAddr(at), n.Self().Addr.Port())
	asked := false
	n.call(t.Context(), func(now gossip.Time, out *gossip.Outbox) {
		first := len(out.Packets)
		seed := netip.MustParseAddrPort("127.0.0.1:9")
		if len(n.found) > 0 { // one that is asked already is not asked at once
			seed = netip.AddrPortFrom(seed.Addr(), n.found[0].Port()+1)
		}
		n.found = []netip.AddrPort{seed}
		n.core.Do(now, gossip.Join{Seeds: n.found}, out)
		for _, p := range out.Packets[first:] {
			h, r, err := wire.Open(p.Data)
			for typ, body, ok := r.Next(); ok && err == nil; typ, body, ok = r.Next() {
				if j, ok := wire.ReadJoin(body); typ == wire.TypeJoin && ok {
					b := wire.AppendHeader(nil, wire.Header{Cluster: h.Cluster,
						From: member.IDOf("seed"), Generation: 1, To: 0})
					b = wire.AppendRefuse(b, &wire.Refuse{Number: j.Number,
						Reason: wire.NotReached, Seen: seen})
					n.core.Receive(now, seed, b, out)
					asked = true
				}
			}
		}
	})
	if !asked {
		t.Fatalf("no Join was sent to be answered with %s", at)
	}
	if looks {
		n.looks()
	}
}

// Where a seed sees a node at another address of its host, the node is reached there: its routes do
// not tell all, since rules may choose another source. What is no address of the host is that of a
// translation, and is only told.
func TestWhereASeedSeesIt(t *testing.T) {
	m := &madeUp{}
	m.has("docker0=172.17.0.1", "eth0=10.0.0.4", "eth1=10.0.1.4")
	m.goes(route{"0.0.0.0/0", "172.17.0.1"})
	var said lines
	n := onHost(t, m, Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	life := n.Self().Generation
	if n.at() != "172.17.0.1" {
		t.Fatalf("it starts at %s", n.at())
	}
	n.sees(t, "10.0.0.4", true)
	if n.at() != "10.0.0.4" || n.Self().Generation != life || n.Info().Moved == nil {
		t.Fatalf("it is at %s: %+v", n.at(), n.Self())
	}
	for range 3 {
		n.looks()
	}
	if n.at() != "10.0.0.4" {
		t.Errorf("it went back to %s", n.at())
	}
	n.call(t.Context(), func(gossip.Time,
		*gossip.Outbox) {
		n.home.peer = netip.MustParseAddrPort("10.0.0.9:7747")
	})
	n.sees(t, "10.0.1.4", true)
	if n.at() != "10.0.0.4" || n.Info().Translated.IsValid() ||
		strings.Contains(said.all(), "a seed sees this node") {
		t.Errorf("another member sees it at another of its addresses, and it is at %s: %s",
			n.at(), said.all())
	}
	for range 3 {
		n.sees(t, "203.0.113.7", true)
	}
	if n.at() != "10.0.0.4" || n.Info().Translated.Addr().String() != "203.0.113.7" {
		t.Errorf("translated it is at %s, and seen at %s", n.at(), n.Info().Translated)
	}
	said.has("a seed sees this node")
	if got := strings.Count(said.all(), "a seed sees this node"); got != 1 {
		t.Errorf("it says so %d times", got)
	}
	n.sees(t, "10.0.0.4", true)
	if n.Info().Translated.IsValid() {
		t.Error("it is seen where it is, and says otherwise")
	}

	var said2 lines
	set := onHost(t, m, Config{Advertise: "172.17.0.1",
		Logger: slog.New(slog.NewTextHandler(&said2, nil))})
	set.sees(t, "10.0.0.4", true)
	said2.has("a seed sees this node")
	if set.at() != "172.17.0.1" || set.Info().Translated.Addr().String() != "10.0.0.4" {
		t.Errorf("what is set is %s now", set.at())
	}
}

// A socket of both IP versions on a host that has routes of one sends to that one alone. One that
// is lost is served as long as it may be between two addresses, and one that comes is served at the
// next look.
func TestRoutesOfOneFamily(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.0.0.9:1"), netip.MustParseAddrPort("[fd00::9]:1")
	r4, r6, lan6 := route{"10.0.0.0/8", "10.0.0.4"}, route{"::/0", "fd00::4"}, route{"::/0",
		"fe80::4"}
	for _, c := range []struct {
		name    string
		local   string // default [::]:7747
		own     string
		routes  []route
		members []netip.AddrPort
		want    gossip.Family
		none    bool
	}{
		{name: "both", own: "eth0=10.0.0.4 eth0=fd00::4", want: gossip.AnyFamily},
		{name: "IPv6 alone", own: "lo=127.0.0.1 lo=::1 eth0=fd00::4", routes: []route{r6},
			members: []netip.AddrPort{v4}, want: gossip.IPv6},
		{name: "IPv4, and the link-local address that every host has",
			own:    "lo=::1 eth0=10.0.0.4 eth0=fe80::4",
			routes: []route{r4, lan6}, members: []netip.AddrPort{v4, v6}, want: gossip.IPv4},
		{name: "IPv4 for containers alone", own: "docker0=172.17.0.1 eth0=fd00::4",
			routes: []route{r6}, want: gossip.IPv6},
		{name: "an address without a route to any member", own: "eth0=10.0.0.4 vpn0=fd00::4",
			routes:  []route{r4},
			members: []netip.AddrPort{v4, v6}, want: gossip.IPv4},
		{name: "one that is down", own: "!eth1=10.0.0.4 eth0=fd00::4", want: gossip.IPv6},
		{name: "the loopback alone", own: "lo=127.0.0.1 lo=::1", none: true},
		{name: "a socket of one", local: "0.0.0.0:1", own: "eth0=fd00::4", want: gossip.AnyFamily},
	} {
		m := &madeUp{}
		m.has(strings.Fields(c.own)...)
		m.goes(c.routes...)
		got, ok := routesOf(m, netip.MustParseAddrPort(cmp.Or(c.local, "[::]:7747")), m.own,
			c.members)
		if got != c.want || ok == c.none {
			t.Errorf("%s: %d, %v, want %d", c.name, got, ok, c.want)
		}
	}

	m := &madeUp{}
	m.has("eth0=fd00::4")
	m.goes(r6)
	n := onHost(t, m, Config{Bind: "[::]:0"})
	routes := func() (f gossip.Family) {
		n.call(t.Context(), func(gossip.Time, *gossip.Outbox) { f = n.home.routes })
		return f
	}
	if f := routes(); f != gossip.IPv6 {
		t.Fatalf("it starts with %d", f)
	}
	m.has("eth0=fd00::4", "eth0=10.0.0.4")
	if n.looks(); routes() != gossip.AnyFamily {
		t.Errorf("one that came is not served: %d", routes())
	}
	m.has("eth0=fd00::4")
	if soon := n.looks(); !soon || routes() != gossip.AnyFamily {
		t.Errorf("one that may be between two addresses is not served: %d, %v", routes(), soon)
	}
	if n.looks(); routes() != gossip.IPv6 {
		t.Errorf("one that is gone is served: %d", routes())
	}
	m.has()
	m.goes()
	if n.looks(); routes() != gossip.IPv6 {
		t.Errorf("a host without any says something: %d", routes())
	}
}
