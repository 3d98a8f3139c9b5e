package sim

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Each line of the table names a fault that is drawn and checkers that there are, and stands in
// docs/swarm.md.
func TestSuspensions(t *testing.T) {
	text, err := os.ReadFile("../../docs/swarm.md")
	if err != nil {
		t.Fatal(err)
	}
	o := Draw(1)
	for _, s := range suspensions {
		if !slices.Contains(Draws(), s.fault) {
			t.Errorf("%q is not drawn", s.fault)
		}
		for _, name := range s.checkers {
			if name != "join" && name != "clusters" &&
				!slices.ContainsFunc(checkers(&o),
					func(c Checker) bool { return c.Name() == name }) {
				t.Errorf("%q is no checker", name)
			}
		}
		if line := s.line(); !strings.Contains(string(text), line) {
			t.Errorf("docs/swarm.md lacks the line\n%s", line)
		}
	}
	for _, c := range checkers(&o) {
		if !strings.Contains(string(text), "`"+c.Name()+"`") {
			t.Errorf("docs/swarm.md does not name the checker %s", c.Name())
		}
	}
}

// line is the table's line in docs/swarm.md.
func (s *suspension) line() string {
	names := "all but `bounds`, `panic` and `error`"
	if len(s.checkers) < len(allCheckers) {
		names = "`" + strings.Join(s.checkers, "`, `") + "`"
	}
	until := "none"
	if s.issue > 0 {
		until = fmt.Sprint(s.issue)
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", s.fault, names, until, s.why)
}

// What is suspended does not count, and nothing else is lost by it.
func TestSuspendedDoesNotCount(t *testing.T) {
	o := Options{Nodes: 6, Seed: 1, Actions: []Action{{At: 1e9, Do: Crash, Who: Nodes(3)}},
		Bounds: Bounds{Detect: 1}}
	if found := Try(o); len(found) == 0 || found[0].Checker != "completeness" {
		t.Fatalf("found %v", found)
	}
	o.Suspend = []string{"completeness"}
	if found := Try(o); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}
