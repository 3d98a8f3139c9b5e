package reconcile

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// budget is a rate with bursts, as a single moment: the virtual scheduling form of the leaky bucket
// (GCRA, ITU-T I.371).
type budget struct {
	interval time.Duration
	burst    int
	due      mono.Time // when what was taken so far would have been spread out evenly
}

func (b *budget) take(now mono.Time) bool {
	if b.wait(now) > 0 {
		return false
	}
	b.due = max(b.due, now).Add(b.interval)
	return true
}

// wait returns how long until something can be taken.
func (b *budget) wait(now mono.Time) time.Duration {
	return max(0, b.due.Sub(now)-time.Duration(b.burst-1)*b.interval)
}

// batch gathers messages to one member into datagrams. It lives as long as one call of Repair's;
// its memory is made when the first message comes, and left to the collector: repairs are rare.
type batch struct {
	r      *Repair
	now    mono.Time
	to     member.Member
	budget *budget // nil: no limit
	broke  bool    // the budget is used up: what comes now is dropped
	buf    []byte
	open   bool // buf ends in a Push that began at push
	push   int
	answer bool // for Pushes to come
}

func (r *Repair) batch(now mono.Time, to member.Member, b *budget) batch {
	return batch{r: r, now: now, to: to, budget: b}
}

// serve is a batch that answers a message which costs a pass over the table. That counts as a
// datagram too.
func (r *Repair) serve(now mono.Time, to member.Member) batch {
	b := r.batch(now, to, &r.budget)
	b.broke = !r.budget.take(now)
	return b
}

// add puts in a message, which write appends.
func (b *batch) add(write func([]byte) []byte) {
	if b.broke {
		return
	}
	b.close()
	b.fit(write)
}

// record puts in a record, in a Push.
func (b *batch) record(m member.Member) {
	if b.broke {
		return
	}
	if !b.open {
		b.fit(func(buf []byte) []byte { return wire.BeginPush(buf, b.answer) })
		b.push, b.open = len(b.buf)-wire.PushSize, true
	}
	before := len(b.buf)
	b.buf = b.r.host.AppendRecord(b.buf, b.now, m)
	if len(b.buf) <= b.r.host.Room() {
		b.r.stats.Pushed++
		return
	}
	b.buf = b.buf[:before]
	if before > wire.PushSize { // else it fits no datagram at all
		b.send()
		b.record(m)
	}
}

// fit appends to the datagram under way, or to a new one if it does not fit.
func (b *batch) fit(write func([]byte) []byte) {
	if b.buf == nil {
		b.buf = make([]byte, 0, b.r.host.Room()+wire.MessageSize)
	}
	before := len(b.buf)
	b.buf = write(b.buf)
	if before > 0 && len(b.buf) > b.r.host.Room() {
		b.buf = b.buf[:before]
		b.send()
		b.buf = write(b.buf)
	}
}

func (b *batch) close() {
	if !b.open {
		return
	}
	b.open = false
	if len(b.buf) == b.push+wire.PushSize {
		b.buf = b.buf[:b.push] // no record came
	} else {
		b.buf = wire.EndPush(b.buf, b.push)
	}
}

// send sends what there is.
func (b *batch) send() {
	b.close()
	if len(b.buf) == 0 {
		return
	}
	if b.budget != nil && !b.budget.take(b.now) {
		b.broke = true
	} else {
		b.r.host.SendRepair(b.now, b.to, b.buf)
	}
	b.buf = b.buf[:0]
}

// reply sends what there is as the answer to a view of a range: Done behind it if the sender waits
// for that, or Busy if the budget did not suffice.
func (b *batch) reply(v *wire.View) {
	if v.Report {
		b.add(func(buf []byte) []byte { return wire.AppendDone(buf, v.Range) })
	}
	b.send()
	if b.broke {
		b.r.stats.Refused++
		wait := b.budget.wait(b.now).Milliseconds() + 1
		b.r.host.SendRepair(b.now, b.to, wire.AppendBusy(nil, v.Range, uint16(min(wait, 1<<16-1))))
	}
}
