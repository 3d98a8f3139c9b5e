package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// counter is a guest that sends a number of datagrams at once, again and again, and counts.
type counter struct {
	g        *Ground
	host     int
	to       []int
	every    time.Duration
	datagram []byte
	chance   rand.Source
	heard    int
	last     gossip.Time
}

func (c *counter) Receive(now gossip.Time, _ int, _ []byte) { c.heard, c.last = c.heard+1, now }

func (c *counter) Wake(now gossip.Time) {
	for _, to := range c.to {
		c.g.Send(c.host, to, c.datagram)
	}
	// hosts in step would share a full queue in turn, the first of them all of it
	c.g.WakeAt(c.host, now.Add(c.every*3/4+time.Duration(c.chance.Uint64()%uint64(c.every/2))))
}

// newCounters places hosts of two zones in turn, each of which sends 1,000 bytes with headers to
// some others each millisecond, and runs for a second and the time of a way.
func newCounters(t *testing.T, net Network, to ...[]int) (*Ground, []*counter) {
	t.Helper()
	g, err := NewGround(len(to), 2, net, 1)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*counter, len(to))
	for i := range all {
		all[i] = &counter{g: g, host: i, to: to[i], every: time.Millisecond,
			datagram: make([]byte, 1000-Overhead), chance: g.Source(uint64(i))}
		g.Place(i, all[i], 0)
		g.WakeAt(i, 0)
	}
	if err := g.Run(gossip.Time(time.Second + 5*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	return g, all
}

// What a host sends, and what it gets, is bounded by its own link, however many others send; what
// is sent beyond that waits as far as the queue goes, and is dropped then.
func TestOwnLink(t *testing.T) {
	lag := 5 * time.Millisecond
	net := Network{Within: Link{Latency: Constant(lag)}, Between: Link{Latency: Constant(lag)},
		Own: Bandwidth{Rate: 500_000, Queue: 50_000}}
	_, all := newCounters(t, net, []int{1, 2}, nil, nil)
	if n := all[1].heard + all[2].heard; n < 490 || n > 500 {
		t.Errorf("of 2,000 that one sent in a second %d came; its link takes 500", n)
	}
	g, all := newCounters(t, net, []int{2}, []int{2}, nil)
	if n := all[2].heard; n < 490 || n > 500 {
		t.Errorf("of 2,000 that two sent in a second %d came; the receiver's link takes 500", n)
	}
	if g.Dropped() == 0 {
		t.Error("none was counted as dropped")
	}
	// 50,000 bytes wait: half of a second's rate for a tenth of a second
	net.Own.Rate = 999_000
	if g, all = newCounters(t, net, []int{1}, nil); g.Dropped() != 0 || all[1].heard < 990 {
		t.Errorf("next to the rate %d came, %d were dropped", all[1].heard, g.Dropped())
	}
}

// All hosts of a zone share what leads to another one, each way; within the zones there is no
// bound.
func TestSharedLink(t *testing.T) {
	lag := 5 * time.Millisecond
	net := Network{Within: Link{Latency: Constant(lag)}, Between: Link{Latency: Constant(lag),
		Pipe: Bandwidth{Rate: 500_000, Queue: 20_000}}}
	// even ones are in zone 0, odd ones in zone 1
	g, all := newCounters(t, net, []int{1, 4}, []int{0, 5}, []int{3}, []int{2}, nil, nil)
	if n := all[1].heard + all[3].heard; n < 480 || n > 500 {
		t.Errorf("of 2,000 to the other zone %d came, want 500", n)
	}
	if n := all[0].heard + all[2].heard; n < 480 || n > 500 {
		t.Errorf("of 2,000 the other way %d came, want 500", n)
	}
	if all[4].heard < 950 || all[5].heard < 950 {
		t.Errorf("within zones %d and %d of about 1,000 came", all[4].heard, all[5].heard)
	}
	if all[1].heard < 100 || all[3].heard < 100 {
		t.Errorf("one got %d, the other %d: they share it", all[1].heard, all[3].heard)
	}
	if g.Dropped() < 2900 {
		t.Errorf("%d dropped, want 3,000", g.Dropped())
	}
}

// The number of workers changes nothing where hosts share links, from the start or under an action.
func TestSharedLinksAndWorkers(t *testing.T) {
	for _, at := range []string{"", "link:z0/z1,rate=60000/4000,for=10s"} {
		var trace string
		for i, workers := range []int{1, 2, 5} {
			o := Options{Nodes: 24, Zones: 2, Seed: 3, Workers: workers, Duration: 15 * time.Second,
				Network: LAN()}
			if at == "" {
				o.Network.Between.Pipe = Bandwidth{Rate: 60_000, Queue: 4_000}
			} else {
				o.Actions = actions(t, "1s="+at)
			}
			o.Actions = append(o.Actions,
				actions(t, "2s=publish:3,bytes=4000,every=100ms,times=30")...)
			r := run(t, o)
			if r.Packets[overrun.String()] == 0 {
				t.Fatalf("%q: nothing was dropped", at)
			}
			if i > 0 && r.Trace != trace {
				t.Errorf("%q: with %d workers the trace is %s, before it was %s", at, workers,
					r.Trace, trace)
			}
			trace = r.Trace
		}
	}
}

func TestParseBandwidth(t *testing.T) {
	for text, want := range map[string]Bandwidth{
		"50Mbit": {Rate: 6_250_000}, "1Gbit/256KiB": {Rate: 125_000_000, Queue: 256 << 10},
		"64kbit": {Rate: 8000}, "6MiB": {Rate: 6 << 20}, "1000": {Rate: 1000},
		"7B/1500B": {7, 1500},
	} {
		b, err := ParseBandwidth(text)
		if err != nil || b != want {
			t.Errorf("%s: %+v, %v; want %+v", text, b, err, want)
		}
		if again, err := ParseBandwidth(b.String()); err != nil || again != b {
			t.Errorf("%s: printed as %q, read as %+v, %v", text, b, again, err)
		}
	}
	for _, text := range []string{"", "fast", "0", "-1Mbit", "50Mbit/", "1Mbit/x", "NaN", "1e300"} {
		if b, err := ParseBandwidth(text); err == nil {
			t.Errorf("%q: read as %+v", text, b)
		}
	}
}
