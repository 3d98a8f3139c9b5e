package marks_test

import (
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/marks"
)

// A table is bounded, the oldest go first, and renewing one over and over takes no room.
func TestTable(t *testing.T) {
	const most = 1000
	m := marks.Table[int, string]{Max: most}
	for i := range most + 10 {
		m.Put(i, "first")
	}
	for range 3 * most {
		m.Put(most, "renewed")
	}
	if m.Len() != most || m.Order() > 2*most+64 {
		t.Errorf("%d marks, %d in the order", m.Len(), m.Order())
	}
	if _, ok := m.Take(9); ok {
		t.Error("one of the ten oldest is there")
	}
	if v, ok := m.Take(10); !ok || v != "first" {
		t.Errorf("one of the others says %q", v)
	}
	if v, _ := m.Take(most); v != "renewed" {
		t.Errorf("the renewed one says %q", v)
	}
	if _, ok := m.Take(10); ok {
		t.Error("it is there after it was taken")
	}
	m.Put(10, "again") // the newest
	for i := range most - m.Len() + 5 {
		m.Put(-1-i, "later")
	}
	if v, _ := m.Take(10); v != "again" {
		t.Errorf("the one put again says %q", v)
	}
}
