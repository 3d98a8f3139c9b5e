package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
)

// Where the TCP ports of others are filtered a node knows it of all that it watches within seconds,
// and not where they are open; in quiet it tries one a minute, beside one for each change of the
// watched, and one for each of those that ask, to which somebody comes each 8 s so.
func TestFilteredPorts(t *testing.T) {
	for _, filter := range []bool{false, true} {
		w := newWorld(t, 20, 1, Config{})
		w.filtered = filter
		for _, x := range w.nodes {
			for i := range x.d.watch.watched { // as if they were watched from now on
				x.d.watch.watched[i].port = port{}
			}
		}
		w.Run(15 * time.Second)
		for _, x := range w.nodes {
			n, of := x.d.Filtered(w.Now)
			if want := map[bool]int{true: 8}[filter]; n != want || of != 8 {
				t.Errorf("filtered: %t, m%d knows %d of %d", filter, x.i, n, of)
			}
			x.connects = 0
		}
		w.Run(10 * time.Minute)
		all := 0
		for _, x := range w.nodes {
			if all += x.connects; x.connects < 8 || filter && x.connects > 60 {
				t.Errorf("in ten minutes m%d tried %d ports", x.i, x.connects)
			}
		}
		if all > 20*90 {
			t.Errorf("in ten minutes 20 nodes tried %d ports", all)
		}
		w.wantNoVerdict("quiet")
	}
}

// A filter that is set later is found with the next try, a minute later at most, and then at all
// that it is set for at once; each further try costs what it did.
func TestFilteredLater(t *testing.T) {
	w := newWorld(t, 20, 1, Config{})
	w.Run(5 * time.Minute)
	w.filtered = true
	w.Run(portEvery + 20*time.Second)
	for _, x := range w.nodes {
		if n, of := x.d.Filtered(w.Now); n < of-1 || of != 8 { // one may be new among the watched
			t.Errorf("m%d knows %d of %d", x.i, n, of)
		}
		x.connects = 0
	}
	w.Run(10 * time.Minute)
	for _, x := range w.nodes {
		if x.connects > 60 {
			t.Errorf("in ten minutes m%d tried %d ports", x.i, x.connects)
		}
	}
	w.filtered = false
	w.Run(15 * time.Minute)
	for _, x := range w.nodes {
		if n, _ := x.d.Filtered(w.Now); n > 1 {
			t.Errorf("m%d holds %d for filtered", x.i, n)
		}
	}
}

// Where a filter is set later at one host, one of those that watch it knows that within 13 s, and
// the node there as well: an agent looks each second, and promises 15 s. That the filter is gone is
// known within a few minutes.
func TestFilteredAtOneHost(t *testing.T) {
	for _, n := range []int{3, 5, 20} {
		for seed := range uint64(8) {
			w := newWorld(t, n, seed, Config{})
			w.Run(2*time.Minute + time.Duration(seed)*time.Second)
			w.filteredAt = 1
			known := func() (watchers int) {
				for _, x := range w.nodes {
					if x.d.Port(w.Now, id(1)) == detect.PortFiltered {
						watchers++
					}
				}
				return watchers
			}
			w.Run(13 * time.Second)
			if known() == 0 || !w.nodes[1].d.OwnFiltered(w.Now) {
				t.Errorf("%d nodes, seed %d: %d of the watchers know it, the node itself: %t",
					n, seed, known(), w.nodes[1].d.OwnFiltered(w.Now))
			}
			for _, x := range w.nodes {
				if x.i != 1 && x.d.OwnFiltered(w.Now) {
					t.Errorf("%d nodes, seed %d: m%d takes its own port for filtered", n, seed, x.i)
				}
			}
			w.filteredAt = -1
			w.Run(3 * time.Minute)
			if known() > 0 || w.nodes[1].d.OwnFiltered(w.Now) {
				t.Errorf("%d nodes, seed %d: after it %d of the watchers hold it for filtered, "+
					"the node itself: %t", n, seed, known(), w.nodes[1].d.OwnFiltered(w.Now))
			}
			w.wantNoVerdict("a filtered port")
		}
	}
}

// Nobody takes its own port for filtered where much is lost, and a node alone does not.
func TestOwnPortUnderLoss(t *testing.T) {
	for _, loss := range []float64{0, 0.25, 0.5} {
		w := newWorld(t, 10, 1, Config{})
		w.loss = loss
		w.Run(time.Minute)
		wrong := 0
		for range 600 {
			w.Run(time.Second)
			for _, x := range w.nodes {
				if x.d.OwnFiltered(w.Now) {
					wrong++
				}
			}
		}
		if wrong > 60 { // of 6,000 node-seconds; its chance is that of an alarm about a live member
			t.Errorf("%.0f %% lost: for %d of 6000 node-seconds", 100*loss, wrong)
		}
		t.Log(loss, wrong)
	}
}
