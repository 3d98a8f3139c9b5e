package stream

import (
	"fmt"
	"testing"
	"time"
)

// A node stood still until all that was published meanwhile had expired. It finds out with a few
// pages from each of 32 members that none holds any of it, and not with a request for each stream
// to each of them. All of it is told as lost, once.
func TestManyGapsAreAskedForByPages(t *testing.T) {
	const n = 60
	w := newWorld(t, 4, n, Config{Age: 10 * time.Second})
	x := w.nodes[n-1]
	for _, o := range w.nodes[:n-1] {
		o.publish("t", []byte("before"))
	}
	if _, ok := w.run(5*time.Second, w.all(n-1)); !ok {
		t.Fatal("no beginning")
	}
	x.sleep()
	for i, o := range w.nodes[:n-1] {
		for k := range 3 {
			o.publish("t", fmt.Append(nil, i, k))
		}
	}
	w.run(25*time.Second, nil)
	x.wake(25 * time.Second)
	before := x.s.Stats().Pulls
	bytes := w.bytes
	took, ok := w.run(20*time.Second, func() bool { return len(x.lost) >= n-1 })
	if !ok {
		t.Fatalf("%d of %d streams are told as lost", len(x.lost), n-1)
	}
	if asked := x.s.Stats().Pulls - before; asked > 4*n {
		t.Errorf("it asked for pieces %d times", asked)
	}
	if kB := (w.bytes - bytes) / 1000; kB > 200 || took > 6*time.Second {
		t.Errorf("it took %s and %d kB", took, kB)
	}
	w.run(5*time.Second, nil)
	for _, l := range x.lost {
		if l.Count != 3 || len(x.lost) != n-1 {
			t.Fatalf("lost %+v, %d in all", l, len(x.lost))
		}
	}
	w.nodes[3].publish("t", []byte("later"))
	if _, ok := w.run(time.Second, func() bool { return len(x.got) == n }); !ok {
		t.Error("what comes later is not delivered")
	}
}
