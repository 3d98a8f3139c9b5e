package starling

import (
	"fmt"
	"slices"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip"
)

// reader returns one that nobody ranges over.
func reader(topics ...string) *subscriber {
	return &subscriber{queue: newQueue(SubscribeQueue, SubscribeBytes, (*Message).size),
		topics: topics}
}

// TestAMessageLooksAtItsOwnReaders: of 10,000 subscriptions, a topic each, it comes to one.
func TestAMessageLooksAtItsOwnReaders(t *testing.T) {
	var l subscribers
	const many = 10_000
	for i := range many {
		l.add(reader(fmt.Sprint("t", i)))
	}
	both, all := reader("t7", "t8"), reader()
	l.add(both)
	l.add(all)
	if l.count != many+3 {
		t.Errorf("%d entries are counted, want %d", l.count, many+3)
	}
	for topic, want := range map[string]int{"t6": 2, "t7": 3, "t8": 3, "x": 1} {
		if got := slices.Collect(l.readers([]byte(topic))); len(got) != want ||
			got[want-1] != all {
			t.Errorf("a message on %s comes to %d readers, want %d", topic, len(got), want)
		}
	}
	both.close()
	all.close()
	if got := slices.Collect(l.readers([]byte("t7"))); len(got) != 1 || l.count != many+1 {
		t.Errorf("after two have ended a message comes to %d readers, and %d entries are counted",
			len(got), l.count)
	}
}

// TestReadersOfSilentTopicsAreLetGo: a reader that is gone is not kept until its topic has a
// message.
func TestReadersOfSilentTopicsAreLetGo(t *testing.T) {
	var l subscribers
	for i := range 10_000 {
		s := reader(fmt.Sprint("t", i))
		l.add(s)
		s.close()
		if l.count > 2 || len(l.by) > 2 {
			t.Fatalf("%d entries of %d topics are kept, of which none lives", l.count, len(l.by))
		}
	}
}

// BenchmarkSubscribers is 1,000 messages on one topic, which one of many subscriptions is for.
func BenchmarkSubscribers(b *testing.B) {
	for _, many := range []int{1, 10_000} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			n, err := Join(b.Context(), Config{Name: "a", Bind: "127.0.0.1:0"})
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close()
			for i := range many {
				n.Subscribe(b.Context(), fmt.Sprint("t", i))
			}
			m := gossip.Message{Topic: []byte("t0"), Seq: 1}
			for b.Loop() {
				err = n.call(b.Context(), func(gossip.Time, *gossip.Outbox) {
					for range 1000 {
						n.tellSubscribers(&m)
					}
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
