package netns

// This file tests at which addresses agents are reached that nobody told one: what only the
// kernel's routes and a real change of them show.

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// unbound starts an agent in a namespace, on all its interfaces.
func (n *network) unbound(z int) *agent {
	n.t.Helper()
	a := &agent{name: fmt.Sprintf("a%d", z), space: n.space(z),
		addr: fmt.Sprintf("10.77.0.%d:7747", z), api: "127.0.0.1:7748"}
	n.launch(z-1, a, []string{"netns", "exec", a.space, n.binary, "agent", "--name", a.name,
		"--join", "10.77.0.1,10.77.0.2"})
	return a
}

// allHoldAt says whether each agent holds each alive at its address.
func (n *network) allHoldAt(agents []*agent) bool {
	for _, v := range agents {
		out, err := n.cli(v, "members", "--json")
		var members []struct{ Name, Addr, State string }
		if err != nil || json.Unmarshal([]byte(out), &members) != nil ||
			len(members) != len(agents) {
			return false
		}
		at := make(map[string]string)
		for _, m := range members {
			if m.State == "alive" {
				at[m.Name] = m.Addr
			}
		}
		for _, a := range agents {
			if at[a.name] != a.addr {
				return false
			}
		}
	}
	return true
}

// life returns the generation of an agent.
func (n *network) life(a *agent) uint64 {
	out, err := n.cli(a, "info", "--json")
	var info struct{ Generation uint64 }
	if err == nil {
		err = json.Unmarshal([]byte(out), &info)
	}
	if err != nil {
		n.t.Error(err)
	}
	return info.Generation
}

// A bridge for containers is the first interface of two hosts, with the same address on both: each
// is reached at that of its way to the seed. Then the address of one changes under its agent, which
// goes on in the same life.
func TestAddresses(t *testing.T) {
	n := build(t)
	for _, z := range []int{2, 3} {
		n.must("ip", "-n", n.space(z), "link", "del", "eth0")
		n.must("ip", "-n", n.space(z), "link", "add", "docker0", "type", "bridge")
		n.must("ip", "-n", n.space(z), "addr", "add", "172.17.0.1/16", "dev", "docker0")
		n.must("ip", "-n", n.space(z), "link", "set", "docker0", "up")
		n.plug(z)
	}
	var three []*agent
	for z := 1; z <= zones; z++ {
		three = append(three, n.unbound(z))
	}
	n.until("all hold all at the addresses of the way to the seed",
		func() bool { return n.allHoldAt(three) })
	if _, err := n.cli(three[0], "publish", "t", "x", "--wait", "all", "--timeout",
		"10s"); err != nil {
		t.Error(err)
	}

	moved := three[2]
	life := n.life(moved)
	was := moved.addr
	n.must("ip", "-n", moved.space, "addr", "del", "10.77.0.3/24", "dev", "eth0")
	n.must("ip", "-n", moved.space, "addr", "add", "10.77.0.33/24", "dev", "eth0")
	moved.addr = "10.77.0.33:7747"
	n.until("all hold the third at its new address", func() bool { return n.allHoldAt(three) })
	if _, err := n.cli(three[0], "publish", "t", "y", "--wait", "all", "--timeout",
		"10s"); err != nil {
		t.Error(err)
	}
	if is := n.life(moved); is != life || is == 0 {
		t.Errorf("it began another life: %d after %d", is, life)
	}
	if info, err := n.cli(moved, "info"); err != nil || !strings.Contains(info, "moved from "+was) {
		t.Errorf("its info does not say that it moved: %v\n%s", err, info)
	}
}
