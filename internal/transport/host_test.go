package transport

import (
	"net/netip"
	"testing"
)

func TestSourceOnLoopback(t *testing.T) {
	for _, to := range []string{"127.0.0.1:7747", "127.0.0.1:0", "[::ffff:127.0.0.1]:80"} {
		if got, err := Source(netip.MustParseAddrPort(to)); err != nil ||
			got != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("to %s from %v, %v", to, got, err)
		}
	}
	if got, err := Source(netip.MustParseAddrPort("[fe80::1%nowhere]:80")); err == nil {
		t.Errorf("by an interface that does not exist: from %v", got)
	}
}

func TestHostAddrs(t *testing.T) {
	all, err := HostAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Addr == netip.MustParseAddr("127.0.0.1") {
			if !a.Up || a.Interface == "" || a.Index == 0 {
				t.Errorf("%+v", a)
			}
			return
		}
	}
	t.Errorf("no loopback: %+v", all)
}
