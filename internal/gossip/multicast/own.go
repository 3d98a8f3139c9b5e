package multicast

import (
	"math"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// own is what this node publishes: which pieces are on their way, and how many may be.
type own struct {
	generation uint64
	next, last uint64 // the next piece to be sent, and the last that is in the store
	stripes    uint64 // up to here, each parcel goes to one delegate for everybody
	prompt     uint64 // up to here, no parcel waits for company
	window     int    // parcels that may be under way
	out        int    // parcels that are
	cut        mono.Time
	shipped    mono.Time // the last parcel
	clock      mono.Time // of the pacer: how far what was sent reaches
	due        mono.Time
	linger     []int32 // jobs that wait for silent members, the oldest first
}

// mine is what a job of an own parcel has beside.
type mine struct {
	is      bool
	waited  bool          // a publisher waits for a message that ends in it
	out     bool          // it counts for the window
	until   mono.Time     // then it does not any more
	told    mono.Time     // when the host was told last
	tried   bool          // all was done that can be done at once
	backoff time.Duration // until the silent are offered it again
	// when it is seen whether what a publisher waits for is held still; Never: not between rounds
	look mono.Time
}

const (
	firstWindow = 80
	lastWindow  = 4 // that congestion leaves
	stripeFrom  = 8 // pieces of one batch from which on they are striped
	// that a parcel counts for the window: stragglers do not hold up the rest
	outFor     = 50 * time.Millisecond
	tellEvery  = 5 * time.Millisecond
	firstPause = 200 * time.Millisecond // between offers to the silent, doubling
	lastPause  = 5 * time.Second
	// a wait ends so long after its message is let go, at most
	lookEvery = time.Second
	burst     = 16 // parcels that may leave at once
	// bytes of a parcel of one piece beside its body, with headers
	pieceOverhead = 100
	shortPause    = 50 * time.Millisecond // while the budget for another zone is spent
)

func (m *mine) due() mono.Time {
	switch {
	case !m.is:
		return mono.Never
	case m.out:
		return min(m.until, m.look)
	}
	return m.look
}

// Publish sends this node's own pieces up to a sequence to everybody, as the window and the pace
// allow. They are in the store. Each generation's begin at 1.
func (r *Relay) Publish(now mono.Time, last uint64) {
	o := &r.own
	r.packed.ok = false
	if g := r.host.Generation(); g != o.generation {
		o.generation, o.next, o.last, o.stripes, o.prompt = g, 1, 0, 0, 0
	}
	if last-o.last > 1 { // the end of a message leaves with its beginning
		o.prompt = last
	}
	if last-o.last >= stripeFrom {
		o.stripes = last
	}
	o.last = last
	o.due = min(o.due, now)
}

// PendingBytes returns about how many bytes of own pieces wait to be sent, up to a bound.
func (r *Relay) PendingBytes(most int) (sum int) {
	o := &r.own
	for seq := o.next; seq <= o.last && sum < most; seq++ {
		body, _ := r.store.Body(r.host.Self(), o.generation, seq)
		sum += len(body) + pieceOverhead
	}
	return min(sum, most)
}

// Resume tells that there is budget again for what is sent to another zone.
func (r *Relay) Resume(now mono.Time) {
	if r.own.next <= r.own.last {
		r.own.due = min(r.own.due, now)
	}
}

// Pending returns how many own pieces wait to be sent.
func (r *Relay) Pending() int { return int(r.own.last + 1 - r.own.next) }

// ship sends own pieces until none is left, the window is full, or it is too early.
func (r *Relay) ship(now mono.Time) {
	o := &r.own
	o.due = mono.Never
	room := r.host.Room() // what is launched leaves later
	bounded := room < math.MaxInt
	for o.next <= o.last && o.out < min(o.window, r.cfg.Window) {
		b, size := r.gather()
		full := b.First+uint64(b.Count) <= o.last || size > parcelRoom/2
		start := max(o.clock, now-mono.Time(burst*pace)) // what was not used for long is lost
		switch next := o.shipped.Add(r.company(coalesce)); {
		case room < size:
			o.due = now.Add(shortPause)
			return
		case !full && b.First > o.prompt && o.shipped != 0 && now < next:
			o.due = next
			return
		case start > now:
			o.due = start.Add(burst / 2 * pace)
			return
		case r.bucket.delay(now) > coalesce:
			o.due = now.Add(r.bucket.delay(now))
			return
		}
		o.clock, o.shipped = start.Add(pace), now
		o.next += uint64(b.Count)
		room -= size + pieceOverhead
		r.host.Sent(now, o.generation, o.next-1)
		r.launch(now, &b, size, bounded)
	}
}

// gather returns the next parcel: as many pieces as fit.
func (r *Relay) gather() (b wire.Branch, size int) {
	o := &r.own
	b = wire.Branch{Origin: r.host.Self(), Generation: o.generation, First: o.next}
	for seq := o.next; seq <= o.last && b.Count < wire.MaxParcel; seq++ {
		body, ok := r.store.Body(b.Origin, b.Generation, seq)
		if !ok || b.Count > 0 && wire.MaxBranch+size+wire.MaxBody+len(body) > parcelRoom {
			break
		}
		size += wire.MaxBody + len(body)
		b.Count++
	}
	b.Count = max(b.Count, 1) // one that is not held is passed over when it is sent
	return b, size
}

// launch sends an own parcel. Where a budget bounds what other zones are sent, a striped one is
// given to a member for this node's zone only. This node alone waits for budgets, so it gives the
// parcel to the other zones itself.
func (r *Relay) launch(now mono.Time, b *wire.Branch, size int, bounded bool) {
	o := &r.own
	r.flow.count(now, 1, 0, 0)
	o.out++
	b.Given = r.host.Waited(b.Generation, b.First, b.First+uint64(b.Count)-1)
	m := mine{is: true, out: true, waited: b.Given,
		until: now.Add(max(outFor, 2*r.rto(r.self().Zone(),
			r.busy()))), told: now, backoff: firstPause, look: mono.Never}
	var i int32
	if i = r.submit(now, b, size, bounded); i >= 0 {
	} else if n := len(r.ring.All()); b.First <= o.stripes && n > 4 {
		b.Bits = wire.SpanNone // no legs yet
		i = r.begin(now, b, false)
		j := &r.jobs[i]
		j.Bits = 0
		if j.striped = bounded; bounded {
			r.divide(now, j, wire.Span{}, false)
		} else {
			r.delegate(now, j, wire.Span{}, n, false)
		}
	} else {
		i = r.begin(now, b, false)
	}
	j := &r.jobs[i]
	j.mine = m
	j.due = min(j.due, m.until)
	r.schedule(i, j.due)
	if !j.shared {
		r.extras(now, b, size)
	}
	if j.open == 0 {
		r.finish(now, i)
	}
}

// leave takes a parcel out of the window.
func (r *Relay) leave(now mono.Time, j *job) {
	if j.mine.out {
		j.mine.out = false
		r.own.out--
		if r.own.next <= r.own.last {
			r.own.due = min(r.own.due, now)
		}
	}
}

// congested narrows the window when answers stay away, at most once in a while. As in TCP, it is
// the answers that pace what is sent, so that an overloaded network or machine is not given more.
func (r *Relay) congested(now mono.Time, j *job) {
	if o := &r.own; j.mine.is && now.Sub(o.cut) > outFor {
		least := lastWindow
		if r.class() > 0 { // silence says less
			least = firstWindow
		}
		o.cut, o.window = now, max(o.window*3/4, least)
	}
}

// progress tells the host of an own parcel, now and then.
func (r *Relay) progress(now mono.Time, j *job) {
	if now.Sub(j.mine.told) >= tellEvery {
		r.tell(now, j)
	}
}

func (r *Relay) tell(now mono.Time, j *job) {
	j.mine.told = now
	r.host.Confirmed(now, j.progress())
}

func (j *job) progress() Progress {
	of, have, missing := j.sum()
	p := Progress{
		Generation: j.Generation, First: j.First, Last: j.First + uint64(j.Count) - 1,
		Have: int(have), Of: int(of), Missing: missing, Done: j.mine.tried,
	}
	for k := range j.legs {
		if j.legs[k].newer {
			p.Newer++
		}
	}
	return p
}

// abandon ends an own job that is not complete. A publisher that waits is told.
func (r *Relay) abandon(now mono.Time, i int32) {
	j := &r.jobs[i]
	r.own.drop(i)
	if j.mine.waited {
		p := j.progress()
		p.Ended = true
		r.host.Confirmed(now, p)
	}
	r.release(i)
}

// finishOwn is called when all was done for an own parcel that can be done at once. Members that
// are missing are offered it again after a pause, until none is. If there are too many such
// parcels, it is left to the digests. A parcel that a publisher waits for goes on for as long as
// this node holds it. Later no further member will be given it.
func (r *Relay) finishOwn(now mono.Time, i int32) {
	j := &r.jobs[i]
	j.mine.tried = true
	r.tell(now, j)
	if j.mine.out {
		r.own.window = min(r.own.window+1, r.cfg.Window)
	}
	r.leave(now, j)
	open, more := false, false
	for k := 0; k < len(j.legs); k++ {
		r.name(j, k)
		l := &j.legs[k]
		if l.have >= l.of {
			continue
		}
		if open = true; l.due == mono.Never {
			l.due, more = now.Add(j.mine.backoff), true
		}
		j.due = min(j.due, l.due)
	}
	o := &r.own
	if !open {
		o.drop(i)
		r.release(i)
		return
	}
	if _, held := r.store.Body(j.Origin, j.Generation, j.First); !held {
		r.abandon(now, i)
		return
	}
	if more {
		j.mine.backoff = min(2*j.mine.backoff, lastPause)
	}
	if j.mine.waited {
		j.mine.look = now.Add(lookEvery)
		j.due = min(j.due, j.mine.look)
	}
	o.drop(i)
	o.linger = append(o.linger, i)
	r.schedule(i, j.due)
	r.thin(now)
}

// thin ends the oldest of the parcels that linger, if they are too many: those that nobody waits
// for first.
func (r *Relay) thin(now mono.Time) {
	var count, most [2]int // of those that nobody waits for, and of the others
	most[0], most[1] = maxLinger, max(maxLinger, min(maxWaited,
		waitedLegs/max(len(r.ring.All()), 1)))
	for _, i := range r.own.linger {
		count[kind(r.jobs[i].mine.waited)]++
	}
	for k := 0; k < len(r.own.linger) && (count[0] > most[0] || count[1] > most[1]); {
		i := r.own.linger[k]
		if c := kind(r.jobs[i].mine.waited); count[c] > most[c] {
			count[c]--
			r.abandon(now, i)
		} else {
			k++
		}
	}
}

func kind(waited bool) int {
	if waited {
		return 1
	}
	return 0
}

// name makes legs of their own for the members that a span is missing, if all are named: the others
// need not be asked again.
func (r *Relay) name(j *job, k int) {
	l := &j.legs[k]
	if l.single() || l.have >= l.of || len(l.missing) != int(l.of-l.have) {
		return
	}
	missing := l.missing
	l.of, l.missing = l.have, nil
	for _, id := range missing {
		if p, ok := r.placeOf(id); ok && j.legFor(id) == nil {
			j.legs = append(j.legs, absent(p))
		}
	}
}

// Unsettled returns the first of this node's own pieces that is not out, if any is not. A piece is
// out if each live member has it or is silent, and so many others have it, or all if there are
// fewer.
func (r *Relay) Unsettled(others int) (generation, piece uint64, late bool) {
	o := &r.own
	if o.next <= o.last {
		generation, piece, late = o.generation, o.next, true
	}
	for i := range r.jobs {
		j := &r.jobs[i]
		if !j.used || !j.mine.is {
			continue
		}
		of, have, _ := j.sum()
		if j.mine.tried && have >= min(of, int32(others)+1) {
			continue
		}
		if !late || j.Generation < generation || j.Generation == generation && j.First < piece {
			generation, piece, late = j.Generation, j.First, true
		}
	}
	return generation, piece, late
}

// drop takes a job from those that linger.
func (o *own) drop(i int32) {
	for k, x := range o.linger {
		if x == i {
			o.linger = append(o.linger[:k], o.linger[k+1:]...)
			return
		}
	}
}

// ZoneHeard tells that a zone which was silent is heard again: it is offered what it missed and is
// not forgotten here.
func (r *Relay) ZoneHeard(now mono.Time, zone uint16) {
	for _, i := range r.own.linger {
		j := &r.jobs[i]
		for k := range j.legs {
			l := &j.legs[k]
			if l.state == done && l.have < l.of &&
				(l.span == spanOf(zone) || l.single() && l.zone == zone) {
				l.due, j.due, j.mine.backoff = now, now, firstPause
			}
		}
		r.schedule(i, j.due)
	}
}

// reopen offers an own parcel again to the members that lacked it, but not while their zone is
// silent.
func (r *Relay) reopen(now mono.Time, j *job, k int) {
	if _, held := r.store.Body(j.Origin, j.Generation, j.First); !held {
		return // no further member is given it: the job ends (finishOwn)
	}
	l := &j.legs[k]
	each := j.mine.waited && !l.single() && (!r.foreign(l.span) || l.have > 0)
	if !l.single() && !each {
		l.of = int32(r.count(&j.Branch, l.span)) // a member that died since was perhaps not named
		l.have = min(l.have, l.of)
	}
	if r.unheard(l.span) || l.single() && r.host.Silent(l.zone) || l.have >= l.of {
		return
	}
	if each { // it is not known which members have it
		r.scatter(now, j, k)
		return
	}
	other := l.single() && r.outOfFamily(l.id)
	l.hands, l.former = 0, [2]member.ID{}
	if j.mine.waited && l.single() && !other {
		r.detour(now, j, l)
	}
	l.state, l.tries, l.bare = asked, 0, true
	j.open++
	if other {
		r.helped(now, j, l)
		return
	}
	if !l.single() && !r.choose(now, j, l) {
		l.of = l.have
		r.end(j, l, l.have, nil)
		return
	}
	r.again(now, j, l)
}
