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
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Detector is an Inquest failure detector. It implements detect.Detector, detect.Listener,
// detect.Prober, detect.Lossy and detect.Damper.
type Detector struct {
	plane.None
	cfg    Config
	host   detect.Court
	ring   *topology.Ring
	path   path     // to members of this node's zone
	abroad []abroad // to those of others, the zone that was met last at the end
	seq    uint32

	tick    mono.Time // when the next member is pinged
	watched []watched
	looked  uint64 // changes of the table when the watched were last looked up
	turn    int    // the last of them that was pinged
	ticks   int
	leases  []lease

	alarms    []alarm   // members that do not answer this node
	cases     []inquest // members that this node examines for others
	flaps     []flap
	lately    [heardSlots]heardOne
	roll      roll
	ported    mono.Time // the last port was tried of those that are tried in turn
	sweep     bool      // the ports of all watched are to be tried
	mine      ownPort
	acquitted []spared  // the oldest first
	silences  []silence // other zones that are silent, or were
	examined  mono.Time // the last time that somebody else's word raised an alarm
	isolated  bool
	unheard   bool      // isolated, and others are heard
	cutOff    mono.Time // when the isolation began
	answer    mono.Time // the last answer that came from a live member; 0: none
	heardAt   mono.Time // the last datagram that came from one; 0: none
	health    int

	due     mono.Time // nothing is due before; may be too early
	scratch []byte
}

// New makes a detector; its first ping leaves at a random moment of the first Config.Period, so
// that the nodes of a cluster that starts at once do not ping in step.
func New(cfg Config, host detect.Court, now mono.Time) *Detector {
	d := &Detector{cfg: cfg.withDefaults(), host: host, ring: host.Ring(), turn: -1}
	d.tick = now.Add(time.Duration(host.Rand().Int64N(int64(d.cfg.Period))))
	d.seq = host.Rand().Uint32()
	d.due = d.tick
	d.mine.taken = now.Add(-ownQuiet / 2)
	return d
}

// Deadline returns the next moment that the detector needs.
func (d *Detector) Deadline() mono.Time { return d.due }

// soon makes the detector wake by a moment.
func (d *Detector) soon(t mono.Time) { d.due = min(d.due, t) }

// Wake does what has fallen due.
func (d *Detector) Wake(now mono.Time) {
	d.due = mono.Never
	if d.tick <= now {
		d.ping(now)
	}
	d.soon(d.tick)
	d.missAcks(now)
	d.missPings(now)
	d.stepAlarms(now)
	d.stepCases(now)
}

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
			d.promised(now, from, m.Next)
			if m.Next != 0 && d.wantsTry(now, from.ID) {
				d.send(now, from, wire.AppendAckTry(d.scratch[:0], m.Seq))
			} else {
				d.send(now, from, wire.AppendAck(d.scratch[:0], m.Seq))
			}
		}
	case wire.TypeAck:
		var seq uint32
		if seq, ok = wire.ReadSeq(body); ok {
			d.answers(now, from, seq)
			d.acked(now, from, seq)
			if wire.AckTries(body) {
				d.tryAsked(now, from)
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
		d.note(now, from.ID)
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
		d.flapped(now, after.ID)
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
		d.watchArrival(now, after)
	}
}

// Stalled moves what is pending by the gap in which this process stood still, and begins its own
// alarms anew, so that it blames nobody for answers that it was not there to hear. Round trips
// under way would measure the stall.
func (d *Detector) Stalled(_ mono.Time, gap time.Duration) {
	if d.cfg.NoStallShift {
		return
	}
	d.tick = d.tick.Add(gap)
	for i := range d.watched {
		d.watched[i].due = d.watched[i].due.Add(gap)
		d.watched[i].sent = mono.Never
	}
	for i := range d.leases {
		d.leases[i].due = d.leases[i].due.Add(gap)
	}
	for i := range d.alarms {
		d.alarms[i].restart()
	}
	for i := range d.cases {
		d.cases[i].shift(gap)
	}
	for i := range d.silences {
		d.silences[i].since = d.silences[i].since.Add(gap)
	}
	d.mine.taken, d.mine.asked = d.mine.taken.Add(gap), d.mine.asked.Add(gap)
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

// send passes a message on, and keeps its memory for the next.
func (d *Detector) send(now mono.Time, to detect.Peer, message []byte) {
	d.scratch = message[:0]
	d.host.Send(now, to, message)
}

// probe sends a ping that promises nothing.
func (d *Detector) probe(now mono.Time, to detect.Peer) {
	d.seq++
	d.send(now, to, wire.AppendPing(d.scratch[:0], d.seq))
}

// jitter returns a time within a share of d, given in percent.
func (d *Detector) jitter(t time.Duration, percent int64) time.Duration {
	return t + time.Duration((d.host.Rand().Int64N(2*percent+1)-percent)*int64(t)/100)
}

// outOfFamily says whether nothing can be sent to a member from here: others watch it and examine
// it.
func (d *Detector) outOfFamily(id member.ID) bool {
	t := d.host.Table()
	if t.Served() == t.Live() {
		return false
	}
	m, ok := t.Get(id)
	return ok && m.OutOfFamily
}

// current returns the table's member for a peer, if it lives there in the same life.
func (d *Detector) current(p detect.Peer) (member.Member, bool) {
	m, ok := d.host.Table().Get(p.ID)
	return m, ok && m.State.Live() && m.Instance() == p.Instance
}
