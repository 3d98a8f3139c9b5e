package sim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/accrual"
	"github.com/starling-gossip/starling/internal/gossip/heartbeat"
)

// Under each of the detectors by heartbeats, while a tenth of all packets is lost, a crash becomes
// known to all. The process is taken back when it starts again, and no other member is held failed.
func TestHeartbeatDetectors(t *testing.T) {
	for name, cfg := range map[string]gossip.Config{
		"heartbeat":       {Detector: gossip.HEARTBEAT},
		"heartbeat-local": {Detector: gossip.HEARTBEAT, Heartbeat: heartbeat.Config{Local: true}},
		"accrual":         {Detector: gossip.ACCRUAL},
		"accrual-cassandra": {Detector: gossip.ACCRUAL,
			Accrual: accrual.Config{Counters: true, Exponential: true}},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Nodes: 30, Seed: 5, Duration: 130 * time.Second, Gossip: cfg}
			lan := LAN()
			lan.Within.Loss, lan.Between.Loss = 0.1, 0.1
			o.Network = lan
			for _, text := range []string{"10s=crash:n7", "80s=restart:n7"} {
				a, err := ParseAction(text)
				if err != nil {
					t.Fatal(err)
				}
				o.Actions = append(o.Actions, a)
			}
			r, err := Run(o)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Violations {
				t.Error(v)
			}
			if r.FalseFailures != 0 {
				t.Errorf("%d false failures", r.FalseFailures)
			}
			if r.Crashes.Known100.N != 1 || r.Crashes.Known100.Max > 60 {
				t.Errorf("the crash became known so: %+v", r.Crashes)
			}
			if back := r.Settled[1]; back.After < 0 || back.After > 1 {
				t.Errorf("the return became known so: %+v", back)
			}
		})
	}
}

// What T_cleanup is for: where the dead are forgotten as soon as they are failed, nodes that have
// not noticed yet bring them back. Twice T_fail is long enough.
func TestCleanupKeepsTheDeadAway(t *testing.T) {
	for cleanup, comeBack := range map[time.Duration]bool{8 * time.Second: true,
		16 * time.Second: false} {
		o := Options{Nodes: 40, Seed: 1, Warm: true, Duration: 80 * time.Second,
			Gossip: gossip.Config{Detector: gossip.HEARTBEAT,
				Heartbeat: heartbeat.Config{Local: true, Fail: 8 * time.Second, Cleanup: cleanup}}}
		crash, err := ParseAction("5s=crash:n7")
		if err != nil {
			t.Fatal(err)
		}
		o.Actions = append(o.Actions, crash)
		r, err := Run(o)
		if err != nil {
			t.Fatal(err)
		}
		if (r.DeadRevived > 0) != comeBack {
			t.Errorf("with a T_cleanup of %s the dead came back %d times", cleanup, r.DeadRevived)
		}
	}
}
