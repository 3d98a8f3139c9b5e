package starling_test

import (
	"testing"

	"github.com/starling-gossip/starling"
)

// A process that is gone leaves a host that refuses connections: Inquest knows it sooner than the
// grace for silence.
func TestInquestNoticesADeadProcess(t *testing.T) {
	nodes := cluster(t, 12, starling.Config{Tuning: starling.Tuning{Detector: starling.Inquest}})
	nodes[5].Close()
	for i, n := range nodes {
		if i != 5 {
			stateIs(t, n, "n5", starling.Failed)
		}
	}
}
