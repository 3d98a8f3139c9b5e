package stream

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The end of a life's stream is lost with its process. The next life waits until that is sure, and
// no longer: nothing can follow what is passed over at the end of a life that is over.
func TestNextLifeWaitsOnceForTheEnd(t *testing.T) {
	w := newWorld(t, 1, 4, Config{})
	w.quiet = true
	origin := w.nodes[0]
	p, err := cutAll(origin.s, w.Now, "t", make([]byte, 2000))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := origin.s.Body(origin.ID(), 1, p.First)
	for _, n := range w.nodes[1:] { // the rest of it never left
		n.s.Take(w.Now, wire.Piece{Origin: origin.ID(), Generation: 1, Seq: p.First, Body: body})
		n.schedule()
	}
	w.run(100*time.Millisecond, nil)
	origin.Record.Generation, origin.s = 2, New(origin, w.cfg)
	for _, n := range w.nodes {
		n.learn(origin)
	}
	origin.publish("t", []byte("of the next life"))
	patience := Config{}.withDefaults().Patience
	took, ok := w.run(time.Minute, func() bool {
		for _, n := range w.nodes[1:] {
			if len(n.got) == 0 {
				return false
			}
		}
		return true
	})
	if t.Logf("it took %s", took); !ok || took > 2*patience+500*time.Millisecond {
		t.Errorf("the next life's message came after %s, %t", took, ok)
	}
}

// One of two that are said to have what is missing does not answer, since it is dead and nobody
// knows yet. The other is asked next, and not the first again and again.
func TestWhoDoesNotAnswerIsAskedLast(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, 6, Config{})
		w.quiet = true
		origin, n, has := w.nodes[0], w.nodes[1], w.nodes[5]
		p, _ := cutAll(origin.s, w.Now, "t", []byte("x"))
		body, _ := origin.s.Body(origin.ID(), 1, p.First)
		piece := wire.Piece{Origin: origin.ID(), Generation: 1, Seq: p.First, Body: body}
		for _, o := range w.nodes {
			if o != n && o != origin {
				o.s.Take(w.Now, piece)
			}
			if o != n && o != has {
				o.sleep()
			}
		}
		for _, o := range []*node{w.nodes[0], w.nodes[2], w.nodes[3], w.nodes[4], has} {
			m, _ := n.Members.Get(o.ID())
			n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: 1})
		}
		n.schedule()
		asked := map[member.ID]int{}
		w.Cut = func(from, to *node) bool {
			if from == n {
				asked[to.ID()]++
			}
			return false
		}
		took, ok := w.run(time.Minute, func() bool { return len(n.got) > 0 })
		for _, times := range asked {
			if times > 1 {
				t.Errorf("seed %d: one was asked %d times before another was at all; it took "+
					"%s, %t", seed, times, took, ok)
				break
			}
		}
	}
}

// Members that were asked before they had a piece are asked again when they say that they have it.
// The origin does not answer.
func TestWhoGotItSinceIsAskedAgain(t *testing.T) {
	w := newWorld(t, 1, 4, Config{})
	w.quiet = true
	origin, n, late := w.nodes[0], w.nodes[1], w.nodes[2]
	p, _ := cutAll(origin.s, w.Now, "t", []byte("x"))
	body, _ := origin.s.Body(origin.ID(), 1, p.First)
	m, _ := n.Members.Get(origin.ID())
	origin.sleep()
	n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: 1})
	n.schedule()
	w.run(1500*time.Millisecond, nil)
	if st := n.s.find(origin.ID(), 1); len(n.got) > 0 || len(st.repair.denied) != 2 {
		t.Fatalf("it got %d messages, %d deny", len(n.got), len(st.repair.denied))
	}
	late.s.Take(w.Now, wire.Piece{Origin: origin.ID(), Generation: 1, Seq: p.First, Body: body})
	m, _ = n.Members.Get(late.ID())
	n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: 1})
	n.schedule()
	if took, ok := w.run(3*time.Second, func() bool { return len(n.got) > 0 }); !ok {
		t.Errorf("%s later it still lacks the message", took)
	}
}

// Most members are dead, nobody knows it yet, and a request takes seconds to time out, since one of
// them was slow. After the first in vain one is asked that was heard since. The origin, which is
// dead too, is not asked again and again before somebody that has it.
func TestWhoWasHeardIsAskedFirst(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, 12, Config{})
		w.quiet = true
		origin, n, has := w.nodes[0], w.nodes[1], w.nodes[7]
		p, _ := cutAll(origin.s, w.Now, "t", []byte("x"))
		body, _ := origin.s.Body(origin.ID(), 1, p.First)
		has.s.Take(w.Now, wire.Piece{Origin: origin.ID(), Generation: 1, Seq: p.First, Body: body})
		for _, o := range w.nodes {
			if o != n && o != has {
				o.sleep()
			}
		}
		m, _ := n.Members.Get(origin.ID())
		n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: 1})
		n.s.pulls.trips.measure(false, 600*time.Millisecond)
		var speak func()
		speak = func() {
			n.heard[has.ID()] = w.Now
			w.After(500*time.Millisecond, speak)
		}
		speak()
		n.schedule()
		took, ok := w.run(time.Minute, func() bool { return len(n.got) > 0 })
		if !ok || took > 5*time.Second {
			t.Errorf("seed %d: it came after %s, %t", seed, took, ok)
		}
	}
}

// Those that let requests time out behind a cut, and are heard again, are asked again before the
// dead.
func TestWhoIsHeardAgainIsAskedAgain(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, 8, Config{})
		w.quiet = true
		origin, n, has := w.nodes[0], w.nodes[1], w.nodes[7]
		p, _ := cutAll(origin.s, w.Now, "t", []byte("x"))
		body, _ := origin.s.Body(origin.ID(), 1, p.First)
		has.s.Take(w.Now, wire.Piece{Origin: origin.ID(), Generation: 1, Seq: p.First, Body: body})
		for _, o := range w.nodes {
			if o != n && o != has {
				o.sleep()
			}
		}
		cut := true
		w.Cut = func(from, to *node) bool { return cut && from == has }
		m, _ := n.Members.Get(origin.ID())
		n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: 1})
		n.s.pulls.trips.measure(false, 600*time.Millisecond)
		n.schedule()
		w.run(20*time.Second, nil)
		cut = false
		var speak func()
		speak = func() {
			n.heard[has.ID()] = w.Now
			w.After(500*time.Millisecond, speak)
		}
		speak()
		took, ok := w.run(time.Minute, func() bool { return len(n.got) > 0 })
		if !ok || took > 8*time.Second {
			t.Errorf("seed %d: it came %s after the way was back, %t", seed, took, ok)
		}
	}
}

// Three deny it, and the origin does not answer, though it is held for live: the others are asked
// before it is again.
func TestOriginThatDoesNotAnswerIsAskedLast(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, 9, Config{})
		w.quiet = true
		origin, n, has := w.nodes[0], w.nodes[1], w.nodes[8]
		p, _ := cutAll(origin.s, w.Now, "t", []byte("x"))
		body, _ := origin.s.Body(origin.ID(), 1, p.First)
		has.s.Take(w.Now, wire.Piece{Origin: origin.ID(), Generation: 1, Seq: p.First, Body: body})
		origin.sleep()
		for _, o := range w.nodes[5:8] {
			o.sleep()
		}
		times := 0
		w.Cut = func(from, to *node) bool {
			if from == n && to == origin {
				times++
			}
			return false
		}
		m, _ := n.Members.Get(origin.ID())
		n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: 1})
		n.schedule()
		took, ok := w.run(time.Minute, func() bool { return len(n.got) > 0 })
		if !ok || times > 1 {
			t.Errorf("seed %d: the origin was asked %d times, and it came after %s, %t", seed,
				times, took, ok)
		}
	}
}

// A member that stood still answers a request after 20 s. A later answer of another one, of which a
// datagram is lost, is not waited for as long.
func TestAnswerAfterAPauseIsNoMeasure(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, seed, 3, Config{})
		w.quiet = true
		origin, n := w.nodes[0], w.nodes[1]
		p, _ := cutAll(origin.s, w.Now, "t", make([]byte, 5000))
		origin.s.Sent(w.Now, p.Generation, p.Last)
		slow, trips := w.nodes[2].ID(), &n.s.pulls.trips
		trips.tooLate(request{ticket: 7, peer: slow, sent: w.Now.Add(-20 * time.Second)})
		trips.measureLate(w.Now, 7, slow)
		m, _ := n.Members.Get(origin.ID())
		n.s.hear(w.Now, m, wire.Head{Origin: origin.ID(), Generation: 1, Low: 1, High: p.Last})
		n.schedule()
		answers := 0
		w.Cut = func(from, to *node) bool {
			if from == origin {
				answers++
			}
			return from == origin && answers == 3
		}
		if took, ok := w.run(20*time.Second, func() bool { return len(n.got) > 0 }); !ok ||
			took > maxTimeout+200*time.Millisecond {
			t.Errorf("seed %d: the message came after %s, %t", seed, took, ok)
		}
	}
}
