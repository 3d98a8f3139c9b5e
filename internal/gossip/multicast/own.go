package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// own is what this node publishes: how much of it may be under way, and how fast it leaves.
type own struct {
	core
	window int // parcels that may be under way
	out    int // parcels that are
	cut    mono.Time
	// of small messages and of large ones: when the last parcel left, and since when the first of
	// what waits does; mono.Never: nothing waits
	sent, waits [2]mono.Time
	small       int       // parcels of small messages in a row
	clock       mono.Time // of the pacer: how far what was sent reaches
	due         mono.Time
}

const (
	firstWindow = 80
	lastWindow  = 4 // that congestion leaves
	// that a parcel counts for the window: stragglers do not hold up the rest
	outFor = 50 * time.Millisecond
	burst  = 16 // parcels that may leave at once
	// bytes of a parcel of one piece beside its body, with headers
	pieceOverhead = 100
	shortPause    = 50 * time.Millisecond // while the budget for another zone is spent
)

// Publish tells that this node published something, which the host has waiting. It leaves as the
// window and the pace allow.
func (o *own) Publish(now mono.Time) {
	for kind, bulk := range [2]bool{false, true} {
		if o.waits[kind] == mono.Never && o.host.Waiting(bulk).Bytes > 0 {
			o.waits[kind] = now
		}
	}
	o.due = min(o.due, now)
}

// Resume tells that there is budget again for what is sent to another zone.
func (o *own) Resume(now mono.Time) {
	if min(o.waits[0], o.waits[1]) != mono.Never {
		o.due = min(o.due, now)
	}
}

// take takes out the next parcel if one may leave now, and due tells when to look again, if nothing
// else does. Small messages go first; of four parcels, one is of large ones.
func (o *own) take(now mono.Time, budget int) (c Cut, ok bool) {
	first := 0
	if o.small >= 3 {
		first = 1
	}
	for _, kind := range [2]int{first, 1 - first} {
		if c, ok = o.takeOf(now, kind, budget); ok {
			if o.small++; kind == 1 {
				o.small = 0
			}
			return c, true
		}
	}
	return c, false
}

// takeOf takes out the next parcel of one kind if it may leave: the window is not full, there is
// budget for it, and it is not too early. Large messages leave a part of the window to small ones.
func (o *own) takeOf(now mono.Time, kind int, budget int) (c Cut, ok bool) {
	w, window := o.host.Waiting(kind == 1), min(o.window, o.cfg.Window)
	if kind == 1 {
		window -= window / 4
	}
	switch {
	case w.Bytes == 0:
		o.waits[kind] = mono.Never
		return c, false
	case o.out >= window:
		return c, false
	}
	start := max(o.clock, now-mono.Time(burst*pace)) // what was not used for long is lost
	next := o.sent[kind].Add(o.paths.batchDelay(coalesce))
	if !o.paths.sharing() && !w.Waited {
		next = max(next, o.waits[kind].Add(o.paths.gather(gatherOwn)))
	}
	full := w.Bytes > parcelRoom/2
	due := mono.Time(0)
	switch {
	case budget < min(w.Bytes, parcelRoom):
		due = now.Add(shortPause)
	case !full && !w.Prompt && o.sent[kind] != 0 && now < next && len(o.ring.All()) > 1:
		due = next
	case start > now:
		due = start.Add(burst / 2 * pace)
	case o.outbox.bucket.delay(now, kind == 1) > coalesce:
		due = now.Add(o.outbox.bucket.delay(now, kind == 1))
	}
	if due > 0 {
		o.due = min(o.due, due)
		return c, false
	}
	if c = o.host.Cut(now, kind == 1, parcelRoom-wire.MaxBranch); c.Count == 0 {
		return c, false
	}
	o.clock, o.sent[kind], o.waits[kind] = start.Add(pace), now, now
	o.out++
	o.host.Sent(now, c.Generation, c.First+uint64(c.Count)-1)
	return c, true
}

// leave takes a parcel out of the window.
func (o *own) leave(now mono.Time, j *job) {
	if j.own.out {
		j.own.out = false
		o.out--
		o.Resume(now)
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
