package gossip

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// loop is a cluster whose packets arrive at once and whose own work allocates nothing, so that what
// is measured is the nodes'.
type loop struct {
	nodes []*Node
	out   Outbox
	queue [][]byte // datagrams under way, each in memory that is used again
	to    []int
	from  []int
	now   Time
}

// newLoop makes n nodes that know each other and are quiet.
func newLoop(t testing.TB, n int, d Detector) *loop {
	w := newWorld(t)
	l := &loop{}
	for _, p := range w.cluster(n, &Config{Detector: d}) {
		l.nodes = append(l.nodes, p.Node)
	}
	w.until(time.Minute, "all agree", func() bool {
		for _, p := range w.nodes {
			if p.Table().Fingerprint() != w.nodes[0].Table().Fingerprint() {
				return false
			}
		}
		return true
	})
	w.run(10 * time.Second)
	l.now = w.Now
	return l
}

// turn wakes every node that is due by a time and carries packets until none is left.
func (l *loop) turn(end Time) {
	for {
		next, at := -1, end
		for i, n := range l.nodes {
			if d := n.Deadline(); d <= at {
				next, at = i, d
			}
		}
		if next < 0 {
			l.now = end
			return
		}
		l.now = max(l.now, at)
		l.nodes[next].Wake(l.now, &l.out)
		l.collect(next)
		l.carry()
	}
}

func (l *loop) collect(from int) {
	for _, p := range l.out.Packets {
		a := p.To.Addr().As4()
		i := len(l.to)
		l.to, l.from = append(l.to, int(a[2])<<8|int(a[3])), append(l.from, from)
		if i == len(l.queue) {
			l.queue = append(l.queue, make([]byte, 0, wire.DefaultMTU))
		}
		l.queue[i] = append(l.queue[i][:0], p.Data...)
	}
	l.out.Reset()
}

func (l *loop) carry() {
	for i := 0; i < len(l.to); i++ {
		from := addrOf(l.from[i])
		l.nodes[l.to[i]].Receive(l.now, from, l.queue[i], &l.out)
		l.collect(l.to[i])
	}
	l.to, l.from = l.to[:0], l.from[:0]
}

// In a quiet cluster nothing is allocated: no period, ping, ack or fingerprint takes memory.
func TestIdleAllocatesNothing(t *testing.T) {
	for _, d := range allDetectors() {
		for _, n := range []int{2, 5, 50} {
			idle(t, n, d)
		}
	}
}

func idle(t *testing.T, n int, d Detector) {
	t.Run(fmt.Sprintf("%s/%d", d, n), func(t *testing.T) {
		l := newLoop(t, n, d)
		l.turn(l.now.Add(time.Minute)) // rounds are made, buffers grow
		before := l.nodes[0].Stats()
		allocs := testing.AllocsPerRun(200, func() { l.turn(l.now.Add(800 * time.Millisecond)) })
		if allocs != 0 {
			t.Errorf("%d nodes: %.0f allocations a period", n, allocs)
		}
		s := l.nodes[0].Stats()
		lone := (s.PacketsOut - s.ProbesOut) - (before.PacketsOut - before.ProbesOut)
		// whose probes are not answered: those that ask for a location are, one of each node in
		// some 20 s
		if d == HEARTBEAT {
			lone -= min(lone, 3*200*800/20_000)
		}
		if s.ProbesOut-before.ProbesOut < 150 || lone > 0 {
			t.Errorf("%d nodes: it was not a quiet cluster that was measured: %+v", n, s)
		}
	})
}

// Old news and copies of messages take no memory either.
func TestStaleInputAllocatesNothing(t *testing.T) {
	l := newLoop(t, 5, SWIM)
	n, m := l.nodes[0], l.nodes[1].Self()
	r := m.Record()
	claim := wire.Claim{Generation: 1}
	message := carry(m.ID, 1, "t", []byte("x"))
	datagram := forge("n1", 1,
		wire.AppendUpdate(nil, &wire.Update{ID: m.ID, Check: m.Check, Claim: claim}),
		wire.AppendRecord(nil, &r, &claim), message, wire.AppendPing(nil, 1))
	n.Receive(l.now, addrOf(1), datagram, &l.out)
	l.collect(0)
	l.carry()
	l.turn(l.now.Add(time.Second))
	if allocs := testing.AllocsPerRun(1000, func() {
		n.Receive(l.now, addrOf(1), datagram, &l.out)
		l.out.Reset()
	}); allocs != 0 {
		t.Errorf("%.1f allocations a datagram", allocs)
	}
}

// Garbage takes no memory, however much of it comes.
func TestGarbageAllocatesNothing(t *testing.T) {
	l := newLoop(t, 3, SWIM)
	garbage := [][]byte{nil, {1, 2, 3}, make([]byte, 1400),
		forge("nobody", 1, []byte{6, 255, 255}), forge("n1", 1, []byte{0x77, 0, 1, 9})}
	allocs := testing.AllocsPerRun(100, func() {
		for _, g := range garbage {
			l.nodes[0].Receive(l.now, forgedAddr, g, &l.out)
			l.out.Reset()
		}
	})
	if allocs != 0 {
		t.Errorf("%.1f allocations for %d datagrams", allocs, len(garbage))
	}
}
