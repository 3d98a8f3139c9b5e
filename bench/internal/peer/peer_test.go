package peer

// Every adapter is held to the same: it really joins, delivers, counts, and tells of a crash and of
// a leave.

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling/bench/internal/virtual"
	bubble "github.com/starling-gossip/starling/internal/virtual"
)

const few = 5

// ears are what the nodes of one cluster told.
type ears struct {
	mu   sync.Mutex
	told map[string]int // "n1 fail n3" and "n1 hear TEXT", how often
}

func (e *ears) note(format string, args ...any) {
	e.mu.Lock()
	e.told[fmt.Sprintf(format, args...)]++
	e.mu.Unlock()
}

func (e *ears) count(format string, args ...any) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told[fmt.Sprintf(format, args...)]
}

func (e *ears) spec(name string) Spec {
	return Spec{
		Name:  name,
		Live:  func(m string) { e.note("%s live %s", name, m) },
		Fail:  func(m string) { e.note("%s fail %s", name, m) },
		Leave: func(m string) { e.note("%s leave %s", name, m) },
		Hear:  func(b []byte) { e.note("%s hear %s", name, b) },
	}
}

// await asks until something is so: not all that a peer knows is told. Sockets may be real, and the
// clock virtual.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

// cluster starts and joins nodes n0, n1, ...
func cluster(t *testing.T, s *System, e *ears, size int, net *virtual.Net) (nodes []Node,
	hosts []*virtual.Host) {
	t.Helper()
	for i := range size {
		spec := e.spec(fmt.Sprintf("n%d", i))
		if net != nil {
			spec.Host = net.Host()
			hosts = append(hosts, spec.Host)
		}
		n, err := s.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
		t.Cleanup(n.Crash)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for _, seed := range nodes[:i] {
			if err := n.Join(ctx, seed.Addr()); err != nil {
				t.Fatal(err)
			}
			if s.Membership {
				break
			}
		}
		cancel()
	}
	for i, n := range nodes {
		await(t, fmt.Sprintf("node %d knows all", i), func() bool { return n.Live() == size })
	}
	return nodes, hosts
}

// repairs says whether a system makes good what its first copies missed. memberlist and Serf do
// not: they send a message a few times to random members and then drop it, so that now and then one
// of five nodes never hears one of them.
func repairs(s *System) bool { return s.Name != "memberlist" && s.Name != "serf" }

// publishAll lets a node publish messages and returns them: one where a miss is made good, and else
// as many as cannot all miss the same node by chance. After each it waits, so that each goes its
// own way, and not in one packet with the next.
func publishAll(t *testing.T, s *System, n Node, name string,
	wait func(text string)) (texts []string) {
	t.Helper()
	count := 1
	if !repairs(s) {
		count = 6
	}
	for i := range count {
		texts = append(texts, fmt.Sprintf("message %s %08d", name, i))
		if err := n.Publish([]byte(texts[i])); err != nil {
			t.Fatal(err)
		}
		wait(texts[i])
	}
	return texts
}

// apart lets virtual time pass between two messages that nobody hears.
func apart(string) { bubble.Pass(250 * time.Millisecond) }

// heard counts how many of the texts a node was told, and fails on one that it was told twice.
func heard(t *testing.T, e *ears, node int, texts []string) (count int) {
	t.Helper()
	for _, text := range texts {
		c := e.count("n%d hear %s", node, text)
		if c > 1 {
			t.Errorf("node %d heard %q %d times", node, text, c)
		}
		count += c
	}
	return count
}

// testMessages publishes from each node, twice: each of them hears each, and no message twice. A
// copy that would be told as a message had the second round to come.
func testMessages(t *testing.T, s *System, e *ears, nodes []Node) {
	t.Helper()
	published := 0
	var all [][]string
	for k := range 2 * len(nodes) {
		i := k % len(nodes)
		texts := publishAll(t, s, nodes[i], fmt.Sprintf("%d from n%d", k, i), func(text string) {
			await(t, "another node hears "+text, func() bool {
				for j := range nodes {
					if j != i && e.count("n%d hear %s", j, text) > 0 {
						return true
					}
				}
				return false
			})
		})
		all, published = append(all, texts), published+len(texts)
		for j := range nodes {
			await(t, fmt.Sprintf("node %d hears node %d", j, i),
				func() bool { return heard(t, e, j, texts) > 0 })
		}
	}
	for i, n := range nodes {
		told := 0
		for _, texts := range all {
			told += heard(t, e, i, texts)
		}
		own := published / len(nodes)
		if c := n.Copies(); c >= 0 && c < int64(told-own) {
			t.Errorf("node %d counts %d copies of %d messages", i, c, told-own)
		}
	}
}

// testGoing lets the last node leave and the one before it crash; the others must tell the two
// apart.
func testGoing(t *testing.T, s *System, e *ears, nodes []Node, crash func(i int)) {
	t.Helper()
	last := len(nodes) - 1
	if err := nodes[last].Leave(); err != nil {
		t.Fatal(err)
	}
	crash(last - 1)
	left := "leave"
	if s.Name == "memberlist" {
		left = "fail" // it does not tell the two apart
	}
	for i := range nodes[:last-1] {
		await(t, "node knows of the leave", func() bool {
			return e.count("n%d "+left+" n%d", i,
				last) == 1
		})
		await(t, "node knows of the crash", func() bool {
			return e.count("n%d fail n%d", i,
				last-1) == 1
		})
		if e.count("n%d leave n%d", i, last-1) > 0 {
			t.Errorf("node %d mistook a crash for a leave", i)
		}
		// Serf's word of a leave may come after the failure
		if repairs(s) && e.count("n%d fail n%d", i, last) > 0 {
			t.Errorf("node %d mistook a leave for a crash", i)
		}
		await(t, "node counts the rest", func() bool { return nodes[i].Live() == last-1 })
	}
}

// meshed waits until what one node publishes comes to all: the mesh of a system without membership
// forms in heartbeats of a second.
func meshed(t *testing.T, e *ears, nodes []Node) {
	t.Helper()
	n := 0
	for i, by := range nodes {
		for j := range nodes {
			await(t, fmt.Sprintf("there is a way from node %d to node %d", i, j), func() bool {
				n++
				text := fmt.Appendf(nil, "way %d %08d from n%d", i, n, i)
				if err := by.Publish(text); err != nil {
					t.Fatal(err)
				}
				e.mu.Lock()
				defer e.mu.Unlock()
				for told := range e.told {
					if strings.HasPrefix(told, fmt.Sprintf("n%d hear way %d ", j, i)) {
						return true
					}
				}
				return false
			})
		}
	}
}

func TestRealSockets(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := Named(name)
			e := &ears{told: map[string]int{}}
			nodes, _ := cluster(t, s, e, few, nil)
			if !s.Membership {
				meshed(t, e, nodes)
				testMessages(t, s, e, nodes)
				return
			}
			testMessages(t, s, e, nodes)
			testGoing(t, s, e, nodes, func(i int) { nodes[i].Crash() })
		})
	}
}

// virtually runs a test of each system that can in virtual time.
func virtually(t *testing.T, f func(t *testing.T, s *System, net *virtual.Net)) {
	for _, name := range Names() {
		if s, _ := Named(name); s.Virtual {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					// last: what a crashed node still waits for comes to its end
					t.Cleanup(func() { bubble.Pass(time.Minute) })
					f(t, s, virtual.New(1))
				})
			})
		}
	}
}

func TestVirtual(t *testing.T) {
	virtually(t, func(t *testing.T, s *System, net *virtual.Net) {
		e := &ears{told: map[string]int{}}
		nodes, hosts := cluster(t, s, e, few, net)
		before, _ := net.Sent()
		testMessages(t, s, e, nodes)
		if after, bytes := net.Sent(); after <= before || bytes < after*ipOverhead {
			t.Errorf("%d packets, %d bytes after %d packets", after, bytes, before)
		}
		testGoing(t, s, e, nodes, func(i int) {
			hosts[i].Crash(true)
			nodes[i].Crash()
		})
	})
}

const ipOverhead = 28

// TestLostIsLost cuts a node off for good: what is published then is not heard there, whatever an
// adapter might pretend, and everybody else hears it.
func TestLostIsLost(t *testing.T) {
	virtually(t, func(t *testing.T, s *System, net *virtual.Net) {
		e := &ears{told: map[string]int{}}
		nodes, hosts := cluster(t, s, e, few, net)
		net.Cut(hosts[few-1:])
		texts := publishAll(t, s, nodes[0], "while cut off", apart)
		bubble.Pass(10 * time.Second)
		for i := range few - 1 {
			if heard(t, e, i, texts) == 0 {
				t.Errorf("node %d heard none of %d messages", i, len(texts))
			}
		}
		if heard(t, e, few-1, texts) != 0 {
			t.Error("a node heard what cannot have reached it")
		}
	})
}

// TestAllLossIsSilence: with every packet lost, nobody hears but the publisher.
func TestAllLossIsSilence(t *testing.T) {
	virtually(t, func(t *testing.T, s *System, net *virtual.Net) {
		e := &ears{told: map[string]int{}}
		nodes, _ := cluster(t, s, e, few, net)
		net.SetLoss(1)
		texts := publishAll(t, s, nodes[0], "into silence", apart)
		bubble.Pass(10 * time.Second)
		for i := range few {
			if c := heard(t, e, i, texts); (c > 0) != (i == 0) {
				t.Errorf("node %d heard %d messages", i, c)
			}
		}
	})
}
