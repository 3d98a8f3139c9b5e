package multicast

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// outbox is what waits to be sent, by peer, and how fast it may leave.
type outbox struct {
	*env
	paths   *paths
	parcels *parcels

	lanes    []lane
	spare    [][]byte
	laneOf   map[member.ID]int32
	waiting  []int32 // lanes with something to send
	hand     int
	bucket   bucket
	datagram []byte
}

// lane is what waits to be sent to one peer: so that what goes the same way shares a datagram.
type lane struct {
	peer     plane.Peer
	buf      []byte // Carries and Offers
	confirms []note
	sent     mono.Time // the last datagram
	small    mono.Time // the last one with a small message: these do not wait for large ones
	has      bool      // a small message waits
	told     mono.Time // the last one with a confirmation
	due      mono.Time // Never while nothing waits
	used     bool
}

// note is a confirmation that waits.
type note struct {
	instance uint32
	m        wire.Confirmed
}

// laneTo returns that to a peer.
func (o *outbox) laneTo(now mono.Time, peer plane.Peer) int32 {
	if i, ok := o.laneOf[peer.ID]; ok {
		o.lanes[i].peer = peer
		return i
	}
	i := o.idle(now)
	if i < 0 {
		o.lanes = append(o.lanes, lane{})
		i = int32(len(o.lanes) - 1)
	}
	l := &o.lanes[i]
	*l = lane{peer: peer, confirms: l.confirms[:0], due: mono.Never, used: true}
	o.laneOf[peer.ID] = i
	return i
}

// idle frees a lane on which nothing moved for a while, -1 if none is at hand.
func (o *outbox) idle(now mono.Time) int32 {
	if len(o.lanes) < idleLanes {
		return -1
	}
	for range 8 {
		o.hand = (o.hand + 1) % len(o.lanes)
		l := &o.lanes[o.hand]
		if l.due == mono.Never && now.Sub(l.sent) > maxBatchDelay {
			delete(o.laneOf, l.peer.ID)
			return int32(o.hand)
		}
	}
	return -1
}

// wake makes a lane send by a moment.
func (o *outbox) wake(i int32, due mono.Time) {
	l := &o.lanes[i]
	if l.due == mono.Never {
		o.waiting = append(o.waiting, i)
	}
	l.due = min(l.due, due)
}

// post puts a Carry in the lane to a peer, or an Offer if that is all, and returns when it leaves;
// Never if the bodies are not held, or are more than a datagram takes.
func (o *outbox) post(now mono.Time, peer plane.Peer, b *wire.Branch, offerOnly bool) mono.Time {
	if !offerOnly && !o.parcels.pack(b) {
		return mono.Never
	}
	i := o.laneTo(now, peer)
	if size := wire.MaxBranch + len(o.parcels.packed.bytes); len(o.lanes[i].buf) > 0 &&
		len(o.lanes[i].buf)+size > o.cfg.Size {
		o.empty(now, i)
	}
	l := &o.lanes[i]
	if l.buf == nil {
		if n := len(o.spare); n > 0 {
			l.buf, o.spare = o.spare[n-1], o.spare[:n-1]
		}
	}
	before := len(l.buf)
	if offerOnly {
		l.buf = wire.AppendOffer(l.buf, b)
		o.stats.Offers++
	} else {
		l.buf = append(wire.BeginCarry(l.buf, b), o.parcels.packed.bytes...)
		l.buf = wire.EndCarry(l.buf, before)
		if b.Bits != wire.SpanNone {
			o.stats.Carries++
		}
	}
	bulk, last := b.Generation&wire.Bulk > 0, l.sent
	if !bulk {
		l.has, last = true, l.small
	}
	due := now.Add(o.bucket.delay(now, bulk))
	// one more like it fits
	if size := len(l.buf) - before; last != 0 && len(l.buf)+size <= o.cfg.Size {
		due = max(due, last.Add(o.paths.batchDelay(coalesce)))
	}
	o.bucket.take(len(l.buf) - before)
	o.wake(i, due)
	return o.lanes[i].due
}

// confirm answers a parent.
func (o *outbox) confirm(now mono.Time, p parent, b *wire.Branch, v wire.Verdict) {
	n := note{b.Instance(), wire.Confirmed{First: b.First, Attempt: p.attempt, Verdict: v,
		Bits: b.Bits, Of: 1, Have: 1}}
	o.note(now, p, n)
}

// confirmClosed tells a parent the end of a duty.
func (o *outbox) confirmClosed(now mono.Time, p parent, c *closed) {
	n := note{c.instance, wire.Confirmed{
		First: c.first, Attempt: p.attempt, Bits: c.span.Bits, Of: uint32(c.of),
		Have: uint32(c.have), Digest: c.digest,
	}}
	for _, id := range c.missing {
		n.m.Missing = binary.BigEndian.AppendUint64(n.m.Missing, uint64(id))
	}
	o.note(now, p, n)
}

// note puts a confirmation in the lane to a parent. If the answer may wait, it does when another
// went there a moment ago. It waits in any case if it only says that the duty was taken: the duty
// may be done meanwhile, and is then told of once.
func (o *outbox) note(now mono.Time, p parent, n note) {
	i := o.laneTo(now, p.peer)
	l := &o.lanes[i]
	k := -1
	if n.m.Verdict == wire.DutyDone {
		k = slices.IndexFunc(l.confirms, func(x note) bool {
			return x.instance == n.instance && x.m.First == n.m.First &&
				x.m.Bits == n.m.Bits && x.m.Verdict == wire.DutyTaken
		})
	}
	if k >= 0 {
		l.confirms[k] = n
	} else {
		l.confirms = append(l.confirms, n)
	}
	due := now
	switch wait := o.paths.batchDelay(ackDelay); {
	case !p.mayDelayAck:
	case n.m.Verdict == wire.DutyTaken:
		due = now.Add(wait)
	default:
		if l.told != 0 {
			due = max(due, l.told.Add(wait))
		}
		at, ok := o.placeOf(p.peer.ID)
		switch {
		case !ok || len(l.confirms) >= ackMany || !o.paths.isLong(at.Zone()):
		case n.m.Bits == wire.SpanSelf:
			due = max(due, now.Add(o.paths.ackWait(at.Zone())))
		default: // of many, which had to wait for theirs
			due = max(due, now.Add(o.paths.trip(at.Zone())))
		}
	}
	o.wake(i, due)
	if len(l.confirms) >= maxNotes {
		o.empty(now, i)
	}
}

// maxNotes is how many confirmations wait for one peer at most.
const maxNotes = 200

// due returns when something is to be sent.
func (o *outbox) due() mono.Time {
	due := mono.Never
	for _, i := range o.waiting {
		due = min(due, o.lanes[i].due)
	}
	return due
}

// flush sends what is due.
func (o *outbox) flush(now mono.Time) {
	kept := o.waiting[:0]
	for _, i := range o.waiting {
		if l := &o.lanes[i]; l.due > now && l.due != mono.Never {
			kept = append(kept, i)
		} else {
			o.empty(now, i)
			l.due = mono.Never
		}
	}
	o.waiting = kept
}

// empty sends all that waits for a peer, in as many datagrams as it takes. The lane stays among
// those waiting.
func (o *outbox) empty(now mono.Time, i int32) {
	l := &o.lanes[i]
	slices.SortStableFunc(l.confirms, func(a, b note) int {
		return cmp.Compare(a.instance, b.instance)
	})
	out := o.datagram[:0]
	for k := 0; k < len(l.confirms); {
		if len(out)+wire.ConfirmSize+wire.MaxConfirmed > o.cfg.Size {
			o.host.Send(now, l.peer, out)
			out = out[:0]
		}
		start := len(out)
		out = wire.BeginConfirm(out, l.confirms[k].instance)
		for first := k; k < len(l.confirms) &&
			l.confirms[k].instance == l.confirms[first].instance && k-first < 255; k++ {
			if k > first && len(out)+wire.MaxConfirmed > o.cfg.Size {
				break
			}
			out = wire.AppendConfirmed(out, start, &l.confirms[k].m)
		}
		l.told = now
	}
	if len(out)+len(l.buf) > o.cfg.Size && len(out) > 0 {
		o.host.Send(now, l.peer, out)
		out = out[:0]
	}
	if out = append(out, l.buf...); len(out) > 0 {
		o.host.Send(now, l.peer, out)
		l.sent = now
	}
	if l.has {
		l.has, l.small = false, now
	}
	o.datagram = out[:0]
	clear(l.confirms)
	l.confirms = l.confirms[:0]
	if l.buf != nil && len(o.spare) < idleLanes {
		o.spare = append(o.spare, l.buf[:0])
	}
	l.buf = nil
}

// bucket paces the bytes that are sent: whatever would leave too early waits.
type bucket struct {
	rate, burst int64 // bytes a second, and bytes
	full        mono.Time
}

func newBucket(rate int) bucket {
	return bucket{rate: int64(rate), burst: int64(rate) / 16}
}

// full is when all that was taken is made up for. A burst may be ahead of that, and small messages
// two: so large ones leave them one.
func (b *bucket) take(n int) {
	b.full = b.full.Add(time.Duration(int64(n) * int64(time.Second) / b.rate))
}

func (b *bucket) delay(now mono.Time, bulk bool) time.Duration {
	burst := b.burst
	if !bulk {
		burst *= 2
	}
	b.full = max(b.full, now)
	return max(b.full.Sub(now)-time.Duration(burst*int64(time.Second)/b.rate), 0)
}
