package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// The addresses of two that died go to another cluster of the same name: nobody of the one enters
// the other. The dead come back elsewhere. Once one is told to join the others they are one
// cluster, with all messages and keys.
func TestTwoClusters(t *testing.T) {
	for _, d := range []gossip.Detector{gossip.INQUEST, gossip.SWIM, gossip.HEARTBEAT,
		gossip.ACCRUAL} {
		for seed := range uint64(3) {
			o := Options{Nodes: 10, Seed: seed + 1, Duration: 150 * time.Second}
			o.Gossip.Detector = d
			for _, text := range []string{"2s=strangers:2", "30s=restart:dead", "60s=join:1",
				"80s=publish:all,confirm", "80s=set:all"} {
				a, err := ParseAction(text)
				if err != nil {
					t.Fatal(err)
				}
				o.Actions = append(o.Actions, a)
			}
			w, err := newWorld(o)
			if err != nil {
				t.Fatal(err)
			}
			w.join()
			if w.play(); w.err != nil {
				t.Fatal(w.err)
			}
			if r := w.report(); len(r.Violations) > 0 {
				t.Errorf("%s seed %d: %v", d, seed+1, r.Violations)
			}
			if up := w.up(); up != 13 || !w.agreed() || len(w.strangers) > 0 {
				t.Errorf("%s seed %d: %d are up, agreed %t; %d are strangers", d, seed+1, up,
					w.agreed(), len(w.strangers))
			}
		}
	}
}

// The checker speaks where two clusters become one and nobody told them to: here a process is told
// behind the checker's back.
func TestClustersAreChecked(t *testing.T) {
	o := Options{Nodes: 6, Seed: 1, Duration: 30 * time.Second,
		Actions: []Action{{At: 2 * time.Second, Do: Invade, Who: Any(1)}}}
	once := false
	o.tamper = func(p *proc, out *gossip.Outbox) {
		if w := p.w; !once && p.index == 0 && w.epoch > 0 &&
			w.now > w.epoch.Add(10*time.Second) && len(w.strangers) > 0 {
			once = true
			if err := p.node.Do(p.clock(w.now), gossip.Join{Merge: p.w.strangers[0].home()},
				out); err != nil {
				t.Error(err)
			}
		}
	}
	found := Try(o)
	if len(found) == 0 || found[0].Checker != "clusters" ||
		!strings.Contains(fmt.Sprint(found), "of another cluster") {
		t.Errorf("found %v", found)
	}
}
