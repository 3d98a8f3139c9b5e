package main

// This file holds docs/sim.md to what the simulator has.

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starling-gossip/starling/internal/sim"
)

func TestSimDocsNameEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/sim.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if !strings.Contains(doc, c.CommandPath()) {
			t.Errorf("docs/sim.md does not name %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(doc, "`--"+f.Name+"`") {
				t.Errorf("docs/sim.md does not name --%s", f.Name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := (&app{}).root()
	cmd, _, err := root.Find([]string{"sim"})
	if err != nil {
		t.Fatal(err)
	}
	walk(cmd)
	_, err = sim.ParseAction("1s=nothing") // its error names all verbs
	_, verbs, _ := strings.Cut(err.Error(), "there are ")
	for v := range strings.SplitSeq(verbs, ", ") {
		if !strings.Contains(doc, "| `"+v+"` |") {
			t.Errorf("docs/sim.md does not name the action %s", v)
		}
	}
	for _, part := range measures {
		for _, m := range part[1:] {
			if short := strings.NewReplacer("known99", "", "known100", "", "reached99", "",
				"reached100", "").Replace(m.name); short == m.name &&
				!strings.Contains(doc, "`"+m.name+"`") {
				t.Errorf("docs/sim.md does not name the measure %s", m.name)
			}
		}
	}
}
