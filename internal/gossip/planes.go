package gossip

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/alarms"
	"github.com/starling-gossip/starling/internal/gossip/called"
	"github.com/starling-gossip/starling/internal/gossip/coords"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/quota"
	"github.com/starling-gossip/starling/internal/gossip/reach"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
	"github.com/starling-gossip/starling/internal/gossip/state"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/upkeep"
	"github.com/starling-gossip/starling/internal/gossip/ways"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// planes are the parts of a node that speak with their like at others, and the list of them.
type planes struct {
	detector detect.Detector
	reach    *reach.Reach   // which members it reaches
	called   *called.Called // whether its address leads to it
	repair   *reconcile.Repair
	streams  *stream.Streams  // what everybody publishes, as this node has it
	relay    *multicast.Relay // how it travels
	keys     *state.Store     // what everybody tells about itself, as this node has it
	alarms   *alarms.Alarms   // which members do not answer which
	coords   *coords.Coords   // where this node stands, and others do
	ways     *ways.Ways       // to the members that it talks to
	quota    *quota.Quota     // what this node's zone may send to others
	door     *door.Door       // its way in and out
	upkeep   *upkeep.Upkeep   // of the dead

	all      []plane.Plane            // the order is fixed, and means nothing
	enders   []plane.Ender            // those of them that hear of the end of a datagram
	listener detect.Listener          // the detector, if it is one
	readers  [wire.Planes]plane.Plane // which of them reads what
	// the deadline, once it was asked for after a step: it changes in steps alone
	due      Time
	dueKnown bool
}

// list makes the lists.
func (p *planes) list() {
	p.all = []plane.Plane{
		p.detector, p.reach, p.called, p.repair, p.streams, p.relay, p.keys, p.alarms, p.coords,
		p.ways, p.quota, p.upkeep, p.door,
	}
	for _, x := range p.all {
		if e, ok := x.(plane.Ender); ok {
			p.enders = append(p.enders, e)
		}
	}
	p.listener, _ = p.detector.(detect.Listener)
	p.readers = [wire.Planes]plane.Plane{
		wire.Probing: p.detector, wire.Repairs: p.repair, wire.Tree: p.relay,
		wire.Streams: p.streams, wire.Keys: p.keys, wire.Quota: p.quota, wire.Places: p.coords,
		wire.Ways: p.ways, wire.Entry: p.door,
	}
}

// deadline returns when the first of them is due, or the news is.
func (p *planes) deadline(news Time) Time {
	if !p.dueKnown {
		p.dueKnown, p.due = true, news
		for _, x := range p.all {
			p.due = min(p.due, x.Deadline())
		}
	}
	return p.due
}

// wake wakes those that are due.
func (p *planes) wake(now Time) {
	for _, x := range p.all {
		if x.Deadline() <= now {
			x.Wake(now)
		}
	}
}

// stalled tells them that this process stood still.
func (p *planes) stalled(now Time, gap time.Duration) {
	for _, x := range p.all {
		x.Stalled(now, gap)
	}
}

// changed tells them that the table changed.
func (p *planes) changed(now Time, before, after member.Member) {
	for _, x := range p.all {
		x.Changed(now, before, after)
	}
	if p.called.Deafened() {
		p.called.Settle()
	}
}

// forget tells them that a member leaves the table.
func (p *planes) forget(now Time, id member.ID) {
	for _, x := range p.all {
		x.Forget(now, id)
	}
}
