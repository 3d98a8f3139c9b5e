package stream

import (
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The claim that there was more of a stream, which no member has any more, is believed if its
// origin makes it, or half of the members that were asked, or two of them where the origin does not
// live. One alone may be mistaken, or lie.
func TestWhoIsBelieved(t *testing.T) {
	w := newWorld(t, 1, 8, Config{})
	n, origin := w.nodes[3], w.nodes[0]
	for _, c := range []struct {
		lives, sure     bool
		knew, of        int
		want            bool
		whatItStandsFor string
	}{
		{true, true, 1, 5, true, "the origin"},
		{true, false, 2, 5, false, "two of five, and the origin lives"},
		{true, false, 3, 5, true, "more than half"},
		{false, false, 1, 5, false, "one of five"},
		{false, false, 2, 5, true, "two of five, and the origin does not live"},
	} {
		st := &stream{origin: origin.ID(), generation: 1}
		if !c.lives {
			st.generation = 2 // it lives in another life
		}
		st.repair = &repair{knew: c.knew, sure: c.sure, denied: make([]member.ID, c.of)}
		if got := n.s.losses.existed(st); got != c.want {
			t.Errorf("%s: believed %t", c.whatItStandsFor, got)
		}
	}
}
