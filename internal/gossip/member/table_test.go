package member

// A dumb second implementation of the table, held against the real one.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// model is the table as one would write it first: a map of what prevailed, and everything else
// computed from it.
type model struct {
	facts map[string]Fact
	since map[string]mono.Time
}

func newModel() *model {
	return &model{facts: make(map[string]Fact), since: make(map[string]mono.Time)}
}

func (m *model) merge(now mono.Time, f Fact) (before Fact, known, changed bool) {
	name := f.Record.Value().Name
	before, known = m.facts[name]
	after := f
	if known {
		after = Merge(before, f)
	}
	if !known || after.State != before.State || after != before && !after.State.Live() {
		m.since[name] = now
	}
	m.facts[name] = after
	return before, known, !known || after != before
}

func (m *model) forget(name string) (was bool) {
	_, was = m.facts[name]
	delete(m.facts, name)
	delete(m.since, name)
	return was
}

// names returns those in the model, sorted, as far as a state is wanted.
func (m *model) names(want func(State) bool) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(m.facts)) {
		if want(m.facts[name].State) {
			list = append(list, name)
		}
	}
	return list
}

// fingerprint is the XOR of the items, each from the formula in docs/protocol.md.
func (m *model) fingerprint() (h uint64) {
	for _, f := range m.facts {
		if f.State == Alive || f.State == Suspect {
			r := f.Record.Value()
			h ^= Mix(uint64(IDOf(r.Name)) + Mix(uint64(f.Incarnation)<<32+uint64(r.Check())))
		}
	}
	return h
}

// machine drives both.
type machine struct {
	table   Table
	model   *model
	names   []string
	now     mono.Time
	changes uint64
}

func (x *machine) merge(t *rapid.T) {
	x.now += mono.Time(rapid.IntRange(0, 5).Draw(t, "later"))
	f := genFact(rapid.SampledFrom(x.names).Draw(t, "name")).Draw(t, "fact")
	was, wasKnown, moved := x.model.merge(x.now, f)
	before, known, changed, err := x.table.Merge(x.now, f)
	if err != nil || known != wasKnown || changed != moved {
		t.Fatalf("merged: known %t, changed %t, %v; want %t, %t", known, changed, err,
			wasKnown, moved)
	}
	if known && before.Fact() != was {
		t.Fatalf("held %v before, want %v", before.Version(), was.Version())
	}
	if moved {
		x.changes++
	}
}

func (x *machine) forget(t *rapid.T) {
	name := rapid.SampledFrom(x.names).Draw(t, "name")
	x.table.Forget(IDOf(name))
	if x.model.forget(name) {
		x.changes++
	}
}

// check compares everything that can be seen of the two.
func (x *machine) check(t *rapid.T) {
	live := x.model.names(State.Live)
	dead := x.model.names(func(s State) bool { return !s.Live() })
	if x.table.Len() != len(live)+len(dead) || x.table.Live() != len(live) {
		t.Fatalf("%d members, %d live; want %d and %d", x.table.Len(), x.table.Live(),
			len(live)+len(dead), len(live))
	}
	if x.table.Fingerprint() != x.model.fingerprint() {
		t.Fatalf("fingerprint %016x, want %016x", x.table.Fingerprint(), x.model.fingerprint())
	}
	if x.table.Changes() != x.changes {
		t.Fatalf("%d changes, want %d", x.table.Changes(), x.changes)
	}
	for _, name := range x.names {
		got, ok := x.table.Get(IDOf(name))
		want, known := x.model.facts[name]
		if ok != known || known && (got.Fact() != want || got.Version() != want.Version() ||
			got.Since != x.model.since[name]) {
			t.Fatalf("%s: %v since %d, %t; want %v since %d", name, got.Version(), got.Since,
				ok, want, x.model.since[name])
		}
	}
	x.checkPositions(t, live, dead)
}

// checkPositions sees that the live stand in front, and that every way to go through the table
// shows the same.
func (x *machine) checkPositions(t *rapid.T, live, dead []string) {
	var atFront, behind, all []string
	for i := range x.table.Len() {
		m := x.table.At(i)
		if x.table.IDAt(i) != m.ID || m.ID != IDOf(m.Name()) {
			t.Fatalf("position %d: %s has the ID %x or %x", i, m.Name(), x.table.IDAt(i), m.ID)
		}
		if i < x.table.Live() {
			atFront = append(atFront, m.Name())
		} else {
			behind = append(behind, m.Name())
		}
	}
	for m := range x.table.All() {
		all = append(all, m.Name())
	}
	if !slices.Equal(all, slices.Concat(atFront, behind)) {
		t.Fatalf("All goes through %v, the positions hold %v and %v", all, atFront, behind)
	}
	sum, i := uint64(0), 0
	for id, item := range x.table.Items() {
		m := x.table.At(i)
		if id != m.ID || item != m.Item() {
			t.Fatalf("item %d is %x of %x, want %x of %s", i, item, id, m.Item(), m.Name())
		}
		sum ^= item
		i++
	}
	if sum != x.table.Fingerprint() || i != x.table.Live() {
		t.Fatalf("%d items with the XOR %016x; %d live members, fingerprint %016x", i, sum,
			x.table.Live(), x.table.Fingerprint())
	}
	slices.Sort(atFront)
	slices.Sort(behind)
	if !slices.Equal(atFront, live) || !slices.Equal(behind, dead) {
		t.Fatalf("live %v, dead %v; want %v and %v", atFront, behind, live, dead)
	}
}

func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &machine{model: newModel()}
		for i := range rapid.IntRange(1, 40).Draw(t, "names") {
			x.names = append(x.names, fmt.Sprintf("m%d", i))
		}
		t.Repeat(map[string]func(*rapid.T){
			"merge":  x.merge,
			"Merge":  x.merge, // twice as often as forget
			"forget": x.forget,
			"":       x.check,
		})
	})
}

// The order in which news comes, and how often, changes nothing of what two tables end with.
func TestTablesConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var facts []Fact
		for i := range rapid.IntRange(1, 10).Draw(t, "names") {
			facts = append(facts, rapid.SliceOfN(genFact(fmt.Sprintf("m%d", i)), 1, 4).Draw(t,
				"facts")...)
		}
		again := append(slices.Clone(facts), rapid.SliceOfN(rapid.SampledFrom(facts), 0,
			5).Draw(t, "twice")...)
		var a, b Table
		for _, f := range rapid.Permutation(facts).Draw(t, "one way") {
			a.Merge(1, f)
		}
		for _, f := range rapid.Permutation(again).Draw(t, "another") {
			b.Merge(2, f)
		}
		if a.Fingerprint() != b.Fingerprint() || a.Len() != b.Len() || a.Live() != b.Live() {
			t.Fatalf("%d of %d with %016x, %d of %d with %016x",
				a.Live(), a.Len(), a.Fingerprint(), b.Live(), b.Len(), b.Fingerprint())
		}
		for m := range a.All() {
			if o, _ := b.Get(m.ID); o.Fact() != m.Fact() {
				t.Fatalf("%v here, %v there", m.Version(), o.Version())
			}
		}
	})
}

// A member that failed, and failed again in a life of which the table knows nothing else, is
// remembered from then on.
func TestLaterDeathIsDated(t *testing.T) {
	for _, f := range []Fact{
		{Record: Share(Record{Name: "x", Generation: 2}), State: Failed},
		{Record: Share(Record{Name: "x", Generation: 1}), Incarnation: 3, State: Failed},
	} {
		var table Table
		first := Fact{Record: Share(Record{Name: "x", Generation: 1}), State: Failed}
		for i, f := range []Fact{first, f} {
			if _, _, _, err := table.Merge(mono.Time(10+40*i), f); err != nil {
				t.Fatal(err)
			}
		}
		if m, _ := table.Get(IDOf("x")); m.Since != 50 {
			t.Errorf("%v is failed since %d", m.Version(), m.Since)
		}
	}
}

// All may be left early.
func TestIterationStops(t *testing.T) {
	var table Table
	for i := range 5 {
		table.Merge(0, Fact{Record: Share(record(fmt.Sprintf("m%d", i), 1, 0))})
	}
	n := 0
	for range table.All() {
		if n++; n == 2 {
			break
		}
	}
	for range table.Items() {
		if n++; n == 4 {
			break
		}
	}
	if n != 4 {
		t.Errorf("%d steps, want 4", n)
	}
}

// A second name with the ID of the first is refused, and changes nothing.
func TestTableRefusesSecondNameOfID(t *testing.T) {
	var table Table
	h := Share(record("wren", 1, 0))
	// no two names are known to meet, so the first is forged
	table.insert(entry{rec: h, id: IDOf("robin")})
	fingerprint := table.Fingerprint()
	before, known, changed, err := table.Merge(1, Fact{Record: Share(record("robin", 2, 0))})
	if err == nil || !known || changed || before.Handle != h {
		t.Fatalf("known %t, changed %t, %v", known, changed, err)
	}
	for _, name := range []string{"wren", "robin"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error %q does not name %s", err, name)
		}
	}
	if table.Len() != 1 || table.Fingerprint() != fingerprint {
		t.Error("the table changed")
	}
}

func TestTableIsBounded(t *testing.T) {
	var table Table
	h := Share(record("wren", 1, 0))
	for i := range MaxMembers {
		table.insert(entry{rec: h, id: ID(Mix(uint64(i) + 1)), state: Failed})
	}
	if _, _, changed, err := table.Merge(1, Fact{Record: Share(record("robin", 1,
		0))}); changed || err == nil {
		t.Fatalf("changed %t, %v: over the bound", changed, err)
	}
	table.Forget(table.IDAt(7))
	if _, _, changed, err := table.Merge(1, Fact{Record: Share(record("robin", 1,
		0))}); !changed || err != nil {
		t.Fatalf("changed %t, %v: within the bound again", changed, err)
	}
	if table.Len() != MaxMembers || table.Live() != 1 || table.At(0).ID != IDOf("robin") {
		t.Errorf("%d members, %d live", table.Len(), table.Live())
	}
}
