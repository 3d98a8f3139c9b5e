package gossip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Nobody waits for a member that hears nothing: what is published after its verdict is out at once,
// with all others; what was published before, when the verdict is there; and a member is condemned
// no later for its sake.
func TestNobodyWaitsForTheDeaf(t *testing.T) {
	for _, n := range []int{5, 30} {
		w := newWorld(t)
		nodes := w.cluster(n, nil)
		w.run(20 * time.Second)
		deaf := nodes[n-1]
		w.cut = func(_, to netip.AddrPort) bool { return to == deaf.addr }
		publish := func(p *peer) (spread func() Spread) {
			if err := w.do(p, Publish{Topic: "t", Payload: []byte("x"),
				Confirm: true}); err != nil {
				t.Fatal(err)
			}
			seq := p.LastSeq()
			return func() (s Spread) {
				for _, e := range p.events {
					if e.Kind == MessageSpread && e.Spread.Seq == seq {
						s = e.Spread
					}
				}
				return s
			}
		}
		before := publish(nodes[1])
		w.run(time.Second)
		if s := before(); s.Have != n-1 || s.Of != n {
			t.Errorf("n=%d: a second after the cut %d of %d have it", n, s.Have, s.Of)
		}
		took := w.until(9*time.Second, "it is failed",
			func() bool { return w.allHold(deaf.roster.Record().Name, member.Failed) })
		w.run(time.Second)
		if s := before(); s.Have != n-1 || s.Of != n-1 {
			t.Errorf("n=%d: after the verdict %d of %d have it", n, s.Have, s.Of)
		}
		for _, p := range nodes[:n-1] {
			spread := publish(p)
			w.until(100*time.Millisecond, "all others have it",
				func() bool { s := spread(); return s.Have == n-1 && s.Of == n-1 })
		}
		// A host that dies beside it is condemned as soon as one where nobody is deaf.
		nodes[2].down = true
		died := w.until(3*time.Second, "a crash is known", func() bool {
			for _, p := range w.up() {
				if m, _ := p.Table().Get(nodes[2].id); p != deaf && m.State != member.Failed {
					return false
				}
			}
			return true
		})
		spread := publish(nodes[0])
		w.until(100*time.Millisecond, "all others have it",
			func() bool { s := spread(); return s.Have == n-2 && s.Of == n-2 })
		t.Logf("n=%d: deaf after %s more, a crash beside it known after %s", n, took, died)
	}
}
