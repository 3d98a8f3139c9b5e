package multicast

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// flow knows whether so many parcels come that it pays to send them the same way.
type flow struct {
	from               mono.Time
	now, last          int
	others, lastOthers int // pieces of other origins in these
	bytes, lastBytes   int // of them
}

const (
	flowWindow = 64 * time.Millisecond // or two round trips, if they are longer
	flowBusy   = 8                     // parcels in a window
)

// count takes in parcels, among them pieces of others.
func (p *paths) count(now mono.Time, parcels, others, bytes int) {
	f := &p.flow
	f.turn(now, max(flowWindow, 2*p.trip(p.self().Zone())))
	f.now += parcels
	f.others += others
	f.bytes += bytes
}

func (f *flow) turn(now mono.Time, window time.Duration) {
	switch gone := now.Sub(f.from); {
	case gone >= 2*window:
		*f = flow{from: now}
	case gone >= window:
		f.from, f.now, f.last = f.from.Add(window), 0, f.now
		f.others, f.lastOthers, f.bytes, f.lastBytes = 0, f.others, 0, f.bytes
	}
}

func (f *flow) busy() bool { return max(f.now, f.last) >= flowBusy }

// busy says whether many parcels come, or would if the processors had the time.
func (p *paths) busy() bool { return p.flow.busy() || p.inside.back > 0 }

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
func (p *paths) lost(zone uint16, lost bool) {
	m, memory := &p.near, int32(lossMemory)
	if zone != p.self().Zone() {
		m = &p.far
	}
	if p.busy() {
		memory *= 4
	}
	m.samples = min(m.samples+1, memory)
	x := int32(0)
	if lost {
		x = 1 << 16
	}
	m.share += (x - m.share) / m.samples
}

// toldBy takes in how lossy a sender believes the network to be, and says whether it is of another
// zone: then it means the ways between zones.
func (p *paths) toldBy(from plane.Peer, b *wire.Branch) (far bool) {
	if far = p.isFar(from); far {
		p.far.told(b.Loss)
		b.Loss = 0
	} else {
		p.near.told(b.Loss)
	}
	return far
}

// told hears from somebody else how lossy the network is. Only a node that hardly knows itself
// believes it, so that no rumor of losses keeps itself alive.
func (m *lossMeter) told(class uint8) { m.heard = class }

// class says how lossy this node's zone is: 0 below 2 % of the packets, 1 below 15 %, 2 below 35 %,
// 3 above. Until a node has seen enough itself, it goes by what the detector has measured, and by
// what it was told.
func (p *paths) class() uint8 {
	if m := &p.near; m.samples >= lossFew {
		return classOf(m.share)
	}
	failed, of := p.host.Losses()
	return max(p.near.heard, classOf(int32(int64(failed)<<16/int64(max(of, 1)))))
}

// classTo says how lossy the ways to a zone are; those to all others count as one.
func (p *paths) classTo(zone uint16) uint8 {
	if zone == p.self().Zone() {
		return p.class()
	}
	return p.farClass()
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
	copies uint8 // copies beside the tree that a node sends of a small parcel
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
func (p *paths) silent(now mono.Time, id member.ID) bool {
	if p.silence.slots == nil {
		return false
	}
	e := p.silence.slot(id)
	return e.id == id && e.tries >= policies[max(p.class(), p.farClass())].silent &&
		now.Sub(e.at) < silentFor
}

// Heard tells that a datagram of any kind came from a member: it is not silent.
func (p *paths) Heard(id member.ID) { p.silence.heard(id) }

func (s *silence) heard(id member.ID) {
	if s.slots == nil {
		return
	}
	if e := s.slot(id); e.id == id {
		*e = silent{}
	}
}
