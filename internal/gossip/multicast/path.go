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
	// of questions that are answered at once, and of questions whose answers may wait for company
	prompt, patient trip

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

	maxBack    = 7                     // doublings of a wait
	maxCompany = 50 * time.Millisecond // that something waits for company
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
func (p *path) heard(now mono.Time, rtt time.Duration, patient bool) {
	p.answered, p.missed, p.back = now, 0, 0
	if patient {
		p.patient.sample(rtt)
	} else {
		p.prompt.sample(rtt)
	}
}

// backOff doubles what is waited for answers, once in that time, if many tries in a row got none:
// then the processors are short of time, and trying sooner makes it worse.
func (p *paths) backOff(now mono.Time, zone uint16, patient bool) {
	w, rto := p.path(zone), p.rto(zone, patient)
	w.missed++
	if w.missed >= flowBusy && w.back < maxBack && now.Sub(w.answered) > rto &&
		now.Sub(w.doubled) > rto {
		w.back, w.doubled = w.back+1, now
	}
}

// rto is how long an answer from a zone is waited for.
func (p *paths) rto(zone uint16, patient bool) time.Duration {
	w := p.path(zone)
	t, least := w.prompt, minWait
	if t.smooth == 0 {
		t.smooth = max(guessNear, p.host.RTT())
		if zone != p.self().Zone() {
			t.smooth = max(guessFar, t.smooth)
		}
	}
	if patient {
		if least = ackDelay; w.patient.smooth > 0 {
			t = w.patient
		}
	}
	return min((t.smooth+max(least, t.smooth/2+time.Millisecond, 4*t.vary))<<w.back, maxRTO)
}

// wait is how long the answer to a leg's next try is waited for: longer than that to the last.
func (p *paths) wait(l *leg) time.Duration {
	t := p.rto(l.zone, l.patient[l.attempt&3])
	class := p.classTo(l.zone)
	growth := time.Duration(policies[class].growth)
	if l.patient[l.attempt&3] && class == 0 {
		growth = 1 // it is not lost, but late
	}
	for range min(l.tries, 8) {
		t += t / growth
	}
	return t
}

// work is how long a delegate that took a span is left alone: it has its own legs to wait for.
func (p *paths) work(l *leg) time.Duration {
	return min(max(4*p.rto(l.zone, l.patient[l.attempt&3]), minWork)+ackDelay, maxWork)
}

// company is how long something waits for company after the last that went to the same peer. As a
// rule that is usual. If this node is busy it is a part of the wait for answers, if that is longer:
// the processors are short of time then, and full datagrams save it.
func (p *paths) company(usual time.Duration) time.Duration {
	if !p.busy() {
		return usual
	}
	return max(usual, min(p.rto(p.self().Zone(), true)/4, maxCompany))
}
