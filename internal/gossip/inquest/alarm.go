package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// The alarm, which is private. A member that missed one answer is pinged again and again at the
// pace of round trips: nearly always the packet was lost, and nobody else needs to hear of it. When
// as many in a row failed as chance alone makes fail in 3 of 1,000 cases, a jury is asked. An
// answer of the member ends the alarm. Any other datagram of it shows that it lives, and begins its
// silence anew, but not that it hears (deaf.go).

// alarm is about one member.
type alarm struct {
	peer   detect.Peer
	start  mono.Time // of the silence; mono.Never: from the next step on
	since  mono.Time // when the first ping left that was not answered; mono.Never: the same
	heard  mono.Time // the last datagram that was no answer; 0: none
	next   mono.Time // step
	resend mono.Time // the next ping
	pings  int       // that were not answered, since the silence began
	vain   int       // the same since the alarm began
	first  uint32    // the sequence of the alarm's first ping
	barred mono.Time // acquitted: nothing is done before, and then it is over; 0: not acquitted
	kernel kernel
	jury   jury

	shown       bool // to the user
	unreachable bool
	held        bool // condemned, or unreachable, while nobody of its zone is heard
}

// restart forgets all that is held against the member.
func (a *alarm) restart() {
	if a.barred == 0 {
		a.start, a.since, a.heard, a.next, a.resend, a.pings, a.vain = mono.Never, mono.Never, 0, 0, 0, 0, 0
		a.kernel, a.jury, a.held = kernel{}, jury{}, false
	}
}

func (d *Detector) alarmOf(id member.ID) int {
	for i := range d.alarms {
		if d.alarms[i].peer.ID == id {
			return i
		}
	}
	return -1
}

// accuse raises an alarm, unless there is one.
func (d *Detector) accuse(now mono.Time, p detect.Peer, since mono.Time) bool {
	return d.accuseFor(now, p, since, d.seq+1)
}

// accuseFor is accuse for a member that did not answer the ping of a sequence, or will not.
func (d *Detector) accuseFor(now mono.Time, p detect.Peer, since mono.Time, first uint32) bool {
	if len(d.alarms) >= maxAlarms || d.alarmOf(p.ID) >= 0 || d.outOfFamily(p.ID) {
		return false
	}
	a := alarm{peer: p, start: since, since: since, first: first, next: now, resend: now}
	if since < now {
		a.pings, a.vain = 1, 1
	}
	d.alarms = append(d.alarms, a)
	d.soon(now)
	return true
}

// dropAlarm forgets an alarm; the last one takes its place.
func (d *Detector) dropAlarm(i int) {
	last := len(d.alarms) - 1
	d.alarms[i] = d.alarms[last]
	d.alarms[last] = alarm{}
	d.alarms = d.alarms[:last]
	if last == 0 && cap(d.alarms) > 16 {
		d.alarms = nil // give back what a storm took
	}
}

// answered ends an alarm well. The pings that got no answer tell how many are lost, but for those
// that a process did not answer because it stood still.
func (d *Detector) answered(now mono.Time, i int) {
	a := d.alarms[i]
	d.dropAlarm(i)
	d.acquitted.drop(a.peer.ID)
	const most = 8 // one long silence does not make a lossy network
	if a.kernel.welcome == 0 && a.barred == 0 {
		d.way(a.peer.ID).count(min(max(a.vain-1, 0), most), 1)
	}
	if a.unreachable {
		d.seekJurors(now)
	}
	d.calm(now, &a)
}

// seekJurors has the juries of all who cannot be reached drawn anew at once: somebody is back, so
// jurors may be, too. Hopeless cases are held seldom, the more seldom the longer they last.
func (d *Detector) seekJurors(now mono.Time) {
	for i := range d.alarms {
		if a := &d.alarms[i]; a.unreachable {
			d.drawAnew(now, a)
		}
	}
}

// drawAnew has a jury drawn anew at once.
func (d *Detector) drawAnew(now mono.Time, a *alarm) {
	if a.jury.convened() {
		a.jury.ranked, a.jury.poll, a.next = forced, now, now
		d.soon(now)
	}
}

// calm takes back what the user was told.
func (d *Detector) calm(now mono.Time, a *alarm) {
	if a.shown {
		d.host.Alarm(now, a.peer.ID, false)
	}
	if a.unreachable {
		d.host.Unreachable(now, a.peer.ID, false)
	}
	if len(d.roll.absent) > 0 {
		d.present(now, a.peer.ID)
	}
	a.shown, a.unreachable = false, false
}

// stepAlarms goes on with all that are due. A verdict and a closed alarm leave the list.
func (d *Detector) stepAlarms(now mono.Time) {
	for i := 0; i < len(d.alarms); {
		a := &d.alarms[i]
		if a.next > now {
			d.soon(a.next)
			i++
			continue
		}
		m, ok := d.current(a.peer)
		if ok && m.OutOfFamily { // it moved there
			d.calm(now, a)
		}
		if !ok || a.barred != 0 || m.OutOfFamily {
			d.dropAlarm(i)
			continue
		}
		d.step(now, a)
		if d.judge(now, i) {
			continue
		}
		d.soon(d.alarms[i].next)
		i++
	}
}

// step pings, asks the kernel, and asks the jury.
func (d *Detector) step(now mono.Time, a *alarm) {
	a.start, a.since = min(a.start, now), min(a.since, now)
	age := now.Sub(a.start)
	waits := d.waits(now, a)
	a.held = a.held && (waits || d.mute(now, a)) // or somebody of its zone is heard again
	if !d.cfg.NoJury && !a.jury.convened() && !waits &&
		(a.kernel.denied() || a.resend <= now && d.doubtful(now, a, age)) {
		d.convene(now, a)
	}
	if a.resend <= now {
		pace := d.way(a.peer.ID).timeout(&d.cfg)
		if a.sends(now, &d.cfg) {
			pace = d.deafPace(now, a, pace)
		} else if a.kernel.hopeless(age, &d.cfg) {
			pace = max(pace, d.cfg.Period) // it costs no more than a healthy one
		}
		if waits {
			// several members are pinged, so the end of the silence is heard soon
			pace = 2 * d.cfg.Period
		}
		a.resend = now.Add(d.jitter(pace, 10))
		a.pings++
		a.vain++
		d.probe(now, a.peer)
		if !waits {
			a.kernel.try(now, &d.env, a.peer)
		}
	}
	a.next = a.resend
	if a.jury.convened() {
		if a.jury.poll <= now {
			d.pollJury(now, a)
		}
		a.next = min(a.next, a.jury.poll)
	}
	d.show(now, a, age)
}

// doubtful says whether so many pings failed that it is time for a jury.
func (d *Detector) doubtful(now mono.Time, a *alarm, age time.Duration) bool {
	attempts := d.way(a.peer.ID).attempts(&d.cfg)
	if a.sends(now, &d.cfg) {
		return now.Sub(a.since) >= d.cfg.DeafGrace/2 && a.vain >= attempts &&
			!d.acquitted.has(now, a.peer.ID)
	}
	return a.pings >= attempts || a.pings >= 3 && age >= d.cfg.Grace/2
}

// show tells the user of a member that may be gone: early, but not of what a single lost packet
// explains.
func (d *Detector) show(now mono.Time, a *alarm, age time.Duration) {
	late := age >= d.cfg.Grace/2
	switch {
	case a.heard != 0 && age >= d.cfg.Grace:
		// it was heard meanwhile, so more than that was lost already
	case a.heard != 0:
		late = a.jury.convened() && now.Sub(a.since) >= d.cfg.DeafGrace/2
	}
	if !a.shown && (a.kernel.denied() || late) {
		a.shown = true
		d.host.Alarm(now, a.peer.ID, true)
	}
	if !a.unreachable && a.jury.convened() && now.Sub(a.jury.quorum) >= d.cfg.patience() {
		a.unreachable = true
		d.host.Unreachable(now, a.peer.ID, true)
	}
	if a.unreachable && d.mute(now, a) {
		d.hold(now, a)
	}
}
