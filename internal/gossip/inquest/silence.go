package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A zone that is silent as a whole. A cut cable is likelier than a thousand crashes, and a node on
// one side of it cannot tell a dead member from a dead way: nor can any number of jurors there. So
// a verdict about a member of another zone takes a vote from that zone: no cut is between that
// juror and the accuser, or its word would not have come. While nobody of the zone is heard at all,
// others of it are accused. When as many are condemned as could be chance no more, the zone is
// silent from here. All of this node's own zone are told so, and none of the silent one is failed
// for the zone's grace. After it the juries are called again, and judge without such a vote. The
// first datagram of anybody there ends it.
//
//	        many of the zone are condemned, and nobody of it is heard
//	 heard -----------------------------------------------------------> silent (odd count)
//	   ^                                                                   |
//	   +-------------------------------------------------------------------+
//	        a datagram of anybody there, here or at another node of this zone
//
// What a zone holds of another one is a number that all its members share: it counts how often the
// other fell silent and was heard again, so it is odd while it is silent, and the highest is the
// truth. A node that finds that it changed raises it.
//
// This file holds that number, and tells it. What follows for cases is in hold.go.

const (
	manyOfZone = 3 // members that have to be condemned; a zone of fewer has no grace
	// what a zone holds of a silent one is told again for those that missed it
	tellAgain   = 5 * time.Second
	tellNoMore  = time.Minute // after which the end of a silence is not told again
	maxSilences = 1 << 30     // of one zone: a number over this is made up
)

// silence is what this node's zone holds of another.
type silence struct {
	zone   uint16
	count  uint32
	since  mono.Time
	again  mono.Time // when it is told again
	finder bool      // this node has raised the count
}

func (s *silence) on() bool { return s.count%2 == 1 }

// due says whether it is to be told again.
func (s *silence) due(now mono.Time) bool {
	return s.again <= now && (s.on() || now.Sub(s.since) <= tellNoMore)
}

// silences are other zones that are silent, or were.
type silences struct {
	*env
	list []silence
}

func (z *silences) of(zone uint16) *silence {
	i := slices.IndexFunc(z.list, func(s silence) bool { return s.zone == zone })
	if i < 0 {
		return nil
	}
	return &z.list[i]
}

// on says whether a zone is silent from here.
func (z *silences) on(zone uint16) bool {
	s := z.of(zone)
	return s != nil && s.on()
}

// covers says whether a member is of a zone that is silent as a whole: all of it is unreachable for
// that.
func (z *silences) covers(m *member.Member) bool {
	return len(z.list) > 0 && z.on(topology.PlaceOf(m).Zone())
}

// waits says whether the zone of a member is silent, and its grace is not over.
func (z *silences) waits(now mono.Time, id member.ID) bool {
	if len(z.list) == 0 || z.cfg.ZoneGrace < 0 {
		return false
	}
	s := z.of(z.zoneOf(id))
	return s != nil && s.on() && now.Sub(s.since) < z.cfg.ZoneGrace
}

// over says whether a zone has been silent for its whole grace.
func (z *silences) over(now mono.Time, zone uint16) bool {
	s := z.of(zone)
	return s != nil && s.on() && now.Sub(s.since) >= z.cfg.ZoneGrace
}

// graced says whether a member is of another zone, one large enough to have a grace.
func (z *silences) graced(id member.ID) bool {
	return z.cfg.ZoneGrace >= 0 && z.far(id) && len(z.ring.Zone(z.zoneOf(id))) >= manyOfZone
}

// muteFor is how long nobody of a zone is heard before it may be silent: most of the grace. Jurors
// there that live answer more often, and what was on its way when a cable was cut may come after
// the first ping that is not answered.
func (z *silences) muteFor() time.Duration { return z.cfg.Grace * 2 / 3 }

// mute says whether nobody of a member's zone, another one, is heard.
func (z *silences) mute(now mono.Time, id member.ID) bool {
	return now.Sub(z.abroadOf(z.zoneOf(id)).heard) >= z.muteFor()
}

// heard notes that somebody of a zone lives.
func (z *silences) heard(now mono.Time, id member.ID, zone uint16) {
	if z.ring.Mixed() && zone != z.zoneOf(z.host.Self()) {
		x := z.abroadOf(zone)
		x.heard, x.last = now, id
	}
}

// add makes room for what is held of a zone; one that is not silent makes way.
func (z *silences) add(zone uint16) *silence {
	if len(z.list) >= maxAbroad {
		i := max(slices.IndexFunc(z.list, func(s silence) bool { return !s.on() }), 0)
		z.list = slices.Delete(z.list, i, i+1)
	}
	z.list = append(z.list, silence{zone: zone})
	return &z.list[len(z.list)-1]
}

// tell tells this node's zone.
func (z *silences) tell(now mono.Time, s *silence) {
	s.again = now.Add(tellAgain)
	m := wire.Silence{From: z.zoneOf(z.host.Self()), Zone: s.zone, Count: s.count,
		Age: now.Sub(s.since)}
	z.host.Spread(now, scramble(uint64(s.zone)), wire.AppendSilence(make([]byte, 0,
		wire.SilenceSize), m))
}

// told takes in what another member of this zone says of a third zone. It returns what is held of
// that zone if the word is news of it.
func (z *silences) told(now mono.Time, m wire.Silence) *silence {
	own := z.zoneOf(z.host.Self())
	if m.From != own || m.Zone == own || m.Count == 0 || m.Count > maxSilences {
		return nil
	}
	s := z.of(m.Zone)
	switch {
	case s == nil && len(z.ring.Zone(m.Zone)) == 0:
		return nil // a zone that is not known is not missed
	case s == nil:
		s = z.add(m.Zone)
	case m.Count < s.count && s.again > now.Add(time.Second):
		// the sender has missed something
		s.again = now.Add(time.Second)
		s.finder = true
	}
	if m.Count <= s.count {
		return nil
	}
	return s
}

func (z *silences) shift(gap time.Duration) {
	for i := range z.list {
		z.list[i].since = z.list[i].since.Add(gap)
	}
}
