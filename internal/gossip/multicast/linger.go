package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// lingering is the own parcels of which all was done that can be done at once, but some members
// lack them. It tells the host how own parcels stand.
type lingering struct {
	core
	own  *own
	list []int32 // jobs that wait for silent members, the oldest first
}

const (
	tellEvery  = 5 * time.Millisecond
	firstPause = 200 * time.Millisecond // between offers to the silent, doubling
	lastPause  = 5 * time.Second
	// a wait ends so long after its message is let go, at most
	lookEvery = time.Second
)

// tell tells the host how an own parcel stands.
func (g *lingering) tell(now mono.Time, j *job) {
	j.own.told = now
	g.host.Confirmed(now, j.progress())
}

// progress tells the host of an own parcel, now and then.
func (g *lingering) progress(now mono.Time, j *job) {
	if now.Sub(j.own.told) >= tellEvery {
		g.tell(now, j)
	}
}

// finishOwn is called when all was done for an own parcel that can be done at once. Members that
// are missing are offered it again after a pause, until none is. If there are too many such
// parcels, it is left to the digests. A parcel that a publisher waits for goes on for as long as
// this node holds it. Later no further member will be given it.
func (g *lingering) finishOwn(now mono.Time, i int32) {
	j := &g.duties.jobs[i]
	j.own.tried = true
	g.tell(now, j)
	g.own.came(now, j)
	open, more := false, false
	for k := 0; k < len(j.legs); k++ {
		g.name(j, k)
		l := &j.legs[k]
		if l.have >= l.of {
			continue
		}
		if open = true; l.due == mono.Never {
			l.due, more = now.Add(j.own.backoff), true
		}
		j.due = min(j.due, l.due)
	}
	if !open {
		g.drop(i)
		g.duties.release(i)
		return
	}
	if _, held := g.store.Body(j.Origin, j.Generation, j.First); !held {
		g.abandon(now, i)
		return
	}
	if more {
		j.own.backoff = min(2*j.own.backoff, lastPause)
	}
	if j.own.waited {
		j.own.look = now.Add(lookEvery)
		j.due = min(j.due, j.own.look)
	}
	g.drop(i)
	g.list = append(g.list, i)
	g.duties.schedule(i, j.due)
	g.thin(now)
}

// abandon ends an own job that is not complete. A publisher that waits is told.
func (g *lingering) abandon(now mono.Time, i int32) {
	j := &g.duties.jobs[i]
	g.drop(i)
	if j.own.waited {
		p := j.progress()
		p.Ended = true
		g.host.Confirmed(now, p)
	}
	g.duties.release(i)
}

// drop takes a job from those that linger.
func (g *lingering) drop(i int32) {
	for k, x := range g.list {
		if x == i {
			g.list = append(g.list[:k], g.list[k+1:]...)
			return
		}
	}
}

// thin ends the oldest of the parcels that linger, if they are too many: those that nobody waits
// for first.
func (g *lingering) thin(now mono.Time) {
	var count, most [2]int // of those that nobody waits for, and of the others
	most[0], most[1] = maxLinger, max(maxLinger, min(maxWaited,
		waitedLegs/max(len(g.ring.All()), 1)))
	for _, i := range g.list {
		count[kind(g.duties.jobs[i].own.waited)]++
	}
	for k := 0; k < len(g.list) && (count[0] > most[0] || count[1] > most[1]); {
		i := g.list[k]
		if c := kind(g.duties.jobs[i].own.waited); count[c] > most[c] {
			count[c]--
			g.abandon(now, i)
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
func (g *lingering) name(j *job, k int) {
	l := &j.legs[k]
	if l.single() || l.have >= l.of || len(l.missing) != int(l.of-l.have) {
		return
	}
	missing := l.missing
	l.of, l.missing = l.have, nil
	for _, id := range missing {
		if p, ok := g.placeOf(id); ok && j.legFor(id) == nil {
			j.legs = append(j.legs, absent(p))
		}
	}
}

// Unsettled returns the first of this node's own pieces that is not out, if any is not. A piece is
// out if each live member has it or is silent, and so many others have it, or all if there are
// fewer.
func (g *lingering) Unsettled(others int) (generation, piece uint64, late bool) {
	for i := range g.duties.jobs {
		j := &g.duties.jobs[i]
		if !j.used || !j.own.is {
			continue
		}
		of, have, _ := j.sum()
		if j.own.tried && have >= min(of, int32(others)+1) {
			continue
		}
		if !late || j.Generation < generation || j.Generation == generation && j.First < piece {
			generation, piece, late = j.Generation, j.First, true
		}
	}
	return generation, piece, late
}

// include asks a member that was not known to live about the parcels that publishers wait for. If
// it joined later, it says so.
func (g *lingering) include(now mono.Time, m *member.Member) {
	at := topology.PlaceOf(m)
	for i := range g.duties.jobs {
		j := &g.duties.jobs[i]
		if !j.used || !j.own.waited || j.pooled { // what is pooled is counted in the end
			continue
		}
		l := j.legOver(at)
		switch {
		case j.had(m.ID, nil), l != nil && l.single() && l.of > 0:
			continue // it is counted
		case l == nil:
			j.legs = append(j.legs, absent(at))
			l = &j.legs[len(j.legs)-1]
		case !l.single():
			if l.of++; l.state != done || l.due != mono.Never {
				continue // its delegate knows the member, or turns out not to
			}
		default:
			*l = absent(at)
		}
		l.due, j.due = now, now
		g.duties.schedule(int32(i), now)
	}
}

// ZoneHeard tells that a zone which was silent is heard again: it is offered what it missed and is
// not forgotten here.
func (g *lingering) ZoneHeard(now mono.Time, zone uint16) {
	for _, i := range g.list {
		j := &g.duties.jobs[i]
		for k := range j.legs {
			l := &j.legs[k]
			if l.state == done && l.have < l.of &&
				(l.span == spanOf(zone) || l.single() && l.zone == zone) {
				l.due, j.due, j.own.backoff = now, now, firstPause
			}
		}
		g.duties.schedule(i, j.due)
	}
}

// Forgo tells that nobody waits any more for a message that ends in a piece of this node's own.
func (g *lingering) Forgo(generation, last uint64) {
	for i := range g.duties.jobs {
		j := &g.duties.jobs[i]
		if j.used && j.own.waited && j.Generation == generation && j.First <= last &&
			last < j.First+uint64(j.Count) {
			j.own.waited = g.host.Waited(generation, j.First, j.First+uint64(j.Count)-1)
		}
	}
}
