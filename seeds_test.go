package starling

// This file tests in which order seeds are asked.

import (
	"bytes"
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
			"_starling._udp.db.example": {{Target: "a.example.", Port: 17}, {Target: "gone.example.", Port: 18}, {Target: "b.example.", Port: 19}, {Target: "203.0.113.7", Port: 20}},
			"_none._udp.db.example":     {{Target: "gone.example.", Port: 18}},
			"_empty._udp.db.example":    {},
		},
		names: map[string][]string{"a.example.": {"10.0.0.1", "10.0.0.2"}, "b.example.": {"10.0.0.1", "::ffff:10.0.0.3"}},
	}
	n := onHost(t, m, Config{Bind: "127.0.0.1:0"})
	for _, c := range []struct{ seed, want, bad string }{
		{seed: "_starling._udp.db.example", want: "[10.0.0.1:17 10.0.0.2:17 10.0.0.1:19 10.0.0.3:19 203.0.113.7:20]"},
		{seed: "_none._udp.db.example", want: "[]", bad: "seed _none._udp.db.example: lookup gone.example.: no such host"},
		{seed: "_empty._udp.db.example", want: "[]", bad: "name no host"},
		{seed: "_else._udp.db.example", want: "[]", bad: "no such host"},
		{seed: "a.example.:9", want: "[10.0.0.1:9 10.0.0.2:9]"},
	} {
		seeds, err := parseSeeds([]string{c.seed})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := n.resolve(t.Context(), seeds, 0)
		if fmt.Sprint(got) != c.want || (err == nil) != (c.bad == "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %v, %v", c.seed, got, err)
		}
	}
	if _, err := parseSeeds([]string{"_starling._udp.db.example:7747"}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "bring their ports") {
		t.Errorf("with a port: %v", err)
	}
}

// Two nodes that started before the name led to both find each other, and each says that it is alone until then.
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
	a, err := Start(Config{Name: "a", Bind: "127.0.0.1:" + port, Seeds: seeds, machine: m, Logger: slog.New(slog.NewTextHandler(&said, nil))})
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
