package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// starve loses whatever brings or offers messages to some members, in the datagrams that w sends
// from now on, for as long as starving says so.
func (w *world) starve(starving func(from, to netip.AddrPort) bool) {
	var last []byte
	w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) { last = data }
	w.cut = func(from, to netip.AddrPort) bool {
		if !starving(from, to) {
			return false
		}
		_, r, err := wire.Open(last)
		for t, _, ok := r.Next(); err == nil && ok; t, _, ok = r.Next() {
			if t == wire.TypeCarry || t == wire.TypeOffer || t == wire.TypeSupply {
				return true
			}
		}
		return false
	}
}

// receipts checks every receipt against what was given: it never counts a member whose programs
// were not given the message, except one that is given it at once. It returns the last of each
// message.
func (w *world) receipts(origin *peer) map[uint64]Spread {
	given, last := map[uint64]int{}, map[uint64]Spread{}
	w.onEvent = func(p *peer, e Event) {
		switch {
		case e.Kind == MessageDelivered && e.Message.Origin == origin.id:
			given[e.Message.Seq]++
		case e.Kind == MessageSpread && p == origin:
			s := e.Spread
			if had := last[s.Seq]; had.Ended || had.Done && had.Have >= had.Of {
				w.t.Errorf("told of message %d after the last word: %+v", s.Seq, s)
			}
			if last[s.Seq] = s; s.Have > given[s.Seq] {
				w.t.Errorf("message %d was given to %d, the receipt says %+v", s.Seq,
					given[s.Seq], s)
			}
		}
	}
	return last
}

// A member that is started anew while its publisher waits, and has kept nothing, does not get the
// message: the receipt does not count it, and says that it is there. One that had the message stays
// counted.
func TestReceiptOfOneThatStartsAnew(t *testing.T) {
	for _, had := range []bool{false, true} {
		w := newWorld(t)
		nodes := w.cluster(4, nil)
		w.run(3 * time.Second)
		o, x, slow := nodes[0], nodes[3], nodes[2]
		starving := true
		w.starve(func(_, to netip.AddrPort) bool {
			return starving && (to == slow.addr || to == x.addr && !had)
		})
		last := w.receipts(o)
		err := w.do(o, Publish{Topic: "t", Payload: make([]byte, 100), Confirm: true})
		if err != nil {
			t.Fatal(err)
		}
		w.run(time.Second)
		x.down = true
		w.run(100 * time.Millisecond)
		again := w.start("n3", 3, 2, nil, 0)
		w.until(20*time.Second, "it is in", func() bool {
			return again.door.Welcomed() &&
				w.allSee(4)
		})
		starving = false
		w.run(10 * time.Second)
		want := Spread{Generation: 1, Seq: 1, Have: 3, Of: 3, Newer: 1, Done: true}
		if had {
			want = Spread{Generation: 1, Seq: 1, Have: 4, Of: 4, Done: true}
		}
		if s := last[1]; fmt.Sprint(s) != fmt.Sprint(want) {
			t.Errorf("it had the message: %t: %+v, want %+v", had, s, want)
		}
	}
}

// A receipt counts nobody that was told that the message is lost, and nobody that holds it behind a
// gap, however much is lost. The wait of a message that some will never get ends, and is told.
func TestReceiptsAreTrue(t *testing.T) {
	w := newWorld(t)
	cfg := &Config{Streams: stream.Config{Age: 4 * time.Second, Patience: time.Second}}
	nodes := w.cluster(12, cfg)
	w.run(3 * time.Second)
	o, x := nodes[0], nodes[3]
	starved := true
	w.starve(func(_, to netip.AddrPort) bool { return starved && to == x.addr })
	last := w.receipts(o)
	publish := func(bytes int) {
		if err := w.do(o, Publish{Topic: "t", Payload: make([]byte, bytes),
			Confirm: true}); err != nil {
			t.Fatal(err)
		}
	}
	publish(3000)
	w.run(time.Second)
	if s := last[1]; s.Have != 11 || s.Of != 12 || !s.Done || s.Ended {
		t.Errorf("one gets nothing: %+v", s)
	}
	w.run(4500 * time.Millisecond) // all have let it go
	if s := last[1]; s.Have != 11 || s.Of != 12 || !s.Ended {
		t.Errorf("nobody holds it any more: %+v", s)
	}
	starved = false
	publish(10)
	w.run(500 * time.Millisecond)
	if s := last[2]; s.Have != 11 || s.Of != 12 || s.Ended {
		t.Errorf("one holds it behind a gap: %+v", s)
	}
	w.run(5 * time.Second)
	if s := last[2]; s.Have != 12 || s.Of != 12 || count(x, MessagesLost) != 1 {
		t.Errorf("the gap was passed over: %+v", s)
	}
	w.loss = 0.4
	for i := range 30 {
		publish(i * 400)
		w.run(3 * time.Millisecond)
	}
	w.run(20 * time.Second)
	if n := o.spreads.count(); n > 0 {
		t.Errorf("%d are followed still", n)
	}
}

// A member that nothing comes to from the publisher itself is counted once it was caught up by
// others.
func TestReceiptByAnotherWay(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(3 * time.Second)
	o, x := nodes[0], nodes[4]
	w.cut = func(from, to netip.AddrPort) bool {
		return from == o.addr && to == x.addr || from == x.addr && to == o.addr
	}
	last := w.receipts(o)
	w.run(4 * time.Second)
	for range 5 {
		if err := w.do(o, Publish{Topic: "t", Payload: []byte("x"), Confirm: true}); err != nil {
			t.Fatal(err)
		}
		seq := o.LastSeq()
		w.until(3*time.Second, "it is confirmed",
			func() bool { s := last[seq]; return s.Have == 5 && s.Of == 5 })
		w.run(time.Second)
	}
}

// Members that come back while a publisher waits are waited for; one that joins meanwhile is not.
func TestReceiptOfThoseWhoReturn(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(12, nil)
	w.run(3 * time.Second)
	far := func(a netip.AddrPort) bool { return a.Addr().As4()[3] >= 6 && a.Addr().As4()[3] < 12 }
	apart := true
	o, x := nodes[0], nodes[1]
	starved := true
	var last []byte
	w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) { last = data }
	w.cut = func(from, to netip.AddrPort) bool {
		if apart && far(from) != far(to) {
			return true
		}
		_, r, err := wire.Open(last)
		if err != nil || !starved || to != x.addr {
			return false
		}
		ty, _, _ := r.Next()
		return ty == wire.TypeCarry || ty == wire.TypeOffer || ty == wire.TypeSupply
	}
	told := w.receipts(o)
	w.until(time.Minute, "the others are failed", func() bool { return o.Table().Live() == 6 })
	w.do(o, Publish{Topic: "t", Payload: []byte("x"), Confirm: true})
	w.run(time.Second)
	if s := told[1]; s.Have != 5 || s.Of != 6 {
		t.Fatalf("apart: %+v", s)
	}
	if reachable, agreed := o.Reach(); reachable != 6 || agreed != 12 {
		t.Errorf("apart: %d of %d", reachable, agreed)
	}
	apart = false
	w.until(time.Minute, "all see all", func() bool { return w.allSee(12) })
	w.start("late", 20, 1, nil, 0)
	w.until(time.Minute, "all see all", func() bool { return w.allSee(13) })
	w.run(20 * time.Second)
	if s := told[1]; s.Have != 11 || s.Of != 12 {
		t.Errorf("together again, and one joined: %+v", s)
	}
	starved = false
	w.run(20 * time.Second)
	if s := told[1]; s.Have != 12 || s.Of != 12 {
		t.Errorf("the last one has it: %+v", s)
	}
}

// What is followed ends: a thousand waits while one member gets nothing, or a zone is cut off;
// waits that were given up, which make room for others; and what never left its node.
func TestWaitsEnd(t *testing.T) {
	for _, zones := range []int{1, 2} {
		w := newWorld(t)
		w.zone = func(i int) string { return fmt.Sprint("z", i%zones) }
		nodes := w.cluster(8, nil)
		w.run(5 * time.Second)
		o := nodes[0]
		hard := true
		if zones == 1 {
			w.starve(func(_, to netip.AddrPort) bool { return hard && to == nodes[3].addr })
		} else {
			w.cut = func(from, to netip.AddrPort) bool {
				return hard && from.Addr().As4()[3]%2 != to.Addr().As4()[3]%2
			}
			w.run(8 * time.Second)
		}
		w.receipts(o)
		publish := func() error {
			return w.do(o, Publish{Topic: "t", Payload: []byte("x"),
				Confirm: true})
		}
		for range maxSpreads {
			if err := publish(); err != nil {
				t.Fatal(err)
			}
			w.run(2 * time.Millisecond)
		}
		if err := publish(); !errors.Is(err, ErrBackpressure) || o.spreads.count() != maxSpreads {
			t.Fatalf("%d followed, one more: %v", o.spreads.count(), err)
		}
		g := o.Self()
		before := count(o, Writable)
		for seq := uint64(1); seq <= 10; seq++ {
			w.do(o, Unfollow{Generation: g.Generation(), Seq: seq})
			w.do(o, Unfollow{Generation: g.Generation(), Seq: 1 << 40})
		}
		if n := o.spreads.count(); n != maxSpreads-10 || count(o, Writable) != before+1 {
			t.Errorf("ten given up: %d followed, told of room %d times", n,
				count(o, Writable)-before)
		}
		if err := publish(); err != nil {
			t.Error(err)
		}
		w.run(time.Second)
		hard = false
		w.run(20 * time.Second)
		if n := o.spreads.count(); n > 0 {
			t.Errorf("%d zones: %d are followed when all is well again", zones, n)
		}
		if s := o.TreeStats(); s.Jobs > 0 {
			t.Errorf("%d zones: %d jobs are left", zones, s.Jobs)
		}
	}
}

// What was published in an earlier generation and not sent before the next message of a new one is
// told as the last word.
func TestWaitOfAnEarlierGeneration(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.run(2 * time.Second)
	o := nodes[0]
	ended := 0
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == MessageSpread && e.Spread.Ended {
			ended++
		}
	}
	w.step(o, func(out *Outbox) {
		for range 300 { // more than leave at once
			if err := o.Do(w.Now, Publish{Topic: "t", Payload: make([]byte, 1000),
				Confirm: true}, out); err != nil {
				t.Fatal(err)
			}
		}
		o.begin(w.Now, out)
		o.roster.GoAbove(o.roster.Record().Generation, 0)
		o.finish()
		if err := o.Do(w.Now, Publish{Topic: "t", Payload: []byte("x"), Confirm: true},
			out); err != nil {
			t.Fatal(err)
		}
	})
	w.run(10 * time.Second)
	if n := o.spreads.count(); n > 0 || ended == 0 || ended == 301 {
		t.Errorf("%d are followed, %d were told of their end", n, ended)
	}
}

// A newcomer that is complete knows all members; the first of a cluster is complete at once, and
// one that is not let in never is.
func TestCompleteKnowsAll(t *testing.T) {
	for _, loss := range []float64{0, 0.3} {
		w := newWorld(t)
		w.cluster(60, nil)
		w.run(2 * time.Second)
		w.loss = loss
		for i := range 10 {
			n := w.start(fmt.Sprint("late", i), 100+i, 1, nil, i)
			took := w.until(20*time.Second, "it is complete", n.Complete)
			if live := n.Table().Live(); live < 61+i {
				t.Errorf("newcomer %d is complete after %s, and knows %d of %d", i, took, live,
					61+i)
			}
			w.run(2 * time.Second)
		}
	}
	w := newWorld(t)
	if first := w.start("a", 1, 1, nil); !first.Complete() {
		t.Error("the first is not complete")
	}
	lone := w.start("b", 2, 1, nil, 9)
	w.run(time.Minute)
	if lone.Complete() {
		t.Error("nobody let it in, and it is complete")
	}
}

// leaver is a cluster one of whose members is about to leave.
type leaver struct {
	*world
	*peer
	got map[*peer]int // large messages
}

const large = 300_000

func newLeaver(t *testing.T) *leaver {
	w := newWorld(t)
	l := &leaver{w, w.cluster(8, nil)[1], map[*peer]int{}}
	w.run(2 * time.Second)
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == MessageDelivered && len(e.Message.Payload) == large {
			l.got[p]++
		}
	}
	return l
}

func (l *leaver) publish(bytes int) {
	if err := l.do(l.peer, Publish{Topic: "t", Payload: make([]byte, bytes)}); err != nil {
		l.t.Fatal(err)
	}
}

// gone waits until it has left, and returns what it said then.
func (l *leaver) gone(within time.Duration) (took time.Duration, err error) {
	took = l.until(within, "it has left", l.Stopped)
	for _, e := range l.events {
		if e.Kind == LeaveDone {
			return took, e.Err
		}
	}
	return took, errors.New("without a word")
}

// Leave lets go what was published first. Meanwhile nothing more can be published.
func TestLeaveLetsGo(t *testing.T) {
	l := newLeaver(t)
	l.publish(large)
	l.do(l.peer, Leave{Wait: 5 * time.Second})
	if err := l.do(l.peer, Publish{Topic: "t"}); !errors.Is(err, ErrLeaving) {
		t.Errorf("publish while leaving: %v", err)
	}
	if _, err := l.gone(2 * time.Second); err != nil {
		t.Error(err)
	}
	if l.run(time.Second); len(l.got) != 8 {
		t.Errorf("%d of 8 have it", len(l.got))
	}
}

// A node that nobody hears goes when the wait is over, and says what is not out; the wait can be
// ended.
func TestLeaveUnheard(t *testing.T) {
	for _, early := range []bool{false, true} {
		l := newLeaver(t)
		l.cut = func(from, to netip.AddrPort) bool { return from == l.addr }
		l.publish(1)
		l.publish(2000)
		l.do(l.peer, Leave{Wait: time.Second})
		if early {
			l.run(100 * time.Millisecond)
			l.do(l.peer, Leave{})
		}
		took, err := l.gone(2 * time.Second)
		if !errors.Is(err, ErrUnsent) || err.Error() != ErrUnsent.Error()+": message 1, and "+
			"perhaps others" {
			t.Error(err)
		}
		if early && took > 200*time.Millisecond || !early &&
			(took < time.Second || took > 1200*time.Millisecond) {
			t.Errorf("it left after %s", took)
		}
	}
}

// Somebody silent does not hold up a leave for long, and one that published nothing leaves at once.
func TestLeaveDoesNotWaitForNothing(t *testing.T) {
	l := newLeaver(t)
	l.nodes[6].paused = true
	l.publish(large)
	l.do(l.peer, Leave{Wait: time.Hour})
	if _, err := l.gone(2 * time.Second); err != nil {
		t.Error(err)
	}
	l = newLeaver(t)
	l.do(l.peer, Leave{Wait: time.Hour})
	if _, err := l.gone(150 * time.Millisecond); err != nil {
		t.Error(err)
	}
}

// A message that nobody else has is told at the leave also when all others have failed meanwhile,
// or had before it was published, and nobody is left to wait for. Once somebody has come for it, it
// is out; and for a node that never had others no member lacks it.
func TestLeaveAloneTells(t *testing.T) {
	pair := func(t *testing.T) *leaver {
		w := newWorld(t)
		l := &leaver{world: w, peer: w.cluster(2, nil)[1]}
		w.run(2 * time.Second)
		return l
	}
	leave := func(t *testing.T, l *leaver, want string) {
		t.Helper()
		l.do(l.peer, Leave{Wait: time.Minute})
		_, err := l.gone(time.Minute + time.Second)
		if want == "" && err != nil || want != "" && (err == nil || !errors.Is(err, ErrUnsent) ||
			!strings.HasPrefix(err.Error(), ErrUnsent.Error()+": "+want+",")) {
			t.Errorf("left with %v, want %q", err, want)
		}
	}
	t.Run("cut off first", func(t *testing.T) {
		l := pair(t)
		l.cut = func(from, to netip.AddrPort) bool { return true }
		l.publish(1)
		leave(t, l, "message 1")
	})
	t.Run("failed first", func(t *testing.T) {
		l := pair(t)
		l.publish(1)
		l.run(time.Second)
		l.nodes[0].down = true
		l.run(time.Minute)
		l.publish(2000)
		l.publish(2)
		leave(t, l, "message 2")
	})
	t.Run("reunited", func(t *testing.T) {
		l := pair(t)
		l.cut = func(from, to netip.AddrPort) bool { return true }
		l.run(time.Minute)
		l.publish(2000)
		l.run(time.Second)
		l.cut = nil
		l.run(30 * time.Second)
		leave(t, l, "")
	})
	t.Run("the first of its cluster", func(t *testing.T) {
		w := newWorld(t)
		l := &leaver{world: w, peer: w.cluster(1, nil)[0]}
		w.run(2 * time.Second)
		l.publish(1)
		leave(t, l, "")
	})
}

// A death that is told second-hand is as old as its verdict.
func TestAgeOfADeath(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	a, b, dead := nodes[0], nodes[1], nodes[2]
	dead.down = true
	m, _ := a.Table().Get(dead.id)
	w.step(b, func(out *Outbox) {
		b.begin(w.Now, out)
		c := wire.Claim{Generation: m.Generation(), Incarnation: m.Incarnation,
			State: member.Failed, Age: 7}
		b.roster.Learn(peerOf(a), dead.id, m.Check, &c, nil)
		b.finish()
	})
	m, _ = b.Table().Get(dead.id)
	if age := w.Now.Sub(m.Since); m.State != member.Failed || age != 7*time.Second {
		t.Errorf("%s for %s", m.State, age)
	}
}

// A newcomer does not get a live member's name on its first Join, nor before the owner has had time
// to object.
func TestNameIsNotGivenAtOnce(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	w.run(2 * time.Second)
	nodes[2].down = true // it cannot object
	since := w.Now
	thief := w.start("n2", 9, 1<<40, nil, 0)
	w.until(10*time.Second, "the name is given", func() bool {
		m, _ := nodes[0].Table().Get(thief.id)
		return m.Addr() == thief.addr
	})
	if took := w.Now.Sub(since); took < door.ClaimWait {
		t.Errorf("the name was given after %s", took)
	}
}

// Just before Retention is over a dead member is known, and its old news refused; after it, all
// that was held of it is let go: the member, its messages, its keys.
func TestForgottenInTime(t *testing.T) {
	const retention = 10 * time.Minute
	w := newWorld(t)
	cfg := &Config{Retention: retention, Streams: stream.Config{Age: time.Hour}}
	nodes := w.cluster(5, cfg)
	w.run(2 * time.Second)
	dead := nodes[4]
	w.do(dead, Set{Key: "k", Value: []byte("v")})
	w.do(dead, Publish{Topic: "t", Payload: make([]byte, 5000)})
	w.run(2 * time.Second)
	dead.down = true
	w.until(time.Minute, "it is failed", func() bool { return w.allHold("n4", member.Failed) })
	died, _ := nodes[0].Table().Get(dead.id)
	w.run(retention - time.Minute - w.Now.Sub(died.Since))
	for _, p := range nodes[:4] {
		m, ok := p.Table().Get(dead.id)
		if _, held := p.Keys().Get(dead.id, "k"); !ok || m.State != member.Failed || !held ||
			p.StreamStats().Held == 0 {
			t.Fatalf("a minute before: known %v, key held %v, %d pieces", ok, held,
				p.StreamStats().Held)
		}
		stale := p.Stats().StaleNews
		w.step(p, func(out *Outbox) {
			p.begin(w.Now, out)
			c := wire.Claim{Generation: m.Generation(), Incarnation: m.Incarnation,
				State: member.Alive}
			p.roster.Learn(peerOf(nodes[0]), dead.id, m.Check, &c, nil)
			p.finish()
		})
		if now, _ := p.Table().Get(dead.id); now.State != member.Failed ||
			p.Stats().StaleNews == stale {
			t.Error("its old news was believed")
		}
	}
	w.run(3 * time.Minute)
	for _, p := range nodes[:4] {
		_, known := p.Table().Get(dead.id)
		_, held := p.Keys().Get(dead.id, "k")
		if s := p.StreamStats(); known || held || s.Held > 0 || s.Streams > 0 {
			t.Errorf("two minutes after: known %v, key held %v, %d pieces of %d streams",
				known, held, s.Held, s.Streams)
		}
		if n := p.Keys().Stats(); n.Keys > 0 {
			t.Errorf("%d keys are held", n.Keys)
		}
	}
}

func peerOf(p *peer) plane.Peer {
	self := p.Self()
	return plane.PeerOf(&self)
}

// A publisher that stands still for so long that it forgets everybody, while it waits, is not told
// that all of those that are left have its message: the wait ends without.
func TestWaitEndsWhereAllAreForgotten(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(12, &Config{Retention: 40 * time.Second})
	w.run(5 * time.Second)
	x := nodes[5]
	w.cut = func(from, to netip.AddrPort) bool { return from == x.addr || to == x.addr }
	told := w.receipts(x)
	if err := w.do(x, Publish{Topic: "t", Payload: []byte("x"), Confirm: true}); err != nil {
		t.Fatal(err)
	}
	w.run(100 * time.Millisecond)
	x.paused = true
	w.run(25 * time.Second)
	w.resume(x)
	w.run(time.Second)
	w.cut = nil
	w.run(30 * time.Second)
	if s := told[1]; !s.Ended || s.Have != 1 || s.Of != 12 || len(x.spreads.list) > 0 {
		t.Errorf("the last word is %+v", s)
	}
}
