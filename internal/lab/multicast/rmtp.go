package multicast

// RMTP, the reliable multicast transport protocol (Lin and Paul 1996; Paul, Sabnani, Lin,
// Bhattacharyya 1997), over multicast by the network (routers.go). The origin multicasts once. Some
// members, those whose routers are at every third level of the tree, are designated receivers. They
// and the origin say to those below, now and then, "send acks to me". A receiver takes the nearest
// one that it has heard of late, and sends it a status at a fixed period: the first sequence that
// it lacks and a bitmap of those after it. At a period of its own a designated receiver sends what
// was reported missing, to each by unicast, or to all below by multicast if that are many. So the
// origin hears of few, and repairs are local. When a designated receiver is down, those below go
// over to the next one above once they have not heard of it for three periods. With the one message
// here, the bitmap has one bit. A session is set up before anything is sent: receivers know that
// there is one, and report from the start.

import "github.com/starling-gossip/starling/internal/gossip"

const (
	designatedEvery = 3 // levels of the tree
	manyMissing     = 8 // reports of one period from which on a repair is multicast
	forgotten       = 3 // periods without an advert
)

type rmtp struct {
	*member
	heard   []gossip.Time // of each designated receiver above, the nearest first, the last advert
	above   []int         // those designated receivers
	missing []int         // the members that lack the message, as they said in this period
	// until then a report may have crossed with the message, and does not count
	deaf gossip.Time
}

// The timers.
const (
	rmtpStatus = iota
	rmtpAdvert
	rmtpRepair
)

func newRMTP(m *member) node {
	r := &rmtp{member: m}
	t := m.w.tree
	for i := m.me; i != 0; {
		i = t.parent(i)
		if t.designated(i) {
			r.above = append(r.above, i)
		}
	}
	r.heard = make([]gossip.Time, len(r.above)) // of all, a moment ago
	return r
}

// designated says whether a member is a designated receiver, or the origin.
func (t *routers) designated(i int) bool {
	first, end := t.children(i)
	return first < end && t.depth[i]%designatedEvery == 0
}

func (r *rmtp) start() {
	o := r.w.o
	if r.me != 0 {
		r.after(r.between(0, o.Status), rmtpStatus)
	}
	if r.w.tree.designated(r.me) {
		r.after(r.between(0, o.Advert), rmtpAdvert)
		r.after(r.between(0, o.Status), rmtpRepair)
	}
}

func (r *rmtp) publish() {
	r.group(data, wholeGroup)
	r.deaf = r.now().Add(r.w.o.Retry)
}

// to is where the status goes: the nearest that was heard of late, or the origin.
func (r *rmtp) to() int {
	limit := r.now().Add(-forgotten * r.w.o.Advert)
	for i, at := range r.heard {
		if at >= limit {
			return r.above[i]
		}
	}
	return 0
}

func (r *rmtp) receive(from int, k kind, args []uint32, fresh bool) {
	switch k {
	case data:
		if fresh {
			r.deaf = r.now().Add(r.w.o.Retry)
		}
	case advert:
		for i, a := range r.above {
			if a == int(args[0]) {
				r.heard[i] = r.now()
			}
		}
	case status:
		if args[0] == 0 && r.has && r.now() >= r.deaf {
			r.missing = append(r.missing, from)
		}
	}
}

func (r *rmtp) timer(what int, _ gossip.Time) {
	o := r.w.o
	switch what {
	case rmtpStatus:
		next, bitmap := uint32(0), uint32(0)
		if r.has {
			next = 1
		}
		r.send(r.to(), status, next, bitmap)
		r.after(o.Status, rmtpStatus)
	case rmtpAdvert:
		r.group(advert, below, uint32(r.me))
		r.after(o.Advert, rmtpAdvert)
	case rmtpRepair:
		r.repair()
		r.after(o.Status, rmtpRepair)
	}
}

// repair sends the message to the members that lack it.
func (r *rmtp) repair() {
	if len(r.missing) >= manyMissing {
		r.group(data, below)
	} else {
		for _, to := range r.missing {
			r.send(to, data)
		}
	}
	r.missing = r.missing[:0]
}
