package stream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// pieces makes the bodies of messages of one stream: each number is how many pieces the message
// has.
func pieces(sizes ...int) (bodies [][]byte) {
	for i, n := range sizes {
		for k := range n {
			p := part{seq: uint64(i + 1), index: uint64(k), rest: uint64(n - 1 - k),
				topic: []byte("t"), payload: fmt.Appendf(nil, "%d.%d", i+1, k)}
			bodies = append(bodies, appendPart(nil, &p))
		}
	}
	return bodies
}

// take hands pieces of a member's stream to a node.
func (n *node) take(origin *node, generation uint64, bodies [][]byte,
	seqs ...uint64) (fresh []bool) {
	for _, q := range seqs {
		fresh = append(fresh, n.s.Take(n.w.Now, wire.Piece{Origin: origin.ID(),
			Generation: generation, Seq: q, Body: bodies[q-1]}))
	}
	return fresh
}

// What is delivered, in which order, for what comes in. The bodies: messages 1 and 2 of one piece,
// 3 of three, 4 of one.
func TestOrder(t *testing.T) {
	bodies := pieces(1, 1, 3, 1)
	for _, c := range []struct {
		name string
		in   []uint64
		want string
	}{
		{"in order", []uint64{1, 2, 3, 4, 5, 6}, "1 2 3 4"},
		{"backwards", []uint64{6, 5, 4, 3, 2, 1}, "1 2 3 4"},
		{"twice", []uint64{1, 1, 2, 2, 1, 3, 4, 5, 5, 6}, "1 2 3 4"},
		{"a gap holds up what follows", []uint64{1, 3, 4, 5, 6}, "1"},
		{"a part that is missing", []uint64{1, 2, 3, 5, 6}, "1 2"},
		{"parts in any order", []uint64{5, 1, 3, 2, 4}, "1 2 3"},
		{"not from the beginning", []uint64{2, 3}, ""},
	} {
		w := newWorld(t, 1, 2, Config{})
		w.quiet = true
		n := w.nodes[1]
		n.take(w.nodes[0], 1, bodies, c.in...)
		var got []string
		for _, m := range n.got {
			got = append(got, fmt.Sprint(m.Seq))
			if want := string(bodies[m.First-1][5:]); m.First == m.Last &&
				string(m.Payload) != want {
				t.Errorf("%s: message %d has %q, want %q", c.name, m.Seq, m.Payload, want)
			}
			if m.Seq == 3 && string(m.Payload) != "3.03.13.2" {
				t.Errorf("%s: message 3 has %q", c.name, m.Payload)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
	}
}

func TestTakeSaysWhatIsNew(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	n, bodies := w.nodes[1], pieces(1, 1, 1)
	if got := n.take(w.nodes[0], 1, bodies, 1, 1, 3, 3, 2, 2, 1); !slices.Equal(got,
		[]bool{true, false, true, false, true, false, false}) {
		t.Errorf("fresh: %v", got)
	}
	own, _ := cutAll(n.s, w.Now, "t", []byte("mine"))
	body, _ := n.s.Body(n.ID(), own.Generation, own.First)
	for _, p := range []wire.Piece{
		{Origin: n.ID(), Generation: 1, Seq: 1, Body: body}, // one's own
		// forged as one's own
		{Origin: n.ID(), Generation: 1, Seq: 9, Body: body},
		// of a life that nobody believes in
		{Origin: 7, Generation: member.MaxGeneration + 1, Seq: 1, Body: body},
		{Origin: 7, Generation: 1, Seq: Ahead + 1, Body: body}, // too far ahead
		{Origin: 7, Generation: 1, Seq: 1, Body: []byte{1, 0}}, // malformed
		{Origin: 7, Generation: 1, Seq: 1, Body: []byte{0, 0, 0, 1, 'x'}},
		{Origin: 7, Generation: 1, Seq: 1, Body: []byte{1, 0, 0, 0}},
		{Origin: 7, Generation: 1, Seq: 1, Body: append([]byte{1}, 0xff, 0x7, 1, 1, 'x')},
	} {
		if n.s.Take(w.Now, p) {
			t.Errorf("%+v is taken", p)
		}
	}
	if !n.s.Knows(w.nodes[0].ID(), 1, 3) || n.s.Knows(w.nodes[0].ID(), 1, 4) || n.s.Knows(7, 1, 1) {
		t.Error("Knows is wrong")
	}
	if b, ok := n.s.Body(w.nodes[0].ID(), 1, 2); !ok || string(b) != string(bodies[1]) {
		t.Errorf("Body is %q", b)
	}
}

// A later life waits for what is known to be missing of an earlier one; without that it does not.
func TestLivesInOrder(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	n, o, bodies := w.nodes[1], w.nodes[0], pieces(1, 1, 1)
	n.take(o, 5, bodies, 1, 3)
	n.take(o, 6, bodies, 1)
	n.take(o, 5, bodies, 2)
	n.take(o, 4, bodies, 1) // late: nobody knew of it
	want := []string{"n000/5 1", "n000/5 2", "n000/5 3", "n000/6 1", "n000/4 1"}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %v, want %v", n.events, want)
	}
	for g := range uint64(MaxLives + 3) {
		n.take(o, 10+g, bodies, 1)
	}
	if from, to := n.s.lives(o.ID()); to-from != MaxLives {
		t.Errorf("%d lives are remembered", to-from)
	}
	if got := n.take(o, 6, bodies, 2); got[0] {
		t.Error("a life older than all that are remembered is taken in")
	}
}

// A piece that was delivered and let go comes again: it is known, and shows nothing that would be
// missing.
func TestLateDuplicate(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	w.quiet = true
	o, n, bodies := w.nodes[0], w.nodes[1], pieces(1, 2, 1)
	n.take(o, 1, bodies, 1, 2, 3, 4)
	n.schedule()
	w.run(2*time.Minute, nil)
	if st := n.s.Stats(); st.Held > 0 {
		t.Fatalf("%d pieces are held", st.Held)
	}
	fresh := n.take(o, 1, bodies, 1, 2, 3, 4)
	if st := n.s.Stats(); slices.Contains(fresh, true) || len(n.got) != 3 ||
		st.Duplicates != 4 || st.Beyond > 0 || st.Gapped > 0 {
		t.Errorf("fresh: %v; %q; %+v", fresh, n.events, st)
	}
}

// However many lives the origins have, a page fits a datagram, and all lives of an origin are on
// one page. A node that asks for all learns of each. The harness refuses datagrams that are too
// long.
func TestPagesOfManyLives(t *testing.T) {
	for origins := 1; origins <= 10; origins++ {
		w := newWorld(t, 1, 2+origins, Config{})
		w.quiet = true
		n, o, bodies := w.nodes[0], w.nodes[1], pieces(1)
		for _, x := range w.nodes[2:] {
			x.sleep()
			for g := range uint64(MaxLives) {
				n.take(x, member.MaxGeneration-g, bodies, 1)
			}
		}
		o.s.exchange.begin(w.Now, n.ID(), true)
		o.schedule()
		want := origins * MaxLives
		if _, ok := w.run(10*time.Second, func() bool { return len(o.got) == want }); !ok {
			t.Errorf("of %d lives of %d origins %d are known", want, origins, len(o.got))
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	w := newWorld(t, 1, 1, Config{})
	s := w.nodes[0].s
	for _, c := range []struct {
		topic   string
		payload int
		want    error
	}{
		{"", 1, ErrTopic}, {strings.Repeat("x", 256), 1, ErrTopic}, {"t", MaxPayload + 1,
			ErrTooLarge},
		{strings.Repeat("x", 255), MaxPayload, nil}, {"t", 0, nil},
	} {
		if _, err := cutAll(s, w.Now, c.topic, make([]byte, c.payload)); !errors.Is(err, c.want) {
			t.Errorf("topic of %d, payload of %d bytes: %v, want %v", len(c.topic), c.payload,
				err, c.want)
		}
	}
	small := newWorld(t, 1, 1, Config{}).nodes[0]
	p, err := cutAll(small.s, w.Now, strings.Repeat("x", 255), make([]byte, MaxPayload))
	if err != nil || p.Last-p.First+1 > MaxParts || len(small.got) != 1 {
		t.Errorf("the largest message in the smallest pieces: %+v, %v", p, err)
	}
}

// No piece is longer than was asked for, and all that there are make up the payload.
func TestPieces(t *testing.T) {
	w := newWorld(t, 1, 1, Config{})
	n := w.nodes[0]
	first, other := capacity("topic")
	for _, size := range []int{0, 1, first - 1, first, first + 1, first + other, first +
		other + 1, 100_000} {
		p, err := cutAll(n.s, w.Now, "topic", payload(size, 9))
		if err != nil {
			t.Fatal(err)
		}
		for q := p.First; q <= p.Last; q++ {
			if b, _ := n.s.Body(n.ID(), p.Generation, q); len(b) > wire.MaxPiece {
				t.Errorf("a piece has %d bytes", len(b))
			}
		}
		if m := n.got[len(n.got)-1]; string(m.Payload) != string(payload(size, 9)) ||
			m.Last != p.Last {
			t.Errorf("%d bytes came back as %d", size, len(m.Payload))
		}
	}
}

// A publisher whose pieces are not confirmed is refused, loses nothing, and is told when to go on.
func TestWindow(t *testing.T) {
	w := newWorld(t, 1, 1, Config{Window: 100_000})
	n := w.nodes[0]
	var sent []published
	for {
		p, err := cutAll(n.s, w.Now, "t", payload(1000, 1))
		if err != nil {
			if !errors.Is(err, ErrBackpressure) {
				t.Fatal(err)
			}
			break
		}
		sent = append(sent, p)
	}
	if k := len(sent); k < 80 || k > 100 || len(n.got) != k || n.s.Stats().Open > 100_000 {
		t.Errorf("%d messages fit the window, %d were delivered here, %d bytes are open", k,
			len(n.got), n.s.Stats().Open)
	}
	if n.writable > 0 {
		t.Error("Writable comes at once")
	}
	slices.Reverse(sent) // in any order, and twice
	for i, p := range sent {
		n.s.Closed(w.Now, p.Generation, p.First)
		n.s.Closed(w.Now, p.Generation, p.First)
		n.s.Closed(w.Now, 99, p.First)
		if half := n.s.Stats().Open <= 50_000; half != (n.writable == 1) {
			t.Fatalf("after %d are closed %d bytes are open, and Writable came %d times", i+1,
				n.s.Stats().Open, n.writable)
		}
	}
	if st := n.s.Stats(); st.Open != 0 || n.s.window.count != 0 || st.Backpressure != 1 {
		t.Errorf("at the end: %+v", st)
	}
	if _, err := cutAll(n.s, w.Now, "t", payload(MaxPayload, 1)); err != nil {
		t.Errorf("a message larger than the window into an empty one: %v", err)
	}
}

// What nobody closes leaves the window when it is not retained any more.
func TestWindowOpensByAge(t *testing.T) {
	w := newWorld(t, 1, 1, Config{Window: 10_000, Age: 10 * time.Second})
	n := w.nodes[0]
	for range 20 {
		p, _ := cutAll(n.s, w.Now, "t", payload(1000, 1))
		n.s.Sent(w.Now, p.Generation, p.Last)
	}
	n.schedule()
	w.run(11*time.Second, nil)
	if n.writable != 1 || n.s.Stats().Open != 0 || n.s.Stats().Held != 0 {
		t.Errorf("Writable came %d times; %+v", n.writable, n.s.Stats())
	}
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		held int // of 100 pieces of 100 bytes from two origins, in turn
		wait time.Duration
	}{
		{"everything", Config{}, 100, time.Second},
		{"count", Config{Pieces: 30}, 30, 0},
		{"bytes", Config{Bytes: 30 * 100}, 30, 0},
		{"age", Config{Age: 10 * time.Second}, 0, 11 * time.Second},
	} {
		w := newWorld(t, 1, 3, c.cfg)
		w.quiet = true
		n := w.nodes[2]
		for i := range uint64(50) {
			for _, o := range w.nodes[:2] {
				p := part{seq: i + 1, topic: []byte("t"), payload: make([]byte, 95)}
				n.s.Take(w.Now, wire.Piece{Origin: o.ID(), Generation: 1, Seq: i + 1,
					Body: appendPart(nil, &p)})
			}
		}
		n.schedule()
		w.run(c.wait, nil)
		st := n.s.Stats()
		if st.Held != c.held || len(n.got) != 100 || len(n.lost) != 0 {
			t.Errorf("%s: %d pieces are held, %d messages came, %d holes; want %d, 100, 0",
				c.name, st.Held, len(n.got), len(n.lost), c.held)
		}
		for _, o := range w.nodes[:2] { // the oldest went, of both alike
			if c.held == 0 {
				continue
			}
			low := n.s.find(o.ID(), 1).lowest()
			if want := uint64(50 - c.held/2 + 1); low != want {
				t.Errorf("%s: the first piece held is %d, want %d", c.name, low, want)
			}
		}
		if c.held == 0 && (n.s.hash != 0 || st.Bytes != 0) {
			t.Errorf("%s: hash %x over nothing", c.name, n.s.hash)
		}
	}
}

// What has to go before it could be delivered is delivered as far as it is whole, and the rest is
// told as lost.
func TestRetentionOverGaps(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Pieces: 3})
	w.quiet = true
	n, bodies := w.nodes[1], pieces(1, 1, 2, 1, 1, 1, 1)
	// message 2 is missing, and the second half of 3
	n.take(w.nodes[0], 1, bodies, 1, 3, 5, 6, 7, 8)
	want := []string{"n000/1 1", "lost n000/1 2-4: 2 to 3", "n000/1 4", "n000/1 5", "n000/1 6",
		"n000/1 7"}
	if !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
}

// What nobody holds is passed over and told, how many messages it was too.
func TestLost(t *testing.T) {
	testLost(t, member.Left, 2*time.Second, 5*time.Second)
	// it may be back, and has it, for as long as pieces are held
	testLost(t, member.Failed, time.Minute, 65*time.Second)
}

func testLost(t *testing.T, state member.State, least, most time.Duration) {
	w := newWorld(t, 1, 5, Config{})
	bodies := pieces(1, 1, 3, 2, 1, 1)
	dead := w.dead()
	for _, n := range w.nodes {
		n.merge(dead, state)
		// 2, 3 (of which a part is here), 4 (too), and 5 are not whole anywhere
		n.take(dead, 1, bodies, 1, 4, 7, 9)
		n.schedule()
	}
	took, ok := w.run(2*time.Minute, w.all(2))
	if !ok || took < least || took > most {
		t.Errorf("%v: it was passed over after %v", state, took)
	}
	for _, n := range w.nodes {
		if want := []string{"dead/1 1", "lost dead/1 2-8: 4 to 5",
			"dead/1 6"}; !slices.Equal(mergeLost(n), want) {
			t.Errorf("%s got %q, want %q", n.Record.Name, n.events, want)
		}
		if st := n.s.Stats(); st.Lost != 4 || st.Gapped != 0 {
			t.Errorf("%+v", st)
		}
		for seq := uint64(1); seq <= 9; seq++ {
			want := wire.DutyDone
			if seq > 1 && seq < 9 && seq != 4 { // that is here, and no message ends in it
				want = wire.DutyTaken // the programs were not given it, nor will be
			}
			if v := n.s.Given(dead.ID(), 1, seq); v != want {
				t.Errorf("%s says %d of piece %d, want %d", n.Record.Name, v, seq, want)
			}
		}
	}
}

// mergeLost puts holes that follow each other together.
func mergeLost(n *node) (events []string) {
	i := 0
	for _, e := range n.events {
		if !strings.HasPrefix(e, "lost") {
			events = append(events, e)
			continue
		}
		l := n.lost[i]
		for i++; i < len(n.lost) && n.lost[i].From == l.To+1; i++ {
			l.To, l.Seq, l.Count = n.lost[i].To, n.lost[i].Seq, l.Count+n.lost[i].Count
		}
		text := fmt.Sprintf("lost %s/%d %d-%d: %d to %d", n.w.byID[l.Origin].Record.Name,
			l.Generation, l.From, l.To, l.Count, l.Seq)
		if !slices.Contains(events, text) && (len(events) == 0 ||
			!strings.HasPrefix(events[len(events)-1], "lost")) {
			events = append(events, text)
		}
	}
	return events
}

// A full piece, the first of a message on the longest topic too, fits an answer. A member that was
// away gets all.
func TestFullPiecesArePulled(t *testing.T) {
	w := newWorld(t, 1, 3, Config{})
	n := w.nodes[2]
	w.Cut = func(from, to *node) bool { return to == n }
	topic := strings.Repeat("x", wire.MaxTopic)
	p := w.nodes[0].publish(topic, payload(20*wire.MaxPiece, 1))
	body, _ := w.nodes[0].s.Body(w.nodes[0].ID(), p.Generation, p.First+1)
	if len(body) < wire.MaxPiece-bodyHead {
		t.Fatalf("a full piece has %d bytes", len(body))
	}
	w.run(time.Second, nil)
	w.Cut = nil
	if took, ok := w.run(5*time.Second, w.all(1)); !ok || n.s.Stats().TooLarge != 0 {
		t.Errorf("after %v it has %d messages", took, len(n.got))
	}
}

// A piece that is longer than any may be fits no answer. Its holder counts that. A node that asks
// for it hears that it is not there, and gives it up as lost, with few questions.
func TestTooLargePiece(t *testing.T) {
	w := newWorld(t, 1, 4, Config{})
	// the origin is of another make, and gone
	a, b, c, origin := w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3]
	w.Cut = func(from, to *node) bool { return to == c }
	origin.sleep()
	for seq, size := range []int{10, wire.MaxPiece + 100, 10} {
		p := part{seq: uint64(seq + 1), topic: []byte("t"), payload: payload(size, 1)}
		for _, n := range []*node{a, b} {
			n.s.Take(w.Now, wire.Piece{Origin: origin.ID(), Generation: 1, Seq: uint64(seq + 1),
				Body: appendPart(nil, &p)})
			n.schedule()
		}
	}
	w.run(time.Second, nil)
	w.Cut = nil
	for _, n := range w.nodes[:3] { // or its origin might come back with it
		n.merge(origin, member.Left)
	}
	w.run(time.Minute/2, nil)
	if len(c.got) != 2 || len(c.lost) != 1 || c.lost[0].Count != 1 {
		t.Errorf("it got %d messages and lost %+v", len(c.got), c.lost)
	}
	if n := a.s.Stats().TooLarge + b.s.Stats().TooLarge; n == 0 || n > 20 {
		t.Errorf("%d answers without it are counted", n)
	}
	if n := c.s.Stats().Pulls; n > 20 {
		t.Errorf("%d questions", n)
	}
}

// While nobody can be reached nothing is given up.
func TestIsolatedLosesNothing(t *testing.T) {
	w := newWorld(t, 1, 5, Config{})
	n := w.nodes[4]
	w.Cut = func(from, to *node) bool { return to == n }
	for range 10 {
		w.nodes[0].publish("t", []byte("x"))
	}
	w.Cut = func(from, to *node) bool { return from == n || to == n }
	body, _ := w.nodes[0].s.Body(w.nodes[0].ID(), 1, 10)
	n.s.Take(w.Now, wire.Piece{Origin: w.nodes[0].ID(), Generation: 1, Seq: 10, Body: body})
	n.schedule()
	before := w.packets
	w.run(50*time.Second, nil)
	if len(n.lost) > 0 || w.packets-before > 200 {
		t.Errorf("lost %v, after %d requests", n.lost, w.packets-before)
	}
	w.Cut = nil
	if took, ok := w.run(5*time.Second, w.all(10)); !ok {
		t.Errorf("it has %d messages %v after it is back", len(n.got), took)
	}
	n.checkOrder()
}

// A member that was away for longer than pieces are kept learns that, and goes on with what there
// is.
func TestAwayForTooLong(t *testing.T) {
	for _, count := range []int{1000, 30_000} { // within what a node takes in ahead, and beyond
		w := newWorld(t, 1, 6, Config{Pieces: 400})
		n := w.nodes[5]
		w.publishAndSettle(10)
		n.sleep()
		for i := range count {
			w.nodes[0].publish("t", fmt.Appendf(nil, "%d", i))
			if i%100 == 0 {
				w.run(time.Millisecond, nil)
			}
		}
		n.wake(time.Minute)
		took, ok := w.run(30*time.Second, func() bool { return len(n.got) == 410 })
		if !ok || len(n.lost) == 0 {
			t.Fatalf("%d: it has %d messages and lost %v after %v; %+v", count, len(n.got),
				n.lost, took, n.s.Stats())
		}
		l := n.lost[0]
		if len(n.lost) != 1 || l.From != 11 || l.To != uint64(count-390) ||
			l.Count != uint64(count-400) || n.got[10].Seq != l.Seq+1 {
			t.Errorf("%d: it lost %+v and goes on with %d", count, n.lost, n.got[10].Seq)
		}
		t.Logf("%d: after %v; %+v", count, took, n.s.Stats())
	}
}

// A newcomer gets what is published after it was welcomed, and nothing from before.
func TestNewcomer(t *testing.T) {
	w := newWorld(t, 3, 6, Config{})
	for i := range 300 {
		w.nodes[i%3].publish("t", []byte("before"))
	}
	w.run(time.Second, nil)
	w.loss = 0.3
	n := w.add()
	m, _ := n.Members.Get(w.nodes[4].ID())
	n.s.Joined(w.Now, m, 0)
	n.schedule()
	for i := range 40 {
		// the first ones while it does not know yet; n003's stream is new
		w.nodes[i%4].publish("t", []byte("after"))
	}
	w.run(5*time.Second, func() bool { return len(n.got) == 40 })
	if len(n.got) != 40 || len(n.lost) > 0 {
		t.Errorf("it got %d and lost %v; %+v", len(n.got), n.lost, n.s.Stats())
	}
	for _, m := range n.got {
		if string(m.Payload) != "after" {
			t.Fatalf("it got message %d of before", m.Seq)
		}
	}
	if n.s.hash != w.nodes[1].s.hash {
		t.Log("hashes differ while the others hold what the newcomer never had of streams that " +
			"were silent since")
	}
}

// Without an answer from a member that knows, streams begin at the first message heard, or at their
// beginning if that is near.
func TestNewcomerDecidesAlone(t *testing.T) {
	w := newWorld(t, 3, 3, Config{})
	w.quiet = true
	bodies := pieces(slices.Repeat([]int{2}, 200)...)
	n := w.nodes[2]
	n.s.Joined(w.Now, member.Member{ID: 99}, 0)
	// the second half of 50, 51, the first half of 52
	n.take(w.nodes[0], 1, bodies, 100, 101, 102, 103)
	n.take(w.nodes[1], 1, bodies, 3, 4)
	w.Cut = func(from, to *node) bool { return true }
	n.schedule()
	if len(n.got) > 0 {
		t.Error("delivered before it is known where the streams begin")
	}
	w.run(4*time.Second, nil)
	n.take(w.nodes[0], 1, bodies, 99, 98)
	if want := []string{"n000/1 50", "n000/1 51"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
	if st := n.s.find(w.nodes[1].ID(), 1); st.next != 1 {
		t.Errorf("the stream that is near its beginning begins at %d", st.next)
	}
}

// When hundreds come at once, the members that do not know yet where streams begin are no help, and
// do no harm.
func TestManyNewcomers(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	w.publishAndSettle(20)
	seed, _ := w.nodes[0].Members.Get(w.nodes[1].ID())
	for range 60 {
		w.add()
	}
	for i, n := range w.nodes[4:] {
		by := seed
		if i > 5 { // as if another newcomer had let it in
			by, _ = n.Members.Get(w.nodes[i-1].ID())
		}
		n.s.Joined(w.Now, by, 0)
		n.schedule()
	}
	for range 10 {
		w.nodes[0].publish("t", []byte("after"))
	}
	w.run(4*time.Second, nil)
	for _, n := range w.nodes[4:] {
		n2 := 0
		for _, m := range n.got {
			if m.Seq > 20 {
				n2++
			}
		}
		if n2 != 10 || len(n.got) != 10 || len(n.lost) > 0 {
			t.Errorf("%s got %d messages, %d of them new, and lost %v", n.Record.Name,
				len(n.got), n2, n.lost)
		}
	}
}

// A node that is restored goes on where it was: nothing twice, what it missed, and it can serve
// others.
func TestRestore(t *testing.T) {
	w := newWorld(t, 5, 3, Config{})
	w.publishAndSettle(10)
	n := w.nodes[2]
	n.publish("mine", []byte("of the first life"))
	w.run(100*time.Millisecond, nil)
	n.sleep()
	for range 5 {
		w.nodes[0].publish("t", []byte("while away"))
		w.nodes[1].publish("t", []byte("a stream that began while away"))
	}
	w.run(time.Second, nil)

	again := w.add()
	again.Record.Generation = 2
	var marks []Mark
	for _, m := range n.marks {
		marks = append(marks, m)
	}
	again.s.Restore(w.Now, slices.Values(marks), slices.Values(n.kept))
	if len(again.got) > 0 || again.s.Stats().Held != 11 {
		t.Fatalf("after the start it delivered %d and holds %d", len(again.got),
			again.s.Stats().Held)
	}
	m, _ := again.Members.Get(w.nodes[0].ID())
	again.s.Joined(w.Now, m, 0)
	again.schedule()
	if _, ok := w.run(5*time.Second, func() bool { return len(again.got) == 10 }); !ok {
		t.Errorf("it got %q", again.events)
	}
	if b, ok := again.s.Body(n.ID(), 1, 1); !ok || !strings.Contains(string(b), "first life") {
		t.Error("it does not hold what it published in its first life")
	}
	for _, m := range again.got {
		if m.Origin == w.nodes[0].ID() && m.Seq <= 10 {
			t.Errorf("message %d came again", m.Seq)
		}
	}
}

// A whole cluster that stopped goes on: what one had not got yet it gets from what another kept.
func TestRestoreDeliversWhatIsWhole(t *testing.T) {
	w := newWorld(t, 5, 2, Config{})
	n := w.nodes[1]
	var kept []wire.Piece
	for i, b := range pieces(1, 2, 1) {
		kept = append(kept, wire.Piece{Origin: w.nodes[0].ID(), Generation: 1,
			Seq: uint64(i + 1), Body: b})
	}
	kept = append(kept, wire.Piece{Origin: 5, Generation: 1, Seq: 0, Body: []byte("x")},
		wire.Piece{Origin: 5, Seq: 1 << 40, Body: kept[0].Body})
	n.s.Restore(w.Now, slices.Values([]Mark{{Origin: w.nodes[0].ID(), Generation: 1, Next: 2,
		Seq: 1}}), slices.Values(kept))
	if want := []string{"n000/1 2", "n000/1 3"}; !slices.Equal(n.events, want) {
		t.Errorf("got %q, want %q", n.events, want)
	}
	if len(n.kept) > 0 {
		t.Errorf("what was kept already is to be kept again: %v", n.kept)
	}
}

// Two sides of a partition give each other what was published meanwhile, when they meet again.
func TestPartition(t *testing.T) {
	w := newWorld(t, 6, 10, Config{})
	w.publishAndSettle(3)
	w.Cut = func(from, to *node) bool {
		return slices.Index(w.nodes, from) < 5 != (slices.Index(w.nodes, to) < 5)
	}
	for range 20 {
		w.nodes[1].publish("t", []byte("on one side"))
		w.nodes[8].publish("t", []byte("on the other"))
	}
	w.run(25*time.Second, nil)
	w.Cut = nil
	for i, n := range w.nodes {
		o := w.nodes[(i+5)%10]
		m, _ := n.Members.Get(o.ID())
		before := m
		before.State = member.Failed
		n.s.Changed(w.Now, before, m)
	}
	took, ok := w.run(20*time.Second, w.all(43))
	t.Logf("after %v", took)
	if !ok || took > 3*time.Second {
		t.Errorf("all have all after %v", took)
	}
	for _, n := range w.nodes {
		n.checkOrder()
	}
}

// In a quiet cluster nothing is told, and an idle one wakes for nothing.
func TestQuiet(t *testing.T) {
	w := newWorld(t, 7, 4, Config{Age: 5 * time.Second})
	w.publishAndSettle(50)
	w.run(time.Minute, nil)
	before := w.packets
	w.run(5*time.Minute, nil)
	if w.packets != before {
		t.Errorf("%d datagrams in a quiet cluster", w.packets-before)
	}
	for _, n := range w.nodes {
		if b := n.s.AppendHeads(nil, 1000); len(b) > 0 {
			t.Errorf("%s tells %x", n.Record.Name, b)
		}
		if d := n.s.Deadline(); d != mono.Never {
			t.Errorf("%s is to be woken in %v", n.Record.Name, d.Sub(w.Now))
		}
		if cap(n.s.permits.list) > 64 || n.s.find(w.nodes[0].ID(), 1).pages != nil {
			t.Errorf("%s keeps memory", n.Record.Name)
		}
	}
}

// While pieces flow heads are on all probes, and few; equal views exchange nothing else.
func TestHeadsAreFew(t *testing.T) {
	w := newWorld(t, 8, 20, Config{})
	for range 2 {
		for _, n := range w.nodes {
			n.publish("t", []byte("x"))
		}
		w.run(10*time.Millisecond, nil)
	}
	w.run(10*time.Second, nil)
	n := w.nodes[3]
	if len(n.s.telling.list) > 0 {
		t.Errorf("%d heads are told still", len(n.s.telling.list))
	}
	if b := n.s.AppendHeads(nil, 1000); len(b) > wire.HeadsSize {
		t.Errorf("%d bytes for nothing new", len(b))
	}
	if st := n.s.Stats(); st.Syncs+st.Pulls > 0 {
		t.Errorf("%+v", st)
	}
	for _, room := range []int{0, 10, 11, 50, 100, 300} {
		n.s.telling.add(n.s.list[0])
		n.s.telling.add(n.s.list[1])
		if b := n.s.AppendHeads(nil, room); len(b) > room {
			t.Errorf("%d bytes in %d", len(b), room)
		}
	}
}

func TestTopics(t *testing.T) {
	w := newWorld(t, 9, 2, Config{Age: 30 * time.Second})
	for i := range 100 {
		w.nodes[0].publish([]string{"b", "a"}[i%2], payload(10, 1))
		w.run(100*time.Millisecond, nil)
	}
	w.nodes[0].publish("big", payload(5000, 1))
	w.run(time.Millisecond*10, nil)
	list := w.nodes[1].s.Topics(w.Now)
	if len(list) != 3 || list[0].Name != "a" || list[0].Messages != 50 ||
		list[0].Bytes != 500 || list[0].Held != 50 ||
		list[2].Messages != 1 || list[2].Bytes != 5000 || list[2].Held != 1 {
		t.Errorf("%+v", list)
	}
	if r := list[0].Rate; r < 4 || r > 6 {
		t.Errorf("rate %v, want about 5", r)
	}
	w.run(time.Minute, nil)
	if a := w.nodes[1].s.Topics(w.Now)[0]; a.Held != 0 || a.Rate != 0 || a.Messages != 50 {
		t.Errorf("later: %+v", a)
	}
	for i := range 2 * MaxTopics {
		w.nodes[0].publish(fmt.Sprintf("topic %d", i), nil)
	}
	if n := len(w.nodes[0].s.Topics(w.Now)); n > MaxTopics+1 {
		t.Errorf("%d topics", n)
	}
}

// A stream that is forgotten with its origin frees what it held.
func TestForget(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	n := w.nodes[1]
	n.take(w.nodes[0], 1, pieces(1, 1, 1), 1, 3)
	n.take(w.nodes[0], 2, pieces(1, 1, 1), 1)
	n.s.Forget(w.Now, w.nodes[0].ID())
	if st := n.s.Stats(); st.Streams != 0 || st.Held != 0 || st.Bytes != 0 || st.Gapped != 0 ||
		n.s.hash != 0 {
		t.Errorf("%+v", st)
	}
}

// What was delivered and is still held can be gone through again, one's own messages too, large
// ones whole.
func TestMessagesHeld(t *testing.T) {
	w := newWorld(t, 1, 2, Config{})
	a, b := w.nodes[0], w.nodes[1]
	large := make([]byte, 5000)
	for _, p := range [][]byte{[]byte("one"), large, []byte("three")} {
		a.publish("t", p)
	}
	w.run(time.Second, nil)
	for _, n := range []*node{a, b} {
		var got []string
		for m := range n.s.Messages() {
			got = append(got, fmt.Sprintf("%d:%s:%d", m.Seq, m.Topic, len(m.Payload)))
		}
		if want := []string{"1:t:3", "2:t:5000", "3:t:5"}; !slices.Equal(got, want) {
			t.Errorf("%s holds %v, not %v", n.Record.Name, got, want)
		}
	}
}

// What is not on its way yet is not told of, so that nobody asks for it, and is held until it is:
// nobody else has it.
func TestUnsentIsNobodysBusiness(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Age: 10 * time.Second, Bytes: 100_000, Window: 50_000})
	n, other := w.nodes[0], w.nodes[1]
	n.publish("t", payload(1000, 1)) // this one is sent
	w.run(time.Second, nil)
	hash := n.s.hash
	var all []published
	for range 30 {
		p, err := cutAll(n.s, w.Now, "t", payload(1000, 2))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if n.s.hash != hash || n.s.own[0].asHead().High != 1 {
		t.Errorf("what is not sent is told of: %+v", n.s.own[0].asHead())
	}
	n.schedule()
	w.run(30*time.Second, nil)
	if pulls := other.s.Stats().Pulls; pulls > 0 {
		t.Errorf("the other asked %d times for what was not sent", pulls)
	}
	for _, p := range all {
		if _, ok := n.s.Body(n.ID(), p.Generation, p.First); !ok {
			t.Fatalf("piece %d was let go before it was sent", p.First)
		}
	}
	last := all[len(all)-1]
	n.s.Sent(w.Now, last.Generation, last.Last-1)
	if h := n.s.own[0].asHead(); h.High != last.Last-1 {
		t.Errorf("told of: %+v", h)
	}
	n.s.Sent(w.Now, last.Generation, last.Last)
	if h := n.s.own[0].asHead(); h.High != last.Last || n.s.own[0].late != 0 {
		t.Errorf("told of: %+v", h)
	}
}

// One message may be larger than all that may be held: until it is on its way nothing of it can be
// let go.
func TestUnsentBeyondTheBounds(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Pieces: 100, Bytes: 100_000})
	n := w.nodes[0]
	p, err := cutAll(n.s, w.Now, "t", payload(MaxPayload, 1))
	if err != nil {
		t.Fatal(err)
	}
	if st := n.s.Stats(); st.Held != int(p.Last) {
		t.Errorf("%d of %d pieces are held before they are sent", st.Held, p.Last)
	}
	n.s.Sent(w.Now, p.Generation, p.Last)
	w.Now = w.Now.Add(2 * time.Second)
	n.s.Wake(w.Now)
	if st := n.s.Stats(); st.Held > 100 || st.Bytes > 100_000 {
		t.Errorf("%d pieces and %d bytes are held after", st.Held, st.Bytes)
	}
}

// A window that is full in one generation is not in the next, in which nobody confirms what the
// last one published.
func TestNewGenerationNewWindow(t *testing.T) {
	w := newWorld(t, 1, 2, Config{Window: 20_000})
	n := w.nodes[0]
	for range 20 {
		cutAll(n.s, w.Now, "t", payload(1000, 1))
	}
	if _, err := cutAll(n.s, w.Now, "t", payload(1000, 1)); !errors.Is(err, ErrBackpressure) {
		t.Fatalf("a window of 20 kB holds more than 20 messages of 1 kB: %v", err)
	}
	n.Record.Generation = 2
	if _, err := cutAll(n.s, w.Now, "t", payload(1000, 1)); err != nil {
		t.Error(err)
	}
}

// A zone that lacks something asks the others for it through a few of its members, the more the
// longer that takes.
func TestFewAskAbroad(t *testing.T) {
	w := newWorld(t, 1, 100, Config{})
	var near []topology.Place
	for _, n := range w.nodes {
		near = append(near, topology.Place{ID: n.ID()})
	}
	for _, x := range []struct {
		after       time.Duration
		least, most int
	}{{0, 0, 8}, {150 * time.Millisecond, 0, 14}, {250 * time.Millisecond, 2,
		20}, {550 * time.Millisecond, 45, 85}, {time.Second, 100, 100}} {
		asks := 0
		for _, n := range w.nodes {
			n.near = near
			st := &stream{origin: 1, generation: 1, repair: &repair{since: w.Now}}
			if n.s.holders.abroad(w.Now.Add(x.after), st, 7) {
				asks++
			}
		}
		if asks < x.least || asks > x.most {
			t.Errorf("after %v %d of 100 ask other zones", x.after, asks)
		}
	}
	for _, n := range w.nodes[:5] {
		if n.near = nil; !n.s.holders.abroad(w.Now, &stream{repair: &repair{since: w.Now}}, 7) {
			t.Error("in one zone somebody may not ask all")
		}
	}
}

// What was passed over as lost is not had, though it need not be sent here any more.
func TestLostIsNotHad(t *testing.T) {
	w := newWorld(t, 1, 3, Config{Age: 5 * time.Second})
	r, o := w.nodes[0], w.nodes[1]
	r.sleep()
	p := o.publish("t", []byte("one"))
	w.run(20*time.Second, nil)
	r.wake(20 * time.Second)
	q := o.publish("t", []byte("two"))
	w.run(30*time.Second, nil)
	if len(r.lost) != 1 || r.s.Knows(o.ID(), p.Generation, p.First) ||
		!r.s.PassedOver(o.ID(), p.Generation, p.First) {
		t.Errorf("lost %+v; known %v", r.lost, r.s.Knows(o.ID(), p.Generation, p.First))
	}
	if len(r.got) != 1 || !r.s.Knows(o.ID(), q.Generation, q.First) ||
		r.s.PassedOver(o.ID(), q.Generation, q.First) {
		t.Errorf("got %d messages", len(r.got))
	}
}

// Answers from afar take longer than those from this node's zone, and come late for one request
// that was made by the measure of near ones, not for all. What nobody near has is given up as soon
// as all have denied it.
func TestTimeoutsOfTwoZones(t *testing.T) {
	w := newWorld(t, 1, 12, Config{Age: 5 * time.Second})
	isFar := func(n *node) bool { return n == w.nodes[0] || slices.Contains(w.nodes[6:], n) }
	w.further = func(from, to *node) time.Duration {
		if isFar(from) != isFar(to) {
			return 40 * time.Millisecond
		}
		return 0
	}
	for _, n := range w.nodes {
		for _, o := range w.nodes {
			if isFar(o) == isFar(n) {
				m, _ := n.Members.Get(o.ID())
				n.near = append(n.near, topology.PlaceOf(&m))
			}
		}
		slices.SortFunc(n.near, func(a, b topology.Place) int { return cmp.Compare(a.Key, b.Key) })
	}
	o, r := w.nodes[0], w.nodes[1]
	for i := range 20 { // what is near is asked, and answers at once
		w.Cut = func(from, to *node) bool { return from == w.nodes[2] && to == r }
		w.nodes[2].publish("t", []byte{byte(i)})
		w.run(200*time.Millisecond, nil)
		w.Cut = nil
		w.nodes[2].publish("t", []byte{byte(i)})
		w.run(time.Second, nil)
	}
	w.Cut = func(from, to *node) bool { return from == o || to == o }
	o.publish("t", []byte("nobody gets this"))
	w.run(20*time.Second, nil)
	w.Cut = nil
	before := r.s.Stats()
	o.publish("t", []byte("all get this"))
	took, ok := w.run(20*time.Second, func() bool { return len(r.got) == 41 })
	if !ok || len(r.lost) != 1 || took > 3*time.Second {
		t.Errorf("after %v it has %d messages and lost %v", took, len(r.got), r.lost)
	}
	if late := r.s.Stats().TimedOut - before.TimedOut; late > 4 {
		t.Errorf("%d requests timed out", late)
	}
}

// A claim that nobody could show is not believed for some time, so that a liar costs little; but a
// member that returns may have what nobody had.
func TestReturnEndsDeafness(t *testing.T) {
	w := newWorld(t, 1, 8, Config{})
	w.publishAndSettle(5)
	o, n, back := w.nodes[0], w.nodes[3], w.nodes[7]
	cut := true
	w.Cut = func(from, to *node) bool {
		return cut && (from == back || from == o) != (to == back || to == o)
	}
	o.publish("t", []byte("six"))
	claim := heads(wire.Head{Origin: o.ID(), Generation: 1, Low: 1, High: 6})
	n.s.Receive(w.Now, plane.SenderOf(n.from(w.nodes[2])), wire.TypeHeads, claim)
	for _, x := range w.nodes[:7] {
		x.merge(o, member.Failed)
	}
	w.run(2*time.Minute, func() bool { return n.s.Stats().Unproven > 0 })
	if n.s.Stats().Unproven == 0 {
		t.Fatal("the claim was not given up")
	}
	cut = false
	w.run(time.Second, nil)
	n.s.Returned(w.Now, n.from(back))
	n.s.Receive(w.Now, plane.SenderOf(n.from(back)), wire.TypeHeads, claim)
	n.schedule()
	if _, ok := w.run(2*time.Second, func() bool { return len(n.got) == 6 }); !ok {
		t.Errorf("it has %d messages", len(n.got))
	}
}
