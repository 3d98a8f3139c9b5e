package multicast

import (
	"testing"
	"time"
)

// Who hears nothing for a while gets what was published meanwhile as soon as it hears again, and the origin knows.
func TestOfferedAgain(t *testing.T) {
	for _, n := range []int{20, 300} {
		w := newWorld(t, n, 3, Config{}, nil)
		origin, deaf := w.nodes[0], w.nodes[1]
		w.cut = func(_, to *node) bool { return to == deaf && w.now < mono0.Add(2*time.Second) }
		seq := origin.publish(1, 100)
		w.run(time.Second)
		p := origin.told[len(origin.told)-1]
		if !p.Done || p.Have != n-1 || p.Of != n || len(p.Missing) != 1 || p.Missing[0] != deaf.id {
			t.Errorf("%d nodes, one of them deaf: %+v", n, p)
		}
		w.run(4 * time.Second)
		p = origin.told[len(origin.told)-1]
		if !p.Done || p.Have != n || p.Of != n || len(p.Missing) > 0 || w.spreadOf(origin, seq).missing > 0 {
			t.Errorf("%d nodes, none is deaf any more: %+v", n, p)
		}
		w.idle()
	}
}
