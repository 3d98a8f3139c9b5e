package gossip

import (
	"net/netip"
	"testing"
	"time"
)

// Which side of a cut a node is on: of two sides not both reach more than half of the last agreed view, whoever fails whom, under
// each detector. Who failed counts, and who left does not.
func TestReach(t *testing.T) {
	for _, d := range detectors {
		for _, left := range []int{1, 3, 5, 6} {
			w := newWorld(t)
			nodes := w.cluster(12, &Config{Detector: d})
			w.do(nodes[11], Leave{})
			nodes[10].down = true
			w.run(time.Minute)
			side := func(a netip.AddrPort) bool { return int(a.Addr().As4()[3]) < left }
			w.cut = func(from, to netip.AddrPort) bool { return side(from) != side(to) }
			w.run(2 * time.Minute)
			for i, p := range nodes[:10] {
				can := left // reach so many
				if i >= left {
					can = 10 - left
				}
				if reachable, of := p.Reach(); of != 11 || (2*reachable > of) != (2*can > 11) {
					t.Errorf("%s, cut at %d: n%d reaches %d of %d, and %d of 11 are on its side", d, left, i, reachable, of, can)
				}
			}
		}
	}
}
