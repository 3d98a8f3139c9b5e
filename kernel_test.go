package starling_test

import (
	"testing"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/internal/gossip"
)

// A process that is gone leaves a host that refuses connections: Inquest knows it sooner than the
// grace for silence.
func TestInquestNoticesADeadProcess(t *testing.T) {
	nodes := cluster(t, 12, starling.Config{Gossip: gossip.Config{Detector: gossip.INQUEST}})
	nodes[5].Close()
	for i, n := range nodes {
		if i != 5 {
			stateIs(t, n, "n5", starling.Failed)
		}
	}
}
