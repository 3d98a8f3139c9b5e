package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// own is what this node publishes: which pieces are on their way, and how many may be.
type own struct {
	core
	generation uint64
	next, last uint64 // the next piece to be sent, and the last that is in the store
	stripes    uint64 // up to here, each parcel goes to one delegate for everybody
	prompt     uint64 // up to here, no parcel waits to share a datagram
	window     int    // parcels that may be under way
	out        int    // parcels that are
	cut        mono.Time
	sentLast   mono.Time // the last parcel
	waits      mono.Time // since when the first of the pieces that wait does
	clock      mono.Time // of the pacer: how far what was sent reaches
	due        mono.Time
}

const (
	firstWindow = 80
	lastWindow  = 4 // that congestion leaves
	stripeFrom  = 8 // pieces of one batch from which on they are striped
	// that a parcel counts for the window: stragglers do not hold up the rest
	outFor = 50 * time.Millisecond
	burst  = 16 // parcels that may leave at once
	// bytes of a parcel of one piece beside its body, with headers
	pieceOverhead = 100
	shortPause    = 50 * time.Millisecond // while the budget for another zone is spent
)

// Publish sends this node's own pieces up to a sequence to everybody, as the window and the pace
// allow. They are in the store. Each generation's begin at 1.
func (o *own) Publish(now mono.Time, last uint64) {
	o.parcels.unpack()
	if g := o.host.Generation(); g != o.generation {
		o.generation, o.next, o.last, o.stripes, o.prompt = g, 1, 0, 0, 0
	}
	if last-o.last > 1 { // the end of a message leaves with its beginning
		o.prompt = last
	}
	if last-o.last >= stripeFrom {
		o.stripes = last
	}
	if o.next > o.last {
		o.waits = now
	}
	o.last = last
	o.due = min(o.due, now)
}

// PendingBytes returns about how many bytes of own pieces wait to be sent, up to a bound.
func (o *own) PendingBytes(most int) (sum int) {
	for seq := o.next; seq <= o.last && sum < most; seq++ {
		body, _ := o.store.Body(o.host.Self(), o.generation, seq)
		sum += len(body) + pieceOverhead
	}
	return min(sum, most)
}

// Resume tells that there is budget again for what is sent to another zone.
func (o *own) Resume(now mono.Time) {
	if o.next <= o.last {
		o.due = min(o.due, now)
	}
}

// Pending returns how many own pieces wait to be sent.
func (o *own) Pending() int { return int(o.last + 1 - o.next) }

// take takes out the next parcel if it may leave now: the window is not full, there is budget for
// it, and it is not too early. Else due is when to look again, if nothing else tells.
func (o *own) take(now mono.Time, budget int) (b wire.Branch, size int, ok bool) {
	if o.next > o.last || o.out >= min(o.window, o.cfg.Window) {
		return b, 0, false
	}
	b, size = o.gather()
	full := b.First+uint64(b.Count) <= o.last || size > parcelRoom/2
	start := max(o.clock, now-mono.Time(burst*pace)) // what was not used for long is lost
	next := o.sentLast.Add(o.paths.batchDelay(coalesce))
	if !o.paths.sharing() && !o.host.Waited(b.Generation, b.First, o.last) {
		next = max(next, o.waits.Add(o.paths.gather(gatherOwn)))
	}
	switch {
	case budget < size:
		o.due = now.Add(shortPause)
		return b, 0, false
	case !full && b.First > o.prompt && o.sentLast != 0 && now < next:
		o.due = next
		return b, 0, false
	case start > now:
		o.due = start.Add(burst / 2 * pace)
		return b, 0, false
	case o.outbox.bucket.delay(now) > coalesce:
		o.due = now.Add(o.outbox.bucket.delay(now))
		return b, 0, false
	}
	o.clock, o.sentLast = start.Add(pace), now
	o.next += uint64(b.Count)
	o.waits = now
	o.out++
	o.host.Sent(now, o.generation, o.next-1)
	return b, size, true
}

// gather returns the next parcel: as many pieces as fit.
func (o *own) gather() (b wire.Branch, size int) {
	b = wire.Branch{Origin: o.host.Self(), Generation: o.generation, First: o.next}
	for seq := o.next; seq <= o.last && b.Count < wire.MaxParcel; seq++ {
		body, ok := o.store.Body(b.Origin, b.Generation, seq)
		if !ok || b.Count > 0 && wire.MaxBranch+size+wire.MaxBody+len(body) > parcelRoom {
			break
		}
		size += wire.MaxBody + len(body)
		b.Count++
	}
	b.Count = max(b.Count, 1) // one that is not held is passed over when it is sent
	return b, size
}

// leave takes a parcel out of the window.
func (o *own) leave(now mono.Time, j *job) {
	if j.own.out {
		j.own.out = false
		o.out--
		if o.next <= o.last {
			o.due = min(o.due, now)
		}
	}
}

// came widens the window by a parcel of which all was done while it counted for it.
func (o *own) came(now mono.Time, j *job) {
	if j.own.out {
		o.window = min(o.window+1, o.cfg.Window)
	}
	o.leave(now, j)
}

// congested narrows the window when answers stay away, at most once in a while. As in TCP, it is
// the answers that pace what is sent, so that an overloaded network or machine is not given more.
func (o *own) congested(now mono.Time, j *job) {
	if j.own.is && now.Sub(o.cut) > outFor {
		least := lastWindow
		if o.paths.class() > 0 { // silence says less
			least = firstWindow
		}
		o.cut, o.window = now, max(o.window*3/4, least)
	}
}
