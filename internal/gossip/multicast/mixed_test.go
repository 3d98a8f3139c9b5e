package multicast

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// threeZones names the zone of a node.
func threeZones(i int) string { return string(rune('a' + i%3)) }

// Many publishers cost about what one costs that publishes as much, in one zone and in three, and
// where packets are lost. All members get all.
func TestManyPublishers(t *testing.T) {
	for _, c := range []struct {
		what            string
		rate            int
		loss            float64
		zone            func(int) string
		room            int
		packets, copies float64
		worst           time.Duration
	}{
		{"1,000 a second", 1000, 0, nil, 0, 0.45, 1.05, 30 * time.Millisecond},
		{"4,000 a second", 4000, 0, nil, 0, 0.30, 1.05, 30 * time.Millisecond},
		{"10 % loss", 1000, 0.1, nil, 0, 1.2, 2.4, 300 * time.Millisecond},
		{"three zones", 1000, 0, threeZones, 0, 0.8, 1.05, 30 * time.Millisecond},
		{"zones with budgets", 1000, 0, threeZones, 1 << 20, 0.5, 1.05, 30 * time.Millisecond},
	} {
		w := newWorld(t, 128, 11, Config{}, c.zone)
		w.loss = c.loss
		for _, x := range w.nodes {
			if c.room > 0 {
				x.room = c.room
			}
		}
		packets, bytes, copies, worst := w.stream(128, c.rate, 116, time.Second)
		t.Logf("%s: %.2f datagrams, %.0f B and %.2f copies a node and message, at all after %v "+
			"at most", c.what, packets, bytes, copies, worst)
		if packets > c.packets || copies > c.copies || worst > c.worst {
			t.Errorf("%s: that is too much", c.what)
		}
		w.wantAll()
		w.idle()
	}
}

// wantAll wants all that was published at all live nodes.
func (w *world) wantAll() {
	w.t.Helper()
	for _, x := range w.nodes {
		for seq := uint64(1); seq <= x.published && !x.down; seq++ {
			if s := w.spreadOf(x, seq); s.missing > 0 {
				w.t.Errorf("%d members lack piece %d of node %d", s.missing, seq, x.i)
			}
		}
	}
}

// hub returns the node that the others of a world in one zone take for the hub now.
func (w *world) hub() *node {
	x := w.nodes[0]
	places := x.ring.All()
	return w.byID[places[x.hub.hubOf(w.Now, 0, len(places))].ID]
}

// A hub that dies amid the load, unknown to all, costs time and no message.
func TestHubCrash(t *testing.T) {
	for seed := range uint64(4) {
		w := newWorld(t, 64, 20+seed, Config{}, nil)
		w.At(w.Now.Add(500*time.Millisecond+time.Duration(seed)*time.Millisecond),
			func() { w.hub().down = true })
		_, _, copies, _ := w.stream(64, 1000, 116, time.Second)
		w.wantAll()
		worst := time.Duration(0)
		for _, x := range w.nodes {
			for seq := uint64(1); seq <= x.published && !x.down; seq++ {
				worst = max(worst, w.spreadOf(x, seq).t100)
			}
		}
		if copies > 1.2 || worst > 100*time.Millisecond {
			t.Errorf("seed %d: %.2f copies, at all after %v", seed, copies, worst)
		}
	}
}

// What goes through a hub is confirmed as what goes its own way: of all, of all but one that is
// down and is named, and not of one whose programs were not given it.
func TestReceiptsThroughAHub(t *testing.T) {
	for _, zone := range []func(int) string{nil, threeZones} {
		w := newWorld(t, 40, 5, Config{}, zone)
		const dead, behind = 7, 9
		w.nodes[dead].down = true
		w.nodes[behind].given = func(origin member.ID, _ uint64) wire.Verdict {
			if origin == w.nodes[behind].ID() {
				return wire.DutyDone
			}
			return wire.DutyTaken
		}
		for _, x := range w.nodes {
			x.waited = func(_, _ uint64) bool { return true }
		}
		w.stream(40, 1000, 116, 500*time.Millisecond)
		mixed := 0
		for _, x := range w.nodes {
			mixed += int(x.hub.number)
			if x.down {
				continue
			}
			last := map[uint64]Progress{}
			for _, p := range x.told {
				for seq := p.First; seq <= p.Last; seq++ {
					last[seq] = p
				}
			}
			for seq := uint64(1); seq <= x.published; seq++ {
				p := last[seq]
				want := 2
				if x.i == behind {
					want = 1
				}
				if p.Of != 40 || p.Have != p.Of-want || len(p.Missing) != want {
					t.Errorf("piece %d of node %d: %d of %d have it, %x are missing", seq, x.i,
						p.Have, p.Of, p.Missing)
				}
			}
		}
		if mixed == 0 {
			t.Error("nothing went through a hub")
		}
	}
}

// A mixed parcel that is offered to a node which does not know its pieces is asked for, and comes.
func TestUnknownMixture(t *testing.T) {
	w := newWorld(t, 4, 1, Config{}, nil)
	x, hub := w.nodes[0], w.nodes[1]
	b := wire.Branch{Origin: hub.ID(), Generation: 1, First: 9, Count: 2, Mixed: true,
		Span: wire.Span{Bits: wire.SpanSelf}}
	var answers []wire.Confirmed
	w.trace = func(from, _ *node, data []byte, _ bool) {
		r := wire.Messages(data)
		for mt, body, ok := r.Next(); ok && from == x; mt, body, ok = r.Next() {
			if c, ok := wire.ReadConfirm(body); ok && mt == wire.TypeConfirm {
				if c.Instance != b.Instance() || c.Instance == member.Instance(hub.ID(), 1) {
					t.Errorf("it answers for %x, want %x", c.Instance, b.Instance())
				}
				m, _ := c.Next()
				answers = append(answers, m)
			}
		}
	}
	take := func(t wire.Type, m []byte) {
		x.Receive(w.Now, plane.Sender{Peer: hub.Peer()}, t, wire.Body(m))
		x.Flush(w.Now)
	}
	take(wire.TypeOffer, wire.AppendOffer(nil, &b))
	m := wire.BeginCarry(nil, &b)
	for i, body := range []string{"one", "two"} {
		m = wire.AppendItem(m, &wire.Piece{Origin: w.nodes[2+i].ID(), Generation: 1,
			Seq: uint64(5 + i), Body: []byte(body)})
	}
	take(wire.TypeCarry, wire.EndCarry(m, 0))
	take(wire.TypeOffer, wire.AppendOffer(nil, &b))
	if len(answers) != 3 || answers[0].Verdict != wire.DutyLacks ||
		answers[1].Verdict != wire.DutyDone || answers[2].Verdict != wire.DutyDone {
		t.Errorf("it answers %+v", answers)
	}
	for i, want := range []string{"one", "two"} {
		if got, _ := x.Body(w.nodes[2+i].ID(), 1, uint64(5+i)); string(got) != want {
			t.Errorf("piece %d is %q", i, got)
		}
	}
}

// What is remembered of mixed parcels is bounded, however many come.
func TestMixturesAreBounded(t *testing.T) {
	w := newWorld(t, 3, 1, Config{}, nil)
	x, hub := w.nodes[0], w.nodes[1]
	for n := uint64(1); n <= 3*maxMixed; n++ {
		b := wire.Branch{Origin: hub.ID(), Generation: 1, First: n, Count: 1, Mixed: true,
			Span: wire.Span{Bits: wire.SpanSelf}}
		m := wire.AppendItem(wire.BeginCarry(nil, &b), &wire.Piece{Origin: w.nodes[2].ID(),
			Generation: 1, Seq: n, Body: []byte("x")})
		m = wire.EndCarry(m, 0)
		x.Receive(w.Now, plane.Sender{Peer: hub.Peer()}, wire.TypeCarry, wire.Body(m))
		items, ok := x.parcels.itemsOf(&b)
		if !ok || len(items) != 1 || items[0].seq != n {
			t.Fatalf("of mixed parcel %d it knows %v", n, items)
		}
	}
	if n := len(x.parcels.mixed.of); n != maxMixed || len(x.parcels.mixed.list) != maxMixed {
		t.Errorf("%d mixed parcels are remembered, %d in the list", n, len(x.parcels.mixed.list))
	}
}

// A mixed parcel that claims to be the receiver's own, under a number that it will give next, is
// not learnt: the hub would find the number taken.
func TestForgedOwnMixture(t *testing.T) {
	w := newWorld(t, 8, 19, Config{Share: 1}, nil)
	x := w.hub()
	from := w.nodes[(x.i+1)%8]
	for k := range uint64(50) {
		b := wire.Branch{Origin: x.ID(), Generation: 1, First: x.hub.number + 1 + k, Count: 1,
			Mixed: true, Span: wire.Span{Bits: wire.SpanSelf}}
		data := wire.EndCarry(wire.AppendItem(wire.BeginCarry(nil, &b), &wire.Piece{
			Origin: from.ID(), Generation: 1, Seq: 1000 + k, Body: []byte("forged")}), 0)
		x.takes(from.Peer(), data)
	}
	w.stream(8, 500, 100, time.Second)
	if x.hub.number == 0 {
		t.Fatal("the hub made no mixed parcel")
	}
	w.wantAll()
}

// What is remembered of a mixed parcel is what its duty counts: of another duty under its number
// that counts more or fewer pieces nothing is known.
func TestMixtureOfAnotherCount(t *testing.T) {
	w := newWorld(t, 8, 20, Config{Share: 1}, nil)
	x, from := w.nodes[0], w.nodes[1]
	b := wire.Branch{Origin: from.ID(), Generation: 1, First: 7, Count: 2, Mixed: true,
		Span: wire.Span{Bits: wire.SpanSelf}}
	data := wire.BeginCarry(nil, &b)
	for seq := range uint64(2) {
		data = wire.AppendItem(data, &wire.Piece{Origin: from.ID(), Generation: 1, Seq: 1 + seq,
			Body: []byte("x")})
	}
	x.takes(from.Peer(), wire.EndCarry(data, 0))
	if items, ok := x.parcels.itemsOf(&b); !ok || len(items) != 2 {
		t.Fatalf("%d pieces are remembered, want 2", len(items))
	}
	b.Count = 1
	if items, ok := x.parcels.itemsOf(&b); ok {
		t.Errorf("a duty for one piece gets %d", len(items))
	}
}
