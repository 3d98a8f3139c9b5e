// Package heartbeat is gossip-style failure detection (van Renesse, Minsky, Hayden 1998).
//
// Each node raises a counter of its own in each period and tells a few random members all the
// counters that it knows, or as many as fit a datagram, in turn (package counter). A member whose
// counter does not rise for T_fail has failed. No member is probed and no answer is waited for, so
// loss costs time alone. But the counters of n members have to reach n members. So either the bytes
// or the time to detect a crash grow with n. Here it is the time.
package heartbeat

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/counter"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Detector is a gossip-style failure detector. It implements detect.Detector.
type Detector struct {
	plane.None
	cfg      Config
	host     detect.Loner
	room     int
	counters *counter.Exchange[struct{}]
	judge    mono.Time // no counter is overdue before; may be too early
	failed   []grave   // with Config.Local, those to be forgotten
}

// grave is a member that this node holds failed, until T_cleanup.
type grave struct {
	id    member.ID
	until mono.Time
}

// New makes a detector whose datagrams hold room bytes of messages.
func New(cfg Config, host detect.Loner, room int, now mono.Time) *Detector {
	cfg = cfg.withDefaults()
	return &Detector{
		cfg: cfg, host: host, room: room, judge: mono.Never,
		counters: counter.New[struct{}](cfg.exchange(room), host, now, nil),
	}
}

// Deadline returns the next moment that the detector needs.
func (d *Detector) Deadline() mono.Time {
	due := min(d.counters.Deadline(), d.judge)
	for i := range d.failed {
		due = min(due, d.failed[i].until)
	}
	return due
}

// Wake does what has fallen due.
func (d *Detector) Wake(now mono.Time) {
	d.counters.Wake(now)
	if d.judge <= now {
		d.expire(now)
	}
	d.cleanUp(now)
}

// failAfter returns T_fail as it is now.
func (d *Detector) failAfter() time.Duration {
	return d.cfg.FailAfter(d.host.Table().Live(),
		d.room)
}

// expire fails the members whose counters have not risen for T_fail.
func (d *Detector) expire(now mono.Time) {
	fail := d.failAfter()
	// a verdict takes its entry out, and puts the last in its place
	for i := len(d.counters.Entries()) - 1; i >= 0; i-- {
		e := d.counters.Entries()[i]
		if now.Sub(e.Risen) < fail {
			continue
		}
		evidence := detect.Evidence{Accuser: d.host.Self(), Span: now.Sub(e.Risen)}
		if d.cfg.Local {
			d.failed = append(d.failed, grave{e.ID, e.Risen.Add(d.cfg.cleanupAfter(fail))})
			d.host.FailHere(now, e.ID, evidence)
		} else {
			d.host.Fail(now, e.ID, evidence)
		}
		d.counters.Drop(e.ID) // of one that the table had let go
	}
	d.judge = mono.Never
	for _, e := range d.counters.Entries() {
		d.judge = min(d.judge, e.Risen.Add(fail))
	}
}

// cleanUp forgets members that have been dead for T_cleanup. Sooner, a node that has not missed the
// counter yet would tell of it, and the dead member would be taken for a new one (section 3 of the
// paper).
func (d *Detector) cleanUp(now mono.Time) {
	for i := 0; i < len(d.failed); {
		if g := d.failed[i]; g.until <= now {
			d.drop(i)
			d.host.Forget(now, g.id)
			continue
		}
		i++
	}
}

func (d *Detector) drop(i int) {
	last := len(d.failed) - 1
	d.failed[i] = d.failed[last]
	d.failed = d.failed[:last]
}

// Receive takes a probing message, and says whether it could be read.
func (d *Detector) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	return t == wire.TypeCounters && d.counters.Receive(now, from, body)
}

// Changed keeps the counters in step with the table. A member that came back has refuted, and
// begins anew.
func (d *Detector) Changed(now mono.Time, before, after member.Member) {
	if d.counters.Changed(now, before, after) {
		d.judge = min(d.judge, now.Add(d.failAfter()))
	}
	if after.State == member.Failed {
		return
	}
	for i := range d.failed {
		if d.failed[i].id == after.ID {
			d.drop(i)
			return
		}
	}
}

// Stalled moves all that is pending by the gap in which this process stood still and heard no
// counters.
func (d *Detector) Stalled(_ mono.Time, gap time.Duration) {
	d.counters.Stalled(gap)
	d.judge = d.judge.Add(gap)
	for i := range d.failed {
		d.failed[i].until = d.failed[i].until.Add(gap)
	}
}

// Accused passes nothing on: each node has counters of its own. The accused is told when it gets
// the next datagram.
func (d *Detector) Accused(mono.Time, member.Member, member.ID) bool { return false }

// Refuted is no sign of anything here.
func (d *Detector) Refuted() {}

// Health is always good: nothing here tells a node's own troubles from the others'.
func (d *Detector) Health() int { return 0 }

// RTT is not known: nothing is answered.
func (d *Detector) RTT() time.Duration { return 0 }
