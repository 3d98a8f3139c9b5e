package state

import (
	"testing"
	"time"
)

// What differs in anything that readers see has another sum: a key's end is told from its value's
// beginning, by the lengths.
func TestSumsDiffer(t *testing.T) {
	items := []item{
		{key: "ab", value: "c", version: 1}, {key: "a", value: "bc", version: 1}, {key: "abc",
			version: 1},
		{key: "ab", value: "c", version: 2}, {key: "ab", value: "d", version: 1}, {key: "ab",
			value: "c\x00", version: 1},
		{key: "ab", value: "c", version: 1, lapses: true}, {key: "abcdefgh", value: "i",
			version: 1},
		{key: "abcdefg", value: "hi", version: 1}, {key: "abcdefgh\x00", value: "i", version: 1},
	}
	of := map[uint64]item{}
	for _, it := range items {
		h := sumOf(&it)
		if other, ok := of[h]; ok {
			t.Errorf("%+v and %+v have one sum", it, other)
		}
		of[h] = it
	}
}

// A key whose time is over is not shown, though the store was not woken since.
func TestLapsedBeforeTheWake(t *testing.T) {
	w := newWorld(t, 2, 1, Config{})
	x := w.nodes[0]
	x.set("a", "1", 5*time.Second)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{5*time.Second - 1, true}, {5 * time.Second, false}, {time.Minute, false}} {
		if v, ok := x.store.Get(w.Now.Add(c.after), x.ID(), "a"); ok != c.want {
			t.Errorf("%s after it was written for 5s: %+v, shown %t", c.after, v, ok)
		}
	}
	if err := x.store.Delete(w.Now.Add(time.Minute), "a"); err == nil {
		t.Error("a key whose time is over is deleted once more")
	}
}
