package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// BenchmarkIdleSecond measures what a node of a quiet cluster costs in one second: the packets of
// its pings, those that others send it, and the wake-ups for them. The work of the simulated
// network is in it.
func BenchmarkIdleSecond(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, d := range []gossip.Detector{gossip.INQUEST, gossip.SWIM} {
			b.Run(fmt.Sprintf("%s/n=%d", d, n), func(b *testing.B) {
				w, err := newWorld(Options{Nodes: n, Warm: true, Unchecked: true,
					Gossip: gossip.Config{Detector: d}})
				if err != nil {
					b.Fatal(err)
				}
				w.join()
				w.run(w.now.Add(30*time.Second), nil)
				before, turns := w.total.Packets, w.turns()
				b.ReportAllocs()
				for b.Loop() {
					w.run(w.now.Add(time.Second), nil)
				}
				perNode := float64(b.N) * float64(n)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/perNode, "ns/node-second")
				packets := float64(w.total.Packets-before) / perNode
				b.ReportMetric(packets, "packets/node-second")
				b.ReportMetric(float64(w.turns()-turns)/perNode-packets, "wakes/node-second")
			})
		}
	}
}
