package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A zone that is silent as a whole. A cut cable is likelier than a thousand crashes, and who is on
// the other side of it cannot tell a dead member from a dead way: nor can any number of jurors
// there. So a verdict about a member of another zone takes a vote from that zone: no cut is between
// that juror and the accuser, or its word would not have come. While nobody of the zone is heard at
// all, others of it are accused. When as many are condemned as could be chance no more, the zone is
// silent from here. All of this node's own zone are told so, and none of the silent one is failed
// for the zone's grace. After it the juries are called again, and judge without such a vote. The
// first datagram of anybody there ends it.
//
// What a zone holds of another one is a number that all its members share: it counts how often the
// other fell silent and was heard again, so it is odd while it is silent, and the highest is the
// truth. Whoever finds that it changed raises it.

const (
	manyOfZone = 3 // members that have to be condemned; a zone of fewer has no grace
	// what a zone holds of a silent one is told again for those who missed it
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

func (d *Detector) silenceOf(zone uint16) *silence {
	i := slices.IndexFunc(d.silences, func(s silence) bool { return s.zone == zone })
	if i < 0 {
		return nil
	}
	return &d.silences[i]
}

// isSilent says whether a zone is silent from here.
func (d *Detector) isSilent(zone uint16) bool {
	s := d.silenceOf(zone)
	return s != nil && s.on()
}

// newSilence makes room for what is held of a zone; one that is not silent makes way.
func (d *Detector) newSilence(zone uint16) *silence {
	if len(d.silences) >= maxAbroad {
		i := max(slices.IndexFunc(d.silences, func(s silence) bool { return !s.on() }), 0)
		d.silences = slices.Delete(d.silences, i, i+1)
	}
	d.silences = append(d.silences, silence{zone: zone})
	return &d.silences[len(d.silences)-1]
}

// muteFor is how long nobody of a zone is heard before it may be silent: most of the grace. Jurors
// there who live answer more often, and what was on its way when a cable was cut may come after the
// first ping that is not answered.
func (d *Detector) muteFor() time.Duration { return d.cfg.Grace * 2 / 3 }

// foreign says whether a member is of another zone, one large enough to have a grace. Hosts that
// refuse connections are not silent.
func (d *Detector) foreign(a *alarm) bool {
	return d.cfg.ZoneGrace >= 0 && !a.kernel.denied() && d.far(a.peer.ID) &&
		len(d.ring.Zone(d.zoneOf(a.peer.ID))) >= manyOfZone
}

// mute says whether a member is of another zone of which nobody is heard.
func (d *Detector) mute(now mono.Time, a *alarm) bool {
	return d.foreign(a) && now.Sub(d.abroadOf(d.zoneOf(a.peer.ID)).heard) >= d.muteFor()
}

// spared says whether a verdict is held back, since nobody of the member's zone votes for it.
func (d *Detector) spared(now mono.Time, a *alarm, votes []detect.Vote) bool {
	if !d.foreign(a) {
		return false
	}
	z := d.zoneOf(a.peer.ID)
	for i := range votes {
		if votes[i].Cause == wire.CauseRefused || d.zoneOf(votes[i].Juror) == z {
			return false
		}
	}
	if s := d.silenceOf(z); s != nil && s.on() && now.Sub(s.since) >= d.cfg.ZoneGrace {
		return false
	}
	if d.mute(now, a) {
		d.hold(now, a)
		return true
	}
	return !d.cfg.NoJury // who judges alone hears no votes
}

// witnessed says whether a juror of the member's own zone answers.
func (d *Detector) witnessed(a *alarm) bool {
	z, most := d.zoneOf(a.peer.ID), d.mostTries()
	return slices.ContainsFunc(a.jury.list[:a.jury.asked],
		func(x juror) bool { return x.answers(most) && d.zoneOf(x.id) == z })
}

// callWitness has whoever of a foreign member's zone was heard last join the jury, or be asked
// again, if no juror from there answers: where most of a zone are dead, so are those whom the lot
// falls to; and those who were cut off are asked no more.
func (d *Detector) callWitness(a *alarm, limit int) {
	if !d.foreign(a) || d.witnessed(a) {
		return
	}
	z := d.zoneOf(a.peer.ID)
	j, x := &a.jury, d.abroadOf(z)
	d.recall(j, z)
	if x.last == 0 || x.last == a.peer.ID {
		return
	}
	k := slices.IndexFunc(j.list, func(c juror) bool { return c.id == x.last })
	if k < 0 {
		k = len(j.list)
		j.list = append(j.list, juror{id: x.last})
	}
	if k >= j.asked && j.asked < limit {
		j.list[k], j.list[j.asked] = j.list[j.asked], j.list[k]
		k = j.asked
		j.asked++
	}
	if x.heard > j.list[k].asked {
		j.list[k].tries = 0
	}
}

// recall has a juror of a foreign member's zone asked once more, where all that were asked there
// did not answer: they may have been cut off, or have died, and nobody else of their zone may send
// to this node.
func (d *Detector) recall(j *jury, zone uint16) {
	most := d.mostTries()
	var oldest *juror
	for i := range j.list[:j.asked] {
		x := &j.list[i]
		switch {
		case d.zoneOf(x.id) != zone || x.tries == never:
		case x.tries < most:
			return
		case oldest == nil || x.asked < oldest.asked:
			oldest = x
		}
	}
	if oldest != nil {
		oldest.tries = most - 1
	}
}

// waits says whether a member is not examined, since its zone is silent and its grace is not over.
func (d *Detector) waits(now mono.Time, a *alarm) bool {
	if len(d.silences) == 0 || a.kernel.denied() || d.cfg.ZoneGrace < 0 {
		return false
	}
	s := d.silenceOf(d.zoneOf(a.peer.ID))
	return s != nil && s.on() && now.Sub(s.since) < d.cfg.ZoneGrace
}

// hold notes that a member is silent as all of its zone may be, and has more of the zone examined
// until that is clear.
func (d *Detector) hold(now mono.Time, a *alarm) {
	z := d.zoneOf(a.peer.ID)
	if d.isSilent(z) {
		a.held = true
		d.dismiss(z)
		return
	}
	if a.held {
		return
	}
	a.held = true
	held, accused := 0, 0
	for i := range d.alarms {
		if x := &d.alarms[i]; x.barred == 0 && d.zoneOf(x.peer.ID) == z {
			accused++
			if x.held {
				held++
			}
		}
	}
	if held >= manyOfZone {
		d.raise(now, z)
		return
	}
	d.lookInto(now, z, manyOfZone-accused)
}

// dismiss sends the juries home: while the zone's grace lasts there is nothing to judge. Where no
// jury was found it is looked for still, since this node may be alone.
func (d *Detector) dismiss(zone uint16) {
	for i := range d.alarms {
		if a := &d.alarms[i]; d.zoneOf(a.peer.ID) == zone && a.barred == 0 && !a.unreachable {
			a.held, a.jury = true, jury{}
		}
	}
}

// raise counts one more beginning or end of a zone's silence, and tells this zone.
func (d *Detector) raise(now mono.Time, zone uint16) {
	s := d.silenceOf(zone)
	if s == nil {
		s = d.newSilence(zone)
	}
	d.turned(now, s, s.count+1, now)
	s.finder = true
	d.tellSilence(now, s)
}

// turned takes over what this node's zone holds of another.
func (d *Detector) turned(now mono.Time, s *silence, count uint32, since mono.Time) {
	was := s.on()
	s.count, s.since, s.again, s.finder = count, since, now.Add(tellAgain), false
	switch {
	case s.on():
		d.dismiss(s.zone)
	case was: // whoever of them is dead is found out anew
		for i := range d.alarms {
			if a := &d.alarms[i]; d.zoneOf(a.peer.ID) == s.zone {
				a.restart()
				d.soon(now)
			}
		}
	}
	if was != s.on() {
		d.host.Silent(now, s.zone, s.on())
		d.missZone(s.zone)
	}
}

func (d *Detector) tellSilence(now mono.Time, s *silence) {
	s.again = now.Add(tellAgain)
	m := wire.Silence{From: d.zoneOf(d.host.Self()), Zone: s.zone, Count: s.count,
		Age: now.Sub(s.since)}
	d.host.Spread(now, scramble(uint64(s.zone)), wire.AppendSilence(make([]byte, 0,
		wire.SilenceSize), m))
}

// toldOf takes in what another member of this zone says of a third zone.
func (d *Detector) toldOf(now mono.Time, m wire.Silence) {
	own := d.zoneOf(d.host.Self())
	if m.From != own || m.Zone == own || m.Count == 0 || m.Count > maxSilences {
		return
	}
	s := d.silenceOf(m.Zone)
	switch {
	case s == nil && len(d.ring.Zone(m.Zone)) == 0:
		return // whoever is not known is not missed
	case s == nil:
		s = d.newSilence(m.Zone)
	case m.Count < s.count && s.again > now.Add(time.Second):
		// whoever says so has missed something
		s.again = now.Add(time.Second)
		s.finder = true
	}
	if m.Count > s.count {
		d.turned(now, s, m.Count, now.Add(-m.Age))
		d.tellSilence(now, s)
	}
}

// repeatSilences tells again what this node has found out, or sees with its own eyes.
func (d *Detector) repeatSilences(now mono.Time) {
	for i := range d.silences {
		s := &d.silences[i]
		if s.again > now || !s.on() && now.Sub(s.since) > tellNoMore {
			continue
		}
		sees := slices.ContainsFunc(d.alarms, func(a alarm) bool {
			return a.held &&
				d.zoneOf(a.peer.ID) == s.zone
		})
		if s.finder || s.on() && sees {
			d.tellSilence(now, s)
		}
	}
}

// heardOf notes that somebody of a zone lives.
func (d *Detector) heardOf(now mono.Time, id member.ID) {
	m, ok := d.host.Table().Get(id)
	if !ok {
		return
	}
	z := topology.PlaceOf(&m).Zone()
	if d.isSilent(z) {
		d.raise(now, z)
		for i := range d.alarms { // those who were asked there in vain may be witnesses now
			d.drawAnew(now, &d.alarms[i])
		}
	}
	if d.ring.Mixed() && z != d.zoneOf(d.host.Self()) {
		x := d.abroadOf(z)
		x.heard, x.last = now, id
	}
}

// lookInto accuses so many members of a zone who are not accused yet.
func (d *Detector) lookInto(now mono.Time, zone uint16, k int) {
	members := d.ring.Zone(zone)
	start := d.host.Rand().IntN(len(members))
	for i := 0; i < len(members) && k > 0; i++ {
		m, _ := d.host.Table().Get(members[(start+i)%len(members)].ID)
		if d.accuse(now, detect.PeerOf(&m), now) {
			k--
		}
	}
}

// lookAround raises alarms about members of another zone of which one was failed: each node outside
// about so many that they are a few in all.
func (d *Detector) lookAround(now mono.Time, failed *member.Member) {
	if !d.far(failed.ID) {
		return
	}
	zone := d.ring.Zone(topology.PlaceOf(failed).Zone())
	outside := d.host.Table().Live() - len(zone)
	if len(zone) == 0 {
		return
	}
	k := more / outside
	if d.host.Rand().IntN(outside) < more%outside {
		k++
	}
	for range k {
		m, _ := d.host.Table().Get(zone[d.host.Rand().IntN(len(zone))].ID)
		d.accuse(now, detect.PeerOf(&m), now)
	}
}
