package measure

// This file measures what a quiet cluster costs.

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

var idle = &Measure{
	Name: "idle", Title: "nothing happens, for a full state sync of memberlist at " +
		"least", Worlds: both, Members: true,
	Metrics: []Metric{
		{Key: "cpu", Title: "CPU of a node", Unit: "% of a core"},
		{Key: "heap", Title: "heap of a node", Unit: "KB"},
		{Key: "stack", Title: "stacks of a node", Unit: "KB"},
		{Key: "goroutines", Title: "goroutines of a node", Unit: ""},
		{Key: "packets", Title: "packets a node sends", Unit: "/s"},
		{Key: "bytes", Title: "bytes a node sends, IP and UDP or TCP headers included",
			Unit: "B/s"},
	},
	run: runIdle,
}

// syncPeriod is how often memberlist exchanges its whole state in a cluster of n: 30 s, and 30 s
// more for each doubling above 32 members.
func syncPeriod(n int) time.Duration {
	return 30 * time.Second * time.Duration(1+math.Ceil(max(0,
		math.Log2(float64(n))-math.Log2(32))))
}

// maxRealIdle is how long real sockets are watched at most.
const maxRealIdle = time.Minute

func runIdle(c *cluster) error {
	span := syncPeriod(c.job.N)
	if c.job.World == Real && span > maxRealIdle {
		span = maxRealIdle
		c.note = fmt.Sprintf("measured over %v of a state sync of %v; the whole of it is "+
			"measured in virtual time", span, syncPeriod(c.job.N))
	}
	span = c.quick(span, 5*time.Second)
	before, used, begin := c.traffic(), cpuTime(), time.Now()
	time.Sleep(span)
	after, cpu, took := c.traffic(), cpuTime()-used, time.Since(begin).Seconds()
	per := float64(c.alive())
	if before.known {
		c.add("packets", float64(after.packets-before.packets)/per/took)
		c.add("bytes", float64(after.bytes-before.bytes)/per/took)
	}
	if c.job.World == Virtual {
		return nil // the rest would be the machine's
	}
	c.add("cpu", 100*cpu.Seconds()/took/per)
	heap, stack := memory()
	c.add("heap", float64(heap)/per/1000)
	c.add("stack", float64(stack)/per/1000)
	c.add("goroutines", float64(runtime.NumGoroutine())/per)
	return nil
}

// memory is the heap and the stacks in use, the bench's own bookkeeping included: that of n
// clusters of n is n bytes a node.
func memory() (heap, stack uint64) {
	runtime.GC()
	runtime.GC() // the first empties the pools, the second frees what was in them
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// sent is what the cluster has sent so far, if that can be known.
type sent struct {
	packets, bytes int64
	known          bool
}

func (c *cluster) traffic() (s sent) {
	if c.net != nil {
		s.packets, s.bytes = c.net.Sent()
		s.known = true
		return s
	}
	return loopback()
}

// bytesRate is how many bytes a second the cluster sends right now.
func (c *cluster) bytesRate(span time.Duration) float64 {
	before := c.traffic()
	time.Sleep(span)
	return float64(c.traffic().bytes-before.bytes) / span.Seconds()
}
