package inquest

import (
	"testing"
	"time"
)

// Where the TCP ports of others are filtered a node knows it of all whom it watches within seconds, and not where they are
// open; in quiet it tries one a minute, beside one for each change of the watched.
func TestFilteredPorts(t *testing.T) {
	for _, filter := range []bool{false, true} {
		w := newWorld(t, 20, 1, Config{})
		w.filtered = filter
		for _, x := range w.nodes {
			for i := range x.d.watched { // as if they were watched from now on
				x.d.watched[i].port = port{}
			}
		}
		w.run(15 * time.Second)
		for _, x := range w.nodes {
			n, of := x.d.Filtered(w.now)
			if want := map[bool]int{true: 8}[filter]; n != want || of != 8 {
				t.Errorf("filtered: %t, m%d knows %d of %d", filter, x.i, n, of)
			}
			x.connects = 0
		}
		w.run(10 * time.Minute)
		for _, x := range w.nodes {
			if x.connects < 8 || x.connects > 60 {
				t.Errorf("in ten minutes m%d tried %d ports", x.i, x.connects)
			}
		}
		w.wantNoVerdict("quiet")
	}
}

// A filter that is set later is found with the next try, a minute later at most, and then at all
// that it is set for at once; each further try costs what it did.
func TestFilteredLater(t *testing.T) {
	w := newWorld(t, 20, 1, Config{})
	w.run(5 * time.Minute)
	w.filtered = true
	w.run(portEvery + 20*time.Second)
	for _, x := range w.nodes {
		if n, of := x.d.Filtered(w.now); n < of-1 || of != 8 { // one may be new among the watched
			t.Errorf("m%d knows %d of %d", x.i, n, of)
		}
		x.connects = 0
	}
	w.run(10 * time.Minute)
	for _, x := range w.nodes {
		if x.connects > 60 {
			t.Errorf("in ten minutes m%d tried %d ports", x.i, x.connects)
		}
	}
	w.filtered = false
	w.run(15 * time.Minute)
	for _, x := range w.nodes {
		if n, _ := x.d.Filtered(w.now); n > 1 {
			t.Errorf("m%d holds %d for filtered", x.i, n)
		}
	}
}
