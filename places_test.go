package starling

// This file tests what is remembered of where members stand, and how waiting for it ends, on the
// node's own goroutine.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// pair is a node that knows another.
func pair(t *testing.T) (a, b *Node, ctx context.Context) {
	t.Helper()
	a, ctx = alone(t)
	b, err := Join(ctx, Config{Name: "b", Bind: "127.0.0.1:0",
		Seeds: []string{a.Self().Addr.String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for range a.Watch(ctx) {
		if _, ok := a.Member("b"); ok {
			break
		}
	}
	return a, b, ctx
}

// mute makes a node take b to have been asked, so that nothing ever answers.
func mute(t *testing.T, n *Node) *inflight {
	q := newInflight("b")
	inLoop(t, n, func() { n.places.asked = map[member.ID]*inflight{member.IDOf("b"): q} })
	return q
}

// What is known of a member's place is used as long as it is good, and no longer.
func TestPlacesGrowStale(t *testing.T) {
	n, _, ctx := pair(t)
	answered := func(want uint64, after func(*cached)) {
		t.Helper()
		inLoop(t, n, func() {
			if k, ok := n.places.kept[member.IDOf("b")]; ok {
				after(&k)
				n.places.kept[member.IDOf("b")] = k
			}
		})
		if _, err := n.RTT(ctx, "b"); err != nil {
			t.Fatal(err)
		}
		if s := n.Info().Locations; s.Answered != want {
			t.Errorf("%d questions were answered, want %d", s.Answered, want)
		}
	}
	answered(1, nil)
	answered(1, func(k *cached) { k.since = k.since.Add(placeKept) })
	answered(2, func(k *cached) { k.since = n.now().Add(-placeKept) })
	answered(3, func(k *cached) { k.instance++ }) // of another life
	inLoop(t, n, func() {
		if p := &n.places; !p.forget(n.now()) || p.kept == nil ||
			p.forget(n.now().Add(placeKept)) || p.kept != nil || p.forgetting {
			t.Errorf("of what is young and then old is left %+v", p)
		}
	})
}

// A member that is young is still finding out where it stands.
func TestPlacesOfTheYoung(t *testing.T) {
	n, _ := alone(t)
	var m member.Member
	inLoop(t, n, func() { m = n.core.Self() })
	for _, x := range []struct {
		known, kept time.Duration
		good        bool
	}{
		{time.Hour, 0, true}, {time.Hour, placeKept - 1, true}, {time.Hour, placeKept, false},
		{young - 1, youngPlaceKept - 1, true}, {young - 1, youngPlaceKept, false}, {young,
			youngPlaceKept, true},
	} {
		now := gossip.Time(2 * time.Hour)
		m.Since = now.Add(-x.known)
		if p := (cached{instance: m.Instance(), since: now.Add(-x.kept)}); p.good(now,
			&m) != x.good {
			t.Errorf("known for %v, kept for %v: good is %v", x.known, x.kept, !x.good)
		}
	}
}

// A member that does not answer ends the waiting of all calls that ask for it.
func TestNoAnswerIsTold(t *testing.T) {
	n, _, ctx := pair(t)
	for state, want := range map[State]string{Alive: "try again", Failed: "failed now"} {
		mute(t, n)
		ended := make(chan error)
		for range 3 {
			go func() { _, err := n.RTT(ctx, "b"); ended <- err }()
		}
		near, err := make(chan []Neighbor), error(nil)
		go func() {
			var all []Neighbor
			all, err = n.Near(ctx, "a")
			near <- all
		}()
		inLoop(t, n, func() {
			m, _ := n.core.Table().Get(member.IDOf("b"))
			m.State = member.State(state)
			n.dispatch(&gossip.Event{Kind: gossip.MemberLocated, Member: m,
				Err: gossip.ErrNoAnswer})
		})
		for range 3 { // a call after the event asks anew, and is answered
			if err := <-ended; err != nil && (!errors.Is(err, ErrNoAnswer) ||
				!strings.Contains(err.Error(), `"b"`) || !strings.Contains(err.Error(), want)) {
				t.Error(err)
			}
		}
		if all := <-near; err != nil || len(all) != 2 || all[0].Member.Name != "a" {
			t.Errorf("%+v, %v", all, err)
		}
		inLoop(t, n, func() { n.places.kept = nil })
	}
}

func TestWaitingForPlacesEnds(t *testing.T) {
	n, _, ctx := pair(t)
	mute(t, n)
	short, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	ask := func(ctx context.Context) {
		go func() { _, err := n.RTT(ctx, "b"); ended <- err }()
		go func() {
			all, err := n.Near(ctx, "a")
			if all != nil && (len(all) != 2 || !all[0].Known || all[1].Known ||
				!strings.Contains(err.Error(), "1 of 2 members")) {
				t.Errorf("%+v, %v", all, err)
			}
			ended <- err
		}()
	}
	for _, x := range []struct {
		ctx  context.Context
		end  func()
		want error
	}{{short, cancel, context.Canceled}, {ctx, func() { n.Close() }, ErrClosed}} {
		ask(x.ctx)
		x.end()
		for range 2 {
			if err := <-ended; !errors.Is(err, x.want) {
				t.Errorf("it ended with %v, want %v", err, x.want)
			}
		}
	}
}

// A call that asks while the core takes no more questions waits until one of them ends.
func TestPlacesWaitForRoom(t *testing.T) {
	n, _, ctx := pair(t)
	var made []member.Fact
	merge := func(s State) {
		for _, f := range made {
			f.State = member.State(s)
			n.core.Table().Merge(n.now(), f)
		}
	}
	inLoop(t, n, func() { // more members that never answer than the core asks at once
		self := n.core.Self()
		for i := range 300 {
			r := member.Record{Name: fmt.Sprint("made-up-", i), Generation: 1,
				Addr: self.Addr(), Protocol: 1}
			made = append(made, member.Fact{Record: member.Share(r)})
		}
		merge(Alive)
		for _, f := range made {
			n.find(n.now(), f.Record.Value().Name, &n.scratch().out)
		}
		if asked := len(n.places.asked); asked != 256 || n.places.room == nil {
			t.Errorf("%d are asked, and somebody waits: %v", asked, n.places.room != nil)
		}
		merge(Failed) // in half a second the core gives them up
	})
	if r, err := n.RTT(ctx, "b"); err != nil || r.Measured <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if s := n.Info().Locations; s.Answered != 1 || s.Unanswered == 0 {
		t.Errorf("%+v", s)
	}
}
