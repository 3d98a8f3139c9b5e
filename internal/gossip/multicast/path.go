package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// path is how long answers from a zone take (RFC 6298). A Confirm names the attempt that it
// answers, so no sample is ambiguous and Karn's rule is not needed. An answer that comes late,
// after another try, counts as well, as in RFC 3522: so the wait grows with a shortage of
// processors instead of taking it for losses.
type path struct {
	// of questions that are answered at once, and of those whose answers may wait to share a
	// datagram
	prompt, delayed trip
	least           time.Duration // round trip of late: what the way itself takes
	leastAt         mono.Time

	answered mono.Time // when the last answer came
	missed   int       // first tries since then that none came to in time
	back     uint8     // how often the wait was doubled since then
	doubled  mono.Time // when it was
}

// trip is a smoothed round trip, and how much it varies.
type trip struct{ smooth, vary time.Duration }

const (
	minWait   = 1500 * time.Microsecond // that an answer is given beyond the round trip, at least
	minWork   = 10 * time.Millisecond
	maxWork   = time.Second
	maxRTO    = 2 * time.Second
	guessNear = time.Millisecond       // a round trip before any was measured
	guessFar  = 200 * time.Millisecond // the same to another zone

	maxBack       = 7                     // doublings of a wait
	maxBatchDelay = 50 * time.Millisecond // that something waits to share a datagram

	// Round trips from longTrip on are worth waiting: a part of one saves many datagrams.
	longTrip = 20 * time.Millisecond
	leastFor = time.Minute // the least round trip is of that time
	ackTrips = 12          // round trips for which a confirmation waits there, up to maxAck
	maxAck   = 3 * time.Second
	ackMany  = 16 // confirmations that do not wait that long
	// hundredths of a round trip for which an origin collects what it sends, so that what is
	// published comes within one; and for which a hub does, so that it comes within two
	gatherOwn, gatherHub = 45, 80
)

func (p *trip) sample(rtt time.Duration) {
	if p.smooth == 0 {
		p.smooth, p.vary = rtt, rtt/2
		return
	}
	p.vary += ((rtt - p.smooth).Abs() - p.vary) / 4
	p.smooth += (rtt - p.smooth) / 8
}

// paths are those to this node's zone and to the others, of which some share one if they are very
// many.
type paths struct {
	*env
	flow      flow
	near, far lossMeter
	silence   silence
	inside    path
	outside   []farPath
}

type farPath struct {
	zone uint16
	path
}

const maxPaths = 64

func (p *paths) path(zone uint16) *path {
	if zone == p.self().Zone() {
		return &p.inside
	}
	all := p.outside
	for i := range all {
		if all[i].zone == zone {
			return &all[i].path
		}
	}
	if len(all) == maxPaths {
		return &all[zone%maxPaths].path
	}
	p.outside = append(all, farPath{zone: zone})
	return &p.outside[len(all)].path
}

// heard takes in how long an answer took.
func (p *path) heard(now mono.Time, rtt time.Duration, delayed bool) {
	p.answered, p.missed, p.back = now, 0, 0
	if delayed {
		p.delayed.sample(rtt)
	} else {
		p.prompt.sample(rtt)
	}
	if old := p.least == 0 || now.Sub(p.leastAt) > leastFor; rtt < p.least || old && !delayed {
		p.least, p.leastAt = rtt, now
	}
}

// backOff doubles what is waited for answers, once in that time, if many tries in a row got none:
// then the processors are short of time, and trying sooner makes it worse.
func (p *paths) backOff(now mono.Time, zone uint16, delayed bool) {
	w, rto := p.path(zone), p.rto(zone, delayed)
	w.missed++
	if w.missed >= flowBusy && w.back < maxBack && now.Sub(w.answered) > rto &&
		now.Sub(w.doubled) > rto {
		w.back, w.doubled = w.back+1, now
	}
}

// rto is how long an answer from a zone is waited for.
func (p *paths) rto(zone uint16, delayed bool) time.Duration {
	w := p.path(zone)
	t, least := w.prompt, minWait
	if t.smooth == 0 {
		t.smooth = max(guessNear, p.host.RTT())
		if zone != p.self().Zone() {
			t.smooth = max(guessFar, t.smooth)
		}
	}
	most := maxRTO
	if delayed {
		least = p.ackWait(zone) + p.trip(zone)/2
		if most += least; w.delayed.smooth > 0 {
			t = w.delayed
		}
	}
	return min((t.smooth+max(least, t.smooth/2+time.Millisecond, 4*t.vary))<<w.back, most)
}

// wait is how long the answer to a leg's next try is waited for: longer than that to the last.
func (p *paths) wait(l *leg) time.Duration {
	t := p.rto(l.zone, l.mayDelayAck[l.attempt&3])
	class := p.classTo(l.zone)
	growth := time.Duration(policies[class].growth)
	if l.mayDelayAck[l.attempt&3] && class == 0 {
		growth = 1 // it is not lost, but late
	}
	for range min(l.tries, 8) {
		t += t / growth
	}
	return t
}

// work is how long a delegate that took a span is left alone: it has its own legs to wait for.
func (p *paths) work(l *leg) time.Duration {
	return min(max(4*p.rto(l.zone, l.mayDelayAck[l.attempt&3]), minWork)+ackDelay, maxWork) +
		p.ackWait(l.zone) - ackDelay
}

// batchDelay is how long something waits to share a datagram after the last that went to the same
// peer. As a rule that is usual. If this node is busy it is a part of the wait for answers, if that
// is longer: the processors are short of time then, and full datagrams save it.
func (p *paths) batchDelay(usual time.Duration) time.Duration {
	// where ways are long, that answers take long tells nothing
	if !p.busy() || p.inside.back == 0 && p.trip(p.self().Zone()) >= longTrip {
		return usual
	}
	return max(usual, min(p.rto(p.self().Zone(), true)/4, maxBatchDelay))
}

// isLong says whether round trips to a zone are so long that waiting to share a datagram pays.
// That is so in this node's zone alone, and only while nothing gets lost: a node that hears late of
// a loss mends it late. Between zones each datagram counts for many members.
func (p *paths) isLong(zone uint16) bool {
	if zone != p.self().Zone() || p.trip(zone) < longTrip || p.class() > 0 {
		return false
	}
	failed, of := p.host.Losses()
	return p.near.share < percent/2 && 200*failed <= of
}

// trip is how long a round trip to a zone takes at least; 0: that is not known. Where processors
// are short of time answers take longer, but a node that waits then has even more to do at once.
func (p *paths) trip(zone uint16) time.Duration {
	t := p.path(zone).least
	if t == 0 && zone == p.self().Zone() {
		t = p.host.RTT()
	}
	return t
}

// ackWait is how long a confirmation that may wait does so, if few wait. On long ways it is several
// round trips: then most ride on what this node sends there anyway.
func (p *paths) ackWait(zone uint16) time.Duration {
	if !p.isLong(zone) {
		return ackDelay
	}
	return max(ackDelay, min(ackTrips*p.trip(zone), maxAck))
}

// gather is how long the root of parcels collects what becomes one: where ways are long and many
// parcels come, so many hundredths of a round trip.
func (p *paths) gather(hundredths time.Duration) time.Duration {
	if !p.busy() || !p.isLong(p.self().Zone()) {
		return 0
	}
	return p.trip(p.self().Zone()) * hundredths / 100
}

// sharing says whether others publish so much that a hub pays.
func (p *paths) sharing() bool { return max(p.flow.others, p.flow.lastOthers) >= p.cfg.Share }
