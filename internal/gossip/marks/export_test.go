package marks

// Order returns how much is kept of the order in which entries came.
func (t *Table[K, V]) Order() int { return len(t.order) }
