package starling_test

// This file tests the versioned keys of real nodes; sim tests what happens when packets or nodes
// are lost.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling"
)

// untilKey waits until a node is told of an event of a key.
func untilKey(t *testing.T, n *starling.Node, want string) {
	t.Helper()
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	var seen []string
	for e := range n.WatchKeys(ctx, "") {
		got := strings.TrimSpace(fmt.Sprintf("%s %s %s %.20s", e.Kind, e.Owner, e.Key, e.Value))
		if got == want {
			return
		}
		seen = append(seen, got)
	}
	t.Fatalf("%s never saw %q, but %q", n.Self().Name, want, seen)
}

func TestKeysAreRead(t *testing.T) {
	nodes := cluster(t, 3, starling.Config{})
	ctx := within(t)
	if err := nodes[1].Set(ctx, "load", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	if e, ok := nodes[1].Get("n1", "load"); !ok || e.Value != "1" {
		t.Fatalf("the writer itself reads %+v, %v", e, ok)
	}
	large := strings.Repeat("x", starling.MaxValue)
	for i, n := range nodes {
		if err := n.Set(ctx, "large", []byte(large), 0); err != nil {
			t.Fatal(err)
		}
		untilKey(t, nodes[(i+1)%3], fmt.Sprintf("set n%d large %.20s", i, large))
	}
	for _, n := range nodes {
		untilKey(t, n, "set n1 load 1")
		if e, ok := n.Get("n1", "load"); !ok || e.Value != "1" || e.Owner != "n1" ||
			e.Version == 0 || e.TTL != 0 {
			t.Errorf("%s reads %+v, %v", n.Self().Name, e, ok)
		}
	}
	var keys []string
	for e := range nodes[2].Keys("n1", "nobody") {
		keys = append(keys, e.Owner+"/"+e.Key)
	}
	if want := []string{"n1/large", "n1/load"}; !slices.Equal(keys, want) {
		t.Errorf("keys of n1 are %q, want %q", keys, want)
	}
	if err := nodes[1].Delete(ctx, "load"); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		events := n.WatchKeys(ctx, "load") // from now on
		if _, there := n.Get("n1", "load"); there {
			for e := range events {
				if e.Kind == starling.KeyGone {
					break
				}
			}
		}
		if _, there := n.Get("n1", "load"); there {
			t.Errorf("%s still has the deleted key", n.Self().Name)
		}
	}
}

func TestKeysLapse(t *testing.T) {
	nodes := cluster(t, 2, starling.Config{})
	seen := make(chan error, 1)
	events := nodes[0].WatchKeys(within(t), "ttl/")
	go func() {
		var kinds []starling.KeyEventKind
		for e := range events {
			if kinds = append(kinds, e.Kind); len(kinds) == 2 {
				break
			}
		}
		if !slices.Equal(kinds, []starling.KeyEventKind{starling.KeySet, starling.KeyGone}) {
			seen <- fmt.Errorf("the watcher saw %v", kinds)
		}
		close(seen)
	}()
	if err := nodes[1].Set(within(t), "other", nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := nodes[1].Set(within(t), "ttl/x", []byte("x"), 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := <-seen; err != nil {
		t.Error(err)
	}
}

// A node that starts again has no keys, and what it had is void everywhere.
func TestKeysOfAnEarlierLife(t *testing.T) {
	nodes := cluster(t, 2, starling.Config{})
	ctx := within(t)
	nodes[1].Set(ctx, "old", []byte("1"), 0)
	untilKey(t, nodes[0], "set n1 old 1")
	reset := make(chan bool)
	events := nodes[0].WatchKeys(ctx, "")
	go func() {
		for e := range events {
			if e.Kind == starling.KeysReset && e.Owner == "n1" {
				break
			}
		}
		close(reset)
	}()
	nodes[1].Close()
	again := start(t, starling.Config{Name: "n1", Seeds: []string{addr(nodes[0])}})
	<-reset
	again.Set(ctx, "new", []byte("2"), 0)
	untilKey(t, nodes[0], "set n1 new 2")
	if e, ok := nodes[0].Get("n1", "old"); ok || ctx.Err() != nil {
		t.Errorf("the old key came back: %+v (%v)", e, ctx.Err())
	}
}

func TestKeyErrors(t *testing.T) {
	n := start(t, starling.Config{Name: "a"})
	ctx := within(t)
	for _, c := range []struct {
		key, value string
		ttl        time.Duration
		want       error
	}{
		{"", "x", 0, starling.ErrKey},
		{strings.Repeat("k", starling.MaxKey+1), "x", 0, starling.ErrKey},
		{"k", strings.Repeat("x", starling.MaxValue+1), 0, starling.ErrValue},
		{"k", "x", -1, starling.ErrTTL},
		{"k", "x", time.Microsecond, starling.ErrTTL},
		{strings.Repeat("k", starling.MaxKey), strings.Repeat("x", starling.MaxValue),
			time.Hour, nil},
	} {
		if err := n.Set(ctx, c.key, []byte(c.value), c.ttl); !errors.Is(err, c.want) {
			t.Errorf("key of %d, value of %d bytes, ttl %s: %v, want %v", len(c.key),
				len(c.value), c.ttl, err, c.want)
		}
	}
	if err := n.Delete(ctx, "none"); !errors.Is(err, starling.ErrNoKey) {
		t.Errorf("delete of what is not there: %v", err)
	}
	var err error
	for i := 0; err == nil && i < 8; i++ {
		err = n.Set(ctx, fmt.Sprint(i), make([]byte, starling.MaxValue), 0)
	}
	if !errors.Is(err, starling.ErrStateFull) {
		t.Errorf("more than fits: %v", err)
	}
}

// A reader that is too slow is told so, and gets what is there then.
func TestSlowKeyReader(t *testing.T) {
	n := start(t, starling.Config{Name: "a"})
	ctx := within(t)
	if err := n.Set(ctx, "stays", nil, 0); err != nil {
		t.Fatal(err)
	}
	var kinds []starling.KeyEventKind
	full := false
	for e := range n.WatchKeys(ctx, "") {
		if !full { // this reader rests at its first event
			for i := range starling.WatchKeysQueue + 100 {
				if err := n.Set(ctx, "busy", fmt.Append(nil, i), 0); err != nil {
					t.Fatal(err)
				}
			}
			full = true
		}
		kinds = append(kinds, e.Kind)
		if e.Key == "stays" && slices.Contains(kinds, starling.KeyResync) {
			return
		}
	}
	t.Errorf("no resync, %d events (%v)", len(kinds), ctx.Err())
}
