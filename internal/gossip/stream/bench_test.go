package stream

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// BenchmarkTake is what a piece costs that comes in order, with as much held as may be: from one
// origin, and from 128 in turn.
func BenchmarkTake(b *testing.B) {
	for _, origins := range []uint64{1, 128} {
		b.Run(map[uint64]string{1: "one", 128: "many"}[origins], func(b *testing.B) {
			n := newWorld(b, 1, 2, Config{}).nodes[1]
			n.silent = true
			topic, payload, body := []byte("topic"), make([]byte, 128), make([]byte, 0, 200)
			seq := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				k := seq/origins + 1
				body = appendPart(body[:0], &part{seq: k, topic: topic, payload: payload})
				n.s.Take(n.w.Now, wire.Piece{Origin: member.ID(seq%origins + 5), Generation: 1,
					Seq: k, Body: body})
				n.w.Now = n.w.Now.Add(time.Microsecond)
				seq++
			}
		})
	}
}

// BenchmarkHeads is what a probe costs with 128 streams that all change.
func BenchmarkHeads(b *testing.B) {
	w := newWorld(b, 1, 2, Config{})
	n := w.nodes[1]
	bodies := pieces(slices.Repeat([]int{1}, 1)...)
	for i := range 128 {
		n.s.Take(w.Now, wire.Piece{Origin: member.ID(i + 5), Generation: 1, Seq: 1,
			Body: bodies[0]})
	}
	buf := make([]byte, 0, 1400)
	b.ReportAllocs()
	for b.Loop() {
		for _, st := range n.s.list[:8] {
			n.s.telling.add(st)
		}
		told := n.s.AppendHeads(buf, 1000)
		n.s.Receive(w.Now, plane.SenderOf(n.from(w.nodes[0])), wire.TypeHeads, wire.Body(told))
	}
}
