package reconcile

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/sketch"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"pgregory.net/rapid"
)

func randomItem(rng *rand.Rand) uint64 { return sketch.Seal(rng.Uint64()) }

// The sizes promise that nearly all sketches of so many differing items decode.
func TestSketchCapacity(t *testing.T) {
	const trials = 1000
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct{ cells, items, failures int }{
		{smallCells, 20, 10}, {smallCells, smallItems, 50}, {largeCells, largeItems, 20},
	} {
		failed := 0
		for range trials {
			cells := make([]uint64, c.cells)
			for range c.items {
				sketch.Toggle(cells, randomItem(rng))
			}
			if _, ok := sketch.Peel(cells, nil); !ok {
				failed++
			}
		}
		t.Logf("%d items in %d cells: %d of %d fail", c.items, c.cells, failed, trials)
		if failed > c.failures {
			t.Errorf("%d items in %d cells: %d of %d fail", c.items, c.cells, failed, trials)
		}
	}
}

func TestEstimate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, d := range []int{10, 100, 300, 1000, 5000} {
		far := 0
		for range 200 {
			var e estimate
			for range d {
				e.toggle(randomItem(rng))
			}
			if got := e.items(); got < d/2 || got > 2*d {
				far++
			}
		}
		t.Logf("%d items: %d of 200 estimates are off by more than twice", d, far)
		if far > 30 {
			t.Errorf("%d items: %d of 200 estimates are off by more than twice", d, far)
		}
	}
}

func TestAhead(t *testing.T) {
	for _, c := range []struct {
		mine, theirs uint32
		want         int
	}{{5, 5, 0}, {6, 5, 1}, {5, 6, -1}, {16, 15, 1}, {15, 16, -1}, {1<<32 - 1, 0, -1}, {7, 0, 7}} {
		m := member.Member{ID: 1, Incarnation: c.theirs}
		if got := ahead(c.mine, newSalt(1).item(7, &m)); got != c.want {
			t.Errorf("ahead(%d, %d) = %d, not %d", c.mine, c.theirs, got, c.want)
		}
	}
}

func TestItemSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.Custom(func(t *rapid.T) uint64 {
			return uint64(rapid.Uint32Range(0, 5).Draw(t, "tag"))<<61 | rapid.Uint64Range(0,
				3).Draw(t, "rest")
		})
		items := rapid.SliceOf(few).Draw(t, "items")
		slices.Sort(items)
		s := newItemSet(items)
		it := few.Draw(t, "item")
		if s.has(it) != slices.Contains(items, it) {
			t.Fatalf("has(%x) = %v of %x", it, s.has(it), items)
		}
		_, ok := s.find(uint32(it >> tagShift))
		if ok != slices.ContainsFunc(items,
			func(o uint64) bool { return o>>tagShift == it>>tagShift }) {
			t.Fatalf("find(%x) = %v of %x", it>>tagShift, ok, items)
		}
	})
}

// Whatever up to three of the remembered changes make is explained by changes of that XOR; of
// anything else, nothing.
func TestExplainProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var l changeLog
		delta := map[member.ID]uint64{}
		n := rapid.IntRange(1, 200).Draw(t, "changes")
		for i := range n {
			c := change{id: member.ID(i + 1), delta: rng.Uint64()}
			delta[c.id] = c.delta
			l.add(c)
		}
		var x uint64
		latest := min(n, logSize)
		some := rapid.SliceOfNDistinct(rapid.IntRange(n-latest+1, n), 1,
			min(latest, maxExplain), rapid.ID).Draw(t, "some")
		for _, i := range some {
			x ^= delta[member.ID(i)]
		}
		ids := l.explain(x, nil)
		var y uint64
		for _, id := range ids {
			y ^= delta[id]
		}
		if len(ids) == 0 || y != x {
			t.Fatalf("%x is explained as %v", x, ids)
		}
		if ids := l.explain(rng.Uint64(), nil); len(ids) > 0 {
			t.Fatalf("explained anything: %v", ids)
		}
	})
}

// The larger sketch fits the room that Host promises.
func TestLargeSketchFits(t *testing.T) {
	var cells [largeCells]uint64
	var e estimate
	if n := len(wire.AppendSketch(nil, &wire.View{}, cells[:], e[:])); n > 1157 {
		t.Errorf("%d bytes", n)
	}
}
