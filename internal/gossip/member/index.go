package member

// The table's index: from an ID to a position, by open addressing with linear probing over 4-byte
// slots. A Go map would cost five times the memory at a thousand members in each of a thousand
// tables of one process.

// home is the slot where the search for an ID begins. IDs are hashes already.
func (t *Table) home(id ID) int { return int(uint64(id) & uint64(len(t.index)-1)) }

func (t *Table) find(id ID) (int, bool) {
	if len(t.index) == 0 {
		return 0, false
	}
	i := t.index[t.slot(id)]
	return int(i) - 1, i != 0
}

// slot returns where an ID stands, or the empty slot where it would.
func (t *Table) slot(id ID) int {
	s := t.home(id)
	for t.index[s] != 0 && t.entries[t.index[s]-1].id != id {
		s = (s + 1) & (len(t.index) - 1)
	}
	return s
}

func (t *Table) put(id ID, i int) { t.index[t.slot(id)] = int32(i + 1) }

func (t *Table) grow() {
	t.index = make([]int32, max(8, 2*len(t.index)))
	for i := range t.entries {
		t.put(t.entries[i].id, i)
	}
}

func (t *Table) swap(i, j int) {
	if i == j {
		return
	}
	a, b := t.slot(t.entries[i].id), t.slot(t.entries[j].id)
	t.entries[i], t.entries[j] = t.entries[j], t.entries[i]
	t.index[a], t.index[b] = int32(j+1), int32(i+1)
}

// unindex empties an ID's slot and closes the gap, so that no later probe ends there too early
// (Knuth, TAOCP 3, section 6.4, algorithm R).
func (t *Table) unindex(id ID) {
	mask := len(t.index) - 1
	hole := t.slot(id)
	for s := (hole + 1) & mask; t.index[s] != 0; s = (s + 1) & mask {
		h := t.home(t.entries[t.index[s]-1].id)
		if (s-h)&mask >= (s-hole)&mask {
			t.index[hole] = t.index[s]
			hole = s
		}
	}
	t.index[hole] = 0
}
