package multicast

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// lane is what waits to be sent to one peer: so that what goes the same way shares a datagram.
type lane struct {
	peer     plane.Peer
	buf      []byte // Carries and Offers
	confirms []note
	sent     mono.Time // the last datagram
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
func (r *Relay) laneTo(now mono.Time, peer plane.Peer) int32 {
	if i, ok := r.laneOf[peer.ID]; ok {
		r.lanes[i].peer = peer
		return i
	}
	i := r.idle(now)
	if i < 0 {
		r.lanes = append(r.lanes, lane{})
		i = int32(len(r.lanes) - 1)
	}
	l := &r.lanes[i]
	*l = lane{peer: peer, confirms: l.confirms[:0], due: mono.Never, used: true}
	r.laneOf[peer.ID] = i
	return i
}

// idle frees a lane on which nothing moved for a while, -1 if none is at hand.
func (r *Relay) idle(now mono.Time) int32 {
	if len(r.lanes) < idleLanes {
		return -1
	}
	for range 8 {
		r.hand = (r.hand + 1) % len(r.lanes)
		l := &r.lanes[r.hand]
		if l.due == mono.Never && now.Sub(l.sent) > maxCompany {
			delete(r.laneOf, l.peer.ID)
			return int32(r.hand)
		}
	}
	return -1
}

// wake makes a lane send by a moment.
func (r *Relay) wake(i int32, due mono.Time) {
	l := &r.lanes[i]
	if l.due == mono.Never {
		r.waiting = append(r.waiting, i)
	}
	l.due = min(l.due, due)
}

// post puts a Carry, or an Offer if bare, in the lane to a peer, and returns when it leaves; Never
// if the bodies are not held, or are more than a datagram takes.
func (r *Relay) post(now mono.Time, peer plane.Peer, b *wire.Branch, bare bool) mono.Time {
	if !bare && !r.pack(b) {
		return mono.Never
	}
	i := r.laneTo(now, peer)
	if size := wire.MaxBranch + len(r.packed.bytes); len(r.lanes[i].buf) > 0 &&
		len(r.lanes[i].buf)+size > r.cfg.Size {
		r.empty(now, i)
	}
	l := &r.lanes[i]
	if l.buf == nil {
		if n := len(r.spare); n > 0 {
			l.buf, r.spare = r.spare[n-1], r.spare[:n-1]
		}
	}
	before := len(l.buf)
	if bare {
		l.buf = wire.AppendOffer(l.buf, b)
		r.stats.Offers++
	} else {
		l.buf = append(wire.BeginCarry(l.buf, b), r.packed.bytes...)
		l.buf = wire.EndCarry(l.buf, before)
		if b.Bits != wire.SpanNone {
			r.stats.Carries++
		}
	}
	due := now
	// one more like it fits
	if size := len(l.buf) - before; l.sent != 0 && len(l.buf)+size <= r.cfg.Size {
		due = max(due, l.sent.Add(r.company(coalesce)))
	}
	due = max(due, now.Add(r.bucket.delay(now)))
	r.bucket.take(len(l.buf) - before)
	r.wake(i, due)
	return r.lanes[i].due
}

// packed is the bodies of the parcel that is being sent, as a Carry has them.
type packed struct {
	instance uint32
	first    uint64
	count    uint8
	ok       bool
	bytes    []byte
}

func (r *Relay) pack(b *wire.Branch) bool {
	p := &r.packed
	if p.ok && p.first == b.First && p.instance == b.Instance() && p.count == b.Count {
		return true
	}
	items, ok := r.itemsOf(b)
	p.bytes, p.ok = p.bytes[:0], false
	if !ok {
		return false
	}
	for _, x := range items {
		body, ok := r.store.Body(x.origin, x.generation, x.seq)
		switch {
		case !ok:
			return false
		case b.Mixed:
			p.bytes = wire.AppendItem(p.bytes, &wire.Piece{Origin: x.origin,
				Generation: x.generation, Seq: x.seq, Body: body})
		default:
			p.bytes = wire.AppendBody(p.bytes, body)
		}
	}
	if wire.MaxBranch+len(p.bytes) > r.cfg.Size { // no honest origin made it
		return false
	}
	p.instance, p.first, p.count, p.ok = b.Instance(), b.First, b.Count, true
	return true
}

// sizeOf is what the bodies of a parcel take in a Carry; 0 if they are not held.
func (r *Relay) sizeOf(b *wire.Branch) int {
	if !r.pack(b) {
		return 0
	}
	return len(r.packed.bytes)
}

// confirm answers a parent.
func (r *Relay) confirm(now mono.Time, p parent, b *wire.Branch, v wire.Verdict) {
	n := note{b.Instance(), wire.Confirmed{First: b.First, Attempt: p.attempt, Verdict: v,
		Bits: b.Bits, Of: 1, Have: 1}}
	r.note(now, p, n)
}

// confirmClosed tells a parent the end of a duty.
func (r *Relay) confirmClosed(now mono.Time, p parent, c *closed) {
	n := note{c.instance, wire.Confirmed{
		First: c.first, Attempt: p.attempt, Bits: c.span.Bits, Of: uint32(c.of),
		Have: uint32(c.have), Digest: c.digest,
	}}
	for _, id := range c.missing {
		n.m.Missing = binary.BigEndian.AppendUint64(n.m.Missing, uint64(id))
	}
	r.note(now, p, n)
}

// note puts a confirmation in the lane to a parent. If the answer is patient, it waits when another
// went there a moment ago. It waits in any case if it only says that the duty was taken: the duty
// may be done meanwhile, and is then told of once.
func (r *Relay) note(now mono.Time, p parent, n note) {
	i := r.laneTo(now, p.peer)
	l := &r.lanes[i]
	k := -1
	if n.m.Verdict == wire.DutyDone {
		k = slices.IndexFunc(l.confirms, func(o note) bool {
			return o.instance == n.instance && o.m.First == n.m.First &&
				o.m.Bits == n.m.Bits && o.m.Verdict == wire.DutyTaken
		})
	}
	if k >= 0 {
		l.confirms[k] = n
	} else {
		l.confirms = append(l.confirms, n)
	}
	due := now
	switch wait := r.company(ackDelay); {
	case p.patient && n.m.Verdict == wire.DutyTaken:
		due = now.Add(wait)
	case p.patient && l.told != 0:
		due = max(due, l.told.Add(wait))
	}
	r.wake(i, due)
	if len(l.confirms) >= maxNotes {
		r.empty(now, i)
	}
}

// maxNotes is how many confirmations wait for one peer at most.
const maxNotes = 200

// flush sends what is due.
func (r *Relay) flush(now mono.Time) {
	kept := r.waiting[:0]
	for _, i := range r.waiting {
		if l := &r.lanes[i]; l.due > now && l.due != mono.Never {
			kept = append(kept, i)
		} else {
			r.empty(now, i)
			l.due = mono.Never
		}
	}
	r.waiting = kept
}

// empty sends all that waits for a peer, in as many datagrams as it takes. The lane stays among
// those waiting.
func (r *Relay) empty(now mono.Time, i int32) {
	l := &r.lanes[i]
	slices.SortStableFunc(l.confirms, func(a, b note) int {
		return cmp.Compare(a.instance,
			b.instance)
	})
	out := r.datagram[:0]
	for k := 0; k < len(l.confirms); {
		if len(out)+wire.ConfirmSize+wire.MaxConfirmed > r.cfg.Size {
			r.host.Send(now, l.peer, out)
			out = out[:0]
		}
		start := len(out)
		out = wire.BeginConfirm(out, l.confirms[k].instance)
		for first := k; k < len(l.confirms) &&
			l.confirms[k].instance == l.confirms[first].instance && k-first < 255; k++ {
			if k > first && len(out)+wire.MaxConfirmed > r.cfg.Size {
				break
			}
			out = wire.AppendConfirmed(out, start, &l.confirms[k].m)
		}
		l.told = now
	}
	if len(out)+len(l.buf) > r.cfg.Size && len(out) > 0 {
		r.host.Send(now, l.peer, out)
		out = out[:0]
	}
	if out = append(out, l.buf...); len(out) > 0 {
		r.host.Send(now, l.peer, out)
		l.sent = now
	}
	r.datagram = out[:0]
	clear(l.confirms)
	l.confirms = l.confirms[:0]
	if l.buf != nil && len(r.spare) < idleLanes {
		r.spare = append(r.spare, l.buf[:0])
	}
	l.buf = nil
}

// bucket paces the bytes that are sent: whatever would leave too early waits.
type bucket struct {
	rate, burst int64 // bytes a second, and bytes
	full        mono.Time
}

// full is when all that was taken is made up for. A burst may be ahead of that.
func (b *bucket) take(n int) {
	b.full = b.full.Add(time.Duration(int64(n) * int64(time.Second) / b.rate))
}

func (b *bucket) delay(now mono.Time) time.Duration {
	b.full = max(b.full, now)
	return max(b.full.Sub(now)-time.Duration(b.burst*int64(time.Second)/b.rate), 0)
}
