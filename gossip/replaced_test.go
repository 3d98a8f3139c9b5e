package gossip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/gossip/member"
)

// A member that was cut off, deaf, or reached at times only, was failed and replaced elsewhere. When the
// way is whole again it stops, though it ran for longer, and the replacement and its keys stay. Word of
// the replacement comes before the node knows that its isolation is over.
func TestReplacedWhileAway(t *testing.T) {
	for _, how := range []string{"cut", "deaf", "heard at times"} {
		for _, x := range []struct{ old, heir int }{{4, 6}, {7, 4}} {
			for late := range 10 {
				t.Run(fmt.Sprintf("%s, %d by %d, %d", how, x.old, x.heir, late), func(t *testing.T) {
					w := newWorld(t)
					w.start("n0", 10, 1, nil)
					for i := 1; i < 4; i++ {
						w.start(fmt.Sprintf("n%d", i), 10+i, 1, nil, 10)
					}
					old := w.start("x", x.old, 1, nil, 10)
					w.until(time.Minute, "all in", func() bool { return w.allSee(5) })
					w.run(5 * time.Second)
					spoke := map[netip.AddrPort]Time{} // to whom it spoke, for a firewall that keeps state
					w.onSend = func(p *peer, to netip.AddrPort, _ []byte) {
						if p == old {
							spoke[to] = w.now
						}
					}
					w.cut = func(from, to netip.AddrPort) bool {
						switch how {
						case "cut":
							return from == old.addr || to == old.addr
						case "deaf":
							return to == old.addr
						}
						at, ok := spoke[from]
						return to == old.addr && (!ok || w.now.Sub(at) > 20*time.Millisecond)
					}
					w.until(30*time.Second, "it is failed", func() bool {
						m, _ := w.nodes[0].Table().Get(old.id)
						return m.State == member.Failed
					})
					w.run(2 * time.Second)
					heir := w.start("x", x.heir, 9, nil, 10)
					w.until(10*time.Second, "the replacement is in", func() bool { return heir.entry.welcomed })
					if err := w.do(heir, Set{Key: "role", Value: []byte("new")}); err != nil {
						t.Fatal(err)
					}
					w.run(8*time.Second + time.Duration(late)*170*time.Millisecond)
					w.cut = nil
					w.run(15 * time.Second)
					last := old.events[len(old.events)-1]
					if !old.Stopped() || heir.Stopped() || !strings.Contains(fmt.Sprint(last.Err), "replaced by") {
						t.Errorf("the old one stopped: %t, the new one: %t; %v", old.Stopped(), heir.Stopped(), last.Err)
					}
					if v, ok := w.nodes[0].Value(heir.id, "role"); !ok || string(v.Value) != "new" {
						t.Errorf("the replacement's keys are gone: %v", v)
					}
				})
			}
		}
	}
}
