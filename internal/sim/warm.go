package sim

import (
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A warm start: the nodes know each other from the first moment, as after a join that nobody
// watched. A join of ten thousand nodes moves a billion records and takes longer to simulate than
// all that is to be shown afterwards. Each node is the first of its own cluster, and then is pushed
// everybody's record by way of anti-entropy, the same bytes that a peer would send.

// warm starts all processes so, and says what went wrong.
func (w *World) warm() error {
	for _, p := range w.procs {
		p.alone, p.cluster = true, 1
		if err := p.start(); err != nil {
			return err
		}
	}
	first := w.pushes(w.procs[0])
	for _, p := range w.procs[1:] {
		p.learnAll(w.procs[0], first)
	}
	if len(w.procs) > 1 {
		w.procs[0].learnAll(w.procs[1], w.pushes(w.procs[1]))
	}
	for _, p := range w.procs {
		if n := p.node.Table().Live(); n != len(w.procs) {
			return fmt.Errorf("%s knows %d of %d nodes after a warm start", p.name, n, len(w.procs))
		}
	}
	return nil
}

// pushes are datagrams of a process that bring the records of all, its own first.
func (w *World) pushes(from *proc) (all [][]byte) {
	self := from.node.Self()
	h := wire.Header{Cluster: wire.ClusterHash(w.cluster()), From: self.ID,
		Generation: uint32(self.Generation())}
	b := wire.AppendHeader(nil, h)
	b = appendRecord(b, &self)
	start := len(b)
	b = wire.BeginPush(b, false)
	for _, p := range w.procs {
		if len(b) > wire.MinRoom-member.MaxRecord/8 {
			wire.EndPush(b, start)
			all = append(all, b)
			b = wire.AppendHeader(nil, h)
			start = len(b)
			b = wire.BeginPush(b, false)
		}
		m := p.node.Self()
		b = appendRecord(b, &m)
	}
	return append(all, wire.EndPush(b, start))
}

func appendRecord(b []byte, m *member.Member) []byte {
	r := m.Record()
	return wire.AppendRecord(b, &r, &wire.Claim{Generation: r.Generation,
		Incarnation: m.Incarnation})
}

// learnAll hands the datagrams of another to a node. What the node would say to them is not sent.
func (p *proc) learnAll(from *proc, datagrams [][]byte) {
	s, now := p.w.shardOf(p.host.index), p.w.now
	for _, d := range datagrams {
		p.node.Receive(p.clock(now), from.host.addr, d, &s.out)
		s.out.Packets = s.out.Packets[:0]
		s.dispatch(p, now, now)
		s.out.Reset()
	}
	s.schedule(p, now)
}

// seeds are the addresses that the process joins through.
func (p *proc) seeds() gossip.Join {
	if p.alone {
		p.alone = false
		return gossip.Join{}
	}
	return gossip.Join{Seeds: p.home(), Merge: p.wishes}
}
