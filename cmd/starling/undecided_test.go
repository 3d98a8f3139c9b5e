package main

import (
	"strings"
	"testing"

	"github.com/starling-gossip/starling/api"
)

// A node that hears from nobody is told to look at its own host before it forgets all others.
func TestUndecidedText(t *testing.T) {
	i := api.Info{Undecided: 4, Members: map[string]int{"alive": 5}}
	alone := "look at this host's network"
	if s := undecidedText(i); !strings.Contains(s, "4 of 5 members") || strings.Contains(s, alone) {
		t.Errorf("while others are heard: %q", s)
	}
	i.Isolated = true
	s := undecidedText(i)
	if at := strings.Index(s, alone); at < 0 || at > strings.Index(s, "starling forget") {
		t.Errorf("while nobody is heard: %q", s)
	}
}
