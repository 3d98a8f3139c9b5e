package state

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A write is at all nodes within some hops, each node gets it once, and nothing more is sent.
func TestPush(t *testing.T) {
	for _, n := range []int{2, 3, 5, 16, 17, 100, 257} {
		w := newWorld(t, n, 1, Config{})
		w.probes = false
		got := 0
		for _, x := range w.nodes[1:] {
			x.told = func(c Change) { got++ }
		}
		w.nodes[0].set("k", "v", 0)
		w.run(100 * time.Millisecond)
		packets := 0
		for _, x := range w.nodes {
			packets += x.packets
		}
		if got != n-1 || packets != n-1 {
			t.Errorf("%d nodes: %d got it, by %d datagrams", n, got, packets)
		}
		if what := w.equal(); what != "" {
			t.Errorf("%d nodes: %s", n, what)
		}
	}
}

// What a newcomer lacks comes by repair, whatever it is.
func TestRepair(t *testing.T) {
	w := newWorld(t, 60, 2, Config{})
	w.Cut = func(a, b int) bool { return a == 7 || b == 7 }
	for i, x := range w.nodes {
		for k := range 20 {
			x.set(fmt.Sprint("key", k), strings.Repeat("x", i+k), 0)
		}
		x.unset("key3")
	}
	w.nodes[3].set("large", strings.Repeat("y", MaxValue), 0)
	w.nodes[4].set("brief", "z", 40*time.Second)
	w.run(5 * time.Second)
	if what := w.equal(); what == "" {
		t.Fatal("a node without a link has all keys")
	}
	w.Cut = nil
	w.run(15 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	w.run(30 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	if _, ok := w.nodes[9].store.Get(w.Now, w.nodes[4].ID(), "brief"); ok {
		t.Error("a key is there after its time to live")
	}
	for _, x := range w.nodes {
		if st := x.store.Stats(); st.Refused > 0 {
			t.Fatalf("%+v", st)
		}
	}
}

// That a key lapsed is told exactly once: if the reader's clock comes first, if the owner's word
// does, or if that word comes at the very moment at which the key lapses here too.
func TestLapseIsToldOnce(t *testing.T) {
	for _, word := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		w := newWorld(t, 2, 1, Config{})
		var told []string
		w.nodes[1].told = func(c Change) { told = append(told, fmt.Sprint(c.Key, " ", c.Gone)) }
		w.delay = 0
		w.nodes[0].set("k", "v", 300*time.Millisecond)
		w.run(100 * time.Millisecond)
		w.delay = word
		w.run(time.Second)
		if want := "[k false k true]"; fmt.Sprint(told) != want {
			t.Errorf("word takes %s: told %v, want %s", word, told, want)
		}
	}
}
