package transport

// Tests on real loopback sockets. None sleeps or asserts a time: a test that would hang is ended
// by a watchdog that closes its sockets.

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

const patience = 30 * time.Second

var never time.Time

// listen opens a Conn that is closed at the end of the test, or earlier when the test hangs.
func listen(t testing.TB, bind string, opts Options) *Conn {
	t.Helper()
	c, err := Listen(netip.MustParseAddrPort(bind), opts)
	if err != nil {
		if strings.HasPrefix(bind, "[") {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() { c.Close() })
	t.Cleanup(func() {
		if !watchdog.Stop() {
			t.Errorf("%v hung for %v", c.LocalAddr(), patience)
		}
		c.Close()
	})
	return c
}

func send(t testing.TB, c *Conn, packets ...Packet) {
	t.Helper()
	if n, err := c.Send(packets); n != len(packets) || err != nil {
		t.Fatalf("Send took %d of %d: %v (last error %v)", n, len(packets), err, c.LastSendError())
	}
}

type got struct {
	from netip.AddrPort
	data string
}

// receive collects exactly n datagrams.
func receive(t testing.TB, c *Conn, n int) []got {
	t.Helper()
	var all []got
	for len(all) < n {
		k, err := c.Receive(never, func(from netip.AddrPort, d []byte) {
			all = append(all, got{from, string(d)})
		})
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		_ = k
	}
	if len(all) != n {
		t.Fatalf("%d datagrams, want %d", len(all), n)
	}
	return all
}

func TestManyDatagramsArriveInOrder(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{})
	const n = 100 // several batches and a part of one
	var packets []Packet
	size := 0
	for i := range n {
		data := bytes.Repeat([]byte{byte(i)}, i*14) // the first is empty, which UDP allows
		packets = append(packets, Packet{b.LocalAddr(), data})
		size += len(data)
	}
	send(t, a, packets...)
	for i, g := range receive(t, b, n) {
		if g.from != a.LocalAddr() || g.data != string(packets[i].Data) {
			t.Fatalf("datagram %d: %d bytes from %v, want %d from %v", i, len(g.data), g.from,
				len(packets[i].Data), a.LocalAddr())
		}
	}
	sa, sb := a.Stats(), b.Stats()
	want := Stats{DatagramsOut: n, BytesOut: uint64(size)}
	if sa != want {
		t.Errorf("sender counts %+v, want %+v", sa, want)
	}
	if want = (Stats{DatagramsIn: n, BytesIn: uint64(size)}); sb != want {
		t.Errorf("receiver counts %+v, want %+v", sb, want)
	}
}

func TestDualStackSpeaksBothFamiliesInOneBatch(t *testing.T) {
	dual := listen(t, "[::]:0", Options{})
	v4, v6 := listen(t, "127.0.0.1:0", Options{}), listen(t, "[::1]:0", Options{})
	port := dual.LocalAddr().Port()
	mapped := netip.AddrPortFrom(netip.AddrFrom16(v4.LocalAddr().Addr().As16()),
		v4.LocalAddr().Port())
	send(t, dual, Packet{v4.LocalAddr(), []byte("four")},
		Packet{v6.LocalAddr(), []byte("six")}, Packet{mapped, []byte("mapped")})
	if g := receive(t, v4, 2); g[0].data != "four" || g[1].data != "mapped" ||
		g[0].from.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the IPv4 socket got %v", g)
	}
	if g := receive(t, v6, 1); g[0].data != "six" {
		t.Errorf("the IPv6 socket got %v", g)
	}
	send(t, v4, Packet{netip.AddrPortFrom(v4.LocalAddr().Addr(), port), []byte("from 4")})
	send(t, v6, Packet{netip.AddrPortFrom(v6.LocalAddr().Addr(), port), []byte("from 6")})
	g := receive(t, dual, 2)
	if g[0] != (got{v4.LocalAddr(), "from 4"}) || g[1] != (got{v6.LocalAddr(), "from 6"}) {
		t.Errorf("the dual socket got %v; addresses must equal what the senders are bound to", g)
	}
}

func TestWildcardOfIPv4IsIPv4(t *testing.T) {
	c := listen(t, "0.0.0.0:0", Options{})
	if !c.LocalAddr().Addr().Is4() {
		t.Errorf("bound to %v", c.LocalAddr())
	}
	any, err := Listen(netip.AddrPort{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer any.Close()
	if !any.LocalAddr().Addr().IsUnspecified() || any.LocalAddr().Port() == 0 {
		t.Errorf("no address at all bound to %v", any.LocalAddr())
	}
}

func TestRefusedPacketsDoNotStopTheOthers(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{})
	long := make([]byte, 70_000)
	n, err := a.Send([]Packet{
		{netip.AddrPort{}, []byte("no address")},
		{b.LocalAddr(), []byte("one")},
		{b.LocalAddr(), long},
		{netip.MustParseAddrPort("[::1]:9"), []byte("other family")},
		{b.LocalAddr(), []byte("two")},
	})
	if n != 2 || err != nil {
		t.Fatalf("took %d, %v; want 2, nil", n, err)
	}
	if g := receive(t, b, 2); g[0].data != "one" || g[1].data != "two" {
		t.Errorf("got %v", g)
	}
	if s := a.Stats(); s.SendErrors != 3 || s.DatagramsOut != 2 || s.BytesOut != 6 {
		t.Errorf("counts %+v", s)
	}
	if a.LastSendError() == nil {
		t.Error("no reason kept")
	}
}

func TestUnreachablePeerDoesNotStopReceive(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{})
	gone, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for range 20 {
		if _, err := a.Send([]Packet{{gone.LocalAddr(), []byte("anybody?")}}); err != nil {
			t.Fatal(err)
		}
	}
	send(t, b, Packet{a.LocalAddr(), []byte("still here")})
	if g := receive(t, a, 1); g[0].data != "still here" {
		t.Errorf("got %v", g)
	}
}

func TestLongDatagramsAreDroppedAndCounted(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{MaxDatagram: 100})
	fits, long := strings.Repeat("x", 100), strings.Repeat("y", 101)
	send(t, a, Packet{b.LocalAddr(), []byte(long)}, Packet{b.LocalAddr(), []byte(fits)},
		Packet{b.LocalAddr(), []byte(long)}, Packet{b.LocalAddr(), []byte("end")})
	if g := receive(t, b, 2); g[0].data != fits || g[1].data != "end" {
		t.Errorf("got %v", g)
	}
	if s := b.Stats(); s.Truncated != 2 || s.DatagramsIn != 2 || s.BytesIn != 103 {
		t.Errorf("counts %+v", s)
	}
}

// A Conn takes what others send that were told to send jumbo frames, without being told so itself.
func TestJumboByDefault(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{})
	jumbo := strings.Repeat("x", 9000)
	send(t, a, Packet{b.LocalAddr(), []byte(jumbo)})
	if g := receive(t, b, 1); g[0].data != jumbo {
		t.Errorf("got %d bytes", len(g[0].data))
	}
}

// Conns of different MaxDatagram take their buffers from one pool.
func TestSizesShareThePool(t *testing.T) {
	small, large := listen(t, "127.0.0.1:0", Options{MaxDatagram: 10}), listen(t,
		"127.0.0.1:0", Options{MaxDatagram: 60_000})
	for round := range 5 {
		want := fmt.Sprint("r", round)
		send(t, small, Packet{large.LocalAddr(), bytes.Repeat([]byte(want), 25_000)},
			Packet{small.LocalAddr(), []byte(want)})
		if g := receive(t, large, 1); g[0].data != strings.Repeat(want, 25_000) {
			t.Fatal("the large datagram came damaged")
		}
		if g := receive(t, small, 1); g[0].data != want {
			t.Fatalf("got %v", g)
		}
	}
}

func TestDeadlines(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{})
	none := func(netip.AddrPort, []byte) { t.Error("a datagram from nowhere") }
	past := time.Now().Add(-time.Hour)
	for _, deadline := range []time.Time{past, time.Now().Add(time.Millisecond), time.Now(), past} {
		if n, err := b.Receive(deadline, none); n != 0 || err != nil {
			t.Fatalf("Receive: %d, %v", n, err)
		}
	}
	// Late loops receive all the same; loopback delivers before Send returns.
	send(t, a, Packet{b.LocalAddr(), []byte("one")})
	var data string
	if n, err := b.Receive(past, func(_ netip.AddrPort,
		d []byte) {
		data = string(d)
	}); n != 1 || err != nil || data != "one" {
		t.Fatalf("with a past deadline: %d, %v, %q", n, err, data)
	}
	send(t, a, Packet{b.LocalAddr(), []byte("two")})
	if g := receive(t, b, 1); g[0].data != "two" {
		t.Fatalf("after a past deadline: %v", g)
	}
}

func TestInterruptBeforeReceive(t *testing.T) {
	c := listen(t, "127.0.0.1:0", Options{})
	c.Interrupt()
	c.Interrupt()
	if n, err := c.Receive(never, nil); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	send(t, c, Packet{c.LocalAddr(), []byte("self")})
	receive(t, c, 1)
}

// The loop of a node: work is queued, then Interrupt. If one is ever lost, Receive sleeps for
// ever and the watchdog ends the test.
func TestNoInterruptIsLost(t *testing.T) {
	c := listen(t, "127.0.0.1:0", Options{})
	var queued atomic.Int64
	done := make(chan int64)
	const rounds = 20_000
	go func() {
		defer close(done)
		for seen := int64(0); seen < rounds; {
			deadline := never
			if seen%3 == 1 {
				deadline = time.Now().Add(time.Hour + time.Duration(seen))
			}
			if _, err := c.Receive(deadline, func(netip.AddrPort, []byte) {}); err != nil {
				return
			}
			if now := queued.Load(); now != seen {
				seen = now
				done <- seen
			}
		}
	}()
	for i := range int64(rounds) {
		queued.Store(i + 1)
		c.Interrupt()
		if seen, ok := <-done; !ok || seen != i+1 {
			t.Fatalf("round %d: the loop saw %d, %v", i, seen, ok)
		}
	}
	<-done
}

func TestInterruptsFromManyGoroutinesWhileTrafficFlows(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", Options{}), listen(t, "127.0.0.1:0", Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					b.Interrupt()
					b.Stats()
				}
			}
		})
	}
	for range 200 {
		send(t, a, Packet{b.LocalAddr(), []byte("x")}, Packet{b.LocalAddr(), []byte("y")})
		receive(t, b, 2)
	}
	close(stop)
	wg.Wait()
}

func TestCloseWakesReceive(t *testing.T) {
	c := listen(t, "127.0.0.1:0", Options{})
	result := make(chan error)
	started := make(chan struct{})
	go func() {
		close(started)
		_, err := c.Receive(never, nil)
		result <- err
	}()
	<-started
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != net.ErrClosed {
		t.Errorf("Receive: %v, want net.ErrClosed", err)
	}
	if _, err := c.Receive(never, nil); err != net.ErrClosed {
		t.Errorf("a later Receive: %v", err)
	}
	if _, err := c.Receive(time.Unix(1, 0), nil); err != net.ErrClosed {
		t.Errorf("a later poll: %v", err)
	}
	if _, err := c.Send([]Packet{{c.LocalAddr(), []byte("x")}}); err != net.ErrClosed {
		t.Errorf("Send: %v", err)
	}
	if err := c.Close(); err != net.ErrClosed {
		t.Errorf("second Close: %v", err)
	}
	c.Interrupt()
	c.Stats()
}

func TestDeliverMayUseTheConn(t *testing.T) {
	c := listen(t, "127.0.0.1:0", Options{})
	send(t, c, Packet{c.LocalAddr(), []byte("ping")})
	_, err := c.Receive(never, func(from netip.AddrPort, d []byte) {
		send(t, c, Packet{from, append([]byte("re: "), d...)})
		c.Interrupt()
	})
	if err != nil {
		t.Fatal(err)
	}
	if g := receive(t, c, 1); g[0].data != "re: ping" {
		t.Errorf("got %v", g)
	}
	send(t, c, Packet{c.LocalAddr(), []byte("bye")})
	c.Receive(never, func(netip.AddrPort, []byte) { c.Close() })
	if _, err := c.Receive(never, nil); err != net.ErrClosed {
		t.Errorf("after Close in deliver: %v", err)
	}
}

func TestListenErrorsSayWhatToDo(t *testing.T) {
	c := listen(t, "127.0.0.1:0", Options{})
	_, err := Listen(c.LocalAddr(), Options{})
	if err == nil || !strings.Contains(err.Error(), c.LocalAddr().String()) ||
		!strings.Contains(err.Error(), "another port") {
		t.Errorf("a taken port: %v", err)
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Errorf("the cause is hidden: %v", err)
	}
	if _, err := Listen(netip.AddrPort{}, Options{MaxDatagram: 70_000}); err == nil ||
		!strings.Contains(err.Error(), "65507") {
		t.Errorf("MaxDatagram: %v", err)
	}
	if _, err := Listen(netip.MustParseAddrPort("192.0.2.1:0"), Options{}); err == nil ||
		!strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("an address that is not ours: %v", err)
	}
}

// A process may hold a thousand Conns, so none may own buffers.
func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 512 {
		t.Errorf("a Conn has %d bytes", size)
	}
}

// What is sent to a broadcast address, which a stranger may name as its own, is refused and
// counted: all hosts of the network would get it.
func TestNothingIsBroadcast(t *testing.T) {
	all := listen(t, "0.0.0.0:0", Options{})
	for _, bind := range []string{"127.0.0.1:0", "[::]:0"} {
		c := listen(t, bind, Options{})
		to := netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), all.LocalAddr().Port())
		one := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
		if n, err := c.Send([]Packet{{to, []byte("all")}, {one, []byte("one")}}); n != 1 ||
			err != nil ||
			c.Stats().SendErrors != 1 || !errors.Is(c.LastSendError(), syscall.EACCES) {
			t.Errorf("from %s: %d of 2 sent: %v, %d refused: %v", bind, n, err,
				c.Stats().SendErrors, c.LastSendError())
		}
		if g := receive(t, all, 1); g[0].data != "one" {
			t.Errorf("from %s: %q arrived", bind, g[0].data)
		}
	}
}
