package gossip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// zoned starts a cluster of so many nodes in each zone.
func zoned(w *world, each int, zones ...string) {
	w.t.Helper()
	for i := range each * len(zones) {
		n, err := New(nil, Self{Name: fmt.Sprintf("n%d", i), Generation: 1, Addr: addrOf(i),
			Zone: zones[i/each]}, rand.NewPCG(uint64(i), 7), rand.NewPCG(3, 4))
		if err != nil {
			w.t.Fatal(err)
		}
		p := &peer{Node: n, addr: addrOf(i)}
		if i > 0 {
			p.seeds = []netip.AddrPort{addrOf(0)}
		}
		w.nodes = append(w.nodes, p)
		w.step(p, func(out *Outbox) { n.Wake(w.Now, out) })
		w.do(p, Join{Seeds: p.seeds})
	}
	w.until(time.Minute, "all see all", func() bool { return w.allSee(each * len(zones)) })
}

// What the nodes count by zone is what was sent: in sum as Stats has it, and between zones as the
// network saw it.
func TestTrafficByZone(t *testing.T) {
	const each = 5
	zones := []string{"eu/fra/r1", "us", ""}
	w := newWorld(t)
	zoned(w, each, zones...)
	zoneAt := map[netip.AddrPort]string{}
	for i := range w.nodes {
		zoneAt[addrOf(i)] = member.Top(zones[i/each])
	}
	type pair struct{ from, to string }
	count := func() map[pair]uint64 {
		sum := map[pair]uint64{}
		for _, p := range w.nodes {
			for _, z := range p.Traffic() {
				if !z.Unknown {
					sum[pair{zoneAt[p.addr], z.Zone}] += z.BytesOut
				}
			}
		}
		return sum
	}
	before, seen := count(), map[pair]uint64{}
	w.onSend = func(p *peer, to netip.AddrPort, data []byte) {
		seen[pair{zoneAt[p.addr], zoneAt[to]}] += uint64(len(data))
	}
	w.do(w.nodes[0], Publish{Topic: "t", Payload: []byte("hello")})
	w.run(30 * time.Second)
	after := count()
	for k, bytes := range seen {
		if got := after[k] - before[k]; got != bytes || bytes == 0 {
			t.Errorf("from %q to %q went %d bytes, counted are %d", k.from, k.to, bytes, got)
		}
	}
	if len(seen) != len(zones)*len(zones) {
		t.Errorf("packets went between %d pairs of zones, and each of them should see some",
			len(seen))
	}
	for _, p := range w.nodes {
		var sum ZoneTraffic
		for _, z := range p.Traffic() {
			sum.PacketsOut, sum.BytesOut = sum.PacketsOut+z.PacketsOut, sum.BytesOut+z.BytesOut
			sum.PacketsIn, sum.BytesIn = sum.PacketsIn+z.PacketsIn, sum.BytesIn+z.BytesIn
		}
		if s := p.Stats(); sum.PacketsOut != s.PacketsOut || sum.BytesOut != s.BytesOut ||
			sum.PacketsIn != s.PacketsIn || sum.BytesIn != s.BytesIn {
			t.Errorf("%s counted %+v by zone and %+v in all", p.addr, sum, s)
		}
	}
}

// Strangers and rubbish belong to no zone, and so does what is of more zones than are told apart.
func TestTrafficOfTheUnknown(t *testing.T) {
	w := newWorld(t)
	p := w.start("n0", 0, 1, nil)
	w.step(p, func(out *Outbox) { p.Receive(w.Now, addrOf(9), []byte("rubbish"), out) })
	if z := p.Traffic(); len(z) != 1 || !z[0].Unknown || z[0].BytesIn != 7 {
		t.Errorf("rubbish is counted as %+v", z)
	}
	for i := range flow.MaxMetered + 10 {
		r := member.Record{Name: fmt.Sprintf("m%d", i), Generation: 1, Addr: addrOf(i + 1),
			Zone: fmt.Sprintf("zone%d", i), Protocol: Version}
		p.Table().Merge(w.Now, member.Fact{Record: member.Share(r), State: member.Alive})
		p.flow.Received(member.IDOf(r.Name), 100)
	}
	// a few share their 16 bits
	if z := p.Traffic(); len(z) > flow.MaxMetered+1 || !z[len(z)-1].Unknown ||
		z[len(z)-1].BytesIn < 5*100 {
		t.Errorf("%d zones are told apart", len(z))
	}
}
