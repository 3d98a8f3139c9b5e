package multicast

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// parcel names one by its origin's instance, which stands for origin and generation.
type parcel struct {
	instance uint32
	first    uint64
}

// job is a duty: to bring a parcel to a span of the ring, and to tell the parent when that is done.
// The origin's own span is everybody, and it has no parent.
type job struct {
	wire.Branch // the duty as it came; Attempt is not used
	instance    uint32
	parents     [2]parent // they gave the duty, the latest first; none for an own parcel
	legs        []leg
	open        int  // legs that are not done
	small       bool // the parcel leaves room for others in a datagram
	striped     bool // an own parcel that another of this node's zone is to bring to it
	// this node was not given the parcel when it took the duty: the first leg is its own
	owing  bool
	twin   bool   // nobody gave the duty: this node is a twin
	pooled bool   // it is done when the mixed parcel is that it went into
	shared bool   // an own parcel that a hub is to bring to all
	lane   uint64 // which of the hubs
	pool   []entrant
	used   bool
	stamp  uint32 // tells it from an earlier job in the same slot
	next   int32  // another job of the same parcel, -1 if none
	due    mono.Time
	ticket mono.Time // when it wakes next
	mine   mine      // of an own parcel
}

type parent struct {
	peer    plane.Peer
	attempt uint8
	patient bool
}

// leg is one part of a duty, and the member that was asked to see to it: a delegate for a span, or
// a member for itself.
type leg struct {
	span wire.Span // SpanSelf: the member alone
	id   member.ID // the member that was asked last
	// the helper that was asked in its place, since it does not answer this node; 0: none
	via     member.ID
	former  [2]member.ID // those that were asked before that
	zone    uint16       // of id
	state   legState
	attempt uint8        // of the last Carry or Offer
	tries   uint8        // without an answer since the last one, or since id was asked
	hands   uint8        // delegates so far
	lacked  uint8        // answers that the parcel is not there
	bare    bool         // the parcel is offered: id may have it
	mute    bool         // id was silent before
	newer   bool         // it joined after the parcel was published, and does not get it
	sent    [4]mono.Time // the last tries, by attempt
	patient [4]bool      // of these, those whose answers may wait for company
	due     mono.Time
	of      int32 // members that the leg is for
	have    int32 // that have the parcel, once it is done
	missing []member.ID
	digest  uint16 // of a span: that of the members it is for, 0 if that is not known
	// of a span of an own parcel that is waited for: the members that have it, if they are known
	had []member.ID
}

type legState uint8

const (
	asked legState = iota
	taken          // the delegate is at work
	done
)

func (l *leg) single() bool { return l.span.Bits == wire.SpanSelf }

// asks says whether an answer about a span from somebody is one to this leg.
func (l *leg) asks(bits uint8, from member.ID) bool {
	former := from == l.former[0] || from == l.former[1]
	if l.single() {
		return bits == wire.SpanSelf && from == l.id || bits == placeBits &&
			(from == l.via || former)
	}
	return bits == l.span.Bits && (from == l.id || former)
}

// asked is the member that was asked last.
func (l *leg) asked() member.ID { return cmp.Or(l.via, l.id) }

// begin opens a job and sends its first legs.
func (r *Relay) begin(now mono.Time, b *wire.Branch, bare bool) int32 {
	i := r.enter(b)
	if b.Given {
		r.selfLeg(now, i)
	}
	if b.Bits <= 64 {
		r.divide(now, &r.jobs[i], b.Span, bare)
	}
	r.schedule(i, r.jobs[i].due)
	return i
}

// enter opens a job without legs.
func (r *Relay) enter(b *wire.Branch) int32 {
	var i int32
	if n := len(r.free); n > 0 {
		i, r.free = r.free[n-1], r.free[:n-1]
	} else {
		r.jobs = append(r.jobs, job{})
		i = int32(len(r.jobs) - 1)
	}
	j := &r.jobs[i]
	*j = job{
		Branch: *b, instance: b.Instance(),
		legs: j.legs[:0], pool: j.pool[:0], used: true, stamp: j.stamp +
			1, next: -1, due: mono.Never, ticket: mono.Never,
	}
	j.Loss = max(b.Loss, r.class())
	j.small = r.sizeOf(b) <= parcelRoom/2
	p := parcel{j.instance, b.First}
	if head, ok := r.at[p]; ok {
		j.next = head
	}
	r.at[p] = i
	return i
}

// find returns the job of a duty, -1 if there is none.
func (r *Relay) find(b *wire.Branch) int32 {
	i, ok := r.at[parcel{b.Instance(), b.First}]
	for ok && i >= 0 {
		if r.jobs[i].Span == b.Span {
			return i
		}
		i = r.jobs[i].next
	}
	return -1
}

// release ends a job.
func (r *Relay) release(i int32) {
	j := &r.jobs[i]
	p := parcel{j.instance, j.First}
	switch head := r.at[p]; {
	case head != i:
		for r.jobs[head].next != i {
			head = r.jobs[head].next
		}
		r.jobs[head].next = j.next
	case j.next >= 0:
		r.at[p] = j.next
	default:
		delete(r.at, p)
	}
	for k := range j.legs {
		j.legs[k].missing, j.legs[k].had = nil, nil
	}
	j.used = false
	r.free = append(r.free, i)
}

// schedule makes a job wake by a moment.
func (r *Relay) schedule(i int32, due mono.Time) {
	j := &r.jobs[i]
	if due != mono.Never && due < j.ticket {
		j.ticket = due
		r.tickets.push(ticket{due: due, job: i, stamp: j.stamp})
	}
}

// wakeJob sees to the legs that are late.
func (r *Relay) wakeJob(now mono.Time, i int32) {
	j := &r.jobs[i]
	j.ticket = mono.Never
	if j.due > now {
		r.schedule(i, j.due)
		return
	}
	if j.mine.is && j.mine.out && j.mine.until <= now {
		r.leave(now, j)
	}
	if j.mine.is && j.mine.look <= now {
		j.mine.look = mono.Never // a round is under way, which sees to it at its end
		if _, held := r.store.Body(j.Origin, j.Generation, j.First); j.open == 0 && !held {
			r.abandon(now, i)
			return
		} else if j.open == 0 {
			j.mine.look = now.Add(lookEvery)
		}
	}
	moved := false
	for k := 0; k < len(j.legs); k++ {
		if l := &j.legs[k]; l.due <= now {
			r.late(now, j, k)
			moved = true
		}
	}
	j.due = j.mine.due()
	for k := range j.legs {
		j.due = min(j.due, j.legs[k].due)
	}
	if moved && j.open == 0 {
		r.finish(now, i)
		return
	}
	r.schedule(i, j.due)
}

// finish closes a job all of whose legs are done: an own one is told to the host, another to the
// parents.
func (r *Relay) finish(now mono.Time, i int32) {
	j := &r.jobs[i]
	if len(j.pool) > 0 {
		r.finishPool(now, i)
		return
	}
	if j.mine.is {
		r.finishOwn(now, i)
		return
	}
	c := closed{parcel: parcel{j.instance, j.First}, span: j.Span, at: now}
	c.of, c.have, c.missing = j.sum()
	c.digest = j.digest(r.self())
	for _, p := range j.parents {
		if p.peer.ID != 0 {
			r.confirmClosed(now, p, &c)
		}
	}
	if !j.twin || !j.Given { // a twin did not ask whether its own programs were given the parcel
		r.remember(c)
	}
	r.release(i)
}

// alone says whether no leg counts this node.
func (j *job) alone() bool { return !j.owing && !(j.twin && j.legs[0].of > 0) }

// sum adds up what the legs of a job confirmed, with this node, which has the parcel unless a leg
// says otherwise. No member is counted by two legs.
func (j *job) sum() (of, have int32, missing []member.ID) {
	if j.alone() {
		of, have = 1, 1
	}
	for k := range j.legs {
		l := &j.legs[k]
		of, have = of+l.of, have+l.have
		for _, id := range l.missing {
			if len(missing) < wire.MaxMissing && !slices.Contains(missing, id) {
				missing = append(missing, id)
			}
		}
	}
	return of, have, missing
}

// closed is the end of a duty, for parents that ask again.
type closed struct {
	parcel
	span     wire.Span
	at       mono.Time
	of, have int32
	digest   uint16
	missing  []member.ID
}

func (r *Relay) remember(c closed) {
	if len(r.closed) < maxClosed {
		r.latest = len(r.closed)
		r.closed = append(r.closed, c)
		return
	}
	r.latest = (r.latest + 1) % maxClosed
	r.closed[r.latest] = c
}

// recall returns the latest end of a duty, nil if it is forgotten.
func (r *Relay) recall(b *wire.Branch) *closed {
	p := parcel{b.Instance(), b.First}
	for k := range r.closed {
		c := &r.closed[(r.latest-k+len(r.closed))%len(r.closed)]
		if c.parcel == p && c.span == b.Span {
			return c
		}
	}
	return nil
}

// digest is that of the members that a duty's count is of: not of those that turned out to live
// since. It is 0 if they are many, or not all known.
func (j *job) digest(self place) (d uint16) {
	if j.alone() && holds(j.Span, self.Key) {
		d = uint16(self.ID)
	}
	n := int32(1)
	for k := range j.legs {
		l := &j.legs[k]
		n += l.of
		switch {
		case l.of == 0 || l.single() && l.id == self.ID && !holds(j.Span, self.Key):
		case l.single():
			d ^= uint16(l.id)
		case l.digest == 0:
			return 0
		default:
			d ^= l.digest
		}
	}
	if n > direct+1 {
		return 0
	}
	return d
}

// digest is what two nodes compare to see whether they know the same members of a span; 0 for a
// wide one.
func (r *Relay) digest(s wire.Span, origin member.ID) (d uint16) {
	places := r.ring.All()
	lo, hi := within(places, s)
	if hi-lo > direct {
		return 0
	}
	for _, p := range places[lo:hi] {
		if p.ID != origin {
			d ^= uint16(p.ID)
		}
	}
	return d
}

// ticket wakes a job. Those of jobs that are gone are passed over.
type ticket struct {
	due   mono.Time
	job   int32
	stamp uint32
}

// tickets is a binary heap.
type tickets struct{ list []ticket }

func (h *tickets) due() mono.Time {
	if len(h.list) == 0 {
		return mono.Never
	}
	return h.list[0].due
}

func (h *tickets) push(t ticket) {
	h.list = append(h.list, t)
	for i := len(h.list) - 1; i > 0; {
		up := (i - 1) / 2
		if h.list[up].due <= h.list[i].due {
			return
		}
		h.list[up], h.list[i] = h.list[i], h.list[up]
		i = up
	}
}

// next takes out the first ticket that is due.
func (h *tickets) next(now mono.Time) (t ticket, ok bool) {
	if h.due() > now {
		return ticket{}, false
	}
	t = h.list[0]
	last := len(h.list) - 1
	h.list[0] = h.list[last]
	h.list = h.list[:last]
	for i := 0; ; {
		k := 2*i + 1
		if k >= last {
			return t, true
		}
		if k+1 < last && h.list[k+1].due < h.list[k].due {
			k++
		}
		if h.list[i].due <= h.list[k].due {
			return t, true
		}
		h.list[i], h.list[k] = h.list[k], h.list[i]
		i = k
	}
}
