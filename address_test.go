package starling

// This file tests what addresses may look like.

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/starling-gossip/starling/gossip"
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
	_, err := advertiseAddr("[fe80::1%eth0]:81", netip.MustParseAddrPort("[::]:80"))
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
		got, err := advertiseAddr(c.advertise, netip.MustParseAddrPort(c.local))
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
		"MTU":     {Name: "a", Gossip: gossip.Config{MTU: 100}},
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
	for s, want := range map[string]string{"": "invalid AddrPort", "203.0.113.9": "203.0.113.9:7000", "203.0.113.9:17": "203.0.113.9:17"} {
		if got, err := outsideAddr(s, local); err != nil || got.String() != want {
			t.Errorf("%q is %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{":80", "0.0.0.0:80", "203.0.113.9:0", "[2001:db8::1]:80", "a:b:c"} {
		if got, err := outsideAddr(s, local); !errors.Is(err, ErrConfig) {
			t.Errorf("%q is %s, %v", s, got, err)
		}
	}
}
