package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// asks is which member is asked to see to a leg, and how: itself, or a helper in its place.
type asks struct {
	core
	helper member.ID // it last reached a member that this node cannot send to
	ways   []way     // to members that this node asked others to reach
	oldWay int       // the one of them that was replaced last
}

const unsent = 255 // tries of a leg that there is nothing to send for

// choose picks the leg's next delegate by a hash, so that each parcel takes another way and a
// silent member's part falls to another member. While many small parcels come, the parcel is not in
// the hash, so that they go the same way for a while.
func (a *asks) choose(now mono.Time, j *job, l *leg) bool {
	places := a.ring.All()
	lo, hi := within(places, l.span)
	if l.span.Bits < zoneBits && holds(l.span, a.self().Key) { // somebody near divides it as well
		if own := a.zone(a.self().Zone()); len(own) > fewHere {
			places, lo, hi = own, 0, len(own)
		}
	}
	if lo == hi {
		return false
	}
	h := member.Mix(l.span.Prefix + uint64(l.span.Bits) + j.lane)
	if j.small && a.paths.busy() {
		h = member.Mix(h ^ a.host.Epoch(now))
	} else {
		h = hashOf(&j.Branch, l.span)
	}
	n := hi - lo
	start := int(h % uint64(n))
	for _, desperate := range [2]bool{false, true} {
		for k := range n {
			p := places[lo+(start+k)%n]
			if p.ID == a.host.Self() || p.ID == j.Origin || p.ID == l.id ||
				p.ID == l.former[0] || p.ID == l.former[1] ||
				!desperate && a.paths.silent(now, p.ID) || a.outOfFamily(p.ID) {
				continue
			}
			l.former[1], l.former[0], l.id = l.former[0], l.id, p.ID
			l.zone = p.Zone()
			l.state, l.tries, l.hands = asked, 0, l.hands+1
			return true
		}
	}
	return false
}

// send sends a leg's Carry or Offer and sets its clock.
func (a *asks) send(now mono.Time, j *job, l *leg) {
	m, ok := a.host.Table().Get(l.asked())
	if !ok || !m.State.Live() {
		l.due = now // the next wake finds another member
		j.due = min(j.due, l.due)
		return
	}
	b := j.Branch
	b.Span, b.Attempt = l.span, l.attempt&15
	// Given: a publisher waits for it
	b.MayDelayAck = a.paths.busy() && !(b.Given && a.paths.isLong(l.zone))
	if p, ok := a.placeOf(l.id); ok && l.via != 0 {
		b.Span = wire.Span{Bits: placeBits, Prefix: p.Key}
	}
	if l.zone != a.self().Zone() {
		b.Loss = a.paths.classTo(l.zone)
	}
	leaves := a.outbox.post(now, plane.PeerOf(&m), &b, l.offerOnly)
	if leaves == mono.Never { // the bodies are not held any more: no answer is to be waited for
		l.tries, l.due = unsent, now.Add(minWait)
		j.due = min(j.due, l.due)
		return
	}
	// a hub says at once that it took a duty (joined)
	l.sent[l.attempt&3], l.mayDelayAck[l.attempt&3] = leaves, b.MayDelayAck && !j.shared
	l.due = leaves.Add(a.paths.wait(l))
	j.due = min(j.due, l.due)
}

// again sends a leg another time.
func (a *asks) again(now mono.Time, j *job, l *leg) {
	l.attempt++
	a.stats.Repeats++
	a.send(now, j, l)
}
