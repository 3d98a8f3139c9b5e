package starling

// This file measures whole clusters of real nodes in one process over loopback:
//
//	go test -run xxx -bench Cluster -benchtime 5x -timeout 30m . [-detector swim] [-no-kernel]
//
// Every metric is a median over the iterations. The times are the nodes' own: of when a message or
// a verdict came in.

import (
	"context"
	"flag"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/transport"
)

const (
	ipAndUDP = 28 // bytes of headers of a datagram over IPv4
	// seconds for what a storm left behind, before a cluster counts as idle
	settling  = 5
	idleSpan  = 10 * time.Second // over which an idle cluster is measured
	benchWait = 2 * time.Minute  // for anything, before a benchmark gives up
)

var (
	detector = flag.String("detector", string(Inquest),
		"the failure detector of the clusters that are measured")
	noKernel = flag.Bool("no-kernel", false, "without the kernels' evidence, so that a dead "+
		"process looks like a dead host")
)

func eachSize(b *testing.B, measure func(b *testing.B, size int)) {
	for _, size := range []int{128, 1000} {
		b.Run(fmt.Sprintf("n=%d", size), func(b *testing.B) { measure(b, size) })
	}
}

// parameters are those of all nodes.
func parameters() Tuning {
	return Tuning{Detector: Detector(*detector), NoKernelEvidence: *noKernel}
}

// storm starts nodes that all join at once through the first, and waits until every table is
// complete.
func storm(b *testing.B, size int) ([]*Node, time.Duration) {
	b.Helper()
	nodes, parameters := make([]*Node, size), parameters()
	launch := func(i int, seeds ...string) {
		n, err := Start(Config{
			Name: fmt.Sprintf("n%d", i), Bind: "127.0.0.1:0", Seeds: seeds, Tuning: parameters,
		})
		if err != nil {
			b.Error(err)
			return
		}
		nodes[i] = n
	}
	begin := time.Now()
	launch(0)
	seed := nodes[0].Self().Addr.String()
	var started sync.WaitGroup
	for i := 1; i < size; i++ {
		started.Go(func() { launch(i, seed) })
	}
	started.Wait()
	if b.Failed() {
		b.FailNow()
	}
	// A watch would leave each node with a copy of the whole membership, which is then measured
	// too: hence the polling.
	for _, n := range nodes {
		until(b, time.Millisecond, n.name+" knows all members",
			func() bool { return n.live() == size })
	}
	return nodes, time.Since(begin)
}

// until asks once a period whether something is so. A benchmark gives up after benchWait.
func until(b *testing.B, period time.Duration, what string, so func() bool) {
	b.Helper()
	tick, timeout := time.NewTicker(period), time.After(benchWait)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-timeout:
			b.Fatalf("not within %s: %s", benchWait, what)
		}
	}
}

// settle waits until the effects of a storm are over: five seconds at least, and until what is sent
// in one second is that of the second before, within a tenth. It returns how many packets a second
// that is.
func settle(b *testing.B, nodes []*Node) (rate float64) {
	b.Helper()
	last, seconds := traffic(nodes).packets, 0
	until(b, time.Second, "the cluster settles", func() bool {
		now, before := traffic(nodes).packets, rate
		rate, last, seconds = float64(now-last), now, seconds+1
		return seconds > settling && math.Abs(rate-before) <= before/10
	})
	return rate
}

// dieOut waits until nothing comes any more to nodes that have it.
func dieOut(b *testing.B, nodes []*Node) {
	b.Helper()
	last := duplicates(nodes) - 1
	until(b, 100*time.Millisecond, "copies die out", func() bool {
		before := last
		last = duplicates(nodes)
		return last == before
	})
}

func (n *Node) live() (live int) {
	n.read(func() { live = n.core.Table().Live() })
	return live
}

func closeAll(nodes []*Node) {
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() { n.Close() })
	}
	all.Wait()
}

func median[T int64 | uint64 | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// BenchmarkClusterJoin is the time from the first start until all know all, when everybody joins at
// once.
func BenchmarkClusterJoin(b *testing.B) {
	eachSize(b, func(b *testing.B, size int) {
		var took []time.Duration
		for b.Loop() {
			nodes, d := storm(b, size)
			took = append(took, d)
			closeAll(nodes)
		}
		b.ReportMetric(milliseconds(median(took)), "ms/join")
	})
}

// BenchmarkClusterMessage is the time from Publish until the last node has the message, and what it
// costs.
func BenchmarkClusterMessage(b *testing.B) {
	eachSize(b, func(b *testing.B, size int) {
		nodes, _ := storm(b, size)
		defer closeAll(nodes)
		arrivals := make(chan time.Time, size)
		for _, n := range nodes {
			messages := n.Subscribe(b.Context(), "bench")
			go func() {
				for m := range messages {
					arrivals <- m.Time
				}
			}()
		}
		idle := settle(b, nodes)
		var half, all []time.Duration
		lost, before := 0, traffic(nodes)
		begin := time.Now()
		for i := 0; b.Loop(); i++ {
			sent := time.Now().Round(0)
			if _, err := nodes[i*37%size].Publish(b.Context(), "bench",
				make([]byte, 100)); err != nil {
				b.Fatal(err)
			}
			times := gather(arrivals, size, 5*time.Second)
			lost += size - len(times)
			slices.SortFunc(times, time.Time.Compare)
			half = append(half, times[len(times)/2].Sub(sent))
			all = append(all, times[len(times)-1].Sub(sent))
			dieOut(b, nodes)
		}
		after := traffic(nodes)
		packets := float64(after.packets-before.packets) - idle*time.Since(begin).Seconds()
		b.ReportMetric(milliseconds(median(half)), "ms/t50")
		b.ReportMetric(milliseconds(median(all)), "ms/t100")
		b.ReportMetric(packets/float64(size*len(all)), "packets/node/msg")
		b.ReportMetric(float64(lost), "lost")
	})
}

func gather(arrivals <-chan time.Time, count int, wait time.Duration) (times []time.Time) {
	timeout := time.After(wait)
	for len(times) < count {
		select {
		case t := <-arrivals:
			times = append(times, t)
		case <-timeout:
			return times
		}
	}
	return times
}

// verdict is what one node came to hold of another.
type verdict struct {
	kind EventKind
	name string
	at   time.Time
}

// BenchmarkClusterCrash is the time from the death of a node until the first suspects it and all
// know it.
func BenchmarkClusterCrash(b *testing.B) {
	eachSize(b, func(b *testing.B, size int) {
		nodes, _ := storm(b, size)
		defer func() { closeAll(nodes) }()
		verdicts := make(chan verdict, 2*size)
		for _, n := range nodes {
			events := n.Watch(b.Context())
			go func() {
				for e := range events {
					if e.Kind == MemberSuspected || e.Kind == MemberFailed {
						verdicts <- verdict{e.Kind, e.Member.Name, e.Time}
					}
				}
			}()
		}
		settle(b, nodes)
		var first, all []time.Duration
		wrong := 0
		for b.Loop() {
			victim := nodes[len(nodes)-1]
			nodes = nodes[:len(nodes)-1]
			died := time.Now().Round(0)
			victim.Close()
			suspected, known, others := deathOf(b, victim.name, verdicts, len(nodes))
			first, all, wrong = append(first, suspected.Sub(died)), append(all,
				known.Sub(died)), wrong+others
		}
		b.ReportMetric(milliseconds(median(first)), "ms/suspected")
		b.ReportMetric(milliseconds(median(all)), "ms/known-by-all")
		b.ReportMetric(float64(wrong), "wrong-verdicts")
	})
}

// deathOf waits until all know of a death, and counts the verdicts about others.
func deathOf(b *testing.B, name string, verdicts <-chan verdict, count int) (suspected,
	known time.Time, wrong int) {
	timeout := time.After(benchWait)
	for failed := 0; failed < count; {
		select {
		case v := <-verdicts:
			switch {
			case v.name != name:
				wrong++
			case v.kind == MemberSuspected:
				if suspected.IsZero() || v.at.Before(suspected) {
					suspected = v.at
				}
			default:
				failed++
				if v.at.After(known) {
					known = v.at
				}
			}
		case <-timeout:
			b.Fatalf("%d of %d nodes know that %s is dead", failed, count, name)
		}
	}
	return suspected, known, wrong
}

// BenchmarkClusterIdle is what a node costs when nothing happens.
func BenchmarkClusterIdle(b *testing.B) {
	eachSize(b, func(b *testing.B, size int) {
		bare, bareStacks := memory()
		nodes, _ := storm(b, size)
		defer closeAll(nodes)
		settle(b, nodes)
		var bytes, packets, cpu []float64
		for b.Loop() {
			before, used, begin := traffic(nodes), cpuTime(), time.Now()
			<-time.After(idleSpan)
			used, span := cpuTime()-used, time.Since(begin)
			after := traffic(nodes)
			perNode := span.Seconds() * float64(size)
			bytes = append(bytes, float64(after.bytes-before.bytes)/perNode)
			packets = append(packets, float64(after.packets-before.packets)/perNode)
			cpu = append(cpu, 100*used.Seconds()/perNode)
		}
		heap, stacks := memory()
		b.ReportMetric(median(bytes), "B/s/node")
		b.ReportMetric(median(packets), "packets/s/node")
		b.ReportMetric(median(cpu), "%cpu/node")
		b.ReportMetric(float64(heap-bare)/float64(size)/1000, "heap-kB/node")
		b.ReportMetric(float64(stacks-bareStacks)/float64(size)/1000, "stack-kB/node")
	})
}

// sent is what nodes have sent so far, headers included.
type sent struct{ packets, bytes uint64 }

func traffic(nodes []*Node) (s sent) {
	for _, n := range nodes {
		t := n.conn.Stats()
		s.packets += t.DatagramsOut
		s.bytes += t.BytesOut + ipAndUDP*t.DatagramsOut
	}
	return s
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func memory() (heap, stacks int64) {
	runtime.GC()
	runtime.GC() // the first empties the pools, the second frees what was in them
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// BenchmarkTurn is a ping in, through socket, loop and core, and its ack out. In steady state it
// allocates nothing.
func BenchmarkTurn(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), benchWait)
	defer cancel()
	n, err := Join(ctx, Config{Name: "a", Bind: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	peer, err := Join(ctx, Config{Name: "b", Bind: "127.0.0.1:0",
		Seeds: []string{n.Self().Addr.String()}})
	if err != nil {
		b.Fatal(err)
	}
	defer peer.Close()
	n.Close()
	// its goroutine has ended: this one drives it
	if n.conn, err = listen("127.0.0.1:0", wire.DefaultMTU); err != nil {
		b.Fatal(err)
	}
	defer n.conn.Close()
	ping := wire.AppendHeader(nil, wire.Header{
		Cluster: wire.ClusterHash(n.cluster), From: member.IDOf("b"),
		Generation: uint32(peer.Self().Generation),
	})
	packets := []transport.Packet{{To: n.conn.LocalAddr(), Data: wire.AppendPing(ping, 1)}}
	deliver := n.deliver
	b.ReportAllocs()
	for b.Loop() {
		n.conn.Send(packets)
		if err := n.turn(deliver); err != nil {
			b.Fatal(err)
		}
	}
	if acks := n.core.Stats().PacketsOut; acks < uint64(b.N) {
		b.Fatalf("%d pings, %d packets out", b.N, acks)
	}
}
