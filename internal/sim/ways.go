package sim

import "time"

// What can reach what, as the checkers see it: by the links and the faults that lie over them,
// whatever the nodes believe.

const (
	// passable is the share of the packets, there and back each, whose loss the protocol is held to
	// cope with.
	passable = 0.5
	// leastPath is the smallest largest packet of a path that the protocol is held to cope with: a
	// datagram of 1,200 bytes with the headers of IPv4 and UDP.
	leastPath = 1_200 + Overhead
	// smallestPath is the smallest of those on which only long datagrams are lost: all that a
	// member needs to come in passes.
	smallestPath = 950 + Overhead
	// longTrip is the longest round trip for which the bounds are.
	longTrip = time.Second
)

// lossOf returns the share of packets that a link loses, 1 if it is not one that the protocol is
// held to cope with. What it does to long packets counts if long.
func lossOf(l *Link, long bool) float64 {
	if long && l.MTU > 0 && l.MTU < leastPath || l.Latency.Quantile(1) > longTrip/2 {
		return 1
	}
	lost := l.Loss
	if b := l.Burst; b.Bad > 0 {
		lost = 1 - (1-lost)*(1-b.Loss*float64(b.Bad)/float64(b.Good+b.Bad))
	}
	return lost
}

// lossTo returns the share of packets that is lost on the way from one host to another now.
func (l *ledger) lossTo(from, to int32, long bool) float64 {
	through := 1.0
	if l.ground != nil {
		through -= lossOf(&l.ground.links[int(l.zones[from])*l.ground.zones+int(l.zones[to])], long)
	}
	for _, f := range l.ways {
		if f.touches(from, to) {
			through *= 1 - lossOf(&f.link, long)
		}
	}
	return 1 - through
}

// inTouch says whether two processes could talk to each other now: both run and are not hindered,
// enough passes there and back, and each holds the other for live. That they do not is for other
// checkers to say. The loss is that of the worse way.
func (l *ledger) inTouch(a, b int32) (loss float64, ok bool) { return l.inTouchBy(a, b, true) }

// inTouchBy is inTouch, perhaps by short packets alone.
func (l *ledger) inTouchBy(a, b int32, long bool) (loss float64, ok bool) {
	p, q := &l.peers[a], &l.peers[b]
	if !p.up || !q.up || p.hindered || q.hindered || !l.seen[a][b].live() || !l.seen[b][a].live() {
		return 1, false
	}
	loss = max(l.lossTo(p.host, q.host, long), l.lossTo(q.host, p.host, long))
	return loss, loss <= passable
}

// shifts says whether an observation is of something that changes which processes can reach each
// other.
func shifts(k ObsKind) bool {
	switch k {
	case Started, Crashed, Departed, Conflicted, Hindered, Free, Laid, Lifted:
		return true
	}
	return false
}
