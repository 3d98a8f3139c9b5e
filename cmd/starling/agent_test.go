package main

import (
	"strings"
	"testing"
)

// What the node itself finds wrong with a setting is an error of usage too, and is said once.
func TestAgentRefusesSettings(t *testing.T) {
	for want, args := range map[string][]string{
		"starling: configuration: an MTU of 1199 bytes; it must be at least 1200": {"--mtu",
			"1199"},
		`the port "99999" is not a number`: {"--join", "10.0.0.1:99999"},
		"Advertise":                        {"--advertise", "a:b:c"},
	} {
		args = append([]string{"agent", "--name", "a", "--bind", "127.0.0.1:0", "--api",
			"127.0.0.1:0"}, args...)
		if code, _, errOut := cli(nil, "", args...); code != exitUsage ||
			!strings.Contains(errOut, want) {
			t.Errorf("%v: exit code %d, want 2 and %q:\n%s", args, code, want, errOut)
		}
	}
}

func TestProposals(t *testing.T) {
	for name, want := range map[string]bool{"bogus": false, "membrs": true, "pubish": true} {
		if _, _, errOut := cli(nil, "", name); strings.Contains(errOut, "did you mean") != want {
			t.Errorf("%s: proposes a command: want %t: %s", name, want, errOut)
		}
	}
}
