package starling_test

import (
	"slices"
	"testing"

	"github.com/starling-gossip/starling"
)

// Settings that are not alike stand in Info at both sides, with both values; so does a zone that is
// written in two ways.
func TestUnlikeSettingsAreInInfo(t *testing.T) {
	a := start(t, starling.Config{Name: "a", Zone: "EU-west/r1"})
	b := start(t, starling.Config{Name: "b", Zone: "eu_west", Seeds: []string{addr(a)},
		Tuning: starling.Tuning{Profile: starling.WAN}})
	c := start(t, starling.Config{Name: "c", Zone: "us", Seeds: []string{addr(a)}})
	for _, x := range []struct {
		node *starling.Node
		want []starling.Unlike
	}{
		{a, []starling.Unlike{{"b", "profile", "lan", "wan"},
			{"b", "zone spelling", "EU-west", "eu_west"}}},
		{b, []starling.Unlike{{"a", "profile", "wan", "lan"},
			{"a", "zone spelling", "eu_west", "EU-west"}}},
		{c, nil},
	} {
		until(t, x.node, "it knows what is unlike",
			func() bool { return slices.Equal(x.node.Info().Unlike, x.want) })
	}
}
