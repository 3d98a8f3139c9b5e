package starling

// This file tests what a slow reader sees, with events put straight into the node's goroutine.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

func alone(t *testing.T) (*Node, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	n, err := Join(ctx, Config{Name: "a", Bind: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n, ctx
}

// inLoop runs a function on the node's goroutine.
func inLoop(t *testing.T, n *Node, f func()) {
	t.Helper()
	if err := n.call(t.Context(), func(gossip.Time, *gossip.Outbox) { f() }); err != nil {
		t.Fatal(err)
	}
}

func TestSlowWatcherIsToldToResync(t *testing.T) {
	n, ctx := alone(t)
	slow, attentive := n.Watch(ctx), n.Watch(ctx)
	tell := func(kind gossip.EventKind, times int) {
		inLoop(t, n, func() {
			for range times {
				n.tellWatchers(&gossip.Event{Kind: kind, Member: n.core.Self()})
			}
		})
	}
	tell(gossip.MemberUpdated, WatchQueue)
	updates := 0
	for e := range attentive {
		if e.Kind == Resync {
			t.Fatal("a queue that was just full is told to resync")
		}
		if e.Kind == MemberUpdated {
			updates++
		}
		if updates == WatchQueue {
			break
		}
	}
	tell(gossip.MemberUpdated, 1)
	var saw []string
	for e := range slow {
		saw = append(saw, fmt.Sprint(e.Kind, " ", e.Member.Name, " ", e.Replayed))
		if len(saw) == 3 { // it follows again: what comes now is not lost
			tell(gossip.MemberSuspected, 1)
		}
		if e.Kind == MemberSuspected {
			break
		}
	}
	if want := []string{"joined a true", "resync  false", "joined a true",
		"suspected a false"}; !slices.Equal(saw, want) {
		t.Errorf("the slow watcher saw %q, want %q", saw, want)
	}
}

func TestSlowSubscriberIsToldWhatItMissed(t *testing.T) {
	n, ctx := alone(t)
	messages := n.Subscribe(ctx, "t")
	inLoop(t, n, func() {
		for i := range SubscribeQueue + 7 {
			n.tellSubscribers(&gossip.Message{Topic: []byte("t"), Seq: uint64(i + 1)})
			n.tellSubscribers(&gossip.Message{Topic: []byte("u"), Seq: uint64(i + 1)})
		}
	})
	next := uint64(8)
	for m := range messages {
		if missed := m.Missed; m.Seq != next || m.Topic != "t" ||
			(m.Seq == 8) != (missed == 7) || m.Seq > 8 && missed != 0 {
			t.Fatalf("message %d on %q after %d missed, want number %d", m.Seq, m.Topic,
				missed, next)
		}
		if next++; next > SubscribeQueue+7 {
			break
		}
	}
}

// TestSecondRange: a stream is ranged over once. A second range ends at once, after a loop that was
// left at any event and beside one that runs, and costs nothing.
func TestSecondRange(t *testing.T) {
	n, ctx := alone(t)
	tell := func(times int) {
		inLoop(t, n, func() {
			for range times {
				n.tellWatchers(&gossip.Event{Kind: gossip.MemberUpdated, Member: n.core.Self()})
				n.tellKeyWatchers(gossip.KeyChanged, &gossip.KeyEvent{Key: "k"})
				n.tellSubscribers(&gossip.Message{Topic: []byte("t")})
			}
		})
	}
	for name, stream := range map[string]func() iter.Seq[any]{
		"watch":      func() iter.Seq[any] { return anything(n.Watch(ctx)) },
		"watch keys": func() iter.Seq[any] { return anything(n.WatchKeys(ctx, "")) },
		"subscribe":  func() iter.Seq[any] { return anything(n.Subscribe(ctx)) },
		"replay":     func() iter.Seq[any] { return anything(n.Replay(ctx)) },
	} {
		// then a resync comes first
		for _, missed := range []int{0, max(WatchQueue, WatchKeysQueue, SubscribeQueue) + 1} {
			seq, count := stream(), 0
			tell(missed + 3)
			for v := range seq {
				for range seq {
					t.Errorf("%s: a second range at the same time yields", name)
				}
				e, _ := v.(Event)
				k, _ := v.(KeyEvent)
				if count++; count == 2 || e.Kind == Resync || k.Kind == KeyResync {
					break
				}
			}
			for range seq {
				t.Errorf("%s: a second range yields", name)
			}
			if err := n.Ended(ctx); err != nil {
				t.Errorf("%s: a loop that was left has ended with %v", name, err)
			}
		}
	}
	tell(1)
	inLoop(t, n, func() {
		if len(n.watchers)+len(n.keyWatchers)+n.subscribers.count > 0 {
			t.Errorf("%d, %d and %d readers are kept", len(n.watchers), len(n.keyWatchers),
				n.subscribers.count)
		}
	})
}

func anything[T any](seq iter.Seq[T]) iter.Seq[any] {
	return func(yield func(any) bool) {
		for v := range seq {
			if !yield(v) {
				return
			}
		}
	}
}

// TestEnded: a reader can tell why its stream has ended.
func TestEnded(t *testing.T) {
	n, ctx := alone(t)
	why := errors.New("enough")
	short, cancel := context.WithCancelCause(ctx)
	messages := n.Subscribe(short)
	cancel(why)
	for range messages {
	}
	if err := n.Ended(short); err != why {
		t.Errorf("with the context it ended with %v", err)
	}
	messages = n.Subscribe(ctx)
	n.stop(ErrNameConflict)
	for range messages {
	}
	if err := n.Ended(ctx); err != ErrNameConflict {
		t.Errorf("with the node it ended with %v", err)
	}
}

// TestReadersEnd is about memory: a node drops readers that have ended.
func TestReadersEnd(t *testing.T) {
	n, ctx := alone(t)
	short, cancel := context.WithCancel(ctx)
	watch, messages := n.Watch(short), n.Subscribe(short)
	for range n.Watch(ctx) {
		break
	}
	cancel()
	for range watch {
		t.Error("a watch goes on after its context")
	}
	for range messages {
		t.Error("a subscription goes on after its context")
	}
	n.Watch(ctx)
	n.Subscribe(ctx)
	inLoop(t, n, func() {
		if len(n.watchers) != 1 || n.subscribers.count != 1 {
			t.Errorf("%d watchers and %d subscribers are kept", len(n.watchers),
				n.subscribers.count)
		}
	})
	n.Close()
	for range n.Watch(ctx) {
		t.Error("a watch of a closed node yields")
	}
}

// TestCloseEndsWaiting closes a node under all kinds of calls.
func TestCloseEndsWaiting(t *testing.T) {
	n, ctx := alone(t)
	events, messages := n.Watch(ctx), n.Subscribe(ctx)
	ended := make(chan error, 4)
	go func() {
		for range events {
		}
		ended <- n.Err()
	}()
	go func() {
		for range messages {
		}
		ended <- n.Err()
	}()
	go func() { ended <- n.Join(ctx, "127.0.0.1:9") }()
	go func() {
		for {
			if _, err := n.Publish(ctx, "t", nil); err != nil &&
				!errors.Is(err, gossip.ErrBackpressure) {
				ended <- err
				return
			}
		}
	}()
	n.Close()
	for range cap(ended) {
		if err := <-ended; err != ErrClosed {
			t.Errorf("a call ended with %v", err)
		}
	}
	if m := slices.Collect(n.Members()); len(m) != 1 || m[0].Name != "a" || n.Self() != m[0] {
		t.Errorf("the closed node remembers %v", m)
	}
	if info := n.Info(); info.Members[Alive] != 1 {
		t.Errorf("the closed node says %+v", info)
	}
}

// TestPrivateEventsReachWatchers: what a node tells its own user alone comes with Watch like all
// else.
func TestPrivateEventsReachWatchers(t *testing.T) {
	n, ctx := alone(t)
	events := n.Watch(ctx)
	kinds := []gossip.EventKind{gossip.MemberUnreachable, gossip.MemberReachable,
		gossip.Isolated, gossip.Reunited,
		gossip.ZoneUnreachable, gossip.ZoneRecovered}
	inLoop(t, n, func() {
		for _, k := range kinds {
			n.dispatch(&gossip.Event{Kind: k, Member: n.core.Self(),
				Zone: gossip.SilentZone{Name: "eu", Members: 3}})
		}
	})
	var saw []string
	for e := range events {
		if saw = append(saw, fmt.Sprint(e.Kind, " ", e.Member.Name)); (e.Zone == Zone{"eu",
			3}) != strings.HasPrefix(e.Kind.String(), "zone") {
			t.Errorf("%s of zone %+v", e.Kind, e.Zone)
		}
		if len(saw) == 1+len(kinds) {
			break
		}
	}
	if want := []string{"joined a", "unreachable a", "reachable a", "isolated a", "reunited a",
		"zone-unreachable a", "zone-recovered a"}; !slices.Equal(saw, want) {
		t.Errorf("a watcher saw %q, want %q", saw, want)
	}
}

// lose passes on what the core tells at once: that messages are lost, and then messages on some
// topics.
func lose(n *Node, count int, topics ...string) {
	out := &n.scratch().out
	out.Events = append(out.Events, gossip.Event{Kind: gossip.MessagesLost,
		Lost: gossip.Lost{Count: count}})
	for _, t := range topics {
		m := gossip.Message{Topic: []byte(t), Seq: 7, OriginName: "b"}
		out.Events = append(out.Events, gossip.Event{Kind: gossip.MessageDelivered, Message: m})
	}
	n.flush()
}

// TestLossIsToldThoughNothingFollows: that messages are lost comes with the next message, if one is
// there. At the end of a stream, and where what follows is of another topic, it comes at once and
// by itself.
func TestLossIsToldThoughNothingFollows(t *testing.T) {
	n, ctx := alone(t)
	all, ts := n.Subscribe(ctx), n.Subscribe(ctx, "t")
	first := func(seq iter.Seq[Message]) func() string {
		next, stop := iter.Pull(seq)
		t.Cleanup(stop)
		return func() string {
			m, ok := next()
			if ok == (m.Time.IsZero()) {
				t.Errorf("%v, at %v", ok, m.Time)
			}
			return fmt.Sprint(m.Topic, m.Origin, m.Seq, " after ", m.Lost, " lost")
		}
	}
	hearAll, hearT := first(all), first(ts)
	expect := func(what string, hear func() string, want string) {
		t.Helper()
		if got := hear(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	inLoop(t, n, func() { lose(n, 2) })
	expect("at the end of a stream", hearAll, "0 after 2 lost")
	expect("the same, of one topic", hearT, "0 after 2 lost")
	inLoop(t, n, func() { lose(n, 3, "u") })
	expect("before a message", hearAll, "ub7 after 3 lost")
	expect("before one of another topic", hearT, "0 after 3 lost")
	inLoop(t, n, func() { lose(n, 1, "t", "t"); lose(n, 4) })
	expect("before two", hearT, "tb7 after 1 lost")
	expect("the second", hearT, "tb7 after 0 lost")
	expect("and after", hearT, "0 after 4 lost")
	inLoop(t, n, func() { lose(n, 5) })
	n.Close()
	expect("before the end", hearT, "0 after 5 lost")
}

// TestSlowSubscriberIsToldWhatIsLost: a reader that is too slow is told how many messages are lost,
// and apart how many it missed itself.
func TestSlowSubscriberIsToldWhatIsLost(t *testing.T) {
	n, ctx := alone(t)
	messages := n.Subscribe(ctx, "t")
	inLoop(t, n, func() {
		lose(n, 5, "t")
		for range SubscribeQueue + 1 {
			lose(n, 2, "u", "t")
		}
		lose(n, 1)
	})
	count, missed, lost := 0, uint64(0), uint64(0)
	for m := range messages {
		if m.Seq > 0 {
			count++
		}
		if missed, lost = missed+m.Missed, lost+m.Lost; m.Seq == 0 {
			break
		}
	}
	if count != SubscribeQueue || missed != 2 || lost != 5+2*(SubscribeQueue+1)+1 {
		t.Errorf("%d messages, %d missed, %d lost", count, missed, lost)
	}
}
