// Package inquest is a failure detector that accuses in private, convenes a small jury that
// examines the accused at once, and publishes only a verdict.
//
// SWIM accuses in public and waits for the accused to hear of it. Here evidence replaces waiting: a
// member that does not answer one node is examined by seven others; one that hears from it acquits
// it, and otherwise more than half of them have to vote against it. The chance of failing a live
// member falls exponentially with the size of the jury, at a cost that does not grow with the
// cluster, and the time to a verdict is the grace that the user grants a silent member plus about a
// third of a second.
//
// One file holds one rule: watch.go pings with a promise; alarm.go is what happens when an answer
// is missed; jury.go asks others; juror.go is asked by others; verdict.go counts the votes;
// evidence.go has the host's kernel testify; port.go and ownport.go are whether TCP gets through,
// to others and from them; doubt.go is when not to believe oneself, and damps members that come and
// go; deaf.go is about members that send and do not hear; path.go knows how long answers take and
// how many are lost; mass.go is about many that die at once; zones.go is which members watch and
// which examines across zones; silence.go is a zone that is silent as a whole.
package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Detector is an Inquest failure detector. It implements detect.Detector, detect.Listener,
// detect.Prober, detect.Lossy and detect.Damper.
type Detector struct {
	plane.None
	env

	watch watch
	ports ports
	mine  ownPort

	alarms    []alarm   // members that do not answer this node
	cases     []inquest // members that this node examines for others
	flaps     flaps
	lately    lately
	roll      roll
	acquitted sparing
	silences  []silence // other zones that are silent, or were
	examined  mono.Time // the last time that somebody else's word raised an alarm
	isolated  bool
	unheard   bool      // isolated, and others are heard
	cutOff    mono.Time // when the isolation began
	answer    mono.Time // the last answer that came from a live member; 0: none
	heardAt   mono.Time // the last datagram that came from one; 0: none
	health    int
}

// New makes a detector; its first ping leaves at a random moment of the first Config.Period, so
// that the nodes of a cluster that starts at once do not ping in step.
func New(cfg Config, host detect.Court, now mono.Time) *Detector {
	d := &Detector{env: env{cfg: cfg.withDefaults(), host: host, ring: host.Ring()}}
	d.watch = watch{env: &d.env, turn: -1}
	d.ports = ports{env: &d.env}
	d.mine = ownPort{env: &d.env, taken: now.Add(-ownQuiet / 2)}
	d.flaps.usual = d.cfg.Grace
	d.watch.tick = now.Add(time.Duration(host.Rand().Int64N(int64(d.cfg.Period))))
	d.seq = host.Rand().Uint32()
	d.due = d.watch.tick
	return d
}

// Deadline returns the next moment that the detector needs.
func (d *Detector) Deadline() mono.Time { return d.due }

// Wake does what has fallen due.
func (d *Detector) Wake(now mono.Time) {
	d.due = mono.Never
	if d.watch.tick <= now {
		d.period(now)
	}
	d.soon(d.watch.tick)
	d.watch.missAcks(now, d)
	d.watch.missPings(now, d)
	d.stepAlarms(now)
	d.stepCases(now)
}

// period does what is done once in a Config.Period.
func (d *Detector) period(now mono.Time) {
	d.watch.begin(now)
	d.repeatSilences(now)
	d.checkIsolation(now)
	d.callTheRoll(now)
	if len(d.alarms) == 0 {
		d.ports.turn(now, d.watch.watched)
	}
	d.health = d.silent(now, 8, 0)
	d.watch.ping(now)
}

// quiet says whether nobody is examined.
func (d *Detector) quiet() bool { return len(d.alarms)+len(d.cases) == 0 }

// Receive takes a probing message, and says whether it could be read.
func (d *Detector) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	switch t {
	case wire.TypePing:
		var seq uint32
		if seq, ok = wire.ReadSeq(body); ok {
			d.send(now, from, wire.AppendAck(d.scratch[:0], seq))
		}
	case wire.TypeLease:
		var m wire.Lease
		if m, ok = wire.ReadLease(body); ok {
			d.watch.promised(now, from, m.Next, d.quiet())
			if m.Next != 0 && d.mine.asks(now, from.ID, len(d.watch.leases)) {
				d.send(now, from, wire.AppendAckTry(d.scratch[:0], m.Seq))
			} else {
				d.send(now, from, wire.AppendAck(d.scratch[:0], m.Seq))
			}
		}
	case wire.TypeAck:
		var seq uint32
		if seq, ok = wire.ReadSeq(body); ok {
			d.answers(now, from, seq)
			d.watch.acked(now, from, seq, d.quiet())
			if wire.AckTries(body) {
				d.ports.asked(now, d.watch.watched, from)
			}
		}
	case wire.TypeInquiry:
		var m wire.Inquiry
		if m, ok = wire.ReadInquiry(body); ok {
			d.inquired(now, from, m)
		}
	case wire.TypeSilence:
		var m wire.Silence
		if m, ok = wire.ReadSilence(body); ok {
			d.toldOf(now, m)
		}
	case wire.TypeFinding:
		var m wire.Finding
		if m, ok = wire.ReadFinding(body); ok {
			d.found(now, from, m)
		}
	}
	return ok
}

// Heard takes in that whoever sent a datagram lives.
func (d *Detector) Heard(now mono.Time, from detect.Peer) {
	// a later life that is not let in is no sign of the one that is a member
	if _, ok := d.current(from); ok {
		d.lately.note(now, from.ID)
		d.heardAt = now
		if d.roll.end != 0 || len(d.roll.absent) > 0 {
			d.present(now, from.ID)
		}
		if len(d.alarms)+len(d.silences) > 0 {
			d.heardOf(now, from.ID)
		}
	}
	if i := d.alarmOf(from.ID); i >= 0 && d.alarms[i].peer.Instance == from.Instance {
		d.alarms[i].hear(now)
	}
	if i := d.caseOf(from.ID); i >= 0 && d.cases[i].peer.Instance == from.Instance {
		d.hear(now, &d.cases[i])
	}
	d.tenant(now, from)
}

// Changed closes what the news of a member settles: it is dead or gone, in another life, or has
// raised its incarnation, which it does only while it lives.
func (d *Detector) Changed(now mono.Time, before, after member.Member) {
	if before.ID != 0 && before.State == member.Failed && after.State == member.Alive &&
		before.Generation() == after.Generation() {
		d.flaps.note(now, after.ID)
	}
	if before.ID != 0 && before.State.Live() && after.State == member.Failed &&
		after.Cause != member.CauseForgotten {
		d.lookAround(now, &after)
	}
	if len(d.roll.absent) > 0 && !after.State.Live() {
		d.present(now, after.ID)
	}
	over := !after.State.Live() || before.ID == 0 || before.Generation() != after.Generation()
	if !over && (before.Addr() != after.Addr() || before.OutOfFamily != after.OutOfFamily) {
		d.moved(&after)
	}
	if !over && after.Incarnation != before.Incarnation {
		d.lives(now, after.ID)
	}
	if i := d.alarmOf(after.ID); over && i >= 0 {
		d.dropAlarm(i)
	}
	if i := d.caseOf(after.ID); over && i >= 0 {
		d.dropCase(i)
	}
	if after.State.Live() && (before.ID == 0 || !before.State.Live() || over) {
		d.watch.arrival(now, after)
	}
}

// Stalled moves what is pending by the gap in which this process stood still, and begins its own
// alarms anew, so that it blames nobody for answers that it was not there to hear. Round trips
// under way would measure the stall.
func (d *Detector) Stalled(_ mono.Time, gap time.Duration) {
	if d.cfg.NoStallShift {
		return
	}
	d.watch.shift(gap)
	for i := range d.alarms {
		d.alarms[i].restart()
	}
	for i := range d.cases {
		d.cases[i].shift(gap)
	}
	for i := range d.silences {
		d.silences[i].since = d.silences[i].since.Add(gap)
	}
	d.mine.shift(gap)
	d.due = 0
}

// Accused has the member examined: this detector takes nobody's word, and passes none on.
func (d *Detector) Accused(now mono.Time, m member.Member, _ member.ID) bool {
	d.Examine(now, m.ID)
	return false
}

// Examine raises an alarm about a member that others hold dead, at most one in 20 ms: after a
// partition their old news may come about hundreds at once.
func (d *Detector) Examine(now mono.Time, id member.ID) bool {
	const pace = 20 * time.Millisecond
	m, ok := d.host.Table().Get(id)
	if !ok || id == d.host.Self() || d.examined != 0 && now.Sub(d.examined) < pace ||
		!d.accuse(now, detect.PeerOf(&m), now) {
		return false
	}
	d.examined = now
	return true
}

// Refuted is no sign of anything here: a verdict is reached by many.
func (d *Detector) Refuted() {}

// Health returns how many members seem silent to this node, at most 8. Some are always dead; many
// mean that it is this node that does not hear.
func (d *Detector) Health() int { return d.health }

// RTT returns the smoothed round-trip time of pings.
func (d *Detector) RTT() time.Duration { return d.path.smooth }

// Losses returns the share of this node's round trips that fail.
func (d *Detector) Losses() (failed, of int) { return d.path.lost, one }

// Taken takes in that somebody came to this node's own port.
func (d *Detector) Taken(now mono.Time) { d.mine.came(now) }

// OwnFiltered says whether nobody comes to this node's own port, though others were asked to try
// it.
func (d *Detector) OwnFiltered(now mono.Time) bool { return d.mine.filtered(now) }

// Filtered returns of how many watched members the TCP port is filtered, and how many are watched.
func (d *Detector) Filtered(now mono.Time) (filtered, of int) {
	return d.ports.filtered(now, d.watch.watched), len(d.watch.watched)
}

// Port returns what is known of a member's TCP port, if it is watched.
func (d *Detector) Port(now mono.Time, id member.ID) detect.Port {
	return d.ports.state(now, d.watch.watched, id)
}
