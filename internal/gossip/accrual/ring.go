package accrual

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// ring has each node ping the members after it on the ring of IDs. IDs are hashes, so all are
// watched alike. The watcher asks, and any member that is asked answers. So views of the ring may
// differ for a while.
type ring struct {
	plane.None
	base
	watched []watched // in the order of the ring
	spare   []watched
	seen    uint64 // Table.Changes when they were chosen
	tick    mono.Time
	again   mono.Time // when members that have not answered are pinged again; mono.Never after that
	due     mono.Time // no member has to be judged before; may be too early
	seq     uint32
	sent    mono.Time // when the pings of seq were; mono.Never if this process stood still since
	rtt     time.Duration
	scratch []byte
}

// watched is a member whose heartbeats are measured.
type watched struct {
	peer  plane.Peer
	last  mono.Time // the last heartbeat, or when it was chosen
	acked uint32    // the sequence of that
	since uint32    // the first sequence that it was to answer
	window
}

func newRing(cfg Config, host detect.Host, now mono.Time) *ring {
	d := &ring{base: base{cfg, host, newJudge(&cfg)}, due: mono.Never, sent: mono.Never,
		again: mono.Never, seq: host.Rand().Uint32()}
	// nodes that start at once do not keep in step
	d.tick = now.Add(time.Duration(host.Rand().Int64N(int64(cfg.Period))))
	return d
}

// Deadline returns the next moment that the detector needs.
func (d *ring) Deadline() mono.Time { return min(d.tick, d.again, d.due) }

// Wake does what has fallen due.
func (d *ring) Wake(now mono.Time) {
	if d.due <= now {
		d.expire(now)
	}
	if d.again <= now {
		// of two pings it is not known which one was answered
		d.again, d.sent = mono.Never, mono.Never
		d.ping(now)
	}
	if d.tick > now {
		return
	}
	d.tick, d.again = now.Add(d.cfg.Period), now.Add(d.cfg.Period/2)
	if d.seen != d.host.Table().Changes() {
		d.choose(now)
	}
	d.seq++
	d.sent = now
	d.ping(now)
}

// ping asks the members that have not answered this period's ping yet. Half a period later it is
// sent again. Akka's heartbeats travel on streams, which repeat what is lost. Where a tenth of all
// packets is lost, single pings led to false failures within a minute.
func (d *ring) ping(now mono.Time) {
	for i := range d.watched {
		if d.watched[i].acked == d.seq {
			continue
		}
		m, ok := d.host.Table().Get(d.watched[i].peer.ID)
		if ok {
			d.scratch = wire.AppendPing(detect.AppendDoubt(d.scratch[:0], &m, d.host.Self()), d.seq)
			d.host.Send(now, d.watched[i].peer, d.scratch)
		}
	}
}

// choose takes the live members next on the ring and those that are suspects here, and keeps what
// is known of those that stay. A suspect is a member about which others told an old verdict
// (docs/decisions/0005). Its own watchers hold it for failed already and will not say so again. So
// a node that doubts it has to look for itself.
func (d *ring) choose(now mono.Time) {
	t, self := d.host.Table(), d.host.Self()
	d.seen = t.Changes()
	d.spare = d.spare[:0]
	for i := range t.Served() {
		id := t.IDAt(i)
		after := len(d.spare) // the place in the order of the ring, which begins behind this node
		for after > 0 && id-self < d.spare[after-1].peer.ID-self {
			after--
		}
		if id == self || after == d.cfg.Watch {
			continue
		}
		if len(d.spare) < d.cfg.Watch {
			d.spare = append(d.spare, watched{})
		}
		copy(d.spare[after+1:], d.spare[after:])
		m := t.At(i)
		d.spare[after] = d.begin(now, &m)
	}
	for i := 0; i < t.Served() && len(d.spare) < 2*d.cfg.Watch; i++ {
		if m := t.At(i); m.State == member.Suspect && m.ID != self && !among(d.spare, m.ID) {
			d.spare = append(d.spare, d.begin(now, &m))
		}
	}
	for i := range d.spare {
		if w := d.find(d.spare[i].peer); w != nil {
			d.spare[i] = *w
		}
	}
	d.watched, d.spare = d.spare, d.watched
	d.schedule()
}

// begin watches a member.
func (d *ring) begin(now mono.Time, m *member.Member) watched {
	return watched{peer: plane.PeerOf(m), last: now, acked: d.seq, since: d.seq + 1,
		window: d.fresh(d.cfg.Period)}
}

func among(all []watched, id member.ID) bool {
	return slices.ContainsFunc(all, func(w watched) bool { return w.peer.ID == id })
}

// find returns the watched member in one life, nil if it is not watched.
func (d *ring) find(p plane.Peer) *watched {
	for i := range d.watched {
		if w := &d.watched[i]; w.peer.ID == p.ID && w.peer.Instance == p.Instance {
			return w
		}
	}
	return nil
}

// schedule finds out when the next silence is too long.
func (d *ring) schedule() {
	d.due = mono.Never
	for i := range d.watched {
		w := &d.watched[i]
		d.due = min(d.due, w.last.Add(d.judge.patience(&w.window)))
	}
}

// expire fails those whose silence is too long.
func (d *ring) expire(now mono.Time) {
	for i := len(d.watched) - 1; i >= 0; i-- { // a verdict takes one out
		w := d.watched[i]
		if now.Sub(w.last) < d.judge.patience(&w.window) {
			continue
		}
		d.remove(i)
		d.host.Fail(now, w.peer.ID, detect.Evidence{
			Accuser: d.host.Self(), Pings: int(d.seq - w.acked), Span: now.Sub(w.last),
		})
	}
	d.schedule()
}

func (d *ring) remove(i int) { d.watched = append(d.watched[:i], d.watched[i+1:]...) }

// Receive takes a probing message, and says whether it could be read.
func (d *ring) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	seq, ok := wire.ReadSeq(body)
	switch {
	case ok && t == wire.TypePing:
		d.scratch = wire.AppendAck(d.scratch[:0], seq)
		d.host.Send(now, from, d.scratch)
	case ok && t == wire.TypeAck:
		d.acked(now, from, seq)
	default:
		return false
	}
	return true
}

// acked is a heartbeat, unless it was told before.
func (d *ring) acked(now mono.Time, from plane.Peer, seq uint32) {
	w := d.find(from)
	if w == nil || int32(seq-w.acked) <= 0 || int32(d.seq-seq) < 0 {
		return
	}
	if seq == d.seq && d.sent <= now {
		if sample := now.Sub(d.sent); d.rtt == 0 {
			d.rtt = sample
		} else {
			d.rtt += (sample - d.rtt) / 8
		}
	}
	if w.acked != w.since-1 { // from the choice to the first answer is no interval
		w.add(now.Sub(w.last), d.cfg.Window)
	}
	w.acked, w.last = seq, now
}

// Changed drops members that are gone. Others are chosen at the next tick. A member that comes back
// is measured anew. A member in a new life is measured anew at once: a verdict is about the member,
// and the silence of its former life is not its own.
func (d *ring) Changed(now mono.Time, _, after member.Member) {
	i := slices.IndexFunc(d.watched, func(w watched) bool { return w.peer.ID == after.ID })
	switch {
	case i < 0:
	case !after.State.Live():
		d.remove(i)
	case d.watched[i].peer.Instance != after.Instance():
		d.watched[i] = d.begin(now, &after)
	case d.watched[i].peer.Addr != after.Addr():
		// It says so itself. What went to the old address was not answered, which is not its
		// silence.
		d.watched[i].peer, d.watched[i].last = plane.PeerOf(&after), now
	}
}

// Stalled moves all that is pending by the gap in which this process stood still: no heartbeats
// were heard meanwhile.
func (d *ring) Stalled(_ mono.Time, gap time.Duration) {
	d.tick, d.again, d.due = d.tick.Add(gap), d.again.Add(gap), d.due.Add(gap)
	d.sent = mono.Never
	for i := range d.watched {
		d.watched[i].last = d.watched[i].last.Add(gap)
	}
}

// RTT returns the smoothed round-trip time of pings.
func (d *ring) RTT() time.Duration { return d.rtt }

// Phi returns the level of suspicion of a member that this node watches.
func (d *ring) Phi(now mono.Time, id member.ID) (phi float64, ok bool) {
	for i := range d.watched {
		if w := &d.watched[i]; w.peer.ID == id {
			return d.judge.level(&w.window, now.Sub(w.last)), true
		}
	}
	return 0, false
}
