package starling

import "testing"

// As many members have a message as were needed once that number has it, or that share of all,
// rounded up; all is each of them.
func TestNeedIsMet(t *testing.T) {
	for _, x := range []struct {
		need     Need
		have, of int
		want     bool
	}{
		{Need{}, 1, 9, true},
		{All, 4, 5, false}, {All, 5, 5, true}, {All, 1, 1, true}, {All, 999, 1000, false},
		{AtLeast(3), 2, 9, false}, {AtLeast(3), 3, 9, true}, {AtLeast(3), 2, 2, false},
		{Percent(50), 2, 5, false}, {Percent(50), 3, 5, true}, {Percent(50), 2, 4, true},
		{Percent(1), 1, 100, true}, {Percent(1), 1, 101, false},
	} {
		if got := x.need.met(x.have, x.of); got != x.want {
			t.Errorf("%+v is met by %d of %d: %v", x.need, x.have, x.of, got)
		}
	}
}
