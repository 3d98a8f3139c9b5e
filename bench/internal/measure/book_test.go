package measure

// Wrong figures start here: what the book counts, and the shares that are taken of it.

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/bench/internal/peer"
)

// publisher is a node that only publishes.
type publisher struct {
	peer.Node
	payload []byte
}

func (p *publisher) Publish(b []byte) error { p.payload = b; return nil }

// TestShares: half, 99 % and all are shares of the nodes that are due, not of the nodes that heard.
func TestShares(t *testing.T) {
	got := make([]time.Duration, 100)
	for i := range got {
		got[i] = time.Duration(i+1) * time.Millisecond
	}
	for _, c := range []struct {
		heard, due       int
		half, most, full float64 // 0: not reached
	}{
		{100, 100, 50, 99, 100},
		{99, 100, 50, 99, 0},
		{98, 100, 50, 0, 0},
		{50, 101, 0, 0, 0},
		{1, 1, 1, 1, 1},
		{3, 3, 2, 3, 3},
		{0, 4, 0, 0, 0},
	} {
		cl := &cluster{values: map[string][]float64{}}
		cl.addShares("t50", "t99", "t100", got[:c.heard], c.due)
		for key, want := range map[string]float64{"t50": c.half, "t99": c.most, "t100": c.full} {
			if v := cl.values[key]; len(v) > 1 || len(v) == 0 && want != 0 || len(v) == 1 &&
				v[0] != want {
				t.Errorf("%d of %d heard: %s is %v, want %v", c.heard, c.due, key, v, want)
			}
		}
	}
}

// TestHear: a message counts once at each node, and one that is forgotten no longer.
func TestHear(t *testing.T) {
	b, p := newBook(4), &publisher{}
	id, err := b.publish(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2, 2, 0, 2} {
		b.hear(i, p.payload)
	}
	if got := len(b.arrivals(id)); got != 2 || b.delivered() != 2 {
		t.Errorf("%d arrivals, %d delivered; two nodes of four heard it", got, b.delivered())
	}
	if !slices.IsSorted(b.arrivals(id)) {
		t.Error("arrivals are not in order")
	}
	b.forget()
	b.hear(1, p.payload)
	if b.delivered() != 0 {
		t.Error("a message that was forgotten is counted")
	}
}

// TestFalseFailures: a false failure begins when the first node holds a live member for failed. The
// nodes that follow it add none.
func TestFalseFailures(t *testing.T) {
	b := newBook(5)
	expect := func(what string, well, sick, wrong int) {
		t.Helper()
		if w, s := b.falsely(); w != well || s != sick || b.wrong() != wrong {
			t.Errorf("%s: %d well and %d sick failed, %d pairs wrong; want %d, %d, %d", what,
				w, s, b.wrong(), well, sick, wrong)
		}
	}
	b.judge(0, "n1", true)
	b.judge(0, "n1", true)
	b.judge(2, "n1", true)
	expect("two accuse one", 1, 0, 2)
	b.judge(0, "n1", false)
	b.judge(2, "n1", false)
	expect("and take it back", 1, 0, 0)
	b.judge(3, "n1", true)
	expect("and a third accuses it", 2, 0, 1)
	b.judge(3, "n1", false)
	b.judge(1, "n1", true)
	expect("who fails itself", 2, 0, 0)

	b.setSick([]int{2}, true)
	b.judge(0, "n2", true)
	expect("a sick one", 2, 1, 1)
	b.judge(2, "n3", true)
	expect("by a sick one", 2, 1, 2)
	if b.outcries(1) != 3 || b.outcries(2) != 1 || b.outcries(3) != 0 {
		t.Errorf("outcries %d, %d, %d", b.outcries(1), b.outcries(2), b.outcries(3))
	}
}

// TestKnown: verdicts count from the death on. A node that held the dead one for failed before
// knows it at once. The dead know nothing.
func TestKnown(t *testing.T) {
	b := newBook(5)
	b.judge(0, "n4", true)
	b.died(4)
	if got := len(b.known([]int{4})); got != 1 {
		t.Errorf("%d know at the death, one held it for failed before", got)
	}
	b.died(3)
	b.judge(3, "n4", true)
	b.judge(1, "n4", true)
	b.judge(1, "n3", true)
	known := b.known([]int{3, 4})
	if len(known) != 3 || !slices.IsSortedFunc(known, time.Time.Compare) {
		t.Errorf("verdicts %v; three by the living", known)
	}
	if well, _ := b.falsely(); well != 1 || b.live() != 3 || b.wrong() != 0 {
		t.Errorf("%d false failures before the death, %d live, %d pairs wrong", well, b.live(),
			b.wrong())
	}
}

// TestSyncPeriod: memberlist's pushPullScale.
func TestSyncPeriod(t *testing.T) {
	for n, want := range map[int]time.Duration{2: 30, 32: 30, 33: 60, 64: 60, 65: 90, 128: 90,
		512: 150, 1000: 180} {
		if got := syncPeriod(n); got != want*time.Second {
			t.Errorf("%d members: %v, want %v s", n, got, int(want))
		}
	}
}
