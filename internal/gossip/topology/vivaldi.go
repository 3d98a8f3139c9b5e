package topology

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Vivaldi is a node's own coordinate, as it finds it (Dabek, Cox, Kaashoek, Morris 2004). Each
// measured round trip pulls it towards the other node or pushes it away, like a spring. This node
// moves more if the other is surer of itself than this one is (the adaptive timestep, section 2.5).
// Heights are included (section 5.4).
//
// Four things are not in that paper. A round trip is the median of the last few with a node, since
// single ones are noisy (the latency filter of Ledlie, Gardner and Seltzer 2007). Each new one is
// followed by some of those remembered, as if they had been measured again: without a packet a
// young cluster unfolds in a third of the time. A weak pull to the origin keeps a cluster as a
// whole from drifting away (the same authors). And one pull has a bound, so that a slow peer does
// not drag others along. A round trip counts as off the distance by at most two usual ones; a usual
// one is the median of this node's. The slow peer itself, all of whose trips are long, moves at
// full force.
//
// The zero Vivaldi has not begun. It is not safe for concurrent use.
type Vivaldi struct {
	self    spot
	samples int
	known   []neighbour // at most maxNeighbours
	usual   float64     // the median of their trips
	oldest  int         // of them, once they are so many
}

// neighbour is a node to which round trips were measured.
type neighbour struct {
	id    member.ID
	at    spot
	trips [filterLength]uint32 // the last round trips, in microseconds
	count int                  // of all so far
	aside bool                 // they do not count for the error
}

const (
	maxNeighbours = 32
	filterLength  = 5
	replays       = 16 // remembered round trips that are taken in again with each new one

	// c_c of the paper: the part of the way to the right distance that is gone at most; with
	// replays, less is enough
	step      = 0.1
	memory    = 0.25 // c_e: the weight of a new sample in the error
	guess     = 1.0  // the error of a node that knows nothing
	leastTrip = 1.0  // microseconds
	mostPull  = 2.0  // usual trips: how far a trip counts as off the distance at most
)

// start is where everybody begins: at the origin, a little above it, since heights only ever grow
// and shrink by a part.
var start = spot{height: 1000, error: guess}

// Start is the Coordinate of a node that has not moved yet.
var Start = start.coordinate()

// Sample takes in a round trip with a node that says where it stands.
func (v *Vivaldi) Sample(rng *rand.Rand, id member.ID, at *Coordinate, took time.Duration) {
	v.sample(rng, id, at, took, false)
}

// SampleAside is Sample for a round trip of a kind that is not estimated in this space: it moves
// this node, but says nothing of how good estimates are.
func (v *Vivaldi) SampleAside(rng *rand.Rand, id member.ID, at *Coordinate, took time.Duration) {
	v.sample(rng, id, at, took, true)
}

func (v *Vivaldi) sample(rng *rand.Rand, id member.ID, at *Coordinate, took time.Duration,
	aside bool) {
	if v.samples == 0 {
		v.self = start
	}
	v.samples++
	n := v.neighbour(id)
	n.at, n.aside = at.spot(), aside
	n.trips[n.count%filterLength] = uint32(min(max(took/time.Microsecond, 1), MaxAxis))
	n.count++
	v.usual = v.median()
	v.pull(rng, n)
	for range replays {
		v.pull(rng, &v.known[rng.IntN(len(v.known))])
	}
}

// neighbour returns what is remembered of a node; a new one takes the place of the oldest.
func (v *Vivaldi) neighbour(id member.ID) *neighbour {
	if i := slices.IndexFunc(v.known, func(n neighbour) bool { return n.id == id }); i >= 0 {
		return &v.known[i]
	}
	if len(v.known) < maxNeighbours {
		v.known = append(v.known, neighbour{id: id})
		return &v.known[len(v.known)-1]
	}
	n := &v.known[v.oldest]
	v.oldest = (v.oldest + 1) % maxNeighbours
	*n = neighbour{id: id}
	return n
}

// trip is the median of the last round trips.
func (n *neighbour) trip() float64 {
	last := n.trips
	some := last[:min(n.count, filterLength)]
	slices.Sort(some)
	return float64(some[(len(some)-1)/2])
}

// median is that of the trips to all remembered neighbours.
func (v *Vivaldi) median() float64 {
	var room [maxNeighbours]float64
	trips := room[:len(v.known)]
	for i := range v.known {
		trips[i] = v.known[i].trip()
	}
	slices.Sort(trips)
	return trips[(len(trips)-1)/2]
}

// pull moves this node's coordinate towards the right distance from another's, or away from it.
func (v *Vivaldi) pull(rng *rand.Rand, n *neighbour) {
	s := &v.self
	flat, distance := s.flat(&n.at), s.distance(&n.at)
	most := float64(mostPull * v.usual)
	rtt := max(min(n.trip(), distance+most), distance-most, leastTrip)
	weight := 0.5
	if sum := s.error + n.at.error; sum > 0 {
		weight = s.error / sum
	}
	if !n.aside {
		s.error += float64(memory * weight * (math.Abs(distance-rtt)/rtt - s.error))
		s.error = min(s.error, guess)
	}
	force := float64(step * weight * (rtt - distance))
	if flat < leastTrip { // at the same place: apart in any direction; heights say nothing yet
		for i := range s.point {
			s.point[i] += float64(force * (2*rng.Float64() - 1))
		}
		return
	}
	for i := range s.point {
		s.point[i] += float64(force * (s.point[i] - n.at.point[i]) / distance)
	}
	s.height = max(s.height+float64(force*(s.height+n.at.height)/distance), leastTrip)
	origin := spot{}
	away := s.flat(&origin) / MaxAxis
	for i := range s.point {
		s.point[i] -= float64(s.point[i] * min(away*away, 1))
	}
}

// Coordinate returns where this node stands.
func (v *Vivaldi) Coordinate() Coordinate {
	if v.samples == 0 {
		return Start
	}
	return v.self.coordinate()
}

// Samples returns how many round trips were taken in.
func (v *Vivaldi) Samples() int { return v.samples }

// Measured returns the round trip to a node as it was measured of late, 0 if it was not.
func (v *Vivaldi) Measured(id member.ID) time.Duration {
	if i := slices.IndexFunc(v.known, func(n neighbour) bool { return n.id == id }); i >= 0 {
		return time.Duration(v.known[i].trip()) * time.Microsecond
	}
	return 0
}
