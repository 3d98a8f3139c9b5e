package starling_test

// This file tests real nodes over loopback: what a program sees of a cluster. Nothing here waits
// for a time to pass; every wait is for an event, and patience only bounds a failure.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/internal/transport"
)

const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs a node on loopback and closes it after the test.
func start(t testing.TB, cfg starling.Config) *starling.Node {
	t.Helper()
	if cfg.Bind == "" {
		cfg.Bind = "127.0.0.1:0"
	}
	n, err := starling.Join(within(t), cfg)
	if err != nil {
		t.Fatalf("%s joins: %v", cfg.Name, err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// cluster runs nodes n0, n1 … that all know each other.
func cluster(t testing.TB, size int, cfg starling.Config) []*starling.Node {
	t.Helper()
	nodes := make([]*starling.Node, size)
	for i := range nodes {
		cfg.Name = fmt.Sprintf("n%d", i)
		nodes[i] = start(t, cfg)
		cfg.Seeds = []string{addr(nodes[0])}
	}
	for _, n := range nodes {
		until(t, n, fmt.Sprintf("all %d are alive", size), func() bool {
			return n.Info().Members[starling.Alive] == size
		})
	}
	return nodes
}

func addr(n *starling.Node) string { return n.Self().Addr.String() }

// until waits until a condition holds, looking at every event of a node.
func until(t testing.TB, n *starling.Node, what string, holds func() bool) {
	t.Helper()
	for range n.Watch(within(t)) {
		if holds() {
			return
		}
	}
	t.Fatalf("%s: not %s within %v: %v", n.Self().Name, what, patience, n.Info().Members)
}

// stateIs waits until a node holds a member in a state.
func stateIs(t testing.TB, n *starling.Node, name string, want starling.State) {
	t.Helper()
	until(t, n, name+" is "+want.String(), func() bool {
		m, ok := n.Member(name)
		return ok && m.State == want
	})
}

func TestMembersKnowEachOther(t *testing.T) {
	nodes := cluster(t, 5, starling.Config{Zone: "eu/1", Tags: map[string]string{"role": "web"}})
	for _, n := range nodes {
		for m := range n.Members() {
			if role, _ := m.Tags.Get("role"); role != "web" || m.Zone != "eu/1" ||
				m.State != starling.Alive || m.Generation == 0 {
				t.Errorf("%s sees %+v", n.Self().Name, m)
			}
		}
		info := n.Info()
		if !info.Welcomed || info.Sealed || info.Cluster != "starling" ||
			info.Detector != "inquest" {
			t.Errorf("info %+v", info)
		}
	}
}

func TestMessageReachesAll(t *testing.T) {
	nodes := cluster(t, 5, starling.Config{})
	ctx := within(t)
	var inboxes []func() starling.Message
	for _, n := range nodes {
		next := n.Subscribe(ctx, "news")
		inboxes = append(inboxes, func() (got starling.Message) {
			for got = range next {
				break
			}
			return got
		})
	}
	if _, err := nodes[1].Publish(ctx, "gossip", []byte("for nobody")); err != nil {
		t.Fatal(err)
	}
	seq, err := nodes[1].Publish(ctx, "news", []byte("hello"))
	if err != nil || seq != 2 {
		t.Fatalf("published as %d: %v", seq, err)
	}
	for i, next := range inboxes {
		m := next()
		if m.Topic != "news" || m.Origin != "n1" || m.Seq != 2 ||
			string(m.Payload) != "hello" || m.Missed != 0 {
			t.Errorf("n%d received %+v", i, m)
		}
	}
}

func TestMessageTooLarge(t *testing.T) {
	n := start(t, starling.Config{Name: "a"})
	if _, err := n.Publish(within(t), "news", make([]byte, starling.MaxMessage+1)); err == nil {
		t.Error("it was taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Publish(ended, "news", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestCrashIsNoticed(t *testing.T) {
	nodes := cluster(t, 5, starling.Config{})
	nodes[2].Close()
	for _, n := range []*starling.Node{nodes[0], nodes[1], nodes[3], nodes[4]} {
		stateIs(t, n, "n2", starling.Failed)
	}
	if err := nodes[2].Err(); err != starling.ErrClosed {
		t.Errorf("the closed node says %v", err)
	}
}

func TestLeaveIsSeenAsLeft(t *testing.T) {
	nodes := cluster(t, 5, starling.Config{})
	if err := nodes[2].Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*starling.Node{nodes[0], nodes[1], nodes[3], nodes[4]} {
		stateIs(t, n, "n2", starling.Left)
	}
	if err := nodes[2].Leave(within(t)); err != nil || nodes[2].Err() != starling.ErrLeft {
		t.Errorf("left twice: %v, %v", err, nodes[2].Err())
	}
}

func TestTagsAreSeen(t *testing.T) {
	nodes := cluster(t, 3, starling.Config{})
	if err := nodes[1].SetTags(within(t), map[string]string{"v": "2"}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		until(t, n, "n1 has the tag", func() bool {
			m, _ := n.Member("n1")
			v, _ := m.Tags.Get("v")
			return v == "2"
		})
	}
	if err := nodes[1].SetTags(within(t), map[string]string{"": "x"}); err == nil {
		t.Error("an empty key is accepted")
	}
}

func TestNameConflict(t *testing.T) {
	nodes := cluster(t, 3, starling.Config{})
	// so that there is no doubt about which node is older
	for nodes[1].Info().Uptime < 200*time.Millisecond {
	}
	second, err := starling.Start(starling.Config{Name: "n1", Bind: "127.0.0.1:0",
		Seeds: []string{addr(nodes[0])}})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	select {
	case <-second.Done():
	case <-within(t).Done():
		t.Fatal("two nodes of one name live on")
	}
	if err := second.Err(); !errors.Is(err, starling.ErrNameConflict) ||
		!strings.Contains(err.Error(), addr(nodes[1])) {
		t.Errorf("the newer one stops with %v", err)
	} else if strings.Count(err.Error(), "another live node") != 1 {
		t.Errorf("it says so twice: %v", err)
	}
	until(t, nodes[0], "the older one keeps its name", func() bool {
		m, _ := nodes[0].Member("n1")
		return m.Addr == nodes[1].Self().Addr && m.State == starling.Alive
	})
	if err := nodes[1].Err(); err != nil {
		t.Errorf("the older one stopped: %v", err)
	}
}

func TestRestartAtOnce(t *testing.T) {
	nodes := cluster(t, 3, starling.Config{})
	old := nodes[1].Self()
	nodes[1].Close()
	again := start(t, starling.Config{Name: "n1", Bind: old.Addr.String(),
		Seeds: []string{addr(nodes[0])}})
	for _, n := range []*starling.Node{nodes[0], nodes[2], again} {
		until(t, n, "n1 lives anew", func() bool {
			m, _ := n.Member("n1")
			return m.State == starling.Alive && m.Generation > old.Generation &&
				n.Info().Members[starling.Alive] == 3
		})
	}
}

func TestOtherClusterIsRefused(t *testing.T) {
	seed := start(t, starling.Config{Name: "a", Cluster: "blue"})
	ctx, cancel := context.WithCancel(within(t))
	log := &heard{line: make(chan string, 16)}
	n, err := starling.Start(starling.Config{Name: "b", Cluster: "red", Bind: "127.0.0.1:0",
		Seeds: []string{addr(seed)}, Logger: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	log.wait(t, "refused")
	if i := n.Info(); !strings.Contains(i.Refused, `"blue"`) || i.RefusedFor != "cluster" ||
		i.Welcomed {
		t.Errorf("info says %q, for %q", i.Refused, i.RefusedFor)
	}
	if i := seed.Info(); i.Refused != "" || i.RefusedFor != "" {
		t.Errorf("the seed, which is in, says %q, for %q", i.Refused, i.RefusedFor)
	}
	cancel()
	if err = n.Welcomed(ctx); err == nil || !strings.Contains(err.Error(), "blue") ||
		!errors.Is(err, context.Canceled) || !errors.Is(err, starling.ErrWrongCluster) {
		t.Errorf("joining another cluster says: %v", err)
	}
}

func TestWrongKeyIsDropped(t *testing.T) {
	log := &heard{line: make(chan string, 16)}
	sealed := cluster(t, 3, starling.Config{KeyRing: ring(t), Logger: slog.New(log)})
	clear := start(t, starling.Config{Name: "clear", Logger: slog.New(log)})
	if !sealed[0].Info().Sealed || clear.Info().Sealed {
		t.Error("the nodes do not know whether they have a key")
	}
	log.wait(t, "no key: traffic is neither encrypted nor authenticated")
	for _, c := range []struct {
		name string
		to   *starling.Node
		key  *starling.KeyRing
	}{{"none", sealed[0], nil}, {"other", sealed[1], ring(t)}, {"needless", clear, ring(t)}} {
		n, err := starling.Start(starling.Config{Name: c.name, Bind: "127.0.0.1:0",
			Seeds: []string{addr(c.to)}, KeyRing: c.key})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		log.wait(t, "dropping datagrams: do all members have the same key?")
		if _, known := c.to.Member(c.name); known || c.to.Info().Unopened == 0 {
			t.Errorf("%s was let in: %+v", c.name, c.to.Info())
		}
	}
}

// TestKeyRotation changes the key of a cluster in the three steps that need no pause.
func TestKeyRotation(t *testing.T) {
	old, next := starling.GenerateKey(), starling.GenerateKey()
	rings := func(keys ...starling.Key) *starling.KeyRing {
		r, err := starling.NewKeyRing(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	nodes := cluster(t, 2, starling.Config{KeyRing: rings(old)})
	for _, step := range []*starling.KeyRing{rings(old, next), rings(next, old), rings(next)} {
		for _, n := range nodes {
			if err := n.SetKeyRing(step); err != nil {
				t.Fatal(err)
			}
		}
		messages := nodes[0].Subscribe(within(t))
		seq, err := nodes[1].Publish(within(t), "news", nil)
		if err != nil {
			t.Fatal(err)
		}
		arrived := false
		for m := range messages {
			arrived = m.Seq == seq
			break
		}
		if !arrived {
			t.Fatalf("message %d did not arrive", seq)
		}
	}
	late := start(t, starling.Config{Name: "late", Seeds: []string{addr(nodes[0])},
		KeyRing: rings(next)})
	stateIs(t, nodes[1], late.Self().Name, starling.Alive)
	if err := start(t, starling.Config{Name: "clear"}).SetKeyRing(rings(next)); !errors.Is(err,
		starling.ErrConfig) {
		t.Errorf("a node in the clear takes a key: %v", err)
	}
}

func ring(t *testing.T) *starling.KeyRing {
	t.Helper()
	r, err := starling.NewKeyRing(starling.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIPv6(t *testing.T) {
	probe, err := transport.Listen(netip.MustParseAddrPort("[::1]:0"), transport.Options{})
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	probe.Close()
	cluster(t, 3, starling.Config{Bind: "[::1]:0"})
}

func TestJoinMoreSeeds(t *testing.T) {
	a, b := cluster(t, 2, starling.Config{}), start(t, starling.Config{Name: "b"})
	if err := b.Join(within(t), addr(a[1])); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*starling.Node{a[0], a[1], b} {
		until(t, n, "the two clusters are one",
			func() bool { return n.Info().Members[starling.Alive] == 3 })
	}
	if err := b.Join(within(t), addr(b), addr(a[0])); err != nil {
		t.Errorf("joining again: %v", err)
	}
}

// A Join does not take a node's table at its word: a member that is gone, which nobody has noticed
// yet, is not in touch.
func TestJoinOfOneThatIsGone(t *testing.T) {
	nodes := cluster(t, 2, starling.Config{})
	gone := addr(nodes[1])
	nodes[1].Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := nodes[0].Join(ctx, gone); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("joining at the address of a crashed member: %v", err)
	}
	if err := nodes[0].Join(within(t), addr(nodes[0])); err != nil {
		t.Errorf("joining at the node's own address: %v", err)
	}
}

// A node that starts again with what it knows of its cluster finds it at a former peer's address,
// and another cluster there is not joined. A seed of its own may be of any.
func TestFormerPeers(t *testing.T) {
	a, other := start(t, starling.Config{Name: "a"}), start(t, starling.Config{Name: "other"})
	b := start(t, starling.Config{Name: "b", Seeds: []string{addr(a)}})
	if err := b.Welcomed(within(t)); err != nil {
		t.Fatal(err)
	}
	id := a.Info().ClusterID
	if id == 0 || id == other.Info().ClusterID || b.Info().ClusterID != id ||
		b.Info().Seen != b.Self().Addr {
		t.Fatalf("a is of cluster %x, b of %x, the other of %x; b was seen at %s", id,
			b.Info().ClusterID, other.Info().ClusterID, b.Info().Seen)
	}
	b.Close()
	log := &heard{slog.DiscardHandler, make(chan string, 100)}
	b, err := starling.Start(starling.Config{
		Name: "b", Bind: "127.0.0.1:0", Peers: []string{addr(other)}, ClusterID: id,
		Logger: slog.New(log),
	})
	if err != nil {
		t.Fatal(err)
	}
	log.wait(t, "a seed refused this node")
	if n := other.Info().Members[starling.Alive]; n != 1 {
		t.Errorf("a former peer's address led b into another cluster of %d", n)
	}
	b.Close()
	b = start(t, starling.Config{Name: "b", Peers: []string{addr(a)}, ClusterID: id})
	if err := b.Welcomed(within(t)); err != nil {
		t.Error(err)
	}
	b.Close()
	b = start(t, starling.Config{Name: "b", Seeds: []string{addr(other)}, ClusterID: id})
	if err := b.Welcomed(within(t)); err != nil || b.Info().ClusterID != other.Info().ClusterID {
		t.Errorf("%v; b is of cluster %x, and its seed of %x", err, b.Info().ClusterID,
			other.Info().ClusterID)
	}
}

// heard is a log handler that tells its lines.
type heard struct {
	slog.Handler
	line chan string
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) Handle(_ context.Context, r slog.Record) error {
	select {
	case h.line <- r.Message:
	default:
	}
	return nil
}

func (h *heard) wait(t *testing.T, part string) {
	t.Helper()
	for ctx := within(t); ; {
		select {
		case line := <-h.line:
			if strings.Contains(line, part) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("no log line with %q", part)
		}
	}
}

// However many seeds are dead, all have their turn, 64 at a time.
func TestManyDeadSeeds(t *testing.T) {
	live := start(t, starling.Config{Name: "live"})
	var seeds []string
	for range 150 {
		silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { silent.Close() })
		seeds = append(seeds, silent.LocalAddr().String())
	}
	late := start(t, starling.Config{Name: "late", Seeds: append(seeds, addr(live))})
	stateIs(t, late, "live", starling.Alive)
}

// A Join, too, gives each of its seeds a turn.
func TestJoinWithManyDeadSeeds(t *testing.T) {
	a, b := start(t, starling.Config{Name: "a"}), start(t, starling.Config{Name: "b"})
	var seeds []string
	for i := range 100 {
		seeds = append(seeds, fmt.Sprintf("127.0.0.1:%d", i+1)) // nobody is there
	}
	if err := b.Join(within(t), append(seeds, addr(a))...); err != nil {
		t.Error(err)
	}
}

// A Join ends when somebody at the address is a member, whatever address that one tells of itself.
func TestJoinAtAnotherAddress(t *testing.T) {
	a := start(t, starling.Config{Name: "a", Bind: "0.0.0.0:0", Advertise: "127.0.0.2"})
	b := start(t, starling.Config{Name: "b"})
	if err := b.Join(within(t), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"),
		a.Self().Addr.Port()).String()); err != nil {
		t.Error(err)
	}
	if m, ok := b.Member("a"); !ok || m.State != starling.Alive {
		t.Errorf("it knows %+v", m)
	}
}
