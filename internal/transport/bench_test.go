package transport

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// pingSize is about what a sealed ping with a fingerprint has.
const pingSize = 85

// BenchmarkSendReceive sends batches over loopback and receives them, in one goroutine; the
// numbers are for one batch, ns/datagram for one datagram of it.
func BenchmarkSendReceive(b *testing.B) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			from, to := listenBench(b), listenBench(b)
			data := make([]byte, pingSize)
			packets := make([]Packet, n)
			for i := range packets {
				packets[i] = Packet{to.LocalAddr(), data}
			}
			deliver := func(netip.AddrPort, []byte) {}
			deadline := time.Now().Add(time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				if k, err := from.Send(packets); k != n || err != nil {
					b.Fatal(k, err)
				}
				for got := 0; got < n; {
					k, err := to.Receive(deadline, deliver)
					if err != nil {
						b.Fatal(err)
					}
					got += k
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/datagram")
		})
	}
}

// BenchmarkRoundTrip is a ping answered by another goroutine: both sides sleep in Receive.
func BenchmarkRoundTrip(b *testing.B) {
	ping, echo := listenBench(b), listenBench(b)
	go func() {
		reply := make([]Packet, 1)
		buf := make([]byte, pingSize)
		for {
			_, err := echo.Receive(time.Time{}, func(from netip.AddrPort, d []byte) {
				reply[0] = Packet{from, buf[:copy(buf, d)]}
				echo.Send(reply)
			})
			if err != nil {
				return
			}
		}
	}()
	packets := []Packet{{echo.LocalAddr(), make([]byte, pingSize)}}
	deliver := func(netip.AddrPort, []byte) {}
	b.ReportAllocs()
	for b.Loop() {
		ping.Send(packets)
		for n := 0; n == 0; {
			var err error
			if n, err = ping.Receive(time.Now().Add(time.Hour), deliver); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkConn reports the heap that one waiting Conn costs, with what package net adds.
func BenchmarkConn(b *testing.B) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 1000
	for b.Loop() {
		before := heap()
		conns := make([]*Conn, n)
		for i := range conns {
			conns[i] = listenBench(b)
			conns[i].Receive(time.Unix(1, 0), nil)
		}
		b.ReportMetric(float64(heap()-before)/n, "heap-B/conn")
		for _, c := range conns {
			c.Close()
		}
	}
}

func listenBench(b *testing.B) *Conn {
	c, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func BenchmarkSeal(b *testing.B) {
	eachSize(b, func(b *testing.B, a, _ *Sealer, plain, buf []byte) { a.Seal(buf, plain) })
}

func BenchmarkSealOpen(b *testing.B) {
	out := make([]byte, 0, 1500)
	eachSize(b, func(b *testing.B, a, to *Sealer, plain, buf []byte) {
		if _, err := to.Open(out, a.Seal(buf, plain)); err != nil {
			b.Fatal(err)
		}
	})
}

func eachSize(b *testing.B, do func(b *testing.B, a, to *Sealer, plain, buf []byte)) {
	for _, size := range []int{50, 1400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			from, to := pair(b)
			plain, buf := make([]byte, size), make([]byte, 0, 1500)
			b.ReportAllocs()
			for b.Loop() {
				do(b, from, to, plain, buf)
			}
		})
	}
}

// BenchmarkOpenRefused is what a flood costs: garbage with random salts, and a replay.
func BenchmarkOpenRefused(b *testing.B) {
	from, to := pair(b)
	out := make([]byte, 0, 1500)
	replay := from.Seal(nil, make([]byte, 50))
	to.Open(out, replay)
	garbage := append([]byte{SealedKind}, make([]byte, 84)...)
	for name, d := range map[string][]byte{"garbage": garbage, "replay": replay} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := to.Open(out, d); err == nil {
					b.Fatal("opened")
				}
			}
		})
	}
}

// BenchmarkSenderMemory reports what a known sender costs a Sealer, with its cipher and without.
func BenchmarkSenderMemory(b *testing.B) {
	r := ring(b, GenerateKey())
	const n = 2000
	for name, ciphers := range map[string]int{"ready": n, "window": 1} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var m0, m1 runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m0)
				to := NewSealer(r, SealerOptions{Ciphers: ciphers, Senders: n})
				for range n {
					to.Open(nil, NewSealer(r, SealerOptions{}).Seal(nil, []byte("x")))
				}
				runtime.GC()
				runtime.ReadMemStats(&m1)
				b.ReportMetric(float64(m1.HeapAlloc-m0.HeapAlloc)/n, "heap-B/sender")
				runtime.KeepAlive(to)
			}
		})
	}
}
