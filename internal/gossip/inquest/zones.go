package inquest

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// Watching across zones. If everybody watched anybody, most pings would cross zones, and the dear
// links between them would carry more the larger a zone is. So a node watches members of its own
// zone, and others only where that has too few. For the case that a whole zone is silent, and
// nobody inside can say so to anybody, each zone watches each other one over a few links; and of
// each verdict about a member of another zone those outside take it that its zone may be gone, and
// look at a few more. If they are well, that costs a few packets; if they are not, there are as
// many more for each, and the silent zone is known after a few times the grace. All of that is the
// same for a zone of ten and of a thousand.

const (
	links = 2 // members of a zone that watch one of each other zone
	more  = 8 // members of a zone that are examined from outside for a verdict about one of it
)

// zoneOf returns the zone of a member.
func (d *Detector) zoneOf(id member.ID) uint16 {
	m, ok := d.host.Table().Get(id)
	if !ok {
		return 0
	}
	return topology.PlaceOf(&m).Zone()
}

// far says whether a member is of another zone.
func (d *Detector) far(id member.ID) bool {
	return d.ring.Mixed() && d.zoneOf(id) != d.zoneOf(d.host.Self())
}

// own returns the members of this node's zone, itself included.
func (d *Detector) own() []topology.Place { return d.ring.Zone(d.zoneOf(d.host.Self())) }

// abroad is what is known of the ways to another zone.
type abroad struct {
	zone  uint16
	heard mono.Time // a datagram of any of its members, while there were alarms
	last  member.ID // who sent it; 0: nobody did
	path
}

// way returns what is known of the ways to a member: one for all of a zone. Of a zone that was
// never met it is known how much gets lost on the way to others.
func (d *Detector) way(id member.ID) *path {
	if !d.far(id) {
		return &d.path
	}
	return &d.abroadOf(d.zoneOf(id)).path
}

func (d *Detector) abroadOf(z uint16) *abroad {
	for i := range d.abroad {
		if d.abroad[i].zone == z {
			return &d.abroad[i]
		}
	}
	x := abroad{zone: z}
	if n := len(d.abroad); n > 0 {
		x.lost = d.abroad[n-1].lost
		if n >= maxAbroad {
			d.abroad = d.abroad[1:]
		}
	}
	d.abroad = append(d.abroad, x)
	return &d.abroad[len(d.abroad)-1]
}

// near draws a member of this node's zone other than those excluded.
func (d *Detector) near(not []member.ID) (p detect.Peer, ok bool) {
	own := d.own()
	if len(own) == 0 {
		return p, false
	}
	start := d.host.Rand().IntN(len(own))
	for k := range min(len(own), len(not)+1) {
		if id := own[(start+k)%len(own)].ID; !slices.Contains(not, id) {
			if m, _ := d.host.Table().Get(id); !m.OutOfFamily {
				return detect.PeerOf(&m), true
			}
		}
	}
	return p, false
}

// astray says whether somebody is watched elsewhere who need not be: this node's zone has grown.
func (d *Detector) astray(w *watched) bool {
	return !w.link && d.far(w.peer.ID) && len(d.own()) > d.cfg.Watch
}

// holds says whether this node watches another zone. Who does is found by consistent hashing
// (Karger et al. 1997): a link falls to whoever comes next on the ring after a point that the two
// zones give, and to the next when that dies.
func (d *Detector) holds(own []topology.Place, zone uint16) bool {
	from := own[0].Key >> (64 - topology.ZoneBits) << (64 - topology.ZoneBits)
	for k := range uint64(links) {
		point := from | scramble(from|uint64(zone)<<8|k)>>topology.ZoneBits
		if own[topology.After(own, point)%len(own)].ID == d.host.Self() {
			return true
		}
	}
	return false
}

// watchLinks lets go of zones that others watch now, and takes on those that fall to this node.
func (d *Detector) watchLinks(now mono.Time) {
	own := d.own()
	if !d.ring.Mixed() || len(own) == 0 {
		return
	}
	for i := len(d.watched) - 1; i >= 0; i-- {
		if w := &d.watched[i]; w.link && !d.holds(own, d.zoneOf(w.peer.ID)) {
			d.promise(now, w, 0)
			d.unwatch(i)
		}
	}
	for zone := range d.ring.Zones() {
		z := zone[0].Zone()
		linked := func(w watched) bool { return w.link && d.zoneOf(w.peer.ID) == z }
		if z == own[0].Zone() || len(d.watched) >= MaxWatch || !d.holds(own, z) ||
			slices.ContainsFunc(d.watched, linked) {
			continue
		}
		if m, _ := d.host.Table().Get(zone[d.host.Rand().IntN(len(zone))].ID); !d.watches(m.ID) && !m.OutOfFamily {
			d.watched = append(d.watched, watched{peer: detect.PeerOf(&m), due: mono.Never,
				link: true})
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
