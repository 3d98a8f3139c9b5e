package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What bad packets can do: nothing that lasts, and nothing that grows.

func heads(list ...wire.Head) []byte {
	b := wire.BeginHeads(nil, 1)
	for i := range list {
		b = wire.AppendHead(b, &list[i])
	}
	return wire.Body(wire.EndHeads(b, 0))
}

func (n *node) from(o *node) member.Member {
	m, _ := n.Members.Get(o.ID())
	return m
}

// A forged end of a stream is asked for, not found, and forgotten; the stream goes on.
func TestForgedHigh(t *testing.T) {
	w := newWorld(t, 1, 8, Config{})
	w.publishAndSettle(5)
	n := w.nodes[3]
	for _, high := range []uint64{7, 1000, 1 << 40, 1<<63 - 2} {
		n.s.Receive(w.Now, plane.SenderOf(n.from(w.nodes[2])), wire.TypeHeads,
			heads(wire.Head{Origin: w.nodes[0].ID(), Generation: 1, Low: 1, High: high}))
		n.schedule()
	}
	before := n.s.Stats().Pulls
	w.nodes[0].publish("t", []byte("goes on"))
	w.run(10*time.Second, nil)
	st := n.s.Stats()
	if st.Gapped != 0 || st.Pulls-before > 200 || st.Unproven == 0 || len(n.lost) > 0 ||
		len(n.got) != 6 {
		t.Errorf("%+v, lost %v, got %d", st, n.lost, len(n.got))
	}
}

// A forged piece far ahead: the origin, which lives, says that there is no such piece, and it is
// dropped.
func TestForgedPiece(t *testing.T) {
	w := newWorld(t, 1, 8, Config{})
	w.publishAndSettle(5)
	n := w.nodes[3]
	p := part{seq: 900, topic: []byte("t"), payload: []byte("forged")}
	n.s.Take(w.Now, wire.Piece{Origin: w.nodes[0].ID(), Generation: 1, Seq: 1000,
		Body: appendPart(nil, &p)})
	n.schedule()
	w.run(10*time.Second, nil)
	for i := range 10 {
		w.nodes[0].publish("t", fmt.Appendf(nil, "%d", i))
	}
	w.run(10*time.Second, nil)
	if len(n.got) != 15 || len(n.lost) > 0 || n.s.Stats().Gapped != 0 {
		t.Errorf("got %d, lost %v, %+v", len(n.got), n.lost, n.s.Stats())
	}
	n.checkSums()
}

// Streams of nobody, and of everybody, thousands of them: what is known stays bounded and what is
// used stays.
func TestForgedStreams(t *testing.T) {
	w := newWorld(t, 1, 3, Config{})
	w.quiet = true
	n, o := w.nodes[2], w.nodes[0]
	real := pieces(slices.Repeat([]int{1}, 1000)...)
	p := part{seq: 1, topic: []byte("t"), payload: payload(1000, 1)}
	body := appendPart(nil, &p)
	for i := range 40_000 {
		n.s.Take(w.Now, wire.Piece{Origin: member.ID(i + 1), Generation: uint64(i % 7),
			Seq: uint64(i%5000 + 1), Body: body})
		if i%100 == 0 {
			n.take(o, 1, real, uint64(i/100+1))
		}
		n.s.Receive(w.Now, plane.SenderOf(n.from(w.nodes[1])), wire.TypeHeads,
			heads(wire.Head{Origin: member.ID(i*3 + 1), Generation: 1, Low: 1, High: 5}))
		w.Now = w.Now.Add(time.Millisecond)
	}
	st := n.s.Stats()
	if st.Streams > MaxStreams || st.Held > 16384 || st.Bytes > 8<<20 ||
		n.s.mending.inFlight > perNode || len(n.s.permits.list) > 4*16384 {
		t.Errorf("%+v; %d permits", st, len(n.s.permits.list))
	}
	got := 0
	for _, m := range n.got {
		if m.Origin == o.ID() {
			got++
		}
	}
	if got != 400 {
		t.Errorf("%d of 400 messages came through", got)
	}
	n.checkSums()
}

// Sequences scattered over all that may be ahead cost pages, not more.
func TestForgedSequences(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	n := w.nodes[1]
	p := part{seq: 1, topic: []byte("t")}
	body := appendPart(nil, &p)
	for i := range uint64(100_000) {
		n.s.Take(w.Now, wire.Piece{Origin: 99, Generation: 1, Seq: i*i*7919 + 2, Body: body})
	}
	st := n.s.find(99, 1)
	if len(st.pages) > Ahead/pageSize+1 || n.s.Stats().Beyond == 0 {
		t.Errorf("%d pages", len(st.pages))
	}
	n.checkSums()
}

// Parts that do not belong together make no message.
func TestForgedParts(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	n := w.nodes[1]
	bodies := [][]byte{
		// of another message
		appendPart(nil, &part{seq: 1, rest: 1, topic: []byte("t")}), appendPart(nil,
			&part{seq: 2, index: 1}),
		// of another place
		appendPart(nil, &part{seq: 3, rest: 1, topic: []byte("t")}), appendPart(nil,
			&part{seq: 3, rest: 1, index: 2}),
		appendPart(nil, &part{seq: 2, topic: []byte("t")}), // an older number
		// a number from nowhere
		appendPart(nil, &part{seq: 1 << 50, topic: []byte("t")}),
		appendPart(nil, &part{seq: 1<<50 + 1, topic: []byte("t")}), // and on from there
		// a part whose beginning never was
		appendPart(nil, &part{seq: 1<<50 + 2, index: 5, rest: MaxParts - 6}),
	}
	n.take(w.nodes[0], 1, bodies, 1, 2, 3, 4, 5, 6, 7, 8)
	for _, l := range n.lost {
		if l.Count > l.To-l.From+1 {
			t.Errorf("%d messages in %d pieces: %+v", l.Count, l.To-l.From+1, l)
		}
	}
	for i, m := range n.got {
		if i > 0 && m.Seq <= n.got[i-1].Seq {
			t.Errorf("message %d after %d", m.Seq, n.got[i-1].Seq)
		}
	}
	if len(n.got) == 0 {
		t.Error("nothing was delivered")
	}
}

// A member that asks for everything all the time gets no more than there is to give.
func TestServeIsBounded(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Serve: 1 << 20})
	w.quiet = true
	w.lossAll = 1
	n, o := w.nodes[0], w.nodes[1]
	for range 3 {
		n.publish("t", payload(MaxPayload, 1))
	}
	pull := wire.BeginPull(nil, &wire.Pull{Ticket: 1, Origin: n.ID(),
		Generation: 1 | wire.Bulk, Limit: 1<<32 - 1})
	pull = wire.Body(wire.EndPull(wire.AppendRun(pull, 0, wire.Run{From: 1, To: 1<<64 - 1}), 0))
	page := wire.Body(wire.AppendAsk(nil, wire.Ask{All: true}))
	before := w.bytes
	for range 1000 {
		n.s.Receive(w.Now, plane.SenderOf(n.from(o)), wire.TypePull, pull)
		n.s.Receive(w.Now, plane.SenderOf(n.from(o)), wire.TypeAsk, page)
		w.Now = w.Now.Add(time.Millisecond)
	}
	if got := w.bytes - before; got > 3<<19 {
		t.Errorf("%d bytes in a second", got)
	}
	if n.s.Stats().Busy == 0 {
		t.Error("never busy")
	}
}

// Any message: no panic, no state beyond the bounds, no Wake that leaves something due.
func FuzzReceive(f *testing.F) {
	h := wire.Head{Origin: member.IDOf("n000"), Generation: 1, Low: 2, High: 9}
	f.Add(uint8(0), heads(h, wire.Head{Origin: member.IDOf("n001"), Generation: 7, Low: 1,
		High: 1 << 40}))
	f.Add(uint8(1), wire.Body(wire.AppendAsk(nil, wire.Ask{All: true})))
	page := wire.AppendHead(wire.BeginPage(nil), &h)
	f.Add(uint8(2), wire.Body(wire.EndPage(page, 0,
		&wire.Page{To: ^member.ID(0), All: true, Settled: true})))
	pull := wire.AppendRun(wire.BeginPull(nil, &wire.Pull{Origin: h.Origin, Generation: 1,
		Limit: 99}), 0, wire.Run{From: 1, To: 1 << 60})
	f.Add(uint8(3), wire.Body(wire.EndPull(pull, 0)))
	body := appendPart(nil, &part{seq: 3, topic: []byte("t"), payload: []byte("x")})
	supply := wire.AppendSupplied(wire.BeginSupply(nil), 0, 9, body)
	f.Add(uint8(4), wire.Body(wire.EndSupply(supply, 0,
		&wire.Supply{Done: true, Head: h, Range: wire.Run{From: 3, To: 9}})))
	carry := wire.AppendBody(wire.BeginCarry(nil, &wire.Branch{Origin: 9, Generation: 3,
		First: 4, Count: 1}), body)
	f.Add(uint8(5), wire.Body(wire.EndCarry(carry, 0)))
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		for _, newcomer := range []bool{false, true} {
			w := newWorld(t, 1, 3, Config{})
			w.lossAll = 1
			n := w.nodes[2]
			if newcomer {
				n.s.Joined(w.Now, n.from(w.nodes[0]), 0)
			}
			n.take(w.nodes[0], 1, pieces(1, 2, 1, 1), 1, 2, 5)
			w.Now = w.Now.Add(40 * time.Millisecond)
			n.s.Wake(w.Now)
			for range 3 {
				if _, pieces, ok := wire.ReadCarry(body); kind%6 == 5 && ok {
					n.s.Take(w.Now, pieces.Next())
				}
				n.s.Receive(w.Now, plane.SenderOf(n.from(w.nodes[0])), wire.Type(0x38+kind%6), body)
			}
			wakeAll(t, w, n)
			n.checkSums()
		}
	})
}

// wakeAll wakes a node as often as it wants, for a while.
func wakeAll(t *testing.T, w *world, n *node) {
	for range 300 {
		d := n.s.Deadline()
		if d == mono.Never {
			return
		}
		w.Now = max(w.Now, d)
		n.s.Wake(w.Now)
		if n.s.Deadline() <= w.Now {
			t.Fatalf("woken at %v and due again at %v", w.Now, n.s.Deadline())
		}
	}
}

// What comes is kept in one allocation, and now and then a page; what comes again costs none.
func TestAllocations(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Pieces: 1000})
	n, o := w.nodes[1], w.nodes[0]
	n.silent = true
	bodies := pieces(slices.Repeat([]int{1}, 20_000)...)
	seq := uint64(0)
	take := func() {
		seq++
		n.s.Take(w.Now, wire.Piece{Origin: o.ID(), Generation: 1, Seq: seq, Body: bodies[seq-1]})
	}
	for range 5000 {
		take()
	}
	if a := testing.AllocsPerRun(5000, take); a > 1.2 {
		t.Errorf("%v allocations for a piece", a)
	}
	again := func() {
		n.s.Take(w.Now, wire.Piece{Origin: o.ID(), Generation: 1, Seq: seq - 5,
			Body: bodies[0]})
	}
	if a := testing.AllocsPerRun(1000, again); a > 0 {
		t.Errorf("%v allocations for a piece that came again", a)
	}
	buf := make([]byte, 0, 1400)
	told := wire.Body(n.s.AppendHeads(buf, 1000))
	probe := func() {
		n.s.telling.add(n.s.list[0])
		n.s.AppendHeads(buf, 1000)
		n.s.Receive(w.Now, plane.SenderOf(n.from(o)), wire.TypeHeads, told)
	}
	if a := testing.AllocsPerRun(1000, probe); a > 0 {
		t.Errorf("%v allocations for the heads on a probe", a)
	}
}
