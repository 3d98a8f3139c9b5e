package inquest

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What the silence of a zone means for cases: some are held, more of the zone are examined until it
// is clear, juries go home, and all begins anew when the zone is heard (silence.go).

const more = 8 // members of a zone that are examined from outside for a verdict about one of it

// hold notes that a member is silent as all of its zone may be, and has more of the zone examined
// until that is clear.
func (c *accuser) hold(now mono.Time, a *alarm) {
	z := c.zoneOf(a.peer.ID)
	if c.zones.on(z) {
		a.held = true
		c.dismiss(z)
		return
	}
	if a.held {
		return
	}
	a.held = true
	held, accused := 0, 0
	for i := range c.alarms {
		if x := &c.alarms[i]; x.barred == 0 && c.zoneOf(x.peer.ID) == z {
			accused++
			if x.held {
				held++
			}
		}
	}
	if held >= manyOfZone {
		c.raise(now, z)
		return
	}
	c.lookInto(now, z, manyOfZone-accused)
}

// dismiss sends the juries home: while the zone's grace lasts there is nothing to judge. Where no
// jury was found it is looked for still, since this node may be alone.
func (c *accuser) dismiss(zone uint16) {
	for i := range c.alarms {
		if a := &c.alarms[i]; c.zoneOf(a.peer.ID) == zone && a.barred == 0 && !a.unreachable {
			a.held, a.jury = true, jury{}
		}
	}
}

// raise counts one more beginning or end of a zone's silence, and tells this zone.
func (c *accuser) raise(now mono.Time, zone uint16) {
	s := c.zones.of(zone)
	if s == nil {
		s = c.zones.add(zone)
	}
	c.turned(now, s, s.count+1, now)
	s.finder = true
	c.zones.tell(now, s)
}

// turned takes over what this node's zone holds of another.
func (c *accuser) turned(now mono.Time, s *silence, count uint32, since mono.Time) {
	was := s.on()
	s.count, s.since, s.again, s.finder = count, since, now.Add(tellAgain), false
	switch {
	case s.on():
		c.dismiss(s.zone)
	case was: // which of them are dead is found out anew
		for i := range c.alarms {
			if a := &c.alarms[i]; c.zoneOf(a.peer.ID) == s.zone {
				a.restart()
				c.soon(now)
			}
		}
	}
	if was != s.on() {
		c.host.Silent(now, s.zone, s.on())
		c.roll.missZone(s.zone)
	}
}

// toldOf takes in what another member of this zone says of a third zone.
func (c *accuser) toldOf(now mono.Time, m wire.Silence) {
	if s := c.zones.told(now, m); s != nil {
		c.turned(now, s, m.Count, now.Add(-m.Age))
		c.zones.tell(now, s)
	}
}

// repeatSilences tells again what this node has found out, or sees with its own eyes.
func (c *accuser) repeatSilences(now mono.Time) {
	for i := range c.zones.list {
		if s := &c.zones.list[i]; s.due(now) && (s.finder || s.on() && c.sees(s.zone)) {
			c.zones.tell(now, s)
		}
	}
}

// sees says whether this node's own cases show that a zone is silent.
func (c *accuser) sees(zone uint16) bool {
	for i := range c.alarms {
		if a := &c.alarms[i]; a.held && c.zoneOf(a.peer.ID) == zone {
			return true
		}
	}
	return false
}

// zoneHeard notes that somebody of a zone lives.
func (c *accuser) zoneHeard(now mono.Time, id member.ID) {
	m, ok := c.host.Table().Get(id)
	if !ok {
		return
	}
	z := topology.PlaceOf(&m).Zone()
	if c.zones.on(z) {
		c.raise(now, z)
		c.seekJurors(now, false) // those that were asked there in vain may be witnesses now
	}
	c.zones.heard(now, id, z)
}

// lookInto accuses so many members of a zone that are not accused yet.
func (c *accuser) lookInto(now mono.Time, zone uint16, k int) {
	members := c.ring.Zone(zone)
	start := c.host.Rand().IntN(len(members))
	for i := 0; i < len(members) && k > 0; i++ {
		m, _ := c.host.Table().Get(members[(start+i)%len(members)].ID)
		if c.accuse(now, plane.PeerOf(&m), now) {
			k--
		}
	}
}

// lookAround raises alarms about members of another zone of which one was failed: each node outside
// about so many that they are a few in all.
func (c *accuser) lookAround(now mono.Time, failed *member.Member) {
	if !c.far(failed.ID) {
		return
	}
	zone := c.ring.Zone(topology.PlaceOf(failed).Zone())
	outside := c.host.Table().Live() - len(zone)
	if len(zone) == 0 {
		return
	}
	k := more / outside
	if c.host.Rand().IntN(outside) < more%outside {
		k++
	}
	for range k {
		m, _ := c.host.Table().Get(zone[c.host.Rand().IntN(len(zone))].ID)
		c.accuse(now, plane.PeerOf(&m), now)
	}
}
