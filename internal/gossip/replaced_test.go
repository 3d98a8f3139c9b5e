package gossip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// A process that stood still, and whose replacement is gone by the time it goes on, says both: that
// it stood still, and what happened to its name. Of one that nobody replaced nothing of the kind is
// told.
func TestOutlivedReplacement(t *testing.T) {
	for _, how := range []string{"failed", "left", "forgotten", "never came", "slept for long"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			cfg := &Config{}
			if how == "slept for long" { // then it comes in anew
				cfg.Retention = 40 * time.Second
			}
			nodes := w.cluster(5, cfg)
			w.run(5 * time.Second)
			p := nodes[2]
			p.paused = true
			w.until(time.Minute, "n2 failed", func() bool { return w.allHold("n2", member.Failed) })
			w.run(2 * time.Second)
			if how != "never came" {
				heir := w.start("n2", 9, 9, cfg, 0)
				w.until(10*time.Second, "the replacement is in",
					func() bool { return heir.door.Welcomed() })
				w.run(5 * time.Second)
				if how == "left" {
					w.do(heir, Leave{})
					w.until(10*time.Second, "it left",
						func() bool { return w.allHold("n2", member.Left) })
				}
				heir.down = true
			}
			if how != "left" {
				w.until(20*time.Second, "it failed",
					func() bool { return w.allHold("n2", member.Failed) })
			}
			switch how {
			case "forgotten":
				w.do(nodes[0], Forget{IDs: []member.ID{p.id}})
				w.run(3 * time.Second)
			case "slept for long":
				w.run(25 * time.Second)
			}
			p.events = nil
			w.resume(p)
			w.until(20*time.Second, "n2 is back", func() bool { return w.allSee(5) })
			w.run(10 * time.Second)
			want := 1
			if how == "never came" {
				want = 0
			}
			if count(p, StoodStill) != 1 || count(p, Outlived) != want || p.Stopped() {
				t.Errorf("it was told %d times that it stood still, %d times that it outlived "+
					"another; "+
					"it stopped: %t", count(p, StoodStill), count(p, Outlived), p.Stopped())
			}
			for _, e := range p.events {
				if e.Kind != Outlived {
					continue
				}
				said := e.Err.Error()
				ends := map[string]string{"failed": "has failed", "left": "has left",
					"forgotten": "has failed (forgotten)", "slept for long": "has"}
				if !strings.Contains(said, `had the name "n2" meanwhile, and `+ends[how]) {
					t.Errorf("it says %q", said)
				}
			}
			for _, q := range w.nodes {
				if q != p && count(q, Outlived) > 0 {
					t.Error("another is told")
				}
			}
		})
	}
}

// A member that was cut off, deaf, or reached at times only, was failed and replaced elsewhere.
// When the way is whole again it stops, though it ran for longer, and the replacement and its keys
// stay. Word of the replacement comes before the node knows that its isolation is over.
func TestReplacedWhileAway(t *testing.T) {
	for _, how := range []string{"cut", "deaf", "heard at times"} {
		for _, x := range []struct{ old, heir int }{{4, 6}, {7, 4}} {
			for late := range 10 {
				t.Run(fmt.Sprintf("%s, %d by %d, %d", how, x.old, x.heir, late),
					func(t *testing.T) {
						w := newWorld(t)
						w.start("n0", 10, 1, nil)
						for i := 1; i < 4; i++ {
							w.start(fmt.Sprintf("n%d", i), 10+i, 1, nil, 10)
						}
						old := w.start("x", x.old, 1, nil, 10)
						w.until(time.Minute, "all in", func() bool { return w.allSee(5) })
						w.run(5 * time.Second)
						// to which it spoke, for a firewall that keeps state
						spoke := map[netip.AddrPort]Time{}
						w.onSend = func(p *peer, to netip.AddrPort, _ []byte) {
							if p == old {
								spoke[to] = w.Now
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
							return to == old.addr && (!ok || w.Now.Sub(at) > 20*time.Millisecond)
						}
						w.until(30*time.Second, "it is failed", func() bool {
							m, _ := w.nodes[0].Table().Get(old.id)
							return m.State == member.Failed
						})
						w.run(2 * time.Second)
						heir := w.start("x", x.heir, 9, nil, 10)
						w.until(10*time.Second, "the replacement is in",
							func() bool { return heir.door.Welcomed() })
						if err := w.do(heir, Set{Key: "role", Value: []byte("new")}); err != nil {
							t.Fatal(err)
						}
						w.run(8*time.Second + time.Duration(late)*170*time.Millisecond)
						w.cut = nil
						w.run(15 * time.Second)
						last := old.events[len(old.events)-1]
						if !old.Stopped() || heir.Stopped() ||
							!strings.Contains(fmt.Sprint(last.Err), "replaced by") {
							t.Errorf("the old one stopped: %t, the new one: %t; %v", old.Stopped(),
								heir.Stopped(), last.Err)
						}
						if v, ok := w.nodes[0].Keys().Get(heir.id, "role"); !ok ||
							string(v.Value) != "new" {
							t.Errorf("the replacement's keys are gone: %v", v)
						}
					})
			}
		}
	}
}
