package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// inbox collects the messages that nodes are told of.
func inbox(w *world) map[*peer][]Message {
	got := map[*peer][]Message{}
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == MessageDelivered {
			got[p] = append(got[p], e.Message)
		}
	}
	return got
}

// Messages of any size come once, in the order of their origin, whatever is lost on the way.
func TestMessagesInOrder(t *testing.T) {
	for _, loss := range []float64{0, 0.2} {
		w := newWorld(t)
		nodes := w.cluster(20, nil)
		w.run(2 * time.Second)
		w.loss = loss
		got := inbox(w)
		const rounds = 15
		sizes := []int{0, 1, 100, 1200, 5000, 60_000}
		for i := range rounds {
			for k, p := range nodes[:3] {
				payload := bytes.Repeat([]byte{byte(i)}, sizes[(i+k)%len(sizes)])
				if err := w.do(p, Publish{Topic: fmt.Sprint("t", k),
					Payload: payload}); err != nil {
					t.Fatal(err)
				}
			}
			w.run(20 * time.Millisecond)
		}
		w.until(20*time.Second, "all have all", func() bool {
			for _, p := range nodes {
				if len(got[p]) < 3*rounds {
					return false
				}
			}
			return true
		})
		w.run(time.Second)
		for _, p := range nodes {
			for k, origin := range nodes[:3] {
				var of []Message
				for _, m := range got[p] {
					if m.Origin == origin.id {
						of = append(of, m)
					}
				}
				if len(of) != rounds {
					t.Fatalf("%d messages of node %d, want %d", len(of), k, rounds)
				}
				for i, m := range of {
					size := sizes[(i+k)%len(sizes)]
					if m.Seq != uint64(i+1) || string(m.Topic) != fmt.Sprint("t", k) ||
						!bytes.Equal(m.Payload, bytes.Repeat([]byte{byte(i)}, size)) {
						t.Fatalf("message %d of node %d is %d on %s with %d bytes", i, k,
							m.Seq, m.Topic, len(m.Payload))
					}
				}
			}
		}
	}
}

// The largest message arrives whole, and each node receives it little more than once.
func TestLargestMessage(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(30, nil)
	w.run(2 * time.Second)
	got := inbox(w)
	payload := make([]byte, MaxMessage)
	for i := range payload {
		payload[i] = byte(i * i >> 8)
	}
	if err := w.do(nodes[4], Publish{Topic: "big",
		Payload: append(payload, 0)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	before := make([]Stats, len(nodes))
	for i, p := range nodes {
		before[i] = p.Stats()
	}
	if err := w.do(nodes[4], Publish{Topic: "big", Payload: payload}); err != nil {
		t.Fatal(err)
	}
	took := w.until(5*time.Second, "all have it", func() bool { return len(got) == len(nodes) })
	t.Logf("after %s", took)
	w.run(time.Second)
	for i, p := range nodes {
		if len(got[p]) != 1 || !bytes.Equal(got[p][0].Payload, payload) {
			t.Fatalf("node %d has %d messages", i, len(got[p]))
		}
		if in := p.Stats().BytesIn - before[i].BytesIn; p != nodes[4] && in > MaxMessage*3/2 {
			t.Errorf("node %d received %d bytes for it", i, in)
		}
	}
}

// A publisher that asks is told how far a message has come: at once when all have it, and about
// those that are silent until they are declared dead.
func TestSpread(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(10, nil)
	w.run(2 * time.Second)
	var told []Spread
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == MessageSpread {
			s := e.Spread
			s.Missing = slices.Clone(s.Missing)
			told = append(told, s)
		}
	}
	publish := func(confirm bool) uint64 {
		told = nil
		if err := w.do(nodes[0], Publish{Topic: "t", Payload: []byte("x"),
			Confirm: confirm}); err != nil {
			t.Fatal(err)
		}
		w.run(time.Second)
		return nodes[0].LastSeq()
	}
	if seq := publish(true); seq != 1 || len(told) == 0 {
		t.Fatalf("message %d: told %+v", seq, told)
	}
	if s := told[len(told)-1]; s.Seq != 1 || s.Have != 10 || s.Of != 10 || !s.Done ||
		len(s.Missing) > 0 {
		t.Errorf("all live: %+v", s)
	}
	if publish(false); len(told) > 0 {
		t.Errorf("nobody asked: %+v", told)
	}
	nodes[7].down = true
	publish(true)
	if s := told[len(told)-1]; s.Seq != 3 || s.Have != 9 || s.Of != 10 || !s.Done ||
		!slices.Equal(s.Missing, []member.ID{nodes[7].id}) {
		t.Errorf("one dead: %+v", s)
	}
	w.run(10 * time.Second)
	if s := told[len(told)-1]; s.Seq != 3 || s.Have != 9 || s.Of != 9 || !s.Done {
		t.Errorf("one declared dead: %+v", s)
	}
	if n := len(nodes[0].spreads.list); n > 0 {
		t.Errorf("%d messages are still followed", n)
	}
}

// A publisher that is faster than the others confirm is refused, and told when it may go on.
// Nothing is dropped.
func TestBackpressure(t *testing.T) {
	w := newWorld(t)
	cfg := &Config{Streams: stream.Config{Window: 100_000}}
	nodes := w.cluster(5, cfg)
	w.run(2 * time.Second)
	writable := 0
	got := 0
	w.onEvent = func(p *peer, e Event) {
		switch {
		case e.Kind == Writable && p == nodes[0]:
			writable++
		case e.Kind == MessageDelivered && p == nodes[3]:
			got++
		}
	}
	sent, refused := 0, 0
	for range 400 {
		switch err := w.do(nodes[0], Publish{Topic: "t", Payload: make([]byte, 1000)}); {
		case err == nil:
			sent++
		case errors.Is(err, ErrBackpressure):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if sent == 0 || refused == 0 || writable > 0 {
		t.Fatalf("%d sent, %d refused, writable %d times", sent, refused, writable)
	}
	w.until(5*time.Second, "there is room again", func() bool { return writable > 0 })
	w.run(time.Second)
	if err := w.do(nodes[0], Publish{Topic: "t"}); err != nil {
		t.Error(err)
	}
	w.run(time.Second)
	if got != sent+1 {
		t.Errorf("%d delivered, %d sent", got, sent+1)
	}
}

// A whole cluster stops; started again with what it kept, it delivers nothing twice, and serves
// those that was not there.
func TestKeepAndRestore(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, &Config{Keep: true})
	w.run(time.Second)
	var pieces []wire.Piece
	marks := map[member.ID]stream.Mark{}
	w.onStep = func(p *peer, out *Outbox) {
		if p == nodes[1] {
			pieces = append(pieces, out.Pieces...)
			for _, m := range out.Marks {
				marks[m.Origin] = m
			}
		}
	}
	for range 3 {
		if err := w.do(nodes[0], Publish{Topic: "t", Payload: make([]byte, 3000)}); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	if len(pieces) < 9 || marks[nodes[0].id].Next != uint64(len(pieces)+1) {
		t.Fatalf("kept %d pieces, marks %+v", len(pieces), marks)
	}
	delivered := func(p *peer) (seqs []uint64) {
		var out Outbox
		restore := Restore{
			Marks: func(yield func(stream.Mark) bool) {
				_ = p == nil &&
					yield(marks[nodes[0].id])
			},
			Pieces: slices.Values(pieces),
		}
		n, err := New(nil, Self{Name: "again", Generation: 9, Addr: addrOf(77)},
			rand.NewPCG(1, 1), rand.NewPCG(3, 4))
		if err != nil {
			t.Fatal(err)
		}
		n.Wake(w.Now, &out)
		if err := n.Do(w.Now, restore, &out); err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			if e.Kind == MessageDelivered {
				seqs = append(seqs, e.Message.Seq)
			}
		}
		return seqs
	}
	if got := delivered(nil); len(got) > 0 {
		t.Errorf("with its mark, it delivers %v again", got)
	}
	if got := delivered(nodes[0]); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("without a mark, it delivers %v", got)
	}
}

// What was published before a node takes a new generation still goes out in the old one, and leaves
// the window when it is confirmed.
func TestPublishedBeforeANewGeneration(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.start(fmt.Sprintf("n%d", i), i, 1, &Config{}, 0)
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(4) })
	n := w.nodes[0]
	w.step(n, func(out *Outbox) {
		for range 200 { // more than leave at once
			if err := n.Do(w.Now, Publish{Topic: "t", Payload: make([]byte, 1000)},
				out); err != nil {
				t.Fatal(err)
			}
		}
		if n.Stats().MessagesQueued == 0 {
			t.Fatal("all are on their way already")
		}
		n.begin(w.Now, out)
		n.roster.GoAbove(n.roster.Record().Generation, 0)
		n.finish()
	})
	w.run(5 * time.Second)
	for _, p := range w.nodes {
		if got := deliveredFrom(p, n.id); got != 200 {
			t.Errorf("%s got %d of 200 messages", p.addr, got)
		}
	}
	if open := n.StreamStats().Open; open > 0 {
		t.Errorf("%d bytes are in the window still", open)
	}
}

// Two that were the first of their clusters give each other what they hold when these become one.
func TestFoundersMeet(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("n0", 0, 1, nil), w.start("n1", 1, 1, nil)
	for _, p := range w.nodes {
		for range 3 {
			w.do(p, Publish{Topic: "t", Payload: []byte(p.addr.String())})
		}
	}
	w.run(16 * time.Second)
	w.do(b, Join{Merge: []netip.AddrPort{addrOf(0)}})
	w.until(10*time.Second, "they are one", func() bool { return w.allSee(2) })
	w.run(2 * time.Second)
	for _, p := range []*peer{a, b} {
		if got, lost := count(p, MessageDelivered), count(p, MessagesLost); got != 6 || lost > 0 {
			t.Errorf("%s got %d of 6 messages, %d times some were lost", p.addr, got, lost)
		}
	}
}

// So does one that was the first of its cluster since it let another one in, while it had no answer
// from its own seed.
func TestFounderByLettingIn(t *testing.T) {
	w := newWorld(t)
	old := w.start("n0", 0, 1, nil)
	for range 3 {
		w.do(old, Publish{Topic: "t", Payload: []byte("before")})
	}
	w.cut = func(from, to netip.AddrPort) bool { return from == old.addr || to == old.addr }
	b := w.start("n1", 1, 1, nil, 0)
	w.start("n2", 2, 1, nil, 1)
	w.run(5 * time.Second)
	w.cut = nil
	w.do(b, Join{Merge: []netip.AddrPort{old.addr}})
	w.until(10*time.Second, "they are one", func() bool { return w.allSee(3) })
	w.run(2 * time.Second)
	for _, p := range w.nodes {
		if got, lost := count(p, MessageDelivered), count(p, MessagesLost); got != 3 || lost > 0 {
			t.Errorf("%s got %d of 3 messages, %d times some were lost", p.addr, got, lost)
		}
	}
}

// One that is in since it let in a node that had a cluster is no newcomer either, once its seed
// lets it in: what was published since then is its own too.
func TestHostOfAFounder(t *testing.T) {
	w := newWorld(t)
	old := w.start("n0", 0, 1, nil)
	w.cut = func(from, to netip.AddrPort) bool { return from == old.addr || to == old.addr }
	host := w.start("n1", 1, 1, nil, 0)
	guest := w.start("n2", 2, 1, nil)
	w.do(guest, Join{Merge: []netip.AddrPort{host.addr}})
	w.until(5*time.Second, "it let one in", func() bool { return host.Table().Live() == 2 })
	w.do(old, Publish{Topic: "t", Payload: []byte("since")})
	w.cut = nil
	w.until(20*time.Second, "they are one", func() bool { return w.allSee(3) })
	w.run(2 * time.Second)
	for _, p := range w.nodes {
		if got, lost := count(p, MessageDelivered), count(p, MessagesLost); got != 1 || lost > 0 {
			t.Errorf("%s got %d of 1 message, %d times some were lost", p.addr, got, lost)
		}
	}
}

// The first of a cluster is told to join one that came in later, which knows nothing of what was
// published before that. It was in all the time, and begins nothing anew.
func TestFounderIsWelcomedByOneOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.cluster(3, nil)
	w.run(time.Second)
	founder, publisher, third := w.nodes[0], w.nodes[1], w.nodes[2]
	w.cut = func(from, to netip.AddrPort) bool { return from == addrOf(0) || to == addrOf(0) }
	w.do(publisher, Publish{Topic: "t", Payload: []byte("behind the cut")})
	w.run(2 * time.Second)
	third.down = true
	third = w.start("n2", 2, 2, nil, 1)
	w.until(10*time.Second, "it is back", func() bool { return third.Complete() })
	w.cut = func(from, to netip.AddrPort) bool { return from != third.addr && to != third.addr }
	w.do(founder, Join{Merge: []netip.AddrPort{third.addr}})
	w.until(10*time.Second, "it is welcome", func() bool {
		m, ok := founder.Table().Get(third.id)
		return ok && m.Generation() == 2
	})
	w.run(200 * time.Millisecond)
	w.cut = nil
	w.run(10 * time.Second)
	if n := count(founder, MessageDelivered); n != 1 {
		t.Errorf("the founder got %d messages, want 1", n)
	}
}
