package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What remains of a time to live holds after any number of hops: also when the owner is dead, when
// the key comes by anti-entropy, and when the node that tells it slept.
func TestTimeToLiveHolds(t *testing.T) {
	for _, sleeps := range []bool{false, true} {
		w := newWorld(t, 5, 3, Config{})
		v := &ways{}
		w.Cut = v.split
		v.only([2]int{0, 1})
		o := w.nodes[0]
		o.set("long", "x", 0)
		o.set("brief", "x", 20*time.Second)
		o.set("briefest", "x", 3*time.Second)
		end := w.Now.Add(20 * time.Second)
		w.run(2 * time.Second)
		o.asleep = true // it is dead, and nobody knows
		for hop := 1; hop < 4; hop++ {
			v.only()
			w.nodes[hop].asleep = sleeps
			w.run(4 * time.Second)
			w.nodes[hop].asleep = false
			v.only([2]int{hop, hop + 1})
			w.shows(w.nodes[hop], w.nodes[hop+1])
			w.run(time.Second)
			next := w.nodes[hop+1]
			got, ok := next.store.Get(w.Now, o.ID(), "brief")
			if left := end.Sub(w.Now); !ok || got.TTL > left+20*time.Millisecond ||
				got.TTL < left-20*time.Millisecond {
				t.Errorf("after %d hops %s remains, not %s", hop+1, got.TTL, left)
			}
			if _, ok := next.store.Get(w.Now, o.ID(), "briefest"); ok {
				t.Errorf("after %d hops a key is there whose time was over", hop+1)
			}
		}
		for _, x := range w.nodes[2:] {
			x.told = func(c Change) {
				if off := w.Now.Sub(end); c.Key != "brief" || !c.Gone ||
					off > 20*time.Millisecond || off < -20*time.Millisecond {
					t.Errorf("%s is told %+v after %s", x.Record.Name, c, off)
				}
			}
		}
		w.run(end.Sub(w.Now) + 20*time.Millisecond)
		for _, x := range w.nodes[1:] {
			if _, ok := x.store.Get(w.Now, o.ID(), "brief"); ok {
				t.Errorf("%s shows a key whose time is over", x.Record.Name)
			}
			if st := x.store.Stats(); st.Keys != 1 {
				t.Errorf("%s counts %d keys", x.Record.Name, st.Keys)
			}
		}
	}
}

// A node that learns late of a key whose time is over holds what the others hold, and never shows
// it or tells of it.
func TestOverWhenItComes(t *testing.T) {
	w := newWorld(t, 3, 4, Config{})
	v := &ways{}
	w.Cut = v.split
	v.only([2]int{0, 1})
	o, a, b := w.nodes[0], w.nodes[1], w.nodes[2]
	b.told = func(c Change) {
		if c.Key == "brief" {
			t.Errorf("told %+v", c)
		}
	}
	o.set("brief", "x", 2*time.Second)
	o.set("long", "x", 0)
	w.run(time.Second)
	o.asleep = true
	w.run(5 * time.Second)
	v.only([2]int{1, 2})
	w.run(5 * time.Second)
	if b.store.Version(o.ID()) != 2 || a.store.Fingerprint() != b.store.Fingerprint() ||
		b.store.Fingerprint() == 0 {
		t.Errorf("version %d, fingerprints %x and %x", b.store.Version(o.ID()),
			a.store.Fingerprint(), b.store.Fingerprint())
	}
	if got := fmt.Sprint(b.map_(o)); len(b.map_(o)) != 1 {
		t.Error(got)
	}
	packets := a.packets + b.packets
	w.run(time.Minute)
	if n := a.packets + b.packets - packets; n > 0 {
		t.Errorf("%d datagrams between nodes that hold the same", n)
	}
	o.asleep = false // it wakes, and tells that the key is over
	v.only([2]int{0, 1}, [2]int{0, 2}, [2]int{1, 2})
	w.run(10 * time.Second)
	if what := w.equal(); what != "" || o.store.Version(o.ID()) != 3 {
		t.Error(what, o.store.Version(o.ID()))
	}
}

// A datagram that waited for what comes before it brings no more time than remains.
func TestTimeToLiveWhileItWaits(t *testing.T) {
	w := newWorld(t, 2, 5, Config{})
	w.Cut = func(a, b int) bool { return true }
	x, y := w.nodes[0], w.nodes[1]
	y.set("a", "v", 0)
	first := deltasOf(w, y)[0]
	y.set("b", "v", time.Second)
	y.set("c", "v", 30*time.Millisecond)
	at := w.Now
	b, _, _ := y.store.packer.appendDelta(wire.BeginDeltas(nil, 0), w.Now, y.store.self(),
		position{from: 1}, 900)
	x.receive(y, wire.EndDeltas(b, 0))
	w.run(150 * time.Millisecond)
	x.receive(y, first)
	got, ok := x.store.Get(w.Now, y.ID(), "b")
	if left := at.Add(time.Second).Sub(w.Now); !ok || got.TTL > left ||
		got.TTL < left-2*time.Millisecond {
		t.Errorf("%s remains, not %s", got.TTL, left)
	}
	if _, ok := x.store.Get(w.Now, y.ID(), "c"); ok {
		t.Error("a key is shown whose time was over when it was taken in")
	}
}
