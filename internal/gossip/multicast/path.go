package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// path is how long answers from a zone take (RFC 6298). A Confirm names the attempt that it
// answers, so no sample is ambiguous and Karn's rule is not needed. An answer that comes late,
// after another try, counts as well, as in RFC 3522: so the wait grows with a shortage of
// processors instead of taking it for losses.
type path struct {
	// of questions that are answered at once, and of questions whose answers may wait for company
	prompt, patient trip

	answered mono.Time // when the last answer came
	missed   int       // first tries since then that none came to in time
	back     uint8     // how often the wait was doubled since then
	doubled  mono.Time // when it was
}

// trip is a smoothed round trip, and how much it varies.
type trip struct{ smooth, vary time.Duration }

const (
	minWait   = 1500 * time.Microsecond // that an answer is given beyond the round trip, at least
	maxRTO    = 2 * time.Second
	guessNear = time.Millisecond       // a round trip before any was measured
	guessFar  = 200 * time.Millisecond // the same to another zone

	maxBack    = 7                     // doublings of a wait
	maxCompany = 50 * time.Millisecond // that something waits for company
)

func (p *trip) sample(rtt time.Duration) {
	if p.smooth == 0 {
		p.smooth, p.vary = rtt, rtt/2
		return
	}
	p.vary += ((rtt - p.smooth).Abs() - p.vary) / 4
	p.smooth += (rtt - p.smooth) / 8
}

// paths are those to this node's zone and to the others, of which some share one if they are very
// many.
type paths struct {
	near, far lossMeter
	inside    path
	outside   []farPath
}

type farPath struct {
	zone uint16
	path
}

const maxPaths = 64

func (r *Relay) path(zone uint16) *path {
	if zone == r.self().Zone() {
		return &r.paths.inside
	}
	all := r.paths.outside
	for i := range all {
		if all[i].zone == zone {
			return &all[i].path
		}
	}
	if len(all) == maxPaths {
		return &all[zone%maxPaths].path
	}
	r.paths.outside = append(all, farPath{zone: zone})
	return &r.paths.outside[len(all)].path
}

// heard takes in how long an answer took.
func (p *path) heard(now mono.Time, rtt time.Duration, patient bool) {
	p.answered, p.missed, p.back = now, 0, 0
	if patient {
		p.patient.sample(rtt)
	} else {
		p.prompt.sample(rtt)
	}
}

// backOff doubles what is waited for answers, once in that time, if many tries in a row got none:
// then the processors are short of time, and trying sooner makes it worse.
func (r *Relay) backOff(now mono.Time, zone uint16, patient bool) {
	p, rto := r.path(zone), r.rto(zone, patient)
	p.missed++
	if p.missed >= flowBusy && p.back < maxBack && now.Sub(p.answered) > rto &&
		now.Sub(p.doubled) > rto {
		p.back, p.doubled = p.back+1, now
	}
}

// rto is how long an answer from a zone is waited for.
func (r *Relay) rto(zone uint16, patient bool) time.Duration {
	p := r.path(zone)
	t, least := p.prompt, minWait
	if t.smooth == 0 {
		t.smooth = max(guessNear, r.host.RTT())
		if zone != r.self().Zone() {
			t.smooth = max(guessFar, t.smooth)
		}
	}
	if patient {
		if least = ackDelay; p.patient.smooth > 0 {
			t = p.patient
		}
	}
	return min((t.smooth+max(least, t.smooth/2+time.Millisecond, 4*t.vary))<<p.back, maxRTO)
}

const percent = 1 << 16 / 100

// lossMeter is the share of tries that are lost, they or their answers, in 1/65,536: the mean of
// the first few, then an exponential average. A try is known to be lost when a later one is
// answered. A member that never answers is dead, and a member that answers late is short of time.
// Whole numbers are the same on every machine.
type lossMeter struct {
	share, samples int32
	heard          uint8 // the class that somebody else told last
}

const (
	// samples over which losses are averaged; more while many answers share a datagram
	lossMemory = 64
	lossFew    = 16 // samples from which on a node believes its own eyes alone
)

// lost counts a try with somebody in a zone. What is lost between zones says nothing of what is
// lost inside, and the other way round.
func (r *Relay) lost(zone uint16, lost bool) {
	m, memory := &r.paths.near, int32(lossMemory)
	if zone != r.self().Zone() {
		m = &r.paths.far
	}
	if r.busy() {
		memory *= 4
	}
	m.samples = min(m.samples+1, memory)
	x := int32(0)
	if lost {
		x = 1 << 16
	}
	m.share += (x - m.share) / m.samples
}

// told hears from somebody else how lossy the network is. Only a node that hardly knows itself
// believes it, so that no rumor of losses keeps itself alive.
func (m *lossMeter) told(class uint8) { m.heard = class }

// class says how lossy this node's zone is: 0 below 2 % of the packets, 1 below 15 %, 2 below 35 %,
// 3 above. Until a node has seen enough itself, it goes by what the detector has measured, and by
// what it was told.
func (r *Relay) class() uint8 {
	if m := &r.paths.near; m.samples >= lossFew {
		return classOf(m.share)
	}
	failed, of := r.host.Losses()
	return max(r.paths.near.heard, classOf(int32(int64(failed)<<16/int64(max(of, 1)))))
}

// classTo says how lossy the ways to a zone are; those to all others count as one.
func (r *Relay) classTo(zone uint16) uint8 {
	if zone == r.self().Zone() {
		return r.class()
	}
	return r.paths.farClass()
}

func (p *paths) farClass() uint8 {
	if p.far.samples >= lossFew {
		return classOf(p.far.share)
	}
	return p.far.heard
}

// classOf returns that of a share of round trips.
func classOf(share int32) uint8 {
	switch {
	case share < 5*percent:
		return 0
	case share < 28*percent:
		return 1
	case share < 58*percent:
		return 2
	}
	return 3
}

// policy is what a class of loss asks for.
type policy struct {
	extras uint8 // copies beside the tree that a node sends of a small parcel
	hand   uint8 // tries with a delegate before another is asked
	tries  uint8 // with a single member
	mute   uint8 // with one that was silent before
	silent uint8 // tries without an answer, of any parcels, that make a member silent
	// each try is waited for longer than the last by this part of it: where much is lost, silence
	// says less
	growth uint8
}

var policies = [4]policy{{1, 1, 4, 2, 3, 2}, {2, 1, 6, 3, 5, 2}, {3, 1, 9, 5, 8, 4},
	{4, 2, 13, 9, 14, 4}}

// company is how long something waits for company after the last that went to the same peer. As a
// rule that is usual. If this node is busy it is a part of the wait for answers, if that is longer:
// the processors are short of time then, and full datagrams save it.
func (r *Relay) company(usual time.Duration) time.Duration {
	if !r.busy() {
		return usual
	}
	return max(usual, min(r.rto(r.self().Zone(), true)/4, maxCompany))
}

// silence holds the members that let several tries in a row pass without an answer. It is a cache
// without chains: of two members in one slot the earlier one is forgotten, which costs a time-out.
type silence struct{ slots []silent }

type silent struct {
	id    member.ID
	at    mono.Time
	tries uint8
}

const (
	silenceSlots = 1024
	silentFor    = 3 * time.Second // then it gets another chance
)

func (s *silence) slot(id member.ID) *silent { return &s.slots[uint64(id)%silenceSlots] }

func (s *silence) heard(id member.ID) {
	if s.slots == nil {
		return
	}
	if e := s.slot(id); e.id == id {
		*e = silent{}
	}
}

func (s *silence) missed(now mono.Time, id member.ID) {
	if s.slots == nil {
		s.slots = make([]silent, silenceSlots)
	}
	e := s.slot(id)
	if e.id != id {
		*e = silent{id: id}
	}
	e.at = now
	e.tries = min(e.tries, 200) + 1
}

// silent says whether a member let so many tries pass that losses hardly explain it.
func (r *Relay) silent(now mono.Time, id member.ID) bool {
	if r.silence.slots == nil {
		return false
	}
	e := r.silence.slot(id)
	return e.id == id && e.tries >= policies[max(r.class(), r.paths.farClass())].silent &&
		now.Sub(e.at) < silentFor
}
