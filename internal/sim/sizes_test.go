package sim

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"

	"github.com/starling-gossip/starling/internal/gossip"
)

var sweepSeeds = flag.Int("sim.sweep", 0, "run the whole sweep of sizes, with so many seeds "+
	"each; 0: a few of it")

// sweep is one point of the sweep of sizes: how large datagrams may be, and what the network is
// like.
type sweep struct {
	sealed bool
	mtus   []int
	loss   float64
	zones  int
	away   Verb
}

func (p sweep) String() string {
	return fmt.Sprintf("sealed=%t,mtu=%d,loss=%g,zones=%d,%s", p.sealed, p.mtus, p.loss,
		p.zones, p.away)
}

// options has one of five members away for 20 s, while others publish messages of 3 kB and of 700
// kB.
func (p sweep) options(seed uint64) Options {
	o := Options{
		Nodes: 5, Zones: p.zones, Seed: seed, Sealed: p.sealed, MTUs: p.mtus,
		Duration: 75 * time.Second, Network: LAN(),
	}
	o.Network.Within.Loss, o.Network.Between.Loss = p.loss, p.loss
	away := Action{At: 2 * time.Second, Do: p.away, Who: Nodes(4), For: 20 * time.Second}
	if p.away == Cut {
		away.Peer = Who{Kind: Rest}
	}
	o.Actions = []Action{
		away,
		{At: 4 * time.Second, Do: Publish, Who: Nodes(1), Bytes: 700_000,
			Every: 4 * time.Second, Times: 4},
		{At: 5 * time.Second, Do: Publish, Who: Nodes(1, 2), Bytes: 3_000,
			Every: 3 * time.Second, Times: 4},
	}
	return o
}

// Sealed or not, at every MTU: what is published while a member is away is at all members, each
// message once and in its order. The checkers see to once and to the order.
func TestSizes(t *testing.T) {
	points := []sweep{
		{true, []int{1200}, 0, 1, Cut}, {true, []int{1200}, 0.4, 2, Cut}, {true, []int{1200},
			0.1, 1, Pause},
		{false, []int{1200}, 0.1, 2, Cut}, {false, []int{1280}, 0, 1, Pause}, {false,
			[]int{1350}, 0, 2, Cut},
		{true, []int{1400}, 0, 1, Cut}, {true, []int{1435}, 0.1, 1, Cut}, {true, []int{9000},
			0, 2, Cut},
		{false, []int{9000}, 0.4, 1, Cut}, {true, []int{1200, 9000, 1400}, 0.1, 1, Cut},
	}
	if *sweepSeeds > 0 {
		points = points[:0]
		for _, mtus := range [][]int{{1200}, {1280}, {1350}, {1400}, {1435}, {9000},
			{1200, 9000, 1400}} {
			for _, loss := range []float64{0, 0.1, 0.4} {
				for _, zones := range []int{1, 2} {
					for _, away := range []Verb{Cut, Pause} {
						points = append(points, sweep{false, mtus, loss, zones, away},
							sweep{true, mtus, loss, zones, away})
					}
				}
			}
		}
	}
	for _, p := range points {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(max(*sweepSeeds, 1)) {
				everything(t, p.options(seed+1), 12)
			}
		})
	}
}

// everything runs a cluster, and fails unless all of so many messages are at all nodes that were up
// throughout, and nothing else is wrong.
func everything(t *testing.T, o Options, messages int) *Detail {
	t.Helper()
	r, d, err := Watch(o, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, command(t, o))
	}
	if len(r.Violations) > 0 {
		t.Errorf("%s\n%s", list(r.Violations), command(t, o))
	}
	if len(d.Messages) != messages {
		t.Errorf("%d messages of %d were sent\n%s", len(d.Messages), messages, command(t, o))
	}
	for i, m := range d.Messages {
		if m.Due != o.Nodes || len(m.Known) != m.Due {
			t.Errorf("message %d, of %s, is at %d members of %d\n%s", i, m.At, len(m.Known),
				m.Due, command(t, o))
		}
	}
	return d
}

// A path that passes no more than the least MTU, and says nothing about what it drops, is no
// trouble. A message, a large one and a large key arrive as fast as everywhere, sealed too.
func TestNarrowPath(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		o := Options{Nodes: 20, Zones: 2, Sealed: sealed, Warm: true,
			Duration: 15 * time.Second, Network: LAN()}
		o.Actions = []Action{
			{At: time.Second, Do: Links, Who: Nodes(3), Peer: Who{Kind: All},
				Link: Link{MTU: 1200 + Overhead}},
			{At: 2 * time.Second, Do: Publish, Who: Nodes(1), Bytes: 500_000},
			{At: 3 * time.Second, Do: Publish, Who: Nodes(3), Bytes: 500_000},
			{At: 4 * time.Second, Do: Publish, Who: Nodes(1), Bytes: 10},
			{At: 5 * time.Second, Do: Set, Who: Nodes(1), Bytes: 3_000},
		}
		d := everything(t, o, 3)
		for _, m := range d.Messages {
			if last, ok := m.When(1); !ok || last > time.Second {
				t.Errorf("sealed %t: a message is at all after %v", sealed, last)
			}
		}
		if len(d.Writes) != 1 || d.Writes[0] > time.Second {
			t.Errorf("sealed %t: a key is at all after %v", sealed, d.Writes)
		}
	}
}

// A node behind a path of the least MTU hears a member that may send more, as far as that keeps to
// it. The path drops the rest, which is a fault, and counts.
func TestBlackHole(t *testing.T) {
	narrow := Action{Do: Links, Who: Nodes(3), Peer: Who{Kind: All},
		Link: Link{MTU: 1200 + Overhead}}
	for _, c := range []struct {
		mtu     int
		tooLong bool
	}{{1200, false}, {9000, true}} {
		o := Options{Nodes: 5, Warm: true, Sealed: true, Duration: 30 * time.Second,
			Gossip: gossip.Config{MTU: c.mtu}}
		o.Actions = []Action{narrow, {At: time.Second, Do: Publish, Who: Nodes(1), Bytes: 100_000}}
		r, err := Run(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Packets[tooLong.String()] > 0; got != c.tooLong {
			t.Errorf("MTU %d: %v packets were too long", c.mtu, r.Packets)
		}
	}
}

// A sealed datagram has its 35 bytes more on the way, and only there: the nodes do the same.
func TestSealedIsTheSame(t *testing.T) {
	o := Options{Nodes: 10, Zones: 2, Warm: true, Duration: 10 * time.Second}
	o.Actions = []Action{{At: time.Second, Do: Publish, Who: Nodes(1), Bytes: 100_000}}
	o.Gossip.Inquest.NoKernel = true // TCP is not sealed
	clear, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Sealed = true
	sealed, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	if clear.Trace != sealed.Trace {
		t.Error("sealing changes what the nodes do")
	}
	var bytes, packets uint64
	for i, p := range clear.Timeline {
		bytes += sealed.Timeline[i].Bytes - p.Bytes
		packets += p.Packets
	}
	if bytes != (wire.SealSize-wire.SumSize)*packets {
		t.Errorf("%d packets have %d bytes more", packets, bytes)
	}
}
