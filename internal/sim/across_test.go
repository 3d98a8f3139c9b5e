package sim

import (
	"slices"
	"testing"
	"time"
)

// What the network carries between zones adds up, and the shares by plane are all of it.
func TestWhatCrossesIsMeasured(t *testing.T) {
	o := Options{Nodes: 30, Zones: 3, Racks: 2, Seed: 1, Warm: true,
		Duration: 10 * time.Second, Actions: []Action{
			{At: time.Second, Do: Publish, Who: Nodes(4)}, {At: 5 * time.Second, Do: Crash,
				Who: Who{Kind: Busiest, Share: 0.1}},
		}}
	if err := o.Network.Map("three", 3); err != nil {
		t.Fatal(err)
	}
	var want *Report
	for _, workers := range []int{1, 3} {
		o.Workers = workers
		w, err := newWorld(o)
		if err != nil {
			t.Fatal(err)
		}
		w.join()
		w.play()
		if w.err != nil {
			t.Fatal(w.err)
		}
		if z := w.procs[10].node.Self().Handle.Value().Zone; z != "z1/r1" {
			t.Errorf("n10 is in %q", z)
		}
		r := w.report()
		if want == nil {
			want = r
		}
		if r.Trace != want.Trace || !slices.Equal(r.Across.Pairs, want.Across.Pairs) {
			t.Errorf("%d workers measure something else", workers)
		}
		pairs, byPlane := 0.0, 0.0
		for _, p := range r.Across.Pairs {
			pairs += p.Bytes / 3
		}
		for _, b := range r.Across.Planes {
			byPlane += b
		}
		if len(r.Across.Pairs) != 6 || pairs < 1 || pairs/byPlane < 0.999 ||
			pairs/byPlane > 1.001 || pairs/r.Across.Zone.Mean > 1.001 {
			t.Errorf("the pairs sent %g B/s a zone, the planes %g, the zones %g", pairs,
				byPlane, r.Across.Zone.Mean)
		}
		if r.Messages.Across < 2 || r.Messages.Across > 60 {
			t.Errorf("%g copies of a message crossed", r.Messages.Across)
		}
		if r.Crashes.Count != 3 {
			t.Errorf("%d crashed", r.Crashes.Count)
		}
	}
}

// The nodes that sent most across zones are the busiest.
func TestBusiest(t *testing.T) {
	w, err := newWorld(Options{Nodes: 10, Zones: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range w.procs {
		p.up, p.host.across = i != 3, uint64(i%5)*100
	}
	var got []int32
	for _, p := range w.busiest(0.5) {
		got = append(got, p.index)
	}
	if want := []int32{4, 9, 8, 2}; !slices.Equal(got, want) { // of 7, half
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMaps(t *testing.T) {
	var n Network
	if err := n.Map("world", len(cities)); err != nil {
		t.Fatal(err)
	}
	least, most := time.Hour, time.Duration(0)
	for _, p := range n.Paths {
		rtt := 2 * p.Link.Latency.Quantile(0.5)
		least, most = min(least, rtt), max(most, rtt)
	}
	if len(n.Paths) != 190 || least < 2*time.Millisecond || least > 4*time.Millisecond ||
		most > 310*time.Millisecond || most < 280*time.Millisecond {
		t.Errorf("%d ways with round trips from %s to %s", len(n.Paths), least, most)
	}
	inner := n
	if err := n.Map("internet", 4); err != nil || n.Own.Rate != 12_500_000 || inner.Own.Rate > 0 {
		t.Errorf("links of hosts on the internet: %q, in the world: %q, %v", n.Own, inner.Own, err)
	}
	n.Own = Bandwidth{Rate: 1e6}
	if err := n.Map("internet", 4); err != nil || n.Own.Rate != 1e6 {
		t.Errorf("a rate that was set is %q, %v", n.Own, err)
	}
	for _, bad := range []struct {
		name  string
		zones int
	}{{"moon", 3}, {"three", 2}, {"three", 4}, {"world", 21}, {"world", 1}} {
		if err := n.Map(bad.name, bad.zones); err == nil {
			t.Errorf("%s with %d zones", bad.name, bad.zones)
		}
	}
}
