package starling

// This file measures messages between 128 real nodes in one process over loopback:
//
//	go test -run xxx -bench Messages -benchtime 5x -timeout 30m . [-rate 1000]
//
// An iteration is two seconds of messages of 128 bytes at a rate, or one message of 1 MiB. What did
// not come at all, twice or out of order fails the benchmark; what a reader here was too slow for,
// since the machine is busy, is counted.

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	manyNodes   = 128
	burst       = 2 * time.Second // of messages, an iteration
	mebibyte    = 1 << 20
	publishedAt = "bench"
)

var rate = flag.Int("rate", 1000, "messages a second that all publishers send together")

// audience counts what every node gets, and holds it to the order.
type audience struct {
	b     testing.TB
	got   atomic.Int64  // deliveries, over all nodes
	whole chan struct{} // a token whenever got reaches want
	want  atomic.Int64
	// messages that the nodes had, and the readers here did not fetch in time
	slow atomic.Uint64
	late [manyNodes][]time.Duration // of each node's deliveries, since the time in the payload
}

// listenAll has all nodes listen until the benchmark ends.
func listenAll(b *testing.B, nodes []*Node) *audience {
	a := &audience{b: b, whole: make(chan struct{}, 1)}
	for k, n := range nodes {
		messages := n.Subscribe(b.Context(), publishedAt)
		go func() {
			next, missed := map[string]uint64{}, uint64(0)
			for m := range messages {
				missed += m.Missed
				if last := next[m.Origin]; m.Lost > 0 || m.Seq <= last || m.Seq > last+1+missed {
					b.Errorf("%s got message %d of %s after %d; %d were dropped before a slow "+
						"reader, %d lost", n.name, m.Seq, m.Origin, last, missed, m.Lost)
				}
				next[m.Origin] = m.Seq
				a.count(k, &m)
			}
		}()
	}
	return a
}

func (a *audience) count(node int, m *Message) {
	var sent time.Time
	if err := sent.UnmarshalBinary(m.Payload[:timeSize]); err != nil {
		a.b.Error(err)
	}
	a.late[node] = append(a.late[node], m.Time.Sub(sent))
	a.slow.Add(m.Missed)
	if got := a.got.Add(1 + int64(m.Missed)); got >= a.want.Load() {
		select {
		case a.whole <- struct{}{}:
		default:
		}
	}
}

// timeSize is how many bytes a time takes in a payload.
const timeSize = 15

// stamped is a payload that says when it was made.
func stamped(b testing.TB, size int) []byte {
	stamp, err := time.Now().UTC().Round(0).MarshalBinary()
	if err != nil || len(stamp) != timeSize {
		b.Fatalf("a time takes %d bytes: %v", len(stamp), err)
	}
	return append(stamp, make([]byte, size-timeSize)...)
}

// expect says how many more messages are to come to so many nodes; await waits for them.
func (a *audience) expect(messages, nodes int) { a.want.Add(int64(messages * nodes)) }

func (a *audience) await() {
	timeout := time.After(benchWait)
	for a.got.Load() < a.want.Load() {
		select {
		case <-a.whole:
		case <-timeout:
			a.b.Fatalf("%d of %d deliveries within %s", a.got.Load(), a.want.Load(), benchWait)
		}
	}
}

// BenchmarkMessages is how many messages a second go through a cluster, and how late they are.
func BenchmarkMessages(b *testing.B) {
	for _, publishers := range []int{1, manyNodes} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			nodes, _ := storm(b, manyNodes)
			defer closeAll(nodes)
			a := listenAll(b, nodes)
			settle(b, nodes)
			each := max(*rate*int(burst/time.Second)/publishers, 1)
			var rates, copies []float64
			for b.Loop() {
				a.expect(each*publishers, manyNodes)
				before, begin := duplicates(nodes), time.Now()
				publishAll(b, nodes[:publishers], each)
				a.await()
				rates = append(rates, float64(each*publishers)/time.Since(begin).Seconds())
				copies = append(copies,
					1+float64(duplicates(nodes)-before)/float64(each*publishers*manyNodes))
			}
			late := slices.Sorted(slices.Values(slices.Concat(a.late[:]...)))
			b.ReportMetric(median(rates), "msg/s")
			b.ReportMetric(median(copies), "copies/node")
			b.ReportMetric(milliseconds(median(late)), "ms/t50")
			b.ReportMetric(milliseconds(late[len(late)*99/100]), "ms/t99")
			b.ReportMetric(milliseconds(late[len(late)-1]), "ms/last")
			b.ReportMetric(float64(a.slow.Load()), "missed-by-slow-readers")
			b.ReportMetric(float64(drops(nodes)), "kernel-drops")
		})
	}
}

// publishAll has nodes publish so many messages each, evenly over a burst. A node that is behind
// does not wait.
func publishAll(b *testing.B, nodes []*Node, each int) {
	begin := time.Now()
	var all sync.WaitGroup
	for k, n := range nodes {
		all.Go(func() {
			for i := range each {
				at := burst * time.Duration(i*len(nodes)+k) / time.Duration(each*len(nodes))
				<-time.After(at - time.Since(begin))
				if _, err := n.Publish(b.Context(), publishedAt, stamped(b, 128)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// duplicates is how many copies of pieces came to nodes that had them.
func duplicates(nodes []*Node) (sum uint64) {
	for _, n := range nodes {
		n.read(func() { sum += n.core.Stats().Duplicates })
	}
	return sum
}

// BenchmarkMessagesLarge is a mebibyte to all: how long it takes, and how many times its bytes come
// in at a node.
func BenchmarkMessagesLarge(b *testing.B) {
	nodes, _ := storm(b, manyNodes)
	defer closeAll(nodes)
	a := listenAll(b, nodes)
	settle(b, nodes)
	var took []time.Duration
	var copies []float64
	before := received(nodes)
	<-time.After(idleSpan)
	idle := float64(received(nodes)-before) / idleSpan.Seconds()
	for i := 0; b.Loop(); i++ {
		a.expect(1, manyNodes)
		before, begin := received(nodes), time.Now()
		if _, err := nodes[i*37%manyNodes].Publish(b.Context(), publishedAt,
			stamped(b, mebibyte)); err != nil {
			b.Fatal(err)
		}
		a.await()
		took = append(took, time.Since(begin))
		dieOut(b, nodes)
		more := float64(received(nodes)-before) - idle*time.Since(begin).Seconds()
		copies = append(copies, more/float64(mebibyte*(manyNodes-1)))
	}
	b.ReportMetric(milliseconds(median(took)), "ms/t100")
	b.ReportMetric(median(copies), "copies/node")
	b.ReportMetric(float64(drops(nodes)), "kernel-drops")
}

// received is how many bytes came in at all nodes.
func received(nodes []*Node) (sum uint64) {
	for _, n := range nodes {
		sum += n.Info().Socket.BytesIn
	}
	return sum
}

// drops is how many datagrams the kernel dropped, in and out.
func drops(nodes []*Node) (sum uint64) {
	for _, n := range nodes {
		s := n.Info().Socket
		sum += s.KernelDrops + s.SendDropped
	}
	return sum
}
