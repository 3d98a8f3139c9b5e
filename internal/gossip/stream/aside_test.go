package stream

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A page that is not of an exchange under way tells what this node lacks all the same. It was asked
// for about the former lives of an origin, or came late.
func TestPageOfNoExchange(t *testing.T) {
	w := newWorld(t, 1, 3, Config{})
	w.quiet = true
	origin, y, x := w.nodes[0], w.nodes[1], w.nodes[2]
	w.nodes[0].publish("t", []byte("first"))
	w.run(time.Second, nil)
	w.Cut = func(_, to *node) bool { return to == x }
	origin.publish("t", []byte("missed"))
	w.run(100*time.Millisecond, nil)
	w.Cut = nil
	got := x.s.Stats().Delivered
	w.deliver(x, y, 0, wire.AppendAsk(nil, wire.Ask{All: true}))
	w.run(500*time.Millisecond, nil)
	if n := x.s.Stats().Delivered - got; n != 1 {
		t.Errorf("%d messages of one", n)
	}
	if st := x.s.Stats(); st.Syncs > 0 {
		t.Errorf("it asked %d times", st.Syncs)
	}
}
