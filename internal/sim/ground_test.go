package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// echo is a guest that answers each datagram, and notes what came when.
type echo struct {
	g     *Ground
	host  int
	heard []gossip.Time
	woken []gossip.Time
	mute  bool
}

func (e *echo) Receive(now gossip.Time, from int, b []byte) {
	e.heard = append(e.heard, now)
	if !e.mute {
		e.g.Send(e.host, from, b)
	}
}

func (e *echo) Wake(now gossip.Time) { e.woken = append(e.woken, now) }

func newEchoes(t *testing.T, n int, net Network, seed uint64, cost time.Duration) (*Ground,
	[]*echo) {
	t.Helper()
	g, err := NewGround(n, 1, net, seed)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*echo, n)
	for i := range all {
		all[i] = &echo{g: g, host: i, mute: i == 0}
		g.Place(i, all[i], cost)
	}
	return g, all
}

func constant(d time.Duration) Network { return Network{Within: Link{Latency: Constant(d)}} }

func TestGroundCarriesAndWakes(t *testing.T) {
	g, all := newEchoes(t, 3, constant(time.Millisecond), 1, 0)
	g.Send(0, 1, []byte("hello"))
	g.WakeAt(2, gossip.Time(5*time.Millisecond))
	g.WakeAt(2, gossip.Time(3*time.Millisecond)) // there is one alarm
	if err := g.Run(gossip.Time(time.Second)); err != nil {
		t.Fatal(err)
	}
	ms := gossip.Time(time.Millisecond)
	if !slices.Equal(all[1].heard, []gossip.Time{ms}) ||
		!slices.Equal(all[0].heard, []gossip.Time{2 * ms}) ||
		!slices.Equal(all[2].woken, []gossip.Time{3 * ms}) {
		t.Errorf("heard %v and %v, woken %v", all[1].heard, all[0].heard, all[2].woken)
	}
	if !g.Idle() || g.Now() != gossip.Time(time.Second) {
		t.Errorf("idle: %v at %d", g.Idle(), g.Now())
	}
}

// A guest that is busy for a while with each datagram takes them in one after the other, and its
// socket overflows.
func TestGroundCost(t *testing.T) {
	net := constant(time.Millisecond)
	net.Buffer = 4 * (skbOverhead + 5)
	g, all := newEchoes(t, 2, net, 1, time.Millisecond)
	for range 3 {
		g.Send(0, 1, []byte("hello")) // leaves after 1, 2, 3 ms
	}
	if err := g.Run(gossip.Time(time.Second)); err != nil {
		t.Fatal(err)
	}
	// Each takes a millisecond to take in and one to answer.
	want := []gossip.Time{2, 4, 6}
	for i := range want {
		want[i] *= gossip.Time(time.Millisecond)
	}
	if !slices.Equal(all[1].heard, want) {
		t.Errorf("heard at %v, want %v", all[1].heard, want)
	}
	for range 20 {
		g.Send(1, 0, []byte("hello"))
	}
	g.guests[0].busy = g.Now().Add(time.Second)
	if err := g.Run(gossip.Time(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if len(all[0].heard) != 3+4 || g.Overrun() != 16 {
		t.Errorf("%d heard, %d overrun; the socket holds 4", len(all[0].heard), g.Overrun())
	}
}

func TestGroundIsDeterministicAndLoses(t *testing.T) {
	run := func(seed uint64) (uint64, int) {
		net := constant(time.Millisecond)
		net.Within.Loss = 0.5
		net.Within.Latency = Lognormal(time.Millisecond, 0.4)
		g, all := newEchoes(t, 40, net, seed, 0)
		for i := 1; i < 40; i++ {
			for range 50 {
				g.Send(0, i, []byte("x"))
			}
		}
		if err := g.Run(gossip.Time(time.Second)); err != nil {
			t.Fatal(err)
		}
		return g.Hash(), len(all[0].heard)
	}
	h1, n1 := run(1)
	h2, n2 := run(1)
	h3, _ := run(2)
	if h1 != h2 || n1 != n2 || h1 == h3 {
		t.Errorf("hashes %x %x, another seed %x; %d and %d heard", h1, h2, h3, n1, n2)
	}
	if n1 < 400 || n1 > 575 { // a quarter of 1,950, four standard deviations each way
		t.Errorf("%d of 1,950 came back at 50 %% loss", n1)
	}
}

type bomb struct{ echo }

func (*bomb) Wake(gossip.Time) { panic("bang") }

func TestGroundTellsAPanic(t *testing.T) {
	g, _ := newEchoes(t, 1, LAN(), 1, 0)
	g.Place(0, &bomb{}, 0)
	g.WakeAt(0, 1)
	if err := g.Run(10); err == nil || !strings.Contains(err.Error(), "bang") {
		t.Errorf("%v", err)
	}
}
