package peer

// Every adapter is held to the same: it really joins, delivers, counts, and tells of a crash and of a leave.

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling/bench/virtual"
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

// await polls: real sockets, and clocks that may be virtual.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

// cluster starts and joins nodes n0, n1, ...
func cluster(t *testing.T, s *System, e *ears, size int, net *virtual.Net) (nodes []Node, hosts []*virtual.Host) {
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

func heardBy(e *ears, text string, size int) (count int) {
	for i := range size {
		count += min(1, e.count("n%d hear %s", i, text))
	}
	return count
}

// testMessages publishes from each node and wants each message once at each.
func testMessages(t *testing.T, e *ears, nodes []Node) {
	t.Helper()
	for i, n := range nodes {
		text := fmt.Sprintf("message %08d", i)
		if err := n.Publish([]byte(text)); err != nil {
			t.Fatal(err)
		}
		await(t, "all have "+text, func() bool { return heardBy(e, text, len(nodes)) == len(nodes) })
	}
	time.Sleep(2 * time.Second) // in which a copy might be told as a message
	for i := range nodes {
		for j := range nodes {
			if c := e.count("n%d hear message %08d", i, j); c != 1 {
				t.Errorf("node %d heard message %d %d times", i, j, c)
			}
		}
	}
	for i, n := range nodes {
		if c := n.Copies(); c >= 0 && c < int64(len(nodes)-1) {
			t.Errorf("node %d counts %d copies of %d messages", i, c, len(nodes)-1)
		}
	}
}

// testGoing lets the last node leave and the one before it crash; the others must tell the two apart.
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
		await(t, "node knows of the leave", func() bool { return e.count("n%d "+left+" n%d", i, last) == 1 })
		await(t, "node knows of the crash", func() bool { return e.count("n%d fail n%d", i, last-1) == 1 })
		if left == "leave" && e.count("n%d fail n%d", i, last)+e.count("n%d leave n%d", i, last-1) > 0 {
			t.Errorf("node %d mistook a crash for a leave or a leave for a crash", i)
		}
		await(t, "node counts the rest", func() bool { return nodes[i].Live() == last-1 })
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
				time.Sleep(3 * time.Second) // its mesh forms in heartbeats of a second
				testMessages(t, e, nodes)
				return
			}
			testMessages(t, e, nodes)
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
					t.Cleanup(func() { time.Sleep(time.Minute) }) // last: what a crashed node still waits for comes to its end
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
		testMessages(t, e, nodes)
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

// TestLostIsLost cuts a node off for good: what is published then is not heard there, whatever an adapter might pretend,
// and everybody else hears it.
func TestLostIsLost(t *testing.T) {
	virtually(t, func(t *testing.T, s *System, net *virtual.Net) {
		e := &ears{told: map[string]int{}}
		nodes, hosts := cluster(t, s, e, few, net)
		net.Cut(hosts[few-1:])
		nodes[0].Publish([]byte("message 00000001"))
		time.Sleep(10 * time.Second)
		if heard := heardBy(e, "message 00000001", few); heard != few-1 {
			t.Errorf("%d of %d heard a message that one cannot hear", heard, few)
		}
		if e.count("n%d hear message 00000001", few-1) != 0 {
			t.Error("a node heard what cannot have reached it")
		}
	})
}

// TestAllLossIsSilence: with every packet lost, nobody hears and somebody fails.
func TestAllLossIsSilence(t *testing.T) {
	virtually(t, func(t *testing.T, s *System, net *virtual.Net) {
		e := &ears{told: map[string]int{}}
		nodes, _ := cluster(t, s, e, few, net)
		net.SetLoss(1)
		nodes[0].Publish([]byte("message 00000002"))
		time.Sleep(10 * time.Second)
		if heard := heardBy(e, "message 00000002", few); heard != 1 {
			t.Errorf("%d heard what only its publisher can have", heard)
		}
	})
}
