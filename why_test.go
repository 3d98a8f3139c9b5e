package starling_test

import (
	"testing"

	"github.com/starling-gossip/starling"
)

// Over real sockets a process that ends is failed because its host refuses.
func TestWhy(t *testing.T) {
	nodes := cluster(t, 8, starling.Config{Tuning: starling.Tuning{Detector: starling.Inquest}})
	victim := nodes[7].Self()
	nodes[7].Close()
	explained := 0
	for _, n := range nodes[:7] {
		stateIs(t, n, victim.Name, starling.Failed)
		all := n.Why(victim.Name)
		if len(all) != 1 || all[0].Kind != starling.VerdictFailed {
			t.Fatalf("%s knows %+v", n.Self().Name, all)
		}
		// the news may come before the evidence, which nothing waits for
		if v := all[0]; v.Explained {
			explained++
			if v.Cause != "refused" || v.Accuser == "" || len(v.Votes) == 0 ||
				v.Votes[0].Juror == "" {
				t.Errorf("%s knows %+v", n.Self().Name, v)
			}
		}
		if all := n.Why("nobody"); all != nil {
			t.Errorf("of nobody it knows %+v", all)
		}
	}
	if explained == 0 {
		t.Error("nobody knows why")
	}
}
