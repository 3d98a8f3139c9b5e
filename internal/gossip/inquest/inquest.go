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
// The words are those of a court, in this package alone:
//
//	case             a suspicion under examination
//	accuser          the node that suspects a member
//	juror, jury      a helper that examines the accused too; the helpers of one case
//	inquiry, finding the request to a helper, and its answer
//	guilty, acquit   a helper confirms that the member is silent, or denies it
//	verdict          a confirmed failure
//	grace            the suspicion time-out
//	witness          a helper in the zone of the accused
//	spared           skipped: a jury acquitted the member lately
//	barred           excluded: no case of the member may be raised for a moment
//	tenant           the current owner of an address
//
// A Detector composes these parts. Each has its own state and methods, and calls only parts that
// stand below it here. The watch and the roll hand what they miss to a docket, the accuser.
//
//	watch      watch.go, links.go       the members that this node pings in turn, and leases
//	ports      port.go                  whether TCP gets through to them
//	ownPort    ownport.go               whether TCP gets through to this node
//	bench      juror.go, bench.go       the cases in which this node helps
//	accuser    accuser.go, hold.go      the cases of this node
//	rules      verdict.go               whether the votes suffice
//	alarm      alarm.go                 one case of the accuser
//	jury       jury.go, witness.go      the helpers of one case
//	roll       roll.go                  the members that are left where many die at once
//	silences   silence.go               other zones that are silent as a whole
//	isolation  isolation.go             whether this node is alone
//	kernel     evidence.go              what a member's host says of its process
//	flaps      damp.go                  members that come and go, which are granted more
//	lately     heard.go                 members that were heard lately
//	sparing    spared.go                members that a jury acquitted
//	env        env.go, path.go          what all stand on: the node, sequences, round trips
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

	watch   watch
	ports   ports
	mine    ownPort
	accuser accuser
	bench   bench

	zones  silences
	roll   roll
	alone  isolation
	flaps  flaps
	lately lately

	examined mono.Time // the last time that somebody else's word raised an alarm
	health   int
}

// New makes a detector; its first ping leaves at a random moment of the first Config.Period, so
// that the nodes of a cluster that starts at once do not ping in step.
func New(cfg Config, host detect.Court, now mono.Time) *Detector {
	d := &Detector{env: env{cfg: cfg.withDefaults(), host: host, ring: host.Ring()}}
	e := &d.env
	tick := now.Add(time.Duration(host.Rand().Int64N(int64(d.cfg.Period))))
	d.seq = host.Rand().Uint32()
	d.due = tick
	d.flaps.usual = d.cfg.Grace
	d.zones = silences{env: e}
	d.roll = roll{env: e, zones: &d.zones}
	d.alone = isolation{env: e}
	d.watch = watch{env: e, tick: tick, turn: -1}
	d.ports = ports{env: e}
	d.mine = ownPort{env: e, taken: now.Add(-ownQuiet / 2)}
	d.accuser = accuser{
		env: e, zones: &d.zones, roll: &d.roll, alone: &d.alone, lately: &d.lately,
		rules: rules{env: e, flaps: &d.flaps, zones: &d.zones},
		pool:  pool{env: e, zones: &d.zones, lately: &d.lately, accused: d.accuser.accuses},
	}
	d.bench = bench{env: e, flaps: &d.flaps, storm: &d.accuser}
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
	d.watch.missAcks(now, &d.accuser)
	d.watch.missPings(now, &d.accuser)
	d.accuser.turn(now)
	d.bench.turn(now)
}

// period does what is done once in a Config.Period.
func (d *Detector) period(now mono.Time) {
	d.watch.begin(now)
	d.accuser.repeatSilences(now)
	d.alone.check(now, d.accuser.cut(now, d.watch.watched), len(d.watch.watched))
	d.roll.turn(now, d.accuser.alarms.stuck(), &d.accuser)
	d.roll.tell(now, d.accuser.unjudged())
	if len(d.accuser.alarms) == 0 {
		d.ports.turn(now, d.watch.watched)
	}
	d.health = d.bench.silent(now, 8, 0)
	d.watch.ping(now)
}

// quiet says whether nobody is examined.
func (d *Detector) quiet() bool { return len(d.accuser.alarms)+len(d.bench.cases) == 0 }

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
			d.bench.inquired(now, from, m)
		}
	case wire.TypeSilence:
		var m wire.Silence
		if m, ok = wire.ReadSilence(body); ok {
			d.accuser.toldOf(now, m)
		}
	case wire.TypeFinding:
		var m wire.Finding
		if m, ok = wire.ReadFinding(body); ok {
			d.found(now, from, m)
		}
	}
	return ok
}

// answers takes in that a member answered something that was sent to it lately: it hears.
func (d *Detector) answers(now mono.Time, from plane.Peer, seq uint32) {
	if _, ok := d.current(from); ok && d.sent(seq, d.seq-maxPending) {
		d.alone.answer = now
	}
	d.accuser.answers(now, from, seq)
	d.bench.answers(now, from, seq)
}

// found takes a juror's word, which is an answer of the juror, too.
func (d *Detector) found(now mono.Time, from plane.Peer, m wire.Finding) {
	if d.accuser.asked(from.ID, m.Seq) {
		d.answers(now, from, m.Seq)
		d.accuser.found(now, from.ID, m)
	}
}

// Heard takes in that the sender of a datagram lives.
func (d *Detector) Heard(now mono.Time, from plane.Peer) {
	// a later life that is not let in is no sign of the one that is a member
	if _, ok := d.current(from); ok {
		d.lately.note(now, from.ID)
		d.alone.heard = now
		if d.roll.listens() {
			d.roll.present(now, from.ID)
		}
		if len(d.accuser.alarms)+len(d.zones.list) > 0 {
			d.accuser.zoneHeard(now, from.ID)
		}
	}
	d.accuser.heard(now, from)
	d.bench.heard(now, from)
	if !d.cfg.NoKernel {
		d.accuser.tenant(now, from)
		d.bench.tenant(now, from)
	}
}

// Connected takes what came of a Connect.
func (d *Detector) Connected(now mono.Time, to plane.Peer, o detect.Outcome) {
	d.ports.answered(d.watch.watched, to, o)
	d.accuser.connected(now, to, o)
	d.bench.connected(now, to, o)
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
		d.accuser.lookAround(now, &after)
	}
	if len(d.roll.absent) > 0 && !after.State.Live() {
		d.roll.present(now, after.ID)
	}
	over := !after.State.Live() || before.ID == 0 || before.Generation() != after.Generation()
	if !over && (before.Addr() != after.Addr() || before.OutOfFamily != after.OutOfFamily) {
		is := plane.PeerOf(&after)
		d.watch.moved(is)
		d.accuser.moved(is)
		d.bench.moved(is, after.OutOfFamily)
	}
	if !over && after.Incarnation != before.Incarnation {
		d.accuser.lives(now, after.ID)
		d.bench.lives(now, after.ID)
	}
	if over {
		d.accuser.drop(after.ID)
		d.bench.drop(after.ID)
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
	d.accuser.restart()
	d.bench.shift(gap)
	d.zones.shift(gap)
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
		!d.accuser.accuse(now, plane.PeerOf(&m), now) {
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

// Broken returns the live members that do not answer this node, and that others hear: the paths
// between them and this node are broken.
func (d *Detector) Broken(now mono.Time) []member.ID { return d.accuser.broken(now) }

// Damped returns how long a member may be silent, how long others may, and how many of its returns
// are not forgiven.
func (d *Detector) Damped(now mono.Time, id member.ID) (grace, usual time.Duration, returns int) {
	return d.flaps.grace(now, id), d.cfg.Grace, d.flaps.returns(now, id)
}
