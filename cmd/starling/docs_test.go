package main

// This file holds docs/operating.md and the README's commands to what the program has.

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/cmd/internal/agent"
	"github.com/starling-gossip/starling/cmd/internal/settings"
)

func TestOperatingNamesEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	named := func(kind, word string) {
		if !regexp.MustCompile("`[^`\n]*" + regexp.QuoteMeta(word) +
			"($|[^-_a-z])").MatchString(doc) {
			t.Errorf("docs/operating.md does not name the %s %s", kind, word)
		}
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		named("command", c.CommandPath())
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			named("flag", "--"+f.Name)
			if c.Name() == "agent" {
				named("variable", settings.EnvName(f.Name))
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := (&app{}).root()
	for _, c := range root.Commands() {
		if c.Name() != "sim" && c.Name() != "lab" { // docs/sim.md and docs/lab.md are about them
			walk(c)
		}
	}
	for _, metric := range metricNames(t) {
		named("metric", metric)
	}
	for _, route := range agent.Routes() {
		named("route", route)
	}
}

// metricNames are the names of Starling's own metrics, as an agent serves them.
func metricNames(t *testing.T) (names []string) {
	node, err := starling.Start(starling.Config{Name: "docs", Bind: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Host = "localhost"
	agent.NewServer(node, agent.ServerOptions{}).Handler().ServeHTTP(w, r)
	for line := range strings.Lines(w.Body.String()) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok &&
			strings.HasPrefix(name, "starling_") {
			names = append(names, strings.Fields(name)[0])
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %d metrics: %v", len(names), names)
	}
	return names
}
