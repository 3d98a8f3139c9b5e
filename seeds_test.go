package starling

// This file tests in which order seeds are asked.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/transport"
)

func TestEachSeedHasItsTurn(t *testing.T) {
	for _, count := range []int{0, 1, seedsAtOnce, seedsAtOnce + 1, 150, MaxSeeds} {
		all := make([]netip.AddrPort, count)
		for i := range all {
			all[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
		}
		var asked []netip.AddrPort
		from := 0
		for range (count + seedsAtOnce - 1) / seedsAtOnce {
			var some []netip.AddrPort
			some, from = nextSeeds(all, from)
			if len(some) != min(count, seedsAtOnce) {
				t.Fatalf("of %d seeds %d are asked at once", count, len(some))
			}
			asked = append(asked, some...)
		}
		for _, a := range all {
			if !slices.Contains(asked, a) {
				t.Errorf("of %d seeds %s had no turn", count, a)
			}
		}
		// Fewer seeds than the position was in: the next lookup found less.
		if some, _ := nextSeeds(all[:min(count, 3)], 77); len(some) != min(count, 3) {
			t.Errorf("of %d seeds %d are asked", min(count, 3), len(some))
		}
	}
}

// SRV records bring hosts and ports, of all targets that have an address.
func TestSeedsBySRV(t *testing.T) {
	m := &madeUp{
		srv: map[string][]*net.SRV{
			"_starling._udp.db.example": {{Target: "a.example.", Port: 17},
				{Target: "gone.example.", Port: 18}, {Target: "b.example.",
					Port: 19}, {Target: "203.0.113.7", Port: 20}},
			"_none._udp.db.example":  {{Target: "gone.example.", Port: 18}},
			"_empty._udp.db.example": {},
		},
		names: map[string][]string{"a.example.": {"10.0.0.1", "10.0.0.2"},
			"b.example.": {"10.0.0.1", "::ffff:10.0.0.3"}},
	}
	n := onHost(t, m, Config{Bind: "127.0.0.1:0"})
	for _, c := range []struct{ seed, want, bad string }{
		{seed: "_starling._udp.db.example", want: "[10.0.0.1:17 10.0.0.2:17 10.0.0.1:19 " +
			"10.0.0.3:19 203.0.113.7:20]"},
		{seed: "_none._udp.db.example", want: "[]",
			bad: "seed _none._udp.db.example: lookup gone.example.: no such host"},
		{seed: "_empty._udp.db.example", want: "[]", bad: "name no host"},
		{seed: "_else._udp.db.example", want: "[]", bad: "no such host"},
		{seed: "a.example.:9", want: "[10.0.0.1:9 10.0.0.2:9]"},
	} {
		seeds, err := parseSeeds([]string{c.seed})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := n.resolve(t.Context(), seeds, 0)
		if fmt.Sprint(got) != c.want || (err == nil) != (c.bad == "") || err != nil &&
			!strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %v, %v", c.seed, got, err)
		}
	}
	if _, err := parseSeeds([]string{"_starling._udp.db.example:7747"}); !errors.Is(err,
		ErrConfig) || !strings.Contains(err.Error(), "bring their ports") {
		t.Errorf("with a port: %v", err)
	}
}

// What comes in the name of a seed and does not open is no word of its key if that seed is a
// member, and well.
func TestForgedInASeedsName(t *testing.T) {
	ring, err := NewKeyRing(GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	join := func(name string, seeds ...string) *Node {
		n, err := Start(Config{Name: name, Bind: "127.0.0.1:0", KeyRing: ring, Seeds: seeds})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		if err := n.Welcomed(t.Context()); err != nil {
			t.Fatal(err)
		}
		return n
	}
	seed := join("seed")
	other := "127.0.0.1:9" // nobody is there
	n := join("n", seed.Self().Addr.String(), other)
	hear := func(from netip.AddrPort) (words []string) {
		n.call(t.Context(), func(gossip.Time, *gossip.Outbox) {
			n.unopened(from, 100,
				transport.ErrUnknownKey)
		})
		return slices.DeleteFunc(n.Info().OtherKeys, func(s string) bool {
			return !strings.HasPrefix(s, "the seed at ")
		})
	}
	if words := hear(seed.Self().Addr); len(words) > 0 {
		t.Errorf("of a member that is well it says %q", words)
	}
	if words := hear(netip.MustParseAddrPort(other)); len(words) != 1 {
		t.Errorf("of a seed that is no member it says %q", words)
	}
}

// What is sent to an address of many hosts, all of them get. It is refused as a seed where it is
// written, and not asked where a name leads to it.
func TestSeedIsOneHost(t *testing.T) {
	m := &madeUp{names: map[string][]string{
		"some.example": {"10.0.0.255", "10.0.0.9", "224.0.0.1"}, "many.example": {"10.0.0.255"},
	}}
	m.has("eth0=10.0.0.4/24", "lo=127.0.0.1/8")
	n := onHost(t, m, Config{Bind: "127.0.0.1:0"})
	for s, want := range map[string]string{
		"10.0.0.255": "the broadcast address of " +
			"10.0.0.0/24", "255.255.255.255:80": "the broadcast address",
		"[::ffff:10.0.0.255]:7": "the broadcast address of " +
			"10.0.0.0/24", "224.0.0.1": "a multicast address",
	} {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Start(Config{Name: "x", Bind: "127.0.0.1:0", Seeds: []string{s}, machine: m})
		for what, err := range map[string]error{"Start": err, "Join": n.Join(over, "10.0.0.9", s)} {
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %v, want %q", what, s, err, want)
			}
		}
	}
	for s, want := range map[string]string{
		"some.example:7": "[10.0.0.9:7]", "many.example": "[] seed many.example: 10.0.0.255 is " +
			"the broadcast address",
		"10.1.0.255:7": "[10.1.0.255:7]",
	} {
		seeds, err := parseSeeds([]string{s})
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := n.resolve(t.Context(), seeds, 0)
		if got := fmt.Sprint(found, " ", err); !strings.HasPrefix(got, want) {
			t.Errorf("%s leads to %s, want %s", s, got, want)
		}
	}
	p, err := Start(Config{Name: "p", Bind: "127.0.0.1:0", Peers: []string{"10.0.0.255"},
		machine: m})
	if err != nil {
		t.Fatalf("a peer of before ends a start: %v", err)
	}
	p.Close()
}

// Two nodes that started before the name led to both find each other, and each says that it is
// alone until then.
func TestAloneSoFar(t *testing.T) {
	m := &madeUp{names: map[string][]string{"db.example": {"127.0.0.1"}}}
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.LocalAddr().String())
	free.Close()
	seeds := []string{"db.example:" + port}
	var said lines
	a, err := Start(Config{Name: "a", Bind: "127.0.0.1:" + port, Seeds: seeds, machine: m,
		Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Skip(err) // the port is another's by now
	}
	defer a.Close()
	b, err := Start(Config{Name: "b", Bind: "127.0.0.2:" + port, Seeds: seeds,
		machine: &madeUp{names: map[string][]string{"db.example": {"127.0.0.2"}}}})
	if err != nil {
		t.Skip(err)
	}
	defer b.Close()
	for _, n := range []*Node{a, b} {
		if err := n.Welcomed(t.Context()); err != nil {
			t.Fatal(err)
		}
		for !n.Info().Alone {
			runtime.Gosched()
		}
	}
	m.mu.Lock()
	m.names["db.example"] = []string{"127.0.0.1", "127.0.0.2"}
	m.mu.Unlock()
	for range b.Watch(t.Context()) {
		if x, ok := b.Member("a"); ok && x.State == Alive {
			break
		}
	}
	if b.Info().Alone {
		t.Error("it says that it is alone still")
	}
	if n := strings.Count(said.all(), "alone so far"); n != 1 {
		t.Errorf("the log says %d times that it is alone: %s", n, said.all())
	}
}

// lines is a log in memory.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
