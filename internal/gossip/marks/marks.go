// Package marks remembers a little of what was let go, within a bound: how far a node had got with
// a member that it has forgotten since and may meet again in the same life.
package marks

import "slices"

// Table remembers one value for each key, the last Max that were put. The zero Table with Max set
// is ready for use. One entry takes some 80 bytes, since the table is a map. It is not safe for
// concurrent use.
type Table[K comparable, V any] struct {
	Max int // at most so many entries; the oldest goes first

	of map[K]entry[V] // never gone through
	// in which they came; those that were taken out or renewed stand there still
	order []put[K]
	turn  uint64
}

type entry[V any] struct {
	value V
	turn  uint64
}

type put[K comparable] struct {
	key  K
	turn uint64
}

// Put remembers a value, in place of what was remembered for its key.
func (t *Table[K, V]) Put(key K, value V) {
	if t.of == nil {
		t.of = map[K]entry[V]{}
	}
	t.turn++
	t.of[key] = entry[V]{value, t.turn}
	t.order = append(t.order, put[K]{key, t.turn})
	for len(t.of) > t.Max {
		if t.valid(t.order[0]) {
			delete(t.of, t.order[0].key)
		}
		t.order = t.order[1:]
	}
	if len(t.order) > 2*len(t.of)+64 {
		t.order = slices.DeleteFunc(t.order, func(p put[K]) bool { return !t.valid(p) })
	}
}

func (t *Table[K, V]) valid(p put[K]) bool { return t.of[p.key].turn == p.turn }

// Get returns what is remembered for a key.
func (t *Table[K, V]) Get(key K) (V, bool) {
	e, ok := t.of[key]
	return e.value, ok
}

// Take returns what is remembered for a key, and forgets it.
func (t *Table[K, V]) Take(key K) (V, bool) {
	e, ok := t.of[key]
	delete(t.of, key)
	return e.value, ok
}

// Len returns how many entries there are.
func (t *Table[K, V]) Len() int { return len(t.of) }
