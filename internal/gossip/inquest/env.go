package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// env is what all parts of a detector stand on: its node, its configuration, the numbers of its
// pings, the moment at which it wakes next, and what it knows of the ways to others. It knows none
// of the parts.
type env struct {
	cfg  Config
	host detect.Court
	ring *topology.Ring
	seq  uint32 // of the last ping, and of the last jury that was called

	path   path     // to members of this node's zone
	abroad []abroad // to those of others, the zone that was met last at the end

	due     mono.Time // nothing is due before; may be too early
	scratch []byte
}

// soon makes the detector wake by a moment.
func (e *env) soon(t mono.Time) { e.due = min(e.due, t) }

// send passes a message on, and keeps its memory for the next.
func (e *env) send(now mono.Time, to plane.Peer, message []byte) {
	e.scratch = message[:0]
	e.host.Send(now, to, message)
}

// probe sends a ping that promises nothing.
func (e *env) probe(now mono.Time, to plane.Peer) {
	e.seq++
	e.send(now, to, wire.AppendPing(e.scratch[:0], e.seq))
}

// maxPending is how many of its last questions a node still takes an answer to for a sign that it
// is heard.
const maxPending = 1 << 16

// sent says whether a sequence was used for a question, and not before a first one.
func (e *env) sent(seq, first uint32) bool {
	return int32(seq-first) >= 0 && int32(e.seq-seq) >= 0
}

// jitter returns a time within a share of t, given in percent.
func (e *env) jitter(t time.Duration, percent int64) time.Duration {
	return t + time.Duration((e.host.Rand().Int64N(2*percent+1)-percent)*int64(t)/100)
}

// current returns the table's member for a peer, if it lives there in the same life.
func (e *env) current(p plane.Peer) (member.Member, bool) {
	m, ok := e.host.Table().Get(p.ID)
	return m, ok && m.State.Live() && m.Instance() == p.Instance
}

// isLive says whether somebody is still counted among the members.
func (e *env) isLive(id member.ID) bool {
	m, ok := e.host.Table().Get(id)
	return ok && m.State.Live()
}

// outOfFamily says whether nothing can be sent to a member from here: others watch it and examine
// it.
func (e *env) outOfFamily(id member.ID) bool {
	t := e.host.Table()
	if t.Served() == t.Live() {
		return false
	}
	m, ok := t.Get(id)
	return ok && m.OutOfFamily
}

// electorate is how many members have a part in a case of a member that fell silent at a moment,
// the accuser and the accused included.
func (e *env) electorate(now, start mono.Time) int {
	if p, ok := e.host.(detect.Parted); ok && !p.Bridged(now, start) {
		return e.host.Table().Live()
	}
	return e.host.Table().Served()
}

// mostTries is how often a juror is asked in vain before it counts no more.
func (e *env) mostTries() int { return 3 + e.path.attempts(&e.cfg)/3 }

// otherZone says whether two members are of different zones.
func (e *env) otherZone(x, y member.ID) bool {
	return x != y && e.ring.Mixed() && e.zoneOf(x) != e.zoneOf(y)
}

// zoneOf returns the zone of a member.
func (e *env) zoneOf(id member.ID) uint16 {
	m, ok := e.host.Table().Get(id)
	if !ok {
		return 0
	}
	return topology.PlaceOf(&m).Zone()
}

// far says whether a member is of another zone.
func (e *env) far(id member.ID) bool {
	return e.ring.Mixed() && e.zoneOf(id) != e.zoneOf(e.host.Self())
}

// own returns the members of this node's zone, itself included.
func (e *env) own() []topology.Place { return e.ring.Zone(e.zoneOf(e.host.Self())) }

// abroad is what is known of the ways to another zone.
type abroad struct {
	zone  uint16
	heard mono.Time // a datagram of any of its members, while there were alarms
	last  member.ID // the member that sent it; 0: none did
	path
}

// way returns what is known of the ways to a member: one for all of a zone. Of a zone that was
// never met it is known how much gets lost on the way to others.
func (e *env) way(id member.ID) *path {
	if !e.far(id) {
		return &e.path
	}
	return &e.abroadOf(e.zoneOf(id)).path
}

func (e *env) abroadOf(z uint16) *abroad {
	for i := range e.abroad {
		if e.abroad[i].zone == z {
			return &e.abroad[i]
		}
	}
	x := abroad{zone: z}
	if n := len(e.abroad); n > 0 {
		x.lost = e.abroad[n-1].lost
		if n >= maxAbroad {
			e.abroad = e.abroad[1:]
		}
	}
	e.abroad = append(e.abroad, x)
	return &e.abroad[len(e.abroad)-1]
}

// scramble is the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
