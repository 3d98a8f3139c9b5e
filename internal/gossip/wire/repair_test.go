package wire_test

import (
	"slices"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func wordsOf(w wire.Words) (all []uint64) {
	for i := range w.Len() {
		all = append(all, w.At(i))
	}
	return all
}

func TestRepairRefusesWhatCannotBe(t *testing.T) {
	v := wire.View{Range: wire.Range{Bits: 3, Prefix: 5}, Count: 2}
	bodyOf := func(b []byte) []byte { return wire.Body(b) }
	sketch := bodyOf(wire.AppendSketch(nil, &v, make([]uint64, 8), nil))
	list := bodyOf(wire.AppendList(nil, &v, make([]uint64, 2)))
	with := func(b []byte, i int, v byte) []byte {
		b = slices.Clone(b)
		b[i] = v
		return b
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "a sketch cut short": sketch[:len(sketch)-1], "more cells than there " +
			"are": with(sketch, 10, 9),
		"17 bits": with(sketch, 4, 17), "a prefix of more bits than it says": with(sketch, 6, 8),
		"too many cells": with(append(slices.Clone(sketch), make([]byte, 4000)...), 10,
			wire.MaxCells+1),
	} {
		if _, ok := wire.ReadSketch(b); ok {
			t.Errorf("sketch: %s was read", what)
		}
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "a list cut short": list[:len(list)-1], "another count": with(list, 9, 3),
		"too many items": make([]byte, 10+8*(wire.MaxCells+1)),
	} {
		if _, _, ok := wire.ReadList(b); ok {
			t.Errorf("list: %s was read", what)
		}
	}
}

// What later versions append is ignored.
func TestRepairReadersIgnoreWhatFollows(t *testing.T) {
	g := wire.Range{Bits: 2, Prefix: 1}
	if got, ok := wire.ReadDone(append(wire.Body(wire.AppendDone(nil, g)), 1, 2, 3)); !ok ||
		got != g {
		t.Error(got, ok)
	}
	if got, ms, ok := wire.ReadBusy(append(wire.Body(wire.AppendBusy(nil, g, 7)), 1)); !ok ||
		got != g || ms != 7 {
		t.Error(got, ms, ok)
	}
	v := wire.View{Range: g}
	if s, ok := wire.ReadSketch(append(wire.Body(wire.AppendSketch(nil, &v, make([]uint64, 4),
		nil)), 1)); !ok || s.Cells.Len() != 4 || len(s.Estimate) > 0 {
		t.Error(s, ok)
	}
}

func TestRepairDoesNotAllocate(t *testing.T) {
	b := make([]byte, 0, 4096)
	cells, est, tags := make([]uint64, wire.MaxCells), make([]uint32,
		wire.EstimateWords), make([]uint32, 0, wire.MaxWant)
	v := wire.View{}
	if n := testing.AllocsPerRun(100, func() {
		b = wire.AppendSketch(b[:0], &v, cells, est)
		wire.ReadSketch(wire.Body(b))
		b = wire.AppendWant(b[:0], 1, tags[:cap(tags)])
		wire.ReadWant(wire.Body(b), tags)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Any body: no panic, and what is read is within the bounds that callers rely on.
func FuzzRepair(f *testing.F) {
	v := wire.View{Range: wire.Range{Bits: 3, Prefix: 5}, Count: 2, Report: true}
	f.Add(wire.Body(wire.AppendSketch(nil, &v, make([]uint64, 48),
		make([]uint32, wire.EstimateWords))))
	f.Add(wire.Body(wire.AppendList(nil, &v, make([]uint64, 2))))
	f.Add(wire.Body(wire.AppendWant(nil, 1, []uint32{1, 2, 3})))
	f.Add(wire.Body(wire.EndPush(wire.AppendRequest(wire.BeginPush(nil, true), []member.ID{1}), 0)))
	f.Add(wire.Body(wire.AppendBusy(nil, v.Range, 100)))
	f.Fuzz(func(t *testing.T, body []byte) {
		inBounds := func(g wire.Range) bool {
			return g.Bits <= wire.MaxRangeBits &&
				uint32(g.Prefix)>>g.Bits == 0
		}
		if s, ok := wire.ReadSketch(body); ok {
			wordsOf(s.Cells)
			if !inBounds(s.Range) || s.Cells.Len() > wire.MaxCells || len(s.Estimate) != 0 &&
				len(s.Estimate) != 4*wire.EstimateWords {
				t.Errorf("%+v", s)
			}
		}
		if v, items, ok := wire.ReadList(body); ok &&
			(!inBounds(v.Range) || len(wordsOf(items)) > wire.MaxCells) {
			t.Errorf("%+v %d", v, items.Len())
		}
		if _, tags, ok := wire.ReadWant(body, nil); ok &&
			len(tags) > min(wire.MaxWant, len(body)/4) {
			t.Errorf("%d tags", len(tags))
		}
		if g, ok := wire.ReadDone(body); ok && !inBounds(g) {
			t.Errorf("%+v", g)
		}
		if g, _, ok := wire.ReadBusy(body); ok && !inBounds(g) {
			t.Errorf("%+v", g)
		}
		if _, r, ok := wire.ReadPush(body); ok {
			for n := 0; ; n++ {
				if _, _, more := r.Next(); !more {
					break
				}
				if n > len(body) {
					t.Fatal("more messages than bytes")
				}
			}
		}
	})
}
