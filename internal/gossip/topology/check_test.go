package topology

import (
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Each way in which a ring can contradict its table is seen.
func TestCheck(t *testing.T) {
	for what, spoil := range map[string]func(g *Ring){
		"":              func(*Ring) {},
		"stands behind": func(g *Ring) { g.places[0], g.places[1] = g.places[1], g.places[0] },
		"is no place":   func(g *Ring) { g.places[0].ID++ },
	} {
		var table member.Table
		for _, name := range []string{"a", "b", "c"} {
			r := member.Share(member.Record{Name: name, Generation: 1})
			table.Merge(0, member.Fact{Record: r})
		}
		g := NewRing(&table)
		g.All()
		spoil(g)
		if err := g.Check(); what == "" && err != nil || what != "" && (err == nil ||
			!strings.Contains(err.Error(), what)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
