package gossip

import (
	"errors"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
	"github.com/starling-gossip/starling/gossip/wire"
)

// This file is how a node learns where it stands among the others (topology.Vivaldi), and where others do. Its question rides on
// a probe and the answer on what answers the probe, so most round trips cost no packets of their own; and it is asked seldom
// once the node has settled. Where others stand is not gossiped, since few ever want to know: who does asks them.
//
// With several zones a node stands in two spaces, one for its own zone and one for all zones, as in Pharos (Chen et al. 2009):
// in a single one the milliseconds between zones that no space renders right would drown the parts of one inside them.

// Errors of a Locate. ErrNoAnswer comes with its MemberLocated.
var (
	ErrNoMember = errors.New("no such live member")
	ErrLookups  = errors.New("too many members are being asked where they are")
	ErrNoAnswer = errors.New("the member does not answer")
)

// Location is where a member stands.
type Location struct {
	Inside, Outside topology.Coordinate // among the members of its zone, and among those of all zones
	RTT             time.Duration       // to it from here, as a question measured it; 0 if none did
}

// Estimate returns the round trip between two members at these locations, and the relative error of such estimates of late (0.1
// is a tenth; 1: it is a guess). Zones are the same if the first parts of their paths are.
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
	afarEach    = 8                       // of a zone's members ask one of another zone in each locateEvery later on
	lookupEvery = 500 * time.Millisecond
	lookupTries = 8
	maxLookups  = 256 // at once
	maxAsked    = 4
)

// locator is where a node stands, and the questions for where others do.
type locator struct {
	inside, outside topology.Vivaldi

	seq     uint16
	next    Time               // a probe carries a question from then on
	afar    Time               // a member of another zone is asked from then on
	asked   [maxAsked]question // for this node itself, the last of each place
	lookups []lookup           // of this node's users
	due     Time               // of lookups
	asker   detect.Peer
	answer  uint16 // the sequence that the current datagram's sender asked with, if asker is somebody
}

// question is one whose answer is waited for.
type question struct {
	peer detect.Peer // nobody, if it has no ID
	seq  uint16
	sent Time
}

// lookup is a question that is asked again until it is answered.
type lookup struct {
	question
	tries int
}

// Location returns where this node stands.
func (n *Node) Location() Location {
	return Location{Inside: n.locator.inside.Coordinate(), Outside: n.locator.outside.Coordinate()}
}

// Measured returns the round trip to a member as it was measured of late, 0 if it was not.
func (n *Node) Measured(id member.ID) time.Duration {
	return max(n.locator.inside.Measured(id), n.locator.outside.Measured(id))
}

// appendLocation adds to a probe, which is still empty, what there is to ask and to answer.
func (n *Node) appendLocation(to detect.Peer, messages []byte) {
	l := &n.locator
	if l.asker.ID == to.ID && l.asker.ID != 0 {
		n.appendLocated()
	}
	if l.next > n.now || len(messages) == 0 {
		return
	}
	switch wire.Type(messages[0]) {
	case wire.TypePing, wire.TypeLease:
		l.next = n.now
		if max(l.inside.Samples(), l.outside.Samples()) >= settling {
			l.next = n.now.Add(n.jitter(locateEvery))
		}
		n.askForSelf(to)
	case wire.TypeCounters: // they are not answered, so the answer is a datagram of its own
		l.next = n.now.Add(n.jitter(locateEvery))
		n.askForSelf(to)
	}
}

// askAfar asks a member of another zone: the detector probes few of them, and through few nodes. In a settled cluster a few
// members of each zone do so, however many there are. At the start all do; those of a zone that is larger than all others
// together ask less often, so that no member of these is asked more often than each member asks where zones are alike.
func (n *Node) askAfar() {
	l := &n.locator
	if l.afar > n.now || !n.ring.Mixed() {
		return
	}
	m, own, ok := n.ring.Afar(n.rng, n.id)
	others := max(n.table.Live()-own, 1)
	l.afar = n.now.Add(n.jitter(afarAtStart * time.Duration(max(own, others)) / time.Duration(others)))
	if l.outside.Samples() >= settling {
		l.afar = n.now.Add(n.jitter(locateEvery * time.Duration(max(own, afarEach)) / afarEach))
	}
	if ok {
		to := detect.PeerOf(&m)
		start := n.open(to.Instance)
		n.askForSelf(to)
		n.close(start, to)
	}
}

// askForSelf adds a question to the datagram under way whose answer moves this node's own coordinate.
func (n *Node) askForSelf(to detect.Peer) {
	q := n.ask(to)
	n.locator.asked[q.seq%maxAsked] = q
}

// ask adds a question to the datagram under way.
func (n *Node) ask(to detect.Peer) question {
	n.locator.seq++
	n.out.arena = wire.AppendLocate(n.out.arena, n.locator.seq)
	return question{peer: to, seq: n.locator.seq, sent: n.now}
}

// appendLocated adds the answer for whoever asked in the current datagram.
func (n *Node) appendLocated() {
	l := &n.locator
	m := wire.Located{Seq: l.answer, Inside: wire.Coordinate(l.inside.Coordinate())}
	if l.outside.Samples() > 0 {
		m.Outside = wire.Coordinate(l.outside.Coordinate())
	}
	n.out.arena = wire.AppendLocated(n.out.arena, &m)
	l.asker = detect.Peer{}
}

// answerLocate answers who asked in the current datagram, if no probe did.
func (n *Node) answerLocate() {
	to := n.locator.asker
	if to.ID == 0 || n.stopped {
		return
	}
	start := n.open(to.Instance)
	n.appendLocated()
	n.close(start, to)
}

// takePlace reads a question for where this node stands, or an answer to one of its own, and says whether it could.
func (n *Node) takePlace(from member.Member, peer detect.Peer, t wire.Type, body []byte) bool {
	if t == wire.TypeLocate {
		seq, ok := wire.ReadLocate(body)
		if ok {
			n.locator.asker, n.locator.answer = peer, seq
		}
		return ok
	}
	m, ok := wire.ReadLocated(body)
	if ok {
		n.located(&from, peer, &m)
	}
	return ok
}

// located takes an answer in: a round trip, and where its sender stands.
func (n *Node) located(m *member.Member, peer detect.Peer, a *wire.Located) {
	l := &n.locator
	is := func(q *question) bool {
		return q.peer.ID == peer.ID && q.peer.Instance == peer.Instance && q.seq == a.Seq
	}
	at := Location{Inside: topology.Coordinate(a.Inside), Outside: topology.Coordinate(a.Outside)}
	if a.Outside.Height == 0 { // it knows of nobody there yet
		at.Outside = topology.Start
	}
	if q := &l.asked[a.Seq%maxAsked]; is(q) {
		n.tookTrip(m, &at, q.sent)
		*q = question{}
		return
	}
	if i := slices.IndexFunc(l.lookups, func(x lookup) bool { return is(&x.question) }); i >= 0 {
		n.tookTrip(m, &at, l.lookups[i].sent)
		n.endLookup(i, at, nil)
	}
}

// tookTrip takes in a round trip to a member that is somewhere.
func (n *Node) tookTrip(m *member.Member, at *Location, sent Time) {
	at.RTT = n.now.Sub(sent)
	self := n.Self()
	if topology.PlaceOf(m).Zone() != topology.PlaceOf(&self).Zone() {
		n.locator.outside.Sample(n.rng, m.ID, &at.Outside, at.RTT)
		return
	}
	n.locator.inside.Sample(n.rng, m.ID, &at.Inside, at.RTT)
	if n.ring.Mixed() { // a rack's fractions of a millisecond, among milliseconds that vary: any error there would be a large one
		n.locator.outside.SampleAside(n.rng, m.ID, &at.Outside, at.RTT)
	}
}

// lookUp begins to ask a live member where it stands. Another of the same member takes the place of the first.
func (n *Node) lookUp(id member.ID) error {
	m, ok := n.table.Get(id)
	if !ok || !m.State.Live() || id == n.id {
		return ErrNoMember
	}
	l := &n.locator
	i := slices.IndexFunc(l.lookups, func(x lookup) bool { return x.peer.ID == id })
	if i < 0 {
		if len(l.lookups) == maxLookups {
			return ErrLookups
		}
		i = len(l.lookups)
		l.lookups = append(l.lookups, lookup{})
	}
	l.lookups[i] = lookup{question: question{peer: detect.PeerOf(&m)}}
	n.askAgain(&l.lookups[i])
	l.due = min(l.due, n.now.Add(lookupEvery))
	return nil
}

func (n *Node) askAgain(x *lookup) {
	start := n.open(x.peer.Instance)
	x.question = n.ask(x.peer)
	x.tries++
	n.close(start, x.peer)
}

// wakeLookups asks those again who have not answered, and gives up those who never do.
func (n *Node) wakeLookups() {
	l := &n.locator
	if l.due > n.now {
		return
	}
	l.due = Never
	for i := len(l.lookups) - 1; i >= 0; i-- {
		x := &l.lookups[i]
		_, live := n.liveMember(x.peer)
		switch again := x.sent.Add(lookupEvery); {
		case !live, again <= n.now && x.tries == lookupTries:
			n.endLookup(i, Location{}, ErrNoAnswer)
			continue
		case again <= n.now:
			n.askAgain(x)
		}
		l.due = min(l.due, x.sent.Add(lookupEvery))
	}
}

func (n *Node) endLookup(i int, at Location, err error) {
	l := &n.locator
	m, ok := n.table.Get(l.lookups[i].peer.ID)
	if !ok {
		m = member.Member{ID: l.lookups[i].peer.ID}
	}
	l.lookups = slices.Delete(l.lookups, i, i+1)
	n.out.Events = append(n.out.Events, Event{Kind: MemberLocated, Member: m, Location: at, Err: err})
}

// stalledLocator drops the round trips in which this process stood still.
func (n *Node) stalledLocator() {
	l := &n.locator
	l.asked = [maxAsked]question{}
	for i := range l.lookups {
		l.lookups[i].seq = 0
		l.lookups[i].sent = n.now.Add(-lookupEvery)
	}
	if len(l.lookups) > 0 {
		l.due = n.now
	}
}
