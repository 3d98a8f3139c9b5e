// Package accrual is failure detection by a level of suspicion (Hayashibara, Défago, Yared,
// Katayama 2004).
//
// A node measures at what intervals heartbeats of a member come, and says of a silence how unlikely
// it is, as phi = −log10 P(a heartbeat comes later still). The user of a member may act on the
// level early (Node.Phi); from Config.Threshold on the member has failed.
//
// The heartbeats are answers to pings of a few watchers, as in Akka: each node pings the next
// members of the ring that all IDs form (ring.go). That takes a constant load, and a crash is known
// soon at every size. Or they are the rises of gossiped counters, as in Cassandra (gossiped.go,
// package counter). judge.go has the two distributions.
//
// In both cases one verdict goes to all, and a member that lives refutes it with a higher
// incarnation. In Cassandra each node convicts for itself.
package accrual

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Detector is a detector that has a level of suspicion.
type Detector interface {
	detect.Detector
	detect.Accruer
}

// New makes a detector whose datagrams hold room bytes of messages.
func New(cfg Config, host detect.Host, room int, now mono.Time) Detector {
	cfg = cfg.withDefaults()
	if cfg.Counters {
		return newGossiped(cfg, host, room, now)
	}
	return newRing(cfg, host, now)
}

// base is what both have in common: they take nobody's word, and know nothing of their own health.
type base struct {
	cfg   Config
	host  detect.Host
	judge judge
}

// Accused passes nothing on: each node has measurements of its own. The accused is told with the
// next packet to it.
func (*base) Accused(mono.Time, member.Member, member.ID) bool { return false }

// Refuted is no sign of anything here.
func (*base) Refuted() {}

// Health is always good: nothing here tells a node's own troubles from the others'.
func (*base) Health() int { return 0 }

// fresh returns what is assumed of a member before the first interval, which counts as if it had
// been measured: a quarter of the mean for the deviation (Akka), twice the mean for the exponential
// distribution (Cassandra).
func (b *base) fresh(usual time.Duration) window {
	mean := usual.Seconds()
	if b.judge.exponential {
		return window{count: 1, mean: 2 * mean}
	}
	return window{count: 2, mean: mean, variance: float64(mean*mean) / 16}
}
