package multicast

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Members at addresses of the other IP version. This node cannot send to them, so it gives them no
// duty as delegates. They get parcels by way of others. A helper says at once if it cannot send to
// them either. A publisher does not wait for a member that no helper reaches, and does not count
// it. Such a member finds by digests what it lacks.

// maxHelpers is how many are asked, one after the other, to reach a member.
const maxHelpers = 8

// helped asks the next helper to bring a parcel to the member of a leg. Without one the leg ends:
// an own parcel is then not for that member, and of another the parent is told that it lacks it. A
// node that can send to nobody has no word of others' helpers: all lack what it publishes.
func (a *asks) helped(now mono.Time, j *job, l *leg) {
	if a.nextHelper(now, j, l) {
		l.state, l.tries = asked, 0
		l.attempt++
		a.send(now, j, l)
		return
	}
	l.via = 0
	if t := a.host.Table(); t.Served() > 1 && (j.own.is || j.Origin == a.host.Self()) {
		l.of = 0
		j.end(l, 0, nil)
		return
	}
	j.end(l, 0, []member.ID{l.id})
}

// nextHelper chooses a helper: at first the one that helped last, then others of the member's zone,
// in the end members of any zone.
func (a *asks) nextHelper(now mono.Time, j *job, l *leg) bool {
	fits := func(id member.ID) bool {
		return id != a.host.Self() && id != l.id && id != l.via && id != j.Origin &&
			!a.paths.silent(now, id) && !a.outOfFamily(id)
	}
	if l.hands >= maxHelpers {
		return false
	}
	first := l.hands == 0
	l.hands++
	if _, lives := a.placeOf(a.helper); first && lives && fits(a.helper) {
		l.via = a.helper
		return true
	}
	places := a.zone(l.zone)
	if l.hands > maxHelpers/2 || len(places) < maxHelpers {
		places = a.ring.All()
	}
	at := int(member.Mix(uint64(l.id)+uint64(l.hands)) % uint64(max(len(places), 1)))
	for k := range places {
		if p := places[(at+k)%len(places)]; fits(p.ID) {
			l.via = p.ID
			return true
		}
	}
	return false
}

// Members of this IP version that do not answer. The origin of a parcel that a publisher waits for
// asks each member that is missing again, now and then, by turns itself and by way of others. The
// way between just these two may be broken, or the ways of several members to one. It remembers
// which member reached another one.

// way is the helper that is asked first to reach a member: the first on the ring from a key. That
// is the one that reached it last, or the next after one that did not.
type way struct {
	to, by member.ID // by: the helper that reached it last; 0: none that still does
	from   uint64
}

// way returns the one to a member; the oldest makes room for it.
func (a *asks) way(to member.ID) *way {
	for i := range a.ways {
		if a.ways[i].to == to {
			return &a.ways[i]
		}
	}
	w := way{to: to, from: member.Mix(uint64(to))}
	if len(a.ways) < maxWays {
		a.ways = append(a.ways, w)
		return &a.ways[len(a.ways)-1]
	}
	a.oldWay = (a.oldWay + 1) % maxWays
	a.ways[a.oldWay] = w
	return &a.ways[a.oldWay]
}

// detour begins a round of asking a missing member: this node and others by turns. The first is
// this node's, unless it has asked already.
func (a *asks) detour(now mono.Time, j *job, l *leg) {
	direct := l.via != 0 || l.attempt == 0
	if l.via = 0; !direct {
		a.nextDetour(now, j, l)
	}
}

// nextDetour chooses the helper that asks in this node's place: one of the member's zone, else any.
// It says whether there is another for this round.
func (a *asks) nextDetour(now mono.Time, j *job, l *leg) bool {
	if l.hands == maxDetours {
		return false
	}
	w := a.way(l.id)
	for _, places := range [2][]place{a.zone(l.zone), a.ring.All()} {
		at := topology.After(places, w.from)
		for k := range places {
			p := places[(at+k)%len(places)]
			if p.ID == a.host.Self() || p.ID == l.id || p.ID == j.Origin || p.ID == l.via ||
				slices.Contains(l.former[:], p.ID) || a.paths.silent(now, p.ID) ||
				a.outOfFamily(p.ID) {
				continue
			}
			l.former[1], l.former[0], l.via = l.former[0], l.via, p.ID
			l.hands++
			return true
		}
	}
	return false
}

// strayed tells that the helper of a leg did not reach the member: others are asked from now on.
func (a *asks) strayed(now mono.Time, j *job, l *leg) {
	if a.outOfFamily(l.id) {
		a.helped(now, j, l)
		return
	}
	w := a.way(l.id)
	if p, ok := a.placeOf(l.via); ok && (w.by == 0 || w.by == l.via) {
		w.by, w.from = 0, p.Key+1
	}
	if !a.nextDetour(now, j, l) {
		j.end(l, 0, []member.ID{l.id})
		return
	}
	l.state, l.tries, l.offerOnly = asked, 0, true
	a.again(now, j, l)
}

// vouched takes in what a helper says of a member: it counts itself as well.
func (a *asks) vouched(now mono.Time, j *job, l *leg, from member.ID, m *wire.Confirmed) {
	p, ok := a.placeOf(l.id)
	switch {
	case ok && m.Of == 2 && m.Have == 2 &&
		m.Digest == a.digest(wire.Span{Bits: placeBits, Prefix: p.Key}, j.Origin):
		if h, ok := a.placeOf(from); a.outOfFamily(l.id) {
			a.helper = from
		} else if ok {
			*a.way(l.id) = way{to: l.id, by: from, from: h.Key}
		}
		j.end(l, 1, nil)
	case l.state != done && from == l.via:
		a.strayed(now, j, l)
	}
}
