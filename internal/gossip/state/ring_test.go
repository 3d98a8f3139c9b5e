package state

import (
	"fmt"
	"testing"
	"time"
)

// A write comes to all at once, to each zone once, whatever the number of zones and of members in
// each: also when there are more zones than are served at first hand.
func TestWritesCrossZonesOnce(t *testing.T) {
	for _, x := range []struct{ nodes, zones int }{{60, 3}, {61, 4}, {40, 20}, {50, 50},
		{180, 90}, {7, 7}, {30, 1}} {
		t.Run(fmt.Sprintf("%d in %d", x.nodes, x.zones), func(t *testing.T) {
			w := newZones(t, x.nodes, x.zones, 1, Config{})
			w.probes = false // no repair
			crossed, sent := 0, 0
			into := map[int]int{}
			w.onSend = func(a, b int) {
				sent++
				if a%x.zones != b%x.zones {
					crossed++
					into[b%x.zones]++
				}
			}
			for _, origin := range []int{0, x.nodes - 1} {
				crossed, sent = 0, 0
				clear(into)
				if err := w.nodes[origin].store.Set(w.Now, "k", []byte("v"), 0); err != nil {
					t.Fatal(err)
				}
				w.nodes[origin].store.Flush(w.Now)
				w.run(300 * time.Millisecond)
				id := w.nodes[origin].ID()
				for _, n := range w.nodes {
					if n.store.Version(id) == 0 {
						t.Errorf("n%d has nothing of n%d", n.i, origin)
					}
				}
				if crossed != x.zones-1 || sent != x.nodes-1 {
					t.Errorf("of %d datagrams %d crossed to %d other zones", sent, crossed,
						x.zones-1)
				}
				for z, k := range into {
					if k > 1 {
						t.Errorf("zone %d got it %d times", z, k)
					}
				}
			}
		})
	}
}

// What all nodes of a zone write comes into another one over all of its members, not over one.
func TestZonesShareTheWork(t *testing.T) {
	w := newZones(t, 60, 3, 1, Config{})
	w.probes = false
	in := map[int]int{}
	w.onSend = func(a, b int) {
		if a%3 == 0 && b%3 == 1 {
			in[b]++
		}
	}
	for _, n := range w.nodes {
		n.store.Set(w.Now, "k", []byte("v"), 0)
		n.store.Flush(w.Now)
	}
	w.run(300 * time.Millisecond)
	for b, k := range in {
		if k > 2 {
			t.Errorf("n%d got %d datagrams of the 20 nodes of another zone", b, k)
		}
	}
	if len(in) < 15 {
		t.Errorf("%d of 20 members got all", len(in))
	}
}
