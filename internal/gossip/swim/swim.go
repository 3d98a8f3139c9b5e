// Package swim is the failure detector SWIM (Das, Gupta, Motivala 2002) with Lifeguard's extensions
// (Dadgar, Phillips, Currey 2018).
//
// In each protocol period a node pings one member. If no ack comes in the time that round trips
// take, it asks k others to ping for it. If none comes by the period's end, it suspects the member
// in public; the suspect refutes with a higher incarnation, or is failed when the suspicion times
// out. The load on each node and the time to the first detection do not depend on the size of the
// cluster.
package swim

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Detector is a SWIM failure detector. It implements detect.Detector.
type Detector struct {
	plane.None
	cfg  Config
	host detect.Host
	rtt  rtt

	order []member.ID // the round under way, shuffled
	next  int         // in order
	probe probe
	tick  mono.Time // when the next period begins
	seq   uint32

	suspicions suspicions
	relays     []relay
	health     int // Lifeguard's local health multiplier, 0 to maxHealth
	scratch    []byte
}

// probe is the one under way; target.ID is 0 if there is none.
type probe struct {
	target   plane.Peer
	seq      uint32
	sent     mono.Time
	rto      mono.Time // when to ask others; mono.Never after that
	end      mono.Time // when to give up
	expected int       // nacks that healthy helpers would send
	nacks    int
}

// New makes a detector; its first period begins at a random moment of the first Config.Period, so
// that the nodes of a cluster that starts at once do not probe in step.
func New(cfg Config, host detect.Host, now mono.Time) *Detector {
	d := &Detector{cfg: cfg.withDefaults(), host: host, suspicions: suspicions{next: mono.Never}}
	d.tick = now.Add(time.Duration(host.Rand().Int64N(int64(d.cfg.Period))))
	d.seq = host.Rand().Uint32()
	return d
}

// Health returns Lifeguard's local health multiplier, from 0 (good) to 8.
func (d *Detector) Health() int { return d.health }

// RTT returns the smoothed round-trip time of direct pings.
func (d *Detector) RTT() time.Duration { return d.rtt.smooth }

// Deadline returns the next moment that the detector needs.
func (d *Detector) Deadline() mono.Time {
	due := min(d.tick, d.suspicions.next)
	if d.probe.target.ID != 0 {
		due = min(due, d.probe.rto, d.probe.end)
	}
	for i := range d.relays {
		due = min(due, d.relays[i].due())
	}
	return due
}

// Wake does what has fallen due.
func (d *Detector) Wake(now mono.Time) {
	if d.probe.target.ID != 0 && d.probe.rto <= now {
		d.askOthers(now)
	}
	if d.probe.target.ID != 0 && d.probe.end <= now {
		d.probeFailed(now)
	}
	if d.tick <= now {
		d.startProbe(now)
	}
	d.expireRelays(now)
	d.expireSuspicions(now)
}

// Stalled moves every deadline by the gap in which this process stood still, so that it blames
// nobody for answers that it was not there to hear.
func (d *Detector) Stalled(_ mono.Time, gap time.Duration) {
	if d.cfg.NoStallShift {
		return
	}
	d.tick = d.tick.Add(gap)
	d.probe.rto = d.probe.rto.Add(gap)
	d.probe.end = d.probe.end.Add(gap)
	d.probe.sent = mono.Never // its round trip would measure the stall
	for i := range d.relays {
		d.relays[i].nackAt = d.relays[i].nackAt.Add(gap)
		d.relays[i].end = d.relays[i].end.Add(gap)
	}
	d.suspicions.shift(gap)
}

// Refuted takes an accusation for a sign of bad health of one's own (Lifeguard, section IV-A).
func (d *Detector) Refuted() { d.heal(1) }

// Changed keeps the round and the suspicions in step with the table.
func (d *Detector) Changed(_ mono.Time, before, after member.Member) {
	wasLive := before.ID != 0 && before.State.Live()
	if after.State.Live() && !wasLive && after.ID != d.host.Self() {
		// a member that comes back may have its place still
		if before.ID == 0 || !slices.Contains(d.order[d.next:], after.ID) {
			d.insert(after.ID)
		}
	}
	if after.State != member.Suspect || before.ID == 0 || after.Incarnation != before.Incarnation ||
		after.Generation() != before.Generation() {
		d.suspicions.drop(after.ID)
	}
	if d.probe.target.ID == after.ID && !after.State.Live() {
		d.probe = probe{}
	}
}

// Receive takes a probing message, and says whether it could be read.
func (d *Detector) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	if t == wire.TypePingReq {
		m, ok := wire.ReadPingReq(body)
		if ok {
			d.startRelay(now, from, m)
		}
		return ok
	}
	seq, ok := wire.ReadSeq(body)
	if !ok {
		return false
	}
	switch t {
	case wire.TypePing:
		d.send(now, from, wire.AppendAck(d.scratch[:0], seq))
	case wire.TypeAck:
		d.acked(now, from, seq)
	case wire.TypeNack:
		if d.probe.target.ID != 0 && seq == d.probe.seq {
			d.probe.nacks++
		}
	default:
		return false
	}
	return true
}

// send passes a message on, and keeps its memory for the next.
func (d *Detector) send(now mono.Time, to plane.Peer, message []byte) {
	if !d.cfg.NoBuddy && len(d.suspicions.list) > 0 {
		message = d.appendBuddy(message, to.ID)
	}
	d.scratch = message[:0]
	d.host.Send(now, to, message)
}

// appendBuddy tells a suspect that it is one with every packet that goes to it (Lifeguard, section
// IV-C): it can refute one round trip later, however long the queue of news is.
func (d *Detector) appendBuddy(b []byte, to member.ID) []byte {
	m, _ := d.host.Table().Get(to)
	return detect.AppendDoubt(b, &m, d.host.Self())
}

// startProbe begins a period.
func (d *Detector) startProbe(now mono.Time) {
	// Lifeguard, section IV-A: a node in bad health probes more slowly and gives more time.
	period := d.cfg.Period * time.Duration(d.health+1)
	d.tick = now.Add(period) // from now: a late turn does not shorten the probe
	m, ok := d.target()
	if !ok {
		return
	}
	d.seq++
	d.probe = probe{
		target: plane.PeerOf(&m),
		seq:    d.seq,
		sent:   now,
		rto: now.Add(min(d.rtt.timeout(d.cfg.MinRTO,
			d.cfg.Period)*time.Duration(d.health+1), period/2)),
		end: d.tick,
	}
	d.send(now, d.probe.target, wire.AppendPing(d.scratch[:0], d.seq))
}

// target returns the member to probe next.
func (d *Detector) target() (member.Member, bool) {
	if d.cfg.RandomTargets {
		var one [1]member.Member
		m := topology.Pick(d.host.Rand(), d.host.Table(), 1, one[:0], d.host.Self())
		return one[0], len(m) == 1
	}
	for range 2 { // the rest of this round, then a new one
		for d.next < len(d.order) {
			id := d.order[d.next]
			d.next++
			if m, ok := d.host.Table().Get(id); ok && m.State.Live() && !m.OutOfFamily {
				return m, true
			}
		}
		d.shuffle()
	}
	return member.Member{}, false
}

// shuffle begins a new round over all live members (SWIM, section 4.3: every member is probed
// within 2n−1 periods).
func (d *Detector) shuffle() {
	t := d.host.Table()
	d.order, d.next = d.order[:0], 0
	for i := range t.Served() {
		if id := t.IDAt(i); id != d.host.Self() {
			d.order = append(d.order, id)
		}
	}
	d.host.Rand().Shuffle(len(d.order), func(i, j int) {
		d.order[i], d.order[j] = d.order[j],
			d.order[i]
	})
}

// insert puts a new member at a random place of what is left of the round.
func (d *Detector) insert(id member.ID) {
	d.order = append(d.order, id)
	last := len(d.order) - 1
	j := d.next + d.host.Rand().IntN(last-d.next+1)
	d.order[j], d.order[last] = d.order[last], d.order[j]
}

// askOthers begins the indirect part of a probe.
func (d *Detector) askOthers(now mono.Time) {
	d.probe.rto = mono.Never
	if d.cfg.NoIndirectPing {
		return
	}
	var room [8]member.Member
	helpers := topology.Pick(d.host.Rand(), d.host.Table(), min(d.cfg.Indirect, len(room)),
		room[:0],
		d.host.Self(), d.probe.target.ID)
	d.probe.expected = len(helpers)
	for i := range helpers {
		d.send(now, plane.PeerOf(&helpers[i]), wire.AppendPingReq(d.scratch[:0], wire.PingReq{
			Seq: d.probe.seq, Target: d.probe.target.ID, Instance: d.probe.target.Instance,
		}))
	}
}

// acked ends a probe well, or relays an ack to the asker.
func (d *Detector) acked(now mono.Time, from plane.Peer, seq uint32) {
	if d.probe.target.ID != 0 && seq == d.probe.seq {
		if from.ID == d.probe.target.ID && d.probe.sent <= now {
			d.rtt.sample(now.Sub(d.probe.sent))
		}
		d.probe = probe{}
		d.heal(-1)
		return
	}
	d.relayAck(now, from, seq)
}

// probeFailed ends a probe without an ack.
func (d *Detector) probeFailed(now mono.Time) {
	p := d.probe
	d.probe = probe{}
	switch { // Lifeguard, table I
	case p.expected > 0 && !d.cfg.NoNack:
		d.heal(p.expected - min(p.nacks, p.expected))
	default:
		d.heal(1)
	}
	m, ok := d.host.Table().Get(p.target.ID)
	if !ok || !m.State.Live() || m.Instance() != p.target.Instance {
		return
	}
	if d.cfg.NoSuspicion {
		d.host.Fail(now, m.ID, detect.Evidence{Accuser: d.host.Self(), Pings: 1})
	} else {
		d.host.Suspect(now, m.ID)
	}
}

// heal moves the local health; a positive delta is for the worse.
func (d *Detector) heal(delta int) {
	if !d.cfg.NoLocalHealth {
		d.health = min(max(d.health+delta, 0), maxHealth)
	}
}
