package sketch

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const most = 132 // cells

// Two sets, a sketch of each: what differs comes out exactly, or the answer is no.
func TestSketchDecodesExactlyOrSaysNo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		cells := make([]uint64, 4*rapid.IntRange(1, most/4).Draw(t, "quarter"))
		common := rapid.IntRange(0, 300).Draw(t, "common")
		d := rapid.IntRange(0, 150).Draw(t, "different")
		for range common {
			it := Seal(rng.Uint64())
			Toggle(cells, it)
			Toggle(cells, it)
		}
		var want []uint64
		for range d {
			it := Seal(rng.Uint64())
			want = append(want, it)
			Toggle(cells, it)
		}
		slices.Sort(want)
		got, ok := Peel(cells, nil)
		if ok && !slices.Equal(got, want) {
			t.Fatalf("decoded %d items of %d, and wrong ones", len(got), len(want))
		}
		if d == 0 && !ok {
			t.Fatal("equal sets did not decode")
		}
	})
}

// Whatever the cells hold, peeling ends, and what it accepts has the sketch that was given.
func TestPeelOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 4 * rapid.IntRange(1, most/4).Draw(t, "quarter")
		given := rapid.SliceOfN(rapid.Uint64(), n, n).Draw(t, "cells")
		items, ok := Peel(slices.Clone(given), nil)
		if len(items) > n {
			t.Fatalf("%d items of %d cells", len(items), n)
		}
		back := make([]uint64, n)
		for _, it := range items {
			Toggle(back, it)
		}
		if ok && !slices.Equal(back, given) {
			t.Fatal("accepted something else than was given")
		}
	})
}
