package netns

// This file tests what agents make of ways that lead one way alone, or that their IP version parts.

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// told waits until the info of an agent has some words.
func (n *network) told(a *agent, words string) {
	n.t.Helper()
	n.until(fmt.Sprintf("%s says %q", a.name, words), func() bool {
		info, err := n.cli(a, "info")
		return err == nil && strings.Contains(info, words)
	})
}

// logged waits until a line of an agent's log has some words.
func (n *network) logged(a *agent, words, who string) {
	n.t.Helper()
	n.until(fmt.Sprintf("the log of %s says %q", a.name, words), func() bool {
		for line := range strings.Lines(a.log.String()) {
			if strings.Contains(line, words) && strings.Contains(line, who) {
				return true
			}
		}
		return false
	})
}

// bound starts the i-th agent of a test in a namespace, bound to an address and a port of its own.
func (n *network) bound(i, z int, name, bind, seeds string) *agent {
	n.t.Helper()
	a := &agent{name: name, space: n.space(z), api: fmt.Sprintf("127.0.0.1:%d", 7748+10*i)}
	n.launch(i, a, []string{"netns", "exec", a.space, n.binary, "agent", "--name", name,
		"--bind", fmt.Sprintf("%s:%d", bind, 7747+10*i),
		"--api", a.api, "--join", seeds})
	return a
}

// end ends agents.
func (n *network) end(agents ...*agent) {
	for _, a := range agents {
		a.cmd.Process.Kill()
		a.cmd.Wait()
	}
}

// spread publishes a message and sets a key at each agent, and waits until all have all of them. No
// publisher is held up.
func (n *network) spread(what string, agents []*agent) {
	n.t.Helper()
	var inboxes []*lockedBuffer
	for _, a := range agents {
		c := exec.Command("ip", "netns", "exec", a.space, n.binary, "--api", a.api,
			"subscribe", what, "--json")
		out := &lockedBuffer{}
		c.Stdout = out
		if err := c.Start(); err != nil {
			n.t.Fatal(err)
		}
		defer func() { c.Process.Kill(); c.Wait() }()
		inboxes = append(inboxes, out)
	}
	n.until("all subscribe to "+what, func() bool { // each hears itself
		for i, a := range agents {
			if _, err := n.cli(a, "publish", what, "first"); err != nil || inboxes[i].lines() == 0 {
				return false
			}
		}
		return true
	})
	for i, a := range agents {
		start := time.Now()
		out, err := n.cli(a, "publish", what, fmt.Sprint("last", i), "--wait", "all",
			"--timeout", "10s")
		if err != nil {
			n.t.Errorf("%s is held up: %s%v", a.name, out, err)
		}
		n.t.Logf("%s of %s after %s: %s", what, a.name,
			time.Since(start).Round(10*time.Millisecond), strings.TrimSpace(out))
		n.must("ip", "netns", "exec", a.space, n.binary, "--api", a.api, "set",
			fmt.Sprintf("%s=%d", what, i))
	}
	n.until("all have the messages of "+what, func() bool {
		for _, in := range inboxes {
			in.Lock()
			text := in.String()
			in.Unlock()
			for i := range agents {
				if !strings.Contains(text, base64.StdEncoding.EncodeToString(fmt.Append(nil,
					"last", i))) {
					return false
				}
			}
		}
		return true
	})
	n.until("all have the keys of "+what, func() bool {
		for _, a := range agents {
			out, err := n.cli(a, "get", "--json")
			var keys []struct{ Key string }
			if err != nil || json.Unmarshal([]byte(out), &keys) != nil {
				return false
			}
			have := 0
			for _, k := range keys {
				if k.Key == what {
					have++
				}
			}
			if have != len(agents) {
				return false
			}
		}
		return true
	})
}

// lines counts the lines so far.
func (b *lockedBuffer) lines() int {
	b.Lock()
	defer b.Unlock()
	return bytes.Count(b.Bytes(), []byte("\n"))
}

// Agents of IPv4 alone, of IPv6 alone and of both are one cluster. Those that cannot reach each
// other are named, and not suspected. They get each other's messages and keys by way of those with
// both. Then, among others, one way from one agent to another is cut, and then all that comes to
// one.
func TestPaths(t *testing.T) {
	n := build(t)
	for z := 1; z <= zones; z++ {
		n.must("ip", "-n", n.space(z), "addr", "add", fmt.Sprintf("fd77::%d/64", z), "dev",
			"eth0", "nodad")
	}
	// a host of IPv6 alone, where agents are bound as by default
	n.must("ip", "-n", n.space(2), "addr", "del", "10.77.0.2/24", "dev", "eth0")
	const four, six = "10.77.0.1:7747", "[fd77::1]:7747"
	agents := []*agent{
		n.bound(0, 1, "both0", "[::]", four), n.bound(1, 3, "four1", "10.77.0.3",
			four), n.bound(2, 3, "six2", "[fd77::3]", six),
		n.bound(3, 3, "both3", "[::]", four), n.bound(4, 3, "four4", "10.77.0.3",
			four), n.bound(5, 2, "six5", "", six),
	}
	n.until("both families see each other", func() bool { return n.allSee(agents, agents) })
	n.told(agents[1], "six2, six5: reached through others alone; this node's socket or its "+
		"host's routes do not serve their IP family")
	n.told(agents[2], "four1, four4: reached through others alone")
	n.told(agents[5], "four1, four4: reached through others alone")
	n.told(agents[0], "other family  none")
	// which member it met first is no reason to move to the other family
	n.told(agents[0], "both0 ("+four+")")
	stop := n.watch(agents[1])
	n.spread("families", agents)
	if out := stop(); strings.Contains(out, `"suspected"`) ||
		strings.Contains(out, `"unreachable"`) {
		t.Errorf("four1 was told of trouble: %s", out)
	}
	n.end(agents[5])
	n.until("the death of six5 is known", func() bool {
		return n.allSee(agents[:5],
			agents[:5])
	})
	n.end(agents[:5]...)
	n.must("ip", "-n", n.space(2), "addr", "add", "10.77.0.2/24", "dev", "eth0")

	agents = agents[:0]
	for i := range 5 {
		agents = append(agents, n.bound(6+i, i%zones+1, fmt.Sprintf("a%d", i),
			fmt.Sprintf("10.77.0.%d", i%zones+1), "10.77.0.1:7807"))
	}
	n.until("all see all", func() bool { return n.allSee(agents, agents) })
	// a0 to a2, the only one in there
	n.filter(3, "ip saddr 10.77.0.1 udp sport 7807 drop", "ip saddr 10.77.0.1 tcp dport 7827 drop")
	n.told(agents[0], "a2: others reach it, this node does not")
	n.logged(agents[0], "members do not answer this node, and others reach them", "who=a2")
	n.spread("pair", agents)
	if !n.allSee(agents, agents) {
		t.Error("one that others reach is failed")
	}
	n.filter(3, "udp dport 7827 drop") // all to a2
	n.told(agents[2], "this node hears from next to nobody")
	n.until("a2 is failed, as a deaf one", func() bool {
		out, err := n.cli(agents[1], "members", "--state", "failed")
		return err == nil && strings.Contains(out, "failed (deaf)")
	})
	rest := []*agent{agents[0], agents[1], agents[3], agents[4]}
	n.spread("deaf", rest)
	n.open()
	n.until("a2 is back", func() bool { return n.allSee(agents, agents) })
	n.spread("back", agents)
}
