package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// says says whether a line of an agent's info begins so, and has some words.
func (n *network) says(a *agent, row string, words ...string) bool {
	out, err := n.cli(a, "info")
	if err != nil {
		return false
	}
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(line, row); ok {
			for _, w := range words {
				if !strings.Contains(text, w) {
					return false
				}
			}
			return true
		}
	}
	return false
}

// TestSmallPathAndFilteredPort: the way to one host takes packets of 1,100 bytes and drops longer
// ones without a word, and TCP to the gossip port of another is dropped. Members are perfect. Info
// of the agents says both in plain words, at both ends of the way, paths says how much passes, and
// there is one warning.
func TestSmallPathAndFilteredPort(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%t", sealed), func(t *testing.T) {
			n := build(t)
			var more []string
			longest := "1169"
			if sealed {
				key := filepath.Join(t.TempDir(), "key")
				if err := os.WriteFile(key, []byte(n.must(n.binary, "keygen")), 0o600); err != nil {
					t.Fatal(err)
				}
				more, longest = []string{"--key-file", key}, "1200"
			}
			n.must("ip", "-n", n.space(0), "link", "set", "p3", "mtu", "1100")
			n.filter(2, "iifname eth0 tcp dport >= 7747 drop")
			for i := range zones { // an agent a host
				n.start(i, more...)
			}
			three, narrow := n.agents[:zones], n.agents[2]
			n.until("3 agents see each other", func() bool { return n.allSee(three, three) })
			n.until("both ends of the way tell it", func() bool {
				return n.says(narrow, "path sizes",
					"a0, a1: datagrams of "+longest+" bytes do not pass between them and this "+
						"node, short ones do") &&
					n.says(three[0], "path sizes",
						"a2: datagrams of "+longest+" bytes do not pass between it and this "+
							"node, short ones do")
			})
			n.until("the filtered port is told", func() bool {
				return n.says(narrow, "TCP", "7757 filtered at 1 of 2 watched members (a1): a "+
					"killed process is known there", "instead of 0.5 s")
			})
			small := regexp.MustCompile(`(?m)^a2 .* there .* 10\d\d B +open +datagrams of ` +
				`1\d\d\d B do not pass$`)
			filtered := regexp.MustCompile(`(?m)^a1 .* there .* ` + longest +
				` B +filtered +TCP is filtered$`)
			n.until("paths says how much passes, and where TCP does not", func() bool {
				out, err := n.cli(three[0], "paths")
				return err == nil && small.MatchString(out) && filtered.MatchString(out)
			})
			if log := three[0].log.String(); strings.Count(log, "do not pass") != 1 {
				t.Errorf("it is not one warning:\n%s", log)
			}
		})
	}
}
