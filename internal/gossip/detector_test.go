package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// A node that runs another detector than its seed is told so, and neither of the two takes the
// other for a member.
func TestOtherDetectorIsRefused(t *testing.T) {
	for _, own := range allDetectors() {
		for _, other := range allDetectors() {
			if own == other {
				continue
			}
			t.Run(fmt.Sprintf("%s to %s", other, own), func(t *testing.T) {
				w := newWorld(t)
				w.cluster(3, &Config{Detector: own})
				stranger := w.start("stranger", 9, 1, &Config{Detector: other}, 0)
				w.run(10 * time.Second)
				refused := 0
				for _, e := range stranger.events {
					if e.Kind == Refused && errors.Is(e.Err, ErrWrongDetector) {
						refused++
					}
				}
				if refused == 0 || count(stranger, Welcomed) > 0 ||
					count(stranger, MemberJoined) > 0 {
					t.Errorf("it was refused %d times; events: %v", refused, stranger.events)
				}
				if stranger.Table().Len() != 1 {
					t.Errorf("it holds %d members", stranger.Table().Len())
				}
				for _, p := range w.nodes[:3] {
					if _, known := p.Table().Get(member.IDOf("stranger")); known {
						t.Errorf("%s holds it for a member", p.addr)
					}
				}
			})
		}
	}
}

// With ACCRUAL a node has a level of suspicion for those that it watches, and with others for
// nobody.
func TestPhi(t *testing.T) {
	for _, d := range allDetectors() {
		w := newWorld(t)
		nodes := w.cluster(3, &Config{Detector: d})
		w.run(10 * time.Second)
		nodes[2].down = true
		well, ok := nodes[0].Phi(w.Now, nodes[1].id)
		if ok != (d == ACCRUAL) || well > 0.5 {
			t.Errorf("%s: phi is %g, %t", d, well, ok)
		}
		most := 0.0
		for range 60 {
			w.run(100 * time.Millisecond)
			phi, _ := nodes[0].Phi(w.Now, nodes[2].id)
			most = max(most, phi)
		}
		if (most > 1) != (d == ACCRUAL) || most > 8 {
			t.Errorf("%s: phi of a silent member rose to %g", d, most)
		}
		if _, ok := nodes[0].Phi(w.Now, member.IDOf("nobody")); ok {
			t.Errorf("%s: nobody has a level", d)
		}
	}
}

// A member that was failed twice and came back in the same life is borne with for longer, and this
// can be asked for.
func TestDamped(t *testing.T) {
	for _, d := range allDetectors() {
		w := newWorld(t)
		nodes := w.cluster(8, &Config{Detector: d})
		lost := nodes[7]
		w.run(10 * time.Second)
		for i := range 2 {
			w.cut = func(from, to netip.AddrPort) bool {
				return from == lost.addr ||
					to == lost.addr
			}
			w.run(20 * time.Second)
			if m, _ := nodes[0].Table().Get(lost.id); m.State != member.Failed {
				t.Fatalf("%s: cut %d: it is %s", d, i, m.State)
			}
			w.cut = nil
			w.run(20 * time.Second)
		}
		grace, usual, returns := nodes[0].Damped(w.Now, lost.id)
		if d == INQUEST && (returns != 2 || grace != 2*usual) || d != INQUEST && returns != 0 {
			t.Errorf("%s: after %d returns it is granted %v, others %v", d, returns, grace, usual)
		}
		if grace, usual, returns := nodes[0].Damped(w.Now, nodes[1].id); grace != usual ||
			returns != 0 {
			t.Errorf("%s: a steady member is granted %v, others %v, after %d returns", d,
				grace, usual, returns)
		}
	}
}
