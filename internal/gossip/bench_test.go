package gossip

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// BenchmarkIdlePeriod measures what a node of a quiet cluster costs in one period: a ping sent and
// answered, one received, as many wake-ups as that takes.
func BenchmarkIdlePeriod(b *testing.B) {
	for _, n := range []int{2, 100} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			l := newLoop(b, n, SWIM)
			l.turn(l.now.Add(time.Minute))
			before := l.bytesOut()
			start := l.now
			b.ReportAllocs()
			for b.Loop() {
				// Each node in turn, so that finding out which is next is not what is measured.
				l.now = l.now.Add(800 * time.Millisecond)
				for i, node := range l.nodes {
					for node.Deadline() <= l.now {
						node.Wake(node.Deadline(), &l.out)
						l.collect(i)
						l.carry()
					}
				}
			}
			seconds := l.now.Sub(start).Seconds()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n),
				"ns/node-period")
			b.ReportMetric(float64(l.bytesOut()-before)/float64(n)/seconds, "B/s/node")
		})
	}
}

// bytesOut counts what all nodes sent, with IP and UDP headers.
func (l *loop) bytesOut() (sum uint64) {
	for _, n := range l.nodes {
		s := n.Stats()
		sum += s.BytesOut + flow.IPOverhead*s.PacketsOut
	}
	return sum
}

// BenchmarkReceiveNews measures a datagram with one piece of news that is new: a member's next
// incarnation.
func BenchmarkReceiveNews(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			l := newLoop(b, 3, SWIM)
			node := l.nodes[0]
			for i := range n - 3 {
				r := recordOf(fmt.Sprintf("x%d", i), 1, addrOf(1000+i))
				node.Receive(l.now, addrOf(1), forge("n1", 1,
					wire.AppendRecord(nil, r, &wire.Claim{})), &l.out)
				l.out.Reset()
			}
			m := l.nodes[2].Self()
			inc := uint32(0)
			buf := forge("n1", 1)
			head := len(buf)
			b.ReportAllocs()
			for b.Loop() {
				inc++
				l.now = l.now.Add(10 * time.Millisecond)
				buf = wire.AppendUpdate(buf[:head],
					&wire.Update{ID: m.ID, Check: m.Check,
						Claim: wire.Claim{Generation: 1, Incarnation: inc}})
				node.Receive(l.now, addrOf(1), buf, &l.out)
				l.out.Reset()
			}
		})
	}
}

// BenchmarkReceiveMessage measures a published message heard for the first time, and a copy of it.
func BenchmarkReceiveMessage(b *testing.B) {
	for _, copies := range []bool{false, true} {
		b.Run(map[bool]string{false: "new", true: "copy"}[copies], func(b *testing.B) {
			l := newLoop(b, 10, SWIM)
			seq, payload := uint64(1), []byte(strings.Repeat("x", 200))
			buf := forge("n1", 1)
			head := len(buf)
			b.ReportAllocs()
			for b.Loop() {
				if !copies {
					seq++
				}
				l.now = l.now.Add(time.Millisecond)
				buf = appendCarry(buf[:head], l.nodes[2].id, seq, "news", payload)
				l.nodes[0].Receive(l.now, addrOf(1), buf, &l.out)
				l.out.Reset()
			}
		})
	}
}

// BenchmarkNodeMemory reports the heap that a quiet node takes in a cluster of n, records shared.
func BenchmarkNodeMemory(b *testing.B) {
	for _, n := range []int{100, 300} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				l := newLoop(b, n, SWIM)
				runtime.GC()
				runtime.ReadMemStats(&after)
				runtime.KeepAlive(l)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/node")
		})
	}
}
