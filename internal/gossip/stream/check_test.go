package stream

import (
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Each way in which what is held of a stream can contradict itself is seen.
func TestCheck(t *testing.T) {
	for what, spoil := range map[string]func(st *stream){
		"":                  func(*stream) {},
		"the lowest piece":  func(st *stream) { st.low++ },
		"pieces are held":   func(st *stream) { st.held++ },
		"the last there is": func(st *stream) { st.head = 1 },
		"is the next to be": func(st *stream) { st.next = st.solid + 1 },
		"and waited for":    func(st *stream) { st.solid, st.next = 2, 2 },
		"is passed over":    func(st *stream) { st.hole = st.next + 1 },
		"were passed over":  func(st *stream) { st.lost = []wire.Run{{From: 2, To: 1}} },
		"is not held, and":  func(st *stream) { st.solid = 4 },
		"counted":           func(st *stream) { st.drop(1, new(*page)); st.low, st.held = 2, 2 },
	} {
		w := newWorld(t, 1, 2, Config{})
		w.publishAndSettle(3)
		n, origin := w.nodes[1], w.nodes[0]
		n.take(origin, 7, pieces(1, 1, 1, 1, 1), 1, 2, 5)
		st := n.s.find(origin.ID(), 7)
		st.next = 2 // as if the second were not given yet
		spoil(st)
		if err := n.s.Check(); what == "" && err != nil || what != "" && (err == nil ||
			!strings.Contains(err.Error(), what)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
