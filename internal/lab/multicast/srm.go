package multicast

// SRM, scalable reliable multicast (Floyd, Jacobson, Liu, McCanne, Zhang, "A Reliable Multicast
// Framework for Light-weight Sessions and Application Level Framing", 1997), over multicast by the
// network, which it takes for granted (routers.go). The origin multicasts once. A member that finds
// that it lacks the message asks all for it, and a member that has it repairs to all. Random
// timers, the longer the further away, let one ask and one repair for many. A member that hears a
// request that it was about to make backs off. A member that hears a repair drops its own (section
// III.B):
//
//   - request: uniform in 2^i·[C1·d, (C1+C2)·d], d the distance to the origin, i the back-offs
//     so far; a request heard is a back-off, but one only until half of the timer has passed
//     (those of one round count once);
//   - repair: uniform in [D1·d, (D1+D2)·d], d the distance to the member that asked; after a
//     repair, requests are passed over for three times the distance;
//   - C1 = C2 = 2, D1 = D2 = log10 n (section V.A).
//
// A lost tail, and a single message is one, is found out by session messages alone. Each member
// multicasts how far the session is, at a rate that keeps the session's traffic the same for any
// number of members. Session messages also measure distances; here the session is old, and all
// members know them.

import (
	"math"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

const c1, c2 = 2.0, 2.0

type srm struct {
	*member
	backoffs int         // of the request; -1: not known to be missing
	request  gossip.Time // when it asks; Never: not at all
	ignore   gossip.Time // requests of others before this are of the same round
	repair   gossip.Time // when it repairs; Never: not at all
	hold     gossip.Time // requests before this are passed over
}

// The timers.
const (
	srmSession = iota
	srmRequest
	srmRepair
)

func newSRM(m *member) node {
	return &srm{member: m, backoffs: -1, request: gossip.Never, repair: gossip.Never}
}

// distance is how long a datagram to another takes by the tree, in the median.
func (s *srm) distance(to int) time.Duration {
	return time.Duration(max(1, s.w.tree.hops(s.me, to))) * s.w.tree.link.Quantile(0.5)
}

func (s *srm) start() { s.after(s.between(0, s.sessions()), srmSession) }

// sessions is the time between two session messages of one member.
func (s *srm) sessions() time.Duration { return s.w.o.Session * time.Duration(s.w.o.Nodes) }

func (s *srm) publish() { s.group(data, wholeGroup, 0) }

func (s *srm) receive(from int, k kind, args []uint32, fresh bool) {
	now := s.now()
	switch k {
	case data:
		s.request = gossip.Never
		s.repair = gossip.Never
		s.hold = now.Add(3 * s.distance(int(args[0])))
	case session:
		if args[0] == 1 && !s.has && s.backoffs < 0 {
			s.await(0)
		}
	case nack:
		switch {
		case s.has && s.repair == gossip.Never && now >= s.hold:
			s.answer(int(args[0]))
		case !s.has && s.backoffs < 0:
			s.await(1) // it did not know; somebody asks already
		case !s.has && now >= s.ignore:
			s.await(s.backoffs + 1)
		}
	}
}

// await sets the request's timer.
func (s *srm) await(backoffs int) {
	s.backoffs = backoffs
	d := float64(s.distance(0)) * math.Exp2(float64(min(backoffs, 10)))
	wait := s.between(time.Duration(c1*d), time.Duration((c1+c2)*d))
	s.request, s.ignore = s.now().Add(wait), s.now().Add(wait/2)
	s.after(wait, srmRequest)
}

// answer sets the repair's timer.
func (s *srm) answer(to int) {
	d1 := math.Log10(float64(s.w.o.Nodes))
	d := float64(s.distance(to))
	wait := s.between(time.Duration(d1*d), time.Duration(2*d1*d))
	s.repair = s.now().Add(wait)
	s.after(wait, srmRepair)
}

func (s *srm) timer(what int, due gossip.Time) {
	now := s.now()
	switch what {
	case srmSession:
		there := uint32(0)
		if s.has {
			there = 1
		}
		s.group(session, wholeGroup, there)
		s.after(s.jitter(s.sessions()), srmSession)
	case srmRequest:
		if due != s.request { // put off, or no longer wanted
			return
		}
		s.group(nack, wholeGroup, uint32(s.me))
		s.await(s.backoffs + 1)
	case srmRepair:
		if due != s.repair {
			return
		}
		s.repair, s.hold = gossip.Never, now.Add(3*s.distance(0))
		s.group(data, wholeGroup, uint32(s.me))
	}
}
