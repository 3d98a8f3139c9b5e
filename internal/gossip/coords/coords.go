// Package coords is how a node learns where it stands among the others (topology.Vivaldi), and
// where others do.
//
// Its question rides on a probe and the answer on what answers the probe, so most round trips cost
// no packets of their own. A node asks seldom once it has settled. Where others stand is not
// gossiped, since few ever want to know: a node that does asks them.
//
// With several zones a node stands in two spaces, one for its own zone and one for all zones, as in
// Pharos (Chen et al. 2009). No space renders the milliseconds between zones right. In a single
// space that error would be larger than the fractions of a millisecond inside a zone.
package coords

import (
	"errors"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Errors of a lookup. ErrNoAnswer comes with its Located.
var (
	ErrLookups  = errors.New("too many members are being asked where they are")
	ErrNoAnswer = errors.New("the member does not answer")
)

// Host is the node, as far as a Coords needs more of it than an Env.
type Host interface {
	plane.Env
	// Located ends a lookup: err is nil or ErrNoAnswer.
	Located(id member.ID, at Location, err error)
}

// Location is where a member stands.
type Location struct {
	Inside, Outside topology.Coordinate // in the spaces of its zone, and of all zones
	RTT             time.Duration       // to it from here, by a question; 0 if none was answered
}

// Estimate returns the round trip between two members at these locations, and the relative error of
// such estimates of late (0.1 is a tenth; 1: it is a guess). Zones are the same if the first parts
// of their paths are.
func (l *Location) Estimate(o *Location, sameZone bool) (rtt time.Duration, err float64) {
	a, b := &l.Outside, &o.Outside
	if sameZone {
		a, b = &l.Inside, &o.Inside
	}
	return a.RTT(b), a.ErrorTo(b)
}

const (
	settling    = 128                     // round trips that come with each probe, at the start
	afarAtStart = 1200 * time.Millisecond // between two to other zones, at the start
	locateEvery = 20 * time.Second        // between two of a node later on
	afarEach    = 8                       // members of a zone that ask afar in each locateEvery
	lookupEvery = 500 * time.Millisecond
	lookupTries = 8
	maxLookups  = 256 // at once
	maxAsked    = 4
)

// Coords is where a node stands, and its questions for where others do.
type Coords struct {
	plane.None
	env             Host
	inside, outside topology.Vivaldi

	seq     uint16
	next    mono.Time          // a probe carries a question from then on
	afar    mono.Time          // a member of another zone is asked from then on
	asked   [maxAsked]question // for this node itself, the last of each place
	lookups []lookup           // of this node's users
	due     mono.Time          // of lookups
	asker   plane.Peer         // that sent a question in the current datagram; nobody: no ID
	answer  uint16             // the sequence of that question
	buf     []byte
}

// question is one whose answer is waited for.
type question struct {
	peer plane.Peer // nobody, if it has no ID
	seq  uint16
	sent mono.Time
}

// lookup is a question that is asked again until it is answered.
type lookup struct {
	question
	tries int
}

// New returns the coordinates of a node that starts.
func New(env Host) *Coords { return &Coords{env: env, due: mono.Never} }

// Location returns where this node stands.
func (c *Coords) Location() Location {
	return Location{Inside: c.inside.Coordinate(), Outside: c.outside.Coordinate()}
}

// Measured returns the round trip to a member as it was measured of late, 0 if it was not.
func (c *Coords) Measured(id member.ID) time.Duration {
	return max(c.inside.Measured(id), c.outside.Measured(id))
}

// Lookups returns how many members are being asked where they are: at most 256.
func (c *Coords) Lookups() int { return len(c.lookups) }

// Deadline is that of lookups.
func (c *Coords) Deadline() mono.Time { return c.due }

// Receive reads a question for where this node stands, or an answer to one of its own.
func (c *Coords) Receive(now mono.Time, from plane.Sender, t wire.Type, body []byte) bool {
	if t == wire.TypeLocate {
		seq, ok := wire.ReadLocate(body)
		if ok {
			c.asker, c.answer = from.Peer, seq
		}
		return ok
	}
	m, ok := wire.ReadLocated(body)
	if ok {
		c.located(now, &from, &m)
	}
	return ok
}

// EndDatagram answers a question of the current datagram that no probe answered.
func (c *Coords) EndDatagram(now mono.Time) {
	to := c.asker
	if to.ID == 0 {
		return
	}
	c.buf = c.appendLocated(c.buf[:0])
	c.env.Send(now, to, plane.Control, c.buf)
}

// Ride adds to a probe what there is to ask and to answer.
func (c *Coords) Ride(now mono.Time, b []byte, to plane.Peer, first wire.Type) []byte {
	if c.asker.ID == to.ID && c.asker.ID != 0 {
		b = c.appendLocated(b)
	}
	if c.next > now {
		return b
	}
	switch first {
	case wire.TypePing, wire.TypeLease:
		c.next = now
		if max(c.inside.Samples(), c.outside.Samples()) >= settling {
			c.next = now.Add(plane.Jitter(c.env.Rand(), locateEvery))
		}
		return c.askForSelf(now, b, to)
	case wire.TypeCounters: // not answered, so what answers this is a datagram of its own
		c.next = now.Add(plane.Jitter(c.env.Rand(), locateEvery))
		return c.askForSelf(now, b, to)
	}
	return b
}

// Rode asks a member of another zone: the detector probes few of them, and through few nodes. In a
// settled cluster a few members of each zone do so, however many there are. At the start all do.
// Members of a zone that is larger than all others together ask less often. So no member of the
// others is asked more often than each member asks where zones are alike.
func (c *Coords) Rode(now mono.Time) {
	if c.afar > now || !c.env.Ring().Mixed() {
		return
	}
	m, own, ok := c.env.Ring().Afar(c.env.Rand(), c.env.ID())
	others := max(c.env.Table().Live()-own, 1)
	pause := afarAtStart * time.Duration(max(own, others)) / time.Duration(others)
	c.afar = now.Add(plane.Jitter(c.env.Rand(), pause))
	if c.outside.Samples() >= settling {
		pause = locateEvery * time.Duration(max(own, afarEach)) / afarEach
		c.afar = now.Add(plane.Jitter(c.env.Rand(), pause))
	}
	if ok {
		to := plane.PeerOf(&m)
		c.buf = c.askForSelf(now, c.buf[:0], to)
		c.env.Send(now, to, plane.Control, c.buf)
	}
}

// askForSelf adds a question whose answer moves this node's own coordinate.
func (c *Coords) askForSelf(now mono.Time, b []byte, to plane.Peer) []byte {
	b, q := c.ask(now, b, to)
	c.asked[q.seq%maxAsked] = q
	return b
}

// ask adds a question.
func (c *Coords) ask(now mono.Time, b []byte, to plane.Peer) ([]byte, question) {
	c.seq++
	return wire.AppendLocate(b, c.seq), question{peer: to, seq: c.seq, sent: now}
}

// appendLocated adds the answer to the question of the current datagram.
func (c *Coords) appendLocated(b []byte) []byte {
	m := wire.Located{Seq: c.answer, Inside: wire.Coordinate(c.inside.Coordinate())}
	if c.outside.Samples() > 0 {
		m.Outside = wire.Coordinate(c.outside.Coordinate())
	}
	c.asker = plane.Peer{}
	return wire.AppendLocated(b, &m)
}

// located takes an answer in: a round trip, and where its sender stands.
func (c *Coords) located(now mono.Time, from *plane.Sender, a *wire.Located) {
	is := func(q *question) bool {
		return q.peer.ID == from.ID && q.peer.Instance == from.Instance && q.seq == a.Seq
	}
	at := Location{Inside: topology.Coordinate(a.Inside), Outside: topology.Coordinate(a.Outside)}
	if a.Outside.Height == 0 { // it knows of nobody there yet
		at.Outside = topology.Start
	}
	if q := &c.asked[a.Seq%maxAsked]; is(q) {
		c.tookTrip(now, &from.Member, &at, q.sent)
		*q = question{}
		return
	}
	i := slices.IndexFunc(c.lookups, func(x lookup) bool { return is(&x.question) })
	if i >= 0 {
		c.tookTrip(now, &from.Member, &at, c.lookups[i].sent)
		c.endLookup(i, at, nil)
	}
}

// tookTrip takes in a round trip to a member that is somewhere.
func (c *Coords) tookTrip(now mono.Time, m *member.Member, at *Location, sent mono.Time) {
	at.RTT = now.Sub(sent)
	self, chance := c.env.Self(), c.env.Rand()
	if topology.PlaceOf(m).Zone() != topology.PlaceOf(&self).Zone() {
		c.outside.Sample(chance, m.ID, &at.Outside, at.RTT)
		return
	}
	c.inside.Sample(chance, m.ID, &at.Inside, at.RTT)
	// a rack's fractions of a millisecond, among milliseconds that vary: any error there would be a
	// large one
	if c.env.Ring().Mixed() {
		c.outside.SampleAside(chance, m.ID, &at.Outside, at.RTT)
	}
}

// LookUp begins to ask a live member where it stands. Another one of the same member takes the
// place of the first. It fails with plane.ErrNoMember or ErrLookups.
func (c *Coords) LookUp(now mono.Time, id member.ID) error {
	m, ok := c.env.Table().Get(id)
	if !ok || !m.State.Live() || id == c.env.ID() {
		return plane.ErrNoMember
	}
	i := slices.IndexFunc(c.lookups, func(x lookup) bool { return x.peer.ID == id })
	if i < 0 {
		if len(c.lookups) == maxLookups {
			return ErrLookups
		}
		i = len(c.lookups)
		c.lookups = append(c.lookups, lookup{})
	}
	c.lookups[i] = lookup{question: question{peer: plane.PeerOf(&m)}}
	c.askAgain(now, &c.lookups[i])
	c.due = min(c.due, now.Add(lookupEvery))
	return nil
}

func (c *Coords) askAgain(now mono.Time, x *lookup) {
	c.buf, x.question = c.ask(now, c.buf[:0], x.peer)
	x.tries++
	c.env.Send(now, x.peer, plane.Control, c.buf)
}

// Wake asks the members again that have not answered, and gives up those that never do.
func (c *Coords) Wake(now mono.Time) {
	c.due = mono.Never
	for i := len(c.lookups) - 1; i >= 0; i-- {
		x := &c.lookups[i]
		live := plane.IsLive(c.env.Table(), x.peer)
		switch again := x.sent.Add(lookupEvery); {
		case !live, again <= now && x.tries == lookupTries:
			c.endLookup(i, Location{}, ErrNoAnswer)
			continue
		case again <= now:
			c.askAgain(now, x)
		}
		c.due = min(c.due, x.sent.Add(lookupEvery))
	}
}

func (c *Coords) endLookup(i int, at Location, err error) {
	id := c.lookups[i].peer.ID
	c.lookups = slices.Delete(c.lookups, i, i+1)
	c.env.Located(id, at, err)
}

// Stalled drops the round trips in which this process stood still.
func (c *Coords) Stalled(now mono.Time, _ time.Duration) {
	c.asked = [maxAsked]question{}
	for i := range c.lookups {
		c.lookups[i].seq = 0
		c.lookups[i].sent = now.Add(-lookupEvery)
	}
	if len(c.lookups) > 0 {
		c.due = now
	}
}
