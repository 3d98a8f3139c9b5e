package netns

import (
	"fmt"
	"strings"
	"testing"
)

// A filter that drops TCP to one agent's port is told by an agent that watches it, and by the agent
// itself: in virtual time within 13 s (inquest.TestFilteredAtOneHost). That holds for a filter that
// is set while all is quiet, and for one that was there before the agent. It is told no more once
// the filter is gone, and nobody is failed for it.
func TestFilteredTCP(t *testing.T) {
	n := build(t)
	var agents []*agent
	start := func(i int) *agent {
		return n.bound(i, i%zones+1, fmt.Sprintf("a%d", i),
			fmt.Sprintf("10.77.0.%d", i%zones+1), "10.77.0.1:7747")
	}
	for i := range 4 {
		agents = append(agents, start(i))
	}
	n.until("all see all", func() bool { return n.allSee(agents, agents) })
	n.until("all ports have been tried", func() bool {
		for _, a := range agents {
			out, err := n.cli(a, "paths", "--json")
			if err != nil || strings.Count(out, `"open"`) < len(agents)-1 {
				return false
			}
		}
		return true
	})

	n.filter(2, "tcp dport 7757 drop")
	n.toldTCP(agents, 1)
	n.logged(agents[1], "nobody comes to this node's own TCP port", "who=a1")
	n.open()
	n.until("nobody says so any more", func() bool {
		for _, a := range agents {
			info, err := n.cli(a, "info")
			if err != nil || strings.Contains(info, "filtered") {
				return false
			}
		}
		return true
	})
	n.logged(agents[1], "others come to this node's own TCP port again", "who=a1")

	n.filter(2, "tcp dport 7787 drop")
	agents = append(agents, start(4))
	n.until("the last one is in", func() bool { return n.allSee(agents, agents) })
	n.toldTCP(agents, 4)
	if !n.allSee(agents, agents) {
		t.Error("one whose TCP is filtered is failed")
	}
}

// toldTCP waits until an agent says that its own port is filtered, and another one says it of it.
func (n *network) toldTCP(agents []*agent, of int) {
	n.t.Helper()
	n.until(fmt.Sprintf("%s and another one say that its port is filtered",
		agents[of].name), func() bool {
		own, others := false, 0
		for i, a := range agents {
			info, err := n.cli(a, "info")
			switch {
			case err != nil:
			case i == of:
				own = strings.Contains(info, "nobody comes to this node's own TCP port")
			case strings.Contains(info, fmt.Sprintf("filtered at 1 of %d watched members (%s)",
				len(agents)-1, agents[of].name)):
				others++
			}
		}
		return own && others > 0
	})
}
