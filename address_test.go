package starling

// This file tests what addresses may look like.

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestSplitAddr(t *testing.T) {
	for _, c := range []struct {
		in   string
		host string
		port uint16
		bad  string // part of the error
	}{
		{in: "10.0.0.1", host: "10.0.0.1", port: 7747},
		{in: "10.0.0.1:80", host: "10.0.0.1", port: 80},
		{in: "::1", host: "::1", port: 7747},
		{in: "[::1]", host: "::1", port: 7747},
		{in: "[::1]:80", host: "::1", port: 80},
		{in: "fe80::1%eth0", host: "fe80::1%eth0", port: 7747},
		{in: "[fe80::1%eth0]", host: "fe80::1%eth0", port: 7747},
		{in: "[fe80::1%eth0]:80", host: "fe80::1%eth0", port: 80},
		{in: "[fe80::1%2]:80", host: "fe80::1%2", port: 80},
		{in: "fe80::1%eth0]:80", bad: "no address"},
		{in: "[fe80::1%eth0:80", bad: "no address"},
		{in: "[::1", bad: "no address"},
		{in: "::1]", bad: "no address"},
		{in: "[::1]80", bad: "no address"},
		{in: "[fe80::1]%eth0:80", bad: "no address"},
		{in: "db.example", host: "db.example", port: 7747},
		{in: "db.example:80", host: "db.example", port: 80},
		{in: ":80", host: "", port: 80},
		{in: "db.example:http", bad: `the port "http" is not a number`},
		{in: "db.example:65536", bad: "not a number from 0 to 65535"},
		{in: "a:b:c", bad: "write HOST"},
		{in: "http://db.example", bad: "no address"},
		{in: "a,b", bad: "not a host name"},
	} {
		host, port, err := splitAddr(c.in, DefaultPort)
		switch {
		case c.bad != "":
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%q: %v, want an error with %q", c.in, err, c.bad)
			}
		case err != nil || host != c.host || port != c.port:
			t.Errorf("%q is %q and %d, %v", c.in, host, port, err)
		}
	}
}

func TestAdvertiseLinkLocal(t *testing.T) {
	_, err := advertiseAddr(thisMachine{}, "[fe80::1%eth0]:81",
		netip.MustParseAddrPort("[::]:80"), firstLookup)
	if err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Error(err)
	}
}

func TestAdvertise(t *testing.T) {
	for _, c := range []struct{ local, advertise, want string }{
		{"127.0.0.1:80", "", "127.0.0.1:80"},
		{"[::]:80", "10.1.2.3", "10.1.2.3:80"},
		{"[::]:80", "10.1.2.3:81", "10.1.2.3:81"},
		{"0.0.0.0:80", "[2001:db8::1]:81", ""}, // nobody reaches an IPv4 socket there
		{"0.0.0.0:80", "0.0.0.0", ""},
		{"0.0.0.0:80", ":81", ""},
		{"[::]:80", "[fe80::1%eth0]:81", ""}, // means another host at each
		{"[fe80::1%eth0]:80", "", ""},
		{"[fe80::1%eth0]:80", "2001:db8::1", "[2001:db8::1]:80"},
	} {
		got, err := advertiseAddr(thisMachine{}, c.advertise, netip.MustParseAddrPort(c.local),
			firstLookup)
		switch {
		case c.want == "" && !errors.Is(err, ErrConfig):
			t.Errorf("%s advertised as %q: %v, want an error", c.local, c.advertise, got)
		case c.want != "" && (err != nil || got != netip.MustParseAddrPort(c.want)):
			t.Errorf("%s advertised as %q is %v, %v", c.local, c.advertise, got, err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for part, cfg := range map[string]Config{
		"Seeds":   {Name: "a", Seeds: []string{"a:b:c"}},
		"lacks":   {Name: "a", Seeds: []string{":7747"}},
		"Bind":    {Name: "a", Bind: "nonsense:port"},
		"tag":     {Name: "a", Tags: map[string]string{"": "x"}},
		"MTU":     {Name: "a", Tuning: Tuning{MTU: 100}},
		"name":    {Name: strings.Repeat("a", 200)},
		"at most": {Name: "a", Seeds: make([]string, MaxSeeds+1)},
	} {
		if cfg.Bind == "" {
			cfg.Bind = "127.0.0.1:0"
		}
		n, err := Start(cfg)
		if err == nil {
			n.Close()
		}
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), part) {
			t.Errorf("want an error about %q: %v", part, err)
		}
	}
}

func TestAdvertiseOutside(t *testing.T) {
	local := netip.MustParseAddrPort("0.0.0.0:7000")
	for s, want := range map[string]string{"": "invalid AddrPort",
		"203.0.113.9": "203.0.113.9:7000", "203.0.113.9:17": "203.0.113.9:17"} {
		if got, err := outsideAddr(thisMachine{}, s, local, firstLookup); err != nil ||
			got.String() != want {
			t.Errorf("%q is %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{":80", "0.0.0.0:80", "203.0.113.9:0", "[2001:db8::1]:80", "a:b:c"} {
		got, err := outsideAddr(thisMachine{}, s, local, firstLookup)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%q is %s, %v", s, got, err)
		}
	}
}

// A number is no host, and a link-local address of IPv6 needs its interface: the error says what to
// write.
func TestAddressesThatLackAPart(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Bind: "7747"}, `Bind: "7747" is no address: "7747" is a number, and no host: ` +
			`write HOST:PORT`},
		{Config{Advertise: "7747"}, `Advertise: "7747" is no address`},
		{Config{Seeds: []string{"7747"}}, `Seeds: "7747" is no address`},
		{Config{Seeds: []string{"fe80::1"}}, `Seeds: "fe80::1" is a link-local address`},
		{Config{Seeds: []string{"[fe80::1]:7747"}}, "fe80::1%eth0"},
		{Config{Bind: "[fe80::1]:0"}, "fe80::1%eth0"},
	} {
		c.cfg.Name, c.cfg.Bind = "a", cmp.Or(c.cfg.Bind, "127.0.0.1:0")
		n, err := Start(c.cfg)
		if err == nil {
			n.Close()
		}
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q: %v", c.want, err)
		}
	}
}

// An address that no node has to itself is refused, with what it is, also where a name leads to it.
func TestNobodysAddress(t *testing.T) {
	m := &madeUp{names: map[string][]string{"many.example": {"224.0.0.1"},
		"one.example": {"224.0.0.1", "10.0.0.255", "10.1.2.3"}}}
	m.has("eth0=10.0.0.4/24", "eth1=10.1.0.4/23", "ptp=10.2.0.4/31", "one=10.3.0.255/32",
		"odd=10.4.0.255/16", "odd=10.4.0.7/24", "eth0=2001:db8::4/64")
	for s, want := range map[string]string{
		"224.0.0.1": "multicast", "ff02::1": "multicast", "0.0.0.0": "all interfaces",
		"[::]:80":         "all interfaces",
		"255.255.255.255": "broadcast", "255.255.255.255:80": "broadcast",
		"many.example": "multicast", "one.example": "",
		// of networks that the host is in; of others nobody here knows how long they are
		"10.0.0.255": "the broadcast address of 10.0.0.0/24, a network of this host",
		"10.1.1.255": "of 10.1.0.0/23", "10.1.0.255": "10.1.0.255:7000",
		"10.0.0.254": "10.0.0.254:7000",
		"10.2.0.5":   "10.2.0.5:7000", "10.3.0.255": "10.3.0.255:7000",
		"10.4.0.255": "10.4.0.255:7000",
		"10.9.0.255": "10.9.0.255:7000", "2001:db8::ffff": "[2001:db8::ffff]:7000",
	} {
		local := netip.MustParseAddrPort("[::]:7000")
		for what, read := range map[string]func(machine, string, netip.AddrPort,
			time.Duration) (netip.AddrPort, error){
			"Advertise": advertiseAddr, "AdvertiseOutside": outsideAddr,
		} {
			got, err := read(m, s, local, time.Second)
			good := want == "" || strings.HasSuffix(want, ":7000")
			if good && (err != nil || got.String() != cmp.Or(want, "10.1.2.3:7000")) ||
				!good && (!errors.Is(err, ErrConfig) ||
					!strings.Contains(err.Error(), want) ||
					!strings.Contains(err.Error(), what+":")) {
				t.Errorf("%s %s: %v, %v; want %q", what, s, got, err, want)
			}
		}
	}
}

// Nor can a socket be bound to such an address: it could, and no datagram that is meant for its
// node would come there.
func TestBoundToNobodysAddress(t *testing.T) {
	m := &madeUp{}
	m.has("eth0=10.0.0.4/24", "lo=127.0.0.1/8")
	for s, want := range map[string]string{
		"224.0.0.1:7747": "a multicast address", "[ff02::1%eth0]:0": "a multicast address",
		"255.255.255.255": "the broadcast address", "10.0.0.255": "broadcast address of " +
			"10.0.0.0/24",
		"127.255.255.255:0": "broadcast address of " +
			"127.0.0.0/8", "10.0.0.4": "", ":7747": "", "0.0.0.0": "",
		"10.9.0.255": "",
	} {
		_, err := bindAddr(m, s)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrConfig) ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Bind:")) {
			t.Errorf("%s: %v; want %q", s, err, want)
		}
	}
}

// A name server that is late ends no node, however late. The node starts, says once that it does
// not know its address, and asks no seed to let it in. It looks the names up every few seconds,
// without end. When the name leads to an address, the node is there with it.
func TestAdvertisedNameIsLate(t *testing.T) {
	seed, err := Start(Config{Name: "seed", Bind: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer seed.Close()
	at := seed.Self().Addr.String()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute) // of a node that looks no more
	defer stop()
	for about, cfg := range map[string]Config{
		"one that joins": {Advertise: "db1.example", Seeds: []string{at}},
		"the first one":  {Advertise: "db1.example"},
		"for other zones too": {Advertise: "db1.example", AdvertiseOutside: "out.example:17",
			Seeds: []string{at}},
		"for other zones alone": {Advertise: "127.0.0.7", AdvertiseOutside: "out.example:17",
			Seeds: []string{at}},
		"without an Advertise": {AdvertiseOutside: "out.example:17"},
	} {
		m := &madeUp{names: map[string][]string{}, hurries: true}
		m.has("eth0=10.0.0.4")
		var said lines
		cfg.Name, cfg.Bind, cfg.machine, cfg.Logger = "late", "0.0.0.0:0", m,
			slog.New(slog.NewTextHandler(&said, nil))
		n, err := Start(cfg)
		if err != nil {
			t.Fatalf("%s: %v", about, err)
		}
		for n.Info().RefusedFor != "lookup" {
			runtime.Gosched()
		}
		if i := n.Info(); i.Welcomed || !strings.Contains(i.Refused, ".example") {
			t.Errorf("%s: before it knows its address: %+v", about, i)
		}
		for asked := 0; asked < 1000; runtime.Gosched() {
			if ctx.Err() != nil {
				t.Fatalf("%s: it looked its address up %d times, and not again", about, asked)
			}
			m.mu.Lock()
			asked = m.asked
			m.mu.Unlock()
		}
		m.mu.Lock()
		if m.longest != relookup {
			t.Errorf("%s: it looks every %s", about, m.longest)
		}
		m.names["db1.example"], m.names["out.example"] = []string{"127.0.0.7"},
			[]string{"203.0.113.7"}
		m.mu.Unlock()
		if err := n.Welcomed(ctx); err != nil {
			t.Errorf("%s: %v", about, err)
		}
		self := n.Self()
		if cfg.Advertise != "" && self.Addr.Addr().String() != "127.0.0.7" ||
			self.Addr.Port() != n.conn.LocalAddr().Port() {
			t.Errorf("%s: it is at %s", about, self.Addr)
		}
		var outside netip.AddrPort
		n.read(func() { core := n.core.Self(); outside = core.Record().Outside })
		if outside.IsValid() != (cfg.AdvertiseOutside != "") || outside.IsValid() &&
			outside.String() != "203.0.113.7:17" {
			t.Errorf("%s: from outside it is at %s", about, outside)
		}
		n.Close()
		if n := strings.Count(said.all(), "address is not found yet"); n != 1 {
			t.Errorf("%s: the log says it %d times: %s", about, n, said.all())
		}
	}
}
