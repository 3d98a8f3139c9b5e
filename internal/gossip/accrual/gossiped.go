package accrual

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/counter"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// gossiped takes the rises of gossiped counters for heartbeats, of all members.
type gossiped struct {
	plane.None
	base
	room     int
	counters *counter.Exchange[window]
	due      mono.Time // nobody has to be judged before; may be too early
}

func newGossiped(cfg Config, host detect.Host, room int, now mono.Time) *gossiped {
	d := &gossiped{base: base{cfg, host, newJudge(&cfg)}, room: room, due: mono.Never}
	d.counters = counter.New(cfg.exchange(room), host, now, d.rose)
	return d
}

// rose measures an interval.
func (d *gossiped) rose(now mono.Time, e *counter.Entry[window]) {
	if e.Count > 0 { // from the join to the first rise is none
		e.Data.add(now.Sub(e.Risen), d.cfg.Window)
	}
}

// Deadline returns the next moment that the detector needs.
func (d *gossiped) Deadline() mono.Time { return min(d.counters.Deadline(), d.due) }

// Wake does what has fallen due.
func (d *gossiped) Wake(now mono.Time) {
	d.counters.Wake(now)
	if d.due <= now {
		d.expire(now)
	}
}

// expire fails those whose silence is too long.
func (d *gossiped) expire(now mono.Time) {
	// a verdict takes its entry out, and puts the last in its place
	for i := len(d.counters.Entries()) - 1; i >= 0; i-- {
		e := d.counters.Entries()[i]
		if silence := now.Sub(e.Risen); silence >= d.judge.patience(&e.Data) {
			d.host.Fail(now, e.ID, detect.Evidence{Accuser: d.host.Self(), Span: silence})
			d.counters.Drop(e.ID) // of one that the table had let go
		}
	}
	d.due = mono.Never
	entries := d.counters.Entries()
	for i := range entries {
		d.due = min(d.due, entries[i].Risen.Add(d.judge.patience(&entries[i].Data)))
	}
}

// Receive takes a probing message, and says whether it could be read.
func (d *gossiped) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Peer
	return t == wire.TypeCounters && d.counters.Receive(now, from, body)
}

// Changed keeps the counters in step with the table. A member that comes back is measured anew.
func (d *gossiped) Changed(now mono.Time, before, after member.Member) {
	if d.counters.Changed(now, before, after) {
		e := d.counters.Get(after.ID)
		e.Data = d.fresh(d.cfg.interval(d.host.Table().Live(), d.room))
		d.due = min(d.due, now.Add(d.judge.patience(&e.Data)))
	}
}

// Stalled moves all that is pending by the gap in which this process stood still: no counters were
// heard meanwhile.
func (d *gossiped) Stalled(_ mono.Time, gap time.Duration) {
	d.counters.Stalled(gap)
	d.due = d.due.Add(gap)
}

// RTT is not known: nothing is answered.
func (d *gossiped) RTT() time.Duration { return 0 }

// Phi returns the level of suspicion of a live member.
func (d *gossiped) Phi(now mono.Time, id member.ID) (phi float64, ok bool) {
	e := d.counters.Get(id)
	if e == nil {
		return 0, false
	}
	return d.judge.level(&e.Data, now.Sub(e.Risen)), true
}
