package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// env is what all parts of Streams stand on: the node around them, what they count, and when they
// wake next. It knows none of the parts.
type env struct {
	host  Host
	cfg   Config
	stats Stats
	due   mono.Time // nothing falls due before
	buf   []byte    // of the datagram that is being written
}

// at sees to a Wake at some time.
func (e *env) at(t mono.Time) { e.due = min(e.due, t) }

// isOwn says whether a stream is this node's own, of its present life.
func (e *env) isOwn(origin member.ID, generation uint64) bool {
	return origin == e.host.Self() && wire.LifeOf(generation) == e.host.Generation()
}

// anybody returns a random live member other than this node.
func (e *env) anybody() (member.Member, bool) {
	return plane.Anybody(e.host.Rand(), e.host.Table(), e.host.Self())
}

// originLives says whether a stream's origin is a live member, other than this node, in the life
// that the stream is of.
func (e *env) originLives(st *stream) bool {
	m, ok := e.host.Table().Get(st.origin)
	return ok && m.State.Live() && m.Generation() == st.life() && m.ID != e.host.Self()
}

// isNear says whether a member is of this node's zone, or of the only one.
func (e *env) isNear(m *member.Member) bool {
	near := e.host.OwnZone()
	return len(near) == 0 || topology.PlaceOf(m).Zone() == near[0].Zone()
}

const maxWait = 250 * time.Millisecond

// wait is how long a missing piece has to come by itself: as long as it may be under way.
func (e *env) wait() time.Duration { return max(e.cfg.Wait, min(e.host.RTT(), maxWait)) }

// askPage asks a member for the page that begins with an origin.
func (e *env) askPage(now mono.Time, to member.Member, ask wire.Ask) {
	var buf [16]byte
	e.host.SendStream(now, to, wire.AppendAsk(buf[:0], ask))
}
