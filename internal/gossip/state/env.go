package state

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
)

// env is what all parts of a Store stand on: the node around it, what it counts, and how fast it
// may send. It knows none of the parts.
type env struct {
	host   Host
	cfg    Config
	stats  Stats
	budget rate.Bucket
	buf    []byte // of the datagram that is being written
}

// send sends a datagram within the budget, and returns what it costs; 0: it was not sent.
func (e *env) send(now mono.Time, to member.Member, b []byte) int {
	n := e.host.SendState(now, to, b)
	e.budget.Take(n)
	e.stats.BytesOut += uint64(n)
	return n
}

// anybody returns a random live member other than this node.
func (e *env) anybody() (member.Member, bool) {
	return plane.Anybody(e.host.Rand(), e.host.Table(), e.host.Self())
}

// fresh says whether what was written last may be on its way to others still.
func (e *env) fresh(now mono.Time, o *owner) bool {
	return o.version > 0 && now.Sub(o.changed) < e.cfg.Settle
}
