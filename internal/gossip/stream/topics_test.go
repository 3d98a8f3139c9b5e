package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// cuts has all that waits leave, parcel by parcel, and says what each is of: topic and number.
func cuts(s *Streams, w *world, bulk bool) (all []string) {
	for c := s.Cut(w.Now, bulk, 1000); c.Count > 0; c = s.Cut(w.Now, bulk, 1000) {
		var parcel []string
		for seq := c.First; seq < c.First+uint64(c.Count); seq++ {
			body, _ := s.Body(s.host.Self(), c.Generation, seq)
			p, _ := readPart(body)
			parcel = append(parcel, fmt.Sprintf("%d.%d", p.seq, p.index))
		}
		all = append(all, strings.Join(parcel, " "))
	}
	return all
}

// The lines of topics take turns, so that the pieces of large messages mix; what is urgent goes
// first, and leaves the others every fourth turn; those of one topic keep their order.
func TestTopicsTakeTurns(t *testing.T) {
	w := newWorld(t, 1, 1, Config{})
	n := w.nodes[0]
	put := func(topic string, size int, urgent bool) {
		if _, err := n.s.Append(w.Now, topic, payload(size, 1), urgent); err != nil {
			t.Fatal(err)
		}
	}
	put("a", 8200, false) // nine pieces
	put("b", 8200, false)
	put("b", 10, false)
	put("c", 8200, true)
	got := cuts(n.s, w, true)
	want := []string{"4.0", "4.1", "4.2", "1.0", "4.3", "4.4", "4.5", "2.0", "4.6", "4.7", "4.8",
		"1.1", "2.1"}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("parcels %q, want %q first", got, want)
	}
	if k := len(got); k != 28 || got[k-1] != "3.0" {
		t.Errorf("%d parcels, the last %q", k, got[k-1])
	}
	var seqs []uint64
	for _, m := range n.got {
		seqs = append(seqs, m.Seq)
	}
	if !slices.Equal(seqs, []uint64{4, 1, 2, 3}) {
		t.Errorf("delivered %d", seqs)
	}
	n.checkOrder()
	n.checkSums()
}

// Small messages of several topics share parcels.
func TestSmallOnesShareParcels(t *testing.T) {
	w := newWorld(t, 1, 1, Config{})
	n := w.nodes[0]
	for i := range 6 {
		n.s.Append(w.Now, string("abc"[i%3]), payload(40, 1), false)
	}
	if got := cuts(n.s, w, false); !slices.Equal(got, []string{"1.0 4.0 2.0 5.0 3.0 6.0"}) {
		t.Errorf("parcels %q", got)
	}
}

// A small message does not wait for what is missing of a large one on another topic.
func TestSmallOnesDoNotWaitForLargeOnes(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	o, n := w.nodes[0], w.nodes[1]
	w.Cut = func(from, to *node) bool { return true }
	p := o.publish("large", payload(20_000, 1))
	if n.take(o, p.Generation, bodiesOf(o, p), 1, 2, 4); len(n.got) > 0 {
		t.Fatal("it is not whole")
	}
	q := o.publish("alert", []byte("fire"))
	n.take(o, q.Generation, bodiesOf(o, q), 1)
	if len(n.got) != 1 || string(n.got[0].Topic) != "alert" {
		t.Errorf("got %d messages", len(n.got))
	}
}

// bodiesOf returns the bodies of a stream up to what was published last.
func bodiesOf(o *node, p published) (all [][]byte) {
	for seq := uint64(1); seq <= p.Last; seq++ {
		b, _ := o.s.Body(o.ID(), p.Generation, seq)
		all = append(all, b)
	}
	return all
}

// A large message comes after the small ones that were published on its topic before, whichever
// comes first, and also if the small ones were never heard of; and all that follows it on its topic
// comes after it.
func TestTopicsKeepTheirOrder(t *testing.T) {
	for _, heard := range []bool{true, false} {
		w := newWorld(t, 1, 2, Config{})
		o, n := w.nodes[0], w.nodes[1]
		if heard {
			o.publish("t", []byte("0"))
			w.run(time.Second, w.all(1))
		}
		w.Cut = func(from, to *node) bool { return true }
		o.publish("t", []byte("1"))
		p := o.publish("t", payload(9000, 1))
		q := o.publish("t", []byte("2"))
		before := len(n.got)
		if n.take(o, q.Generation, bodiesOf(o, q), seqs(q.Last)...); len(n.got) > before {
			t.Fatal("the large one came before a small one that was published before")
		}
		if v := n.s.Given(o.ID(), p.Generation, p.First); v == wire.DutyDone {
			t.Error("it says that it is as good as delivered")
		}
		w.Cut = nil
		w.run(5*time.Second, w.all(before+3))
		n.checkOrder()
		if len(n.got) != before+3 {
			t.Errorf("heard %v: %q", heard, n.events)
		}
	}
}

func seqs(last uint64) (all []uint64) {
	for seq := uint64(1); seq <= last; seq++ {
		all = append(all, seq)
	}
	return all
}

// How many topics of large messages are remembered is bounded: beyond that all new topics go with
// the large ones, and none loses its order.
func TestTopicsOfLargeOnesAreBounded(t *testing.T) {
	w := newWorld(t, 1, 1, Config{})
	n := w.nodes[0]
	n.publish("old", []byte("1"))
	n.publish("0", payload(8200, 1))
	for i := range maxBulk - 2 {
		n.s.outbox.bulk[fmt.Sprint(i+1)] = 1
	}
	for i := range 3 {
		n.publish(fmt.Sprint("more", i), payload(8200, 1))
	}
	if k := len(n.s.outbox.bulk); k != maxBulk {
		t.Errorf("%d topics are remembered", k)
	}
	p := n.publish("old", []byte("2"))
	if body, _ := n.s.Body(n.ID(), p.Generation, p.First); p.Generation&wire.Bulk == 0 {
		t.Errorf("a topic that is not remembered goes with the small ones: %q", body)
	} else if part, _ := readPart(body); part.after != 1 {
		t.Errorf("it comes after piece %d of the small ones, want 1", part.after)
	}
	n.checkOrder()
}

// A forged piece says that a large message comes after small ones that there never were. That holds
// it up as long as it takes to find that nobody has them.
func TestForgedAfter(t *testing.T) {
	for _, after := range []uint64{5, 1 << 40, 1<<64 - 1} {
		w := newWorld(t, 1, 4, Config{})
		o, n := w.nodes[0], w.nodes[1]
		o.publish("s", []byte("small"))
		w.run(time.Second, w.all(1))
		o.publish("t", payload(9000, 1))
		w.Cut = func(from, to *node) bool { return to == n }
		w.run(time.Second, nil)
		q := o.publish("t", payload(9000, 2))
		w.Cut = nil
		bodies := bodiesOf(o, q)
		first, _ := readPart(bodies[q.First-1])
		first.after = after
		bodies[q.First-1] = appendPart(nil, &first)
		n.take(o, q.Generation, bodies, seqs(q.Last)...)
		took, ok := w.run(time.Minute, w.all(3))
		t.Logf("%d: after %v", after, took)
		if !ok || took > 10*time.Second || len(n.lost) > 0 {
			t.Errorf("after %d: %v, %d messages, lost %v", after, took, len(n.got), n.lost)
		}
		n.checkSums()
	}
}

// What waits as a node takes a new generation goes no more: also if the stream that it was for was
// let go meanwhile, as the oldest of many lives, and a large message waits behind it.
func TestWaitsAsItsLifeEnds(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		w := newWorld(t, 1, 1, Config{})
		n := w.nodes[0]
		for _, size := range []int{10, 9000, 10} {
			if _, err := n.s.Append(w.Now, "t", payload(size, 1), false); err != nil {
				t.Fatal(err)
			}
		}
		if i, ok := n.s.search(n.ID(), 1); ok && forgotten {
			n.s.remove(i)
		}
		n.Record.Generation++
		p, err := n.s.Append(w.Now, "t", []byte("new"), false)
		if err != nil || p.Seq != 1 || p.Generation != 2 || n.s.Queued() != 1 {
			t.Errorf("forgotten %v: %+v, %v, %d wait", forgotten, p, err, n.s.Queued())
		}
		cuts(n.s, w, false)
		if k := len(n.got); k == 0 || string(n.got[k-1].Payload) != "new" || n.got[k-1].Order != 1 {
			t.Errorf("forgotten %v: got %q", forgotten, n.events)
		}
		n.checkSums()
	}
}
