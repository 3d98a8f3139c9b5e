package member

import (
	"testing"

	"pgregory.net/rapid"
)

// IDs that crowd into few slots, and around the end of the index, are found all the same, after any
// insertions and removals: forged names can make such.
func TestIndexOfCrowdedIDs(t *testing.T) {
	crowded := rapid.Custom(func(t *rapid.T) ID {
		low := rapid.SampledFrom([]uint64{0, 1, 2, 5, 6, 7, ^uint64(0),
			^uint64(0) - 1}).Draw(t, "low")
		high := rapid.Uint64Range(1, 5).Draw(t, "high")
		return ID(high<<32 | low&0xffffffff)
	})
	h := Share(record("wren", 1, 0))
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		in := make(map[ID]bool)
		var asked []ID
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				id := crowded.Draw(t, "id")
				if !in[id] {
					table.insert(entry{rec: h, id: id,
						state: rapid.SampledFrom(States[:]).Draw(t, "state")})
					in[id] = true
				}
				asked = append(asked, id)
			},
			"forget": func(t *rapid.T) {
				id := crowded.Draw(t, "id")
				table.Forget(id)
				delete(in, id)
				asked = append(asked, id)
			},
			"": func(t *rapid.T) {
				for _, id := range asked {
					if m, ok := table.Get(id); ok != in[id] || ok && m.ID != id {
						t.Fatalf("%x: found %t as %x, want %t", id, ok, m.ID, in[id])
					}
				}
				checkIndex(t, &table)
			},
		})
	})
}

// checkIndex sees that the index holds each position once and keeps free slots, without which a
// search would not end.
func checkIndex(t *rapid.T, table *Table) {
	seen := make([]bool, table.Len())
	used := 0
	for _, i := range table.index {
		if i == 0 {
			continue
		}
		used++
		if int(i) > table.Len() || seen[i-1] {
			t.Fatalf("the index names position %d of %d twice or in vain", i-1, table.Len())
		}
		seen[i-1] = true
	}
	if used != table.Len() || table.Len() > 0 && 3*used > 2*len(table.index) {
		t.Fatalf("%d of %d slots are used for %d members", used, len(table.index), table.Len())
	}
}
