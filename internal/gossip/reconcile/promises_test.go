package reconcile

import "testing"

// Two tables of 10,000 that differ in ten records find out which with 500 bytes, beside the records
// themselves.
func TestTenOfTenThousand(t *testing.T) {
	w := newWorld(1)
	x, y := pair(w, 10_000)
	differIn(x, y, 10, 1)
	w.settle()
	x.fingerprint(y.ID(), false)
	w.Run(5e7)
	pushed := int(x.repair.Stats().Pushed + y.repair.Stats().Pushed)
	if cost := w.bytes - pushed*recordSize(); cost > 500 || pushed != 10 || !w.agreed() {
		t.Errorf("%d bytes beside %d records, agreed: %t", cost, pushed, w.agreed())
	}
}
