package member

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// record makes one of a few records of a name: few, so that ties and near ties come often.
func record(name string, generation uint64, variant int) Record {
	tags, err := NewTags(map[string]string{"v": fmt.Sprint(variant)})
	if err != nil {
		panic(err)
	}
	return Record{
		Name: name, Generation: generation, Tags: tags, Protocol: 1,
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(variant)}), 7747),
	}
}

// genFact makes facts about a name.
func genFact(name string) *rapid.Generator[Fact] {
	return rapid.Custom(func(t *rapid.T) Fact {
		generation := rapid.Uint64Range(1, 3).Draw(t, "generation")
		return Fact{
			Record:      Share(record(name, generation, rapid.IntRange(0, 2).Draw(t, "variant"))),
			Incarnation: rapid.Uint32Range(0, 3).Draw(t, "incarnation"),
			State:       rapid.SampledFrom(States[:]).Draw(t, "state"),
		}
	})
}

// A merge is a join-semilattice: facts may come in any order, any number of times, by any way.
func TestMergeIsSemilattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genFact("wren").Draw(t, "a"), genFact("wren").Draw(t,
			"b"), genFact("wren").Draw(t, "c")
		if x, y := Merge(a, b), Merge(b, a); x != y {
			t.Fatalf("not commutative: %v and %v", x.Version(), y.Version())
		}
		if x, y := Merge(Merge(a, b), c), Merge(a, Merge(b, c)); x != y {
			t.Fatalf("not associative: %v and %v", x.Version(), y.Version())
		}
		if x := Merge(a, a); x != a {
			t.Fatalf("not idempotent: %v of %v", x.Version(), a.Version())
		}
		m := Merge(a, b)
		if m != a && m != b || m.Version().Compare(a.Version()) < 0 ||
			m.Version().Compare(b.Version()) < 0 {
			t.Fatalf("%v is no upper bound of %v and %v", m.Version(), a.Version(), b.Version())
		}
	})
}

// The order of two facts is that of the first thing in which they differ; equal ones alone compare
// as equal.
func TestPrecedence(t *testing.T) {
	first := func(c ...int) int {
		for _, v := range c {
			if v != 0 {
				return v
			}
		}
		return 0
	}
	sign := func(a, b uint64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := genFact("wren").Draw(t, "a"), genFact("wren").Draw(t, "b")
		v, w := a.Version(), b.Version()
		got := v.Compare(w)
		want := first(sign(v.Generation, w.Generation),
			sign(uint64(v.Incarnation), uint64(w.Incarnation)), sign(uint64(v.State),
				uint64(w.State)))
		if want != 0 && got != want || got != -w.Compare(v) || (got == 0) != (a == b) {
			t.Fatalf("%v against %v: %d, want %d", v, w, got, want)
		}
		m := Member{ID: IDOf("wren"), Handle: b.Record, Incarnation: b.Incarnation,
			State: b.State, Check: w.Check}
		if short := m.Compare(a); short != got {
			t.Fatalf("%v against a member of %v: %d, want %d", v, w, short, got)
		}
	})
}

// What the order is for.
func TestPrecedenceExamples(t *testing.T) {
	fact := func(generation uint64, incarnation uint32, s State) Fact {
		return Fact{Record: Share(record("wren", generation, 0)), Incarnation: incarnation,
			State: s}
	}
	tests := []struct {
		name        string
		lower, over Fact
	}{
		{"a restarted member supersedes its dead self", fact(1, 9, Left), fact(2, 0, Alive)},
		{"a refutation beats the suspicion", fact(1, 0, Suspect), fact(1, 1, Alive)},
		{"a refutation beats the verdict", fact(1, 0, Failed), fact(1, 1, Alive)},
		{"a suspicion beats what it is about", fact(1, 0, Alive), fact(1, 0, Suspect)},
		{"who left did not fail", fact(1, 3, Failed), fact(1, 3, Left)},
	}
	for _, tt := range tests {
		if got := Merge(tt.lower, tt.over); got != tt.over {
			t.Errorf("%s: %v prevails", tt.name, got.Version())
		}
	}
}

func TestStates(t *testing.T) {
	for i, want := range []string{"alive", "suspect", "failed", "left"} {
		s := States[i]
		if s.String() != want || s.Live() != (i < 2) {
			t.Errorf("%d is %q, live %t", i, s, s.Live())
		}
	}
	if got := State(9).String(); got != "State(9)" {
		t.Errorf("an unknown state is %q", got)
	}
}
