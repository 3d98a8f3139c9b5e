package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// duties are the jobs of this node, by parcel, when they wake next, and the ends of earlier ones.
type duties struct {
	*env
	paths   *paths
	parcels *parcels

	jobs    []job
	free    []int32
	at      map[parcel]int32 // the first job of a parcel
	tickets tickets
	closed  []closed
	latest  int // the last of closed that was written
}

// enter opens a job without legs.
func (d *duties) enter(b *wire.Branch) int32 {
	var i int32
	if n := len(d.free); n > 0 {
		i, d.free = d.free[n-1], d.free[:n-1]
	} else {
		d.jobs = append(d.jobs, job{})
		i = int32(len(d.jobs) - 1)
	}
	j := &d.jobs[i]
	*j = job{
		Branch: *b, instance: b.Instance(),
		legs: j.legs[:0], pool: j.pool[:0],
		used: true, stamp: j.stamp + 1, next: -1, due: mono.Never, ticket: mono.Never,
	}
	j.Loss = max(b.Loss, d.paths.class())
	j.small = d.parcels.sizeOf(b) <= parcelRoom/2
	p := parcel{j.instance, b.First}
	if head, ok := d.at[p]; ok {
		j.next = head
	}
	d.at[p] = i
	return i
}

// find returns the job of a duty, -1 if there is none.
func (d *duties) find(b *wire.Branch) int32 {
	i, ok := d.at[parcel{b.Instance(), b.First}]
	for ok && i >= 0 {
		if d.jobs[i].Span == b.Span {
			return i
		}
		i = d.jobs[i].next
	}
	return -1
}

// release ends a job.
func (d *duties) release(i int32) {
	j := &d.jobs[i]
	p := parcel{j.instance, j.First}
	switch head := d.at[p]; {
	case head != i:
		for d.jobs[head].next != i {
			head = d.jobs[head].next
		}
		d.jobs[head].next = j.next
	case j.next >= 0:
		d.at[p] = j.next
	default:
		delete(d.at, p)
	}
	for k := range j.legs {
		j.legs[k].missing, j.legs[k].had = nil, nil
	}
	j.used = false
	d.free = append(d.free, i)
}

// schedule makes a job wake by a moment.
func (d *duties) schedule(i int32, due mono.Time) {
	j := &d.jobs[i]
	if due != mono.Never && due < j.ticket {
		j.ticket = due
		d.tickets.push(ticket{due: due, job: i, stamp: j.stamp})
	}
}

// next returns a job that is to wake now.
func (d *duties) next(now mono.Time) (int32, bool) {
	for t, ok := d.tickets.next(now); ok; t, ok = d.tickets.next(now) {
		if j := &d.jobs[t.job]; j.used && j.stamp == t.stamp && j.ticket == t.due {
			j.ticket = mono.Never
			return t.job, true
		}
	}
	return 0, false
}

// stalled moves what is pending by a gap.
func (d *duties) stalled(gap time.Duration) {
	d.tickets.list = d.tickets.list[:0]
	for i := range d.jobs {
		j := &d.jobs[i]
		if !j.used {
			continue
		}
		j.due = j.own.due()
		for k := range j.legs {
			l := &j.legs[k]
			if l.due != mono.Never {
				l.due = l.due.Add(gap)
			}
			clear(l.sent[:])
			j.due = min(j.due, l.due)
		}
		j.ticket = mono.Never
		d.schedule(int32(i), j.due)
	}
}

// underway returns how many jobs there are.
func (d *duties) underway() int { return len(d.jobs) - len(d.free) }

// another says whether another duty can be taken.
func (d *duties) another() bool {
	if d.underway() < maxJobs {
		return true
	}
	d.stats.Refused++
	return false
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

func (d *duties) remember(c closed) {
	if len(d.closed) < maxClosed {
		d.latest = len(d.closed)
		d.closed = append(d.closed, c)
		return
	}
	d.latest = (d.latest + 1) % maxClosed
	d.closed[d.latest] = c
}

// recall returns the latest end of a duty, nil if it is forgotten.
func (d *duties) recall(b *wire.Branch) *closed {
	p := parcel{b.Instance(), b.First}
	for k := range d.closed {
		c := &d.closed[(d.latest-k+len(d.closed))%len(d.closed)]
		if c.parcel == p && c.span == b.Span {
			return c
		}
	}
	return nil
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
