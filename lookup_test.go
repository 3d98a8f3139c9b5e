package starling_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"

	"github.com/starling-gossip/starling"
)

// nameServer answers each question for an address with what answers says for its turn, from 0 on;
// none: there is no such name. Until the test ends it is the process's.
func nameServer(t *testing.T, answer func(turn int) net.IP) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp4", conn.LocalAddr().String())
		}}
	done := make(chan struct{})
	t.Cleanup(func() {
		net.DefaultResolver = before
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		turn := 0
		for b := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			const header = 12
			end := header
			for end < n && b[end] != 0 {
				end += 1 + int(b[end])
			}
			if end += 5; end > n { // the root's label, the type and the class
				continue
			}
			out := append([]byte(nil), b[:end]...)
			flags, answers := uint16(0x8180), uint16(0)  // an answer, recursive
			if binary.BigEndian.Uint16(b[end-4:]) == 1 { // of type A; the others have none
				if ip := answer(turn); ip == nil {
					flags |= 3 // no such name
				} else {
					answers = 1
					out = append(out, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
					out = append(out, ip.To4()...)
				}
				turn++
			}
			for i, v := range []uint16{flags, 1, answers, 0, 0} {
				binary.BigEndian.PutUint16(out[2+2*i:], v)
			}
			conn.WriteTo(out, from)
		}
	}()
}

// A seed's name is looked up again until it has an address, and until somebody answers at one.
func TestNamesAreLookedUpAgain(t *testing.T) {
	var asked atomic.Int32
	nameServer(t, func(turn int) net.IP {
		asked.Store(int32(turn) + 1)
		switch turn {
		case 0:
			return nil
		case 1:
			return net.IPv4(127, 0, 0, 2) // nobody is there
		}
		return net.IPv4(127, 0, 0, 1)
	})
	seed := start(t, starling.Config{Name: "a"}) // it ends before the resolver is put back
	_, port, _ := net.SplitHostPort(addr(seed))
	n := start(t, starling.Config{Name: "b", Seeds: []string{"seed.starling.test.:" + port}})
	if m, ok := n.Member("a"); !ok || m.Name != "a" || asked.Load() < 3 {
		t.Errorf("after %d lookups the seed is %+v", asked.Load(), m)
	}
}
