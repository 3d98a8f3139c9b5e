package sim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/size"
)

// behind has n5 behind a path of so many bytes of UDP payload since the start.
func behind(bytes int, o Options) Options {
	o.Actions = append([]Action{{Do: Links, Who: Nodes(5), Peer: Who{Kind: All},
		Link: Link{MTU: bytes + Overhead}}}, o.Actions...)
	return o
}

// A node behind a path that takes less than 1,200 bytes is told of at both ends within ten seconds
// of its start, whatever the detector, sealed or not. Where all datagrams pass, no node tells
// anything, under loss either.
func TestSmallPathIsTold(t *testing.T) {
	for _, d := range []gossip.Detector{gossip.INQUEST, gossip.SWIM, gossip.HEARTBEAT,
		gossip.ACCRUAL} {
		for _, sealed := range []bool{false, true} {
			for _, loss := range []float64{0, 0.3} {
				for seed := range uint64(size.Of(1, 2, 20)) {
					o := Options{Nodes: 8, Seed: seed + 1, Sealed: sealed, Unchecked: true,
						Gossip: gossip.Config{Detector: d}, Network: LAN()}
					o.Network.Within.Loss = loss
					told := func(bytes int) (own, others int) {
						w, err := newWorld(behind(bytes, o))
						if err != nil {
							t.Fatal(err)
						}
						w.join()
						w.epoch = w.now
						for _, a := range w.opt.Actions {
							w.schedule(a)
						}
						w.run(w.now.Add(10*time.Second), nil)
						for i, p := range w.procs {
							if n := p.node.Stats().SmallPaths; i == 5 {
								own = n
							} else {
								others += n
							}
						}
						return own, others
					}
					if own, others := told(1100); own == 0 || others == 0 {
						t.Errorf("%v, sealed %t, loss %.1f, seed %d: n5 tells of %d, the others "+
							"of %d", d, sealed, loss, seed, own, others)
					}
					if own, others := told(1200); own+others > 0 {
						t.Errorf("%v, sealed %t, loss %.1f, seed %d: all passes, and %d are "+
							"told", d, sealed, loss, seed, own+others)
					}
				}
			}
		}
	}
}

// The checker speaks where nobody tells of such a path that was there when the cluster started, and
// where nothing else is wrong.
func TestPathsChecker(t *testing.T) {
	const s = time.Second
	all := []bool{true, true, true}
	way := func(bytes int, loss float64, laid time.Duration) Obs {
		f := &fault{id: 1, from: []bool{false, false, true}, to: all, laid: gossip.Time(laid),
			link: Link{MTU: bytes + Overhead, Loss: loss}}
		return at(laid, Obs{Kind: Laid, Node: -1, way: f})
	}
	three := []Obs{{Kind: Welcomed, Node: 0}, {Kind: Welcomed, Node: 1}, {Kind: Welcomed, Node: 2}}
	small := at(20*s, Obs{Kind: Gauge, Node: 0, Text: smallGauge, Count: 1})
	for _, c := range []struct {
		name   string
		h      []Obs
		speaks bool
	}{
		{"nobody tells", history(three, way(1100, 0, s), ticks(2, 40)), true},
		{"it is too early", history(three, way(1100, 0, s), ticks(2, 30)), false},
		{"somebody tells", history(three, way(1100, 0, s), small, ticks(21, 60)), false},
		{"all pass", history(three, way(1200, 0, s), ticks(2, 40)), false},
		{"it came later", history(three, way(1100, 0, 5*s), ticks(6, 60)), false},
		{"it loses packets", history(three, way(1100, 0.5, s), ticks(2, 40)), false},
		{"somebody stood still", history(three, way(1100, 0, s),
			at(3*s, Obs{Kind: Hindered, Node: 1}), ticks(4, 60)), false},
	} {
		if got := judge("paths", c.h); (got != "") != c.speaks {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
