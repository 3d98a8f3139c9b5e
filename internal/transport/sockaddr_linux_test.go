//go:build linux && !starling_portable

package transport

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSockaddrsRoundTrip(t *testing.T) {
	for _, c := range []struct {
		in, out string
		inet6   bool
	}{
		{"192.0.2.7:7747", "192.0.2.7:7747", false},
		{"192.0.2.7:7747", "192.0.2.7:7747", true},
		{"[::ffff:192.0.2.7]:258", "192.0.2.7:258", false},
		{"[::ffff:192.0.2.7]:258", "192.0.2.7:258", true},
		{"[2001:db8::1]:65535", "[2001:db8::1]:65535", true},
		{"[fe80::1%lo]:1", "[fe80::1%lo]:1", true},
		// by number, where lo is always 1
		{"[fe80::1%1]:1", "[fe80::1%lo]:1", true},
		{"[fe80::1%4000000000]:1", "[fe80::1%4000000000]:1", true}, // no such interface: its number
	} {
		var sa unix.RawSockaddrInet6
		if _, err := putSockaddr(&sa, netip.MustParseAddrPort(c.in), c.inet6); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if out := fromSockaddr(&sa); out != netip.MustParseAddrPort(c.out) {
			t.Errorf("%s came back as %v, want %s", c.in, out, c.out)
		}
	}
	var sa unix.RawSockaddrInet6
	if _, err := putSockaddr(&sa, netip.MustParseAddrPort("[fe80::1%nosuchif]:1"),
		true); err != unix.ENXIO {
		t.Errorf("an unknown zone: %v", err)
	}
}

func TestKernelDropsAreSeen(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{ReadBuffer: 4096})
	for range 100 {
		send(t, a, Packet{b.LocalAddr(), make([]byte, 1000)})
	}
	if b.Stats().KernelDrops == 0 {
		t.Error("100 kB into a buffer of 4 kB and no drop counted")
	}
}

// Routers may fragment what goes over IPv4, from a socket that serves both families too.
func TestFragmentsAreAllowed(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "[::]:0"} {
		c := listen(t, bind, Options{})
		var got int
		var err error
		if e := c.sys.raw.Control(func(fd uintptr) {
			got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER)
		}); e != nil || err != nil || got != unix.IP_PMTUDISC_DONT {
			t.Errorf("%s: IP_MTU_DISCOVER is %d, %v, %v", bind, got, e, err)
		}
	}
}
