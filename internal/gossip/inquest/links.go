package inquest

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
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

const links = 2 // members of a zone that watch one of each other zone

// near draws a member of this node's zone other than those excluded.
func (w *watch) near(not []member.ID) (p plane.Peer, ok bool) {
	own := w.own()
	if len(own) == 0 {
		return p, false
	}
	start := w.host.Rand().IntN(len(own))
	for k := range min(len(own), len(not)+1) {
		if id := own[(start+k)%len(own)].ID; !slices.Contains(not, id) {
			if m, _ := w.host.Table().Get(id); !m.OutOfFamily {
				return plane.PeerOf(&m), true
			}
		}
	}
	return p, false
}

// astray says whether a member of another zone is watched without need: this node's zone has grown.
func (w *watch) astray(x *watched) bool {
	return !x.link && w.far(x.peer.ID) && len(w.own()) > w.cfg.Watch
}

// holds says whether this node watches another zone. The nodes that do are found by consistent
// hashing (Karger et al. 1997): a link falls to the node that comes next on the ring after a point
// that the two zones give, and to the next when that dies.
func (w *watch) holds(own []topology.Place, zone uint16) bool {
	from := own[0].Key >> (64 - topology.ZoneBits) << (64 - topology.ZoneBits)
	for k := range uint64(links) {
		point := from | scramble(from|uint64(zone)<<8|k)>>topology.ZoneBits
		if own[topology.After(own, point)%len(own)].ID == w.host.Self() {
			return true
		}
	}
	return false
}

// relink lets go of zones that others watch now, and takes on those that fall to this node.
func (w *watch) relink(now mono.Time) {
	own := w.own()
	if !w.ring.Mixed() || len(own) == 0 {
		return
	}
	for i := len(w.watched) - 1; i >= 0; i-- {
		if x := &w.watched[i]; x.link && !w.holds(own, w.zoneOf(x.peer.ID)) {
			w.promise(now, x, 0)
			w.unwatch(i)
		}
	}
	for zone := range w.ring.Zones() {
		z := zone[0].Zone()
		linked := func(x watched) bool { return x.link && w.zoneOf(x.peer.ID) == z }
		if z == own[0].Zone() || len(w.watched) >= MaxWatch || !w.holds(own, z) ||
			slices.ContainsFunc(w.watched, linked) {
			continue
		}
		m, _ := w.host.Table().Get(zone[w.host.Rand().IntN(len(zone))].ID)
		if !w.watches(m.ID) && !m.OutOfFamily {
			w.watched = append(w.watched, watched{peer: plane.PeerOf(&m), due: mono.Never,
				link: true})
		}
	}
}
