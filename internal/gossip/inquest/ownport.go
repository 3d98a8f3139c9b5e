package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Whether this node's own TCP port can be tried by others. A host that drops such connections does
// not notice, and those that watch it try the port seldom. So a node to whose port nobody came for
// a while asks one of those that ping it to try, and then others, each in its next Ack. Where
// nobody comes then either, its port is closed or filtered from outside, and those that it asked
// know the same.

const (
	ownQuiet = 8 * time.Second         // without a connection, after which somebody is asked to try
	ownAgain = 1500 * time.Millisecond // between two that are asked
)

// ownPort is what a node knows of its own port.
type ownPort struct {
	// the last connection; at first some time before the start: newcomers are tried at once
	taken mono.Time
	asked mono.Time // when somebody was last asked to try
	last  member.ID // the member that this was
	vain  int       // how many were asked since the last connection
}

// Taken takes in that somebody came to this node's own port.
func (d *Detector) Taken(now mono.Time) { d.mine = ownPort{taken: now, last: d.mine.last} }

// wantsTry says whether one that pings this node is to try its port, and counts on it.
func (d *Detector) wantsTry(now mono.Time, id member.ID) bool {
	o := &d.mine
	switch {
	case d.cfg.NoKernel || now.Sub(o.taken) < ownQuiet || o.vain >= d.ownTries():
		return false
	case o.vain > 0 && (now.Sub(o.asked) < ownAgain || id == o.last && len(d.leases) > 1):
		return false
	}
	o.asked, o.last, o.vain = now, id, o.vain+1
	return true
}

// ownTries is how many have to be asked in vain: of an ack and a connection either may be lost.
func (d *Detector) ownTries() int { return d.path.attempts(&d.cfg) }

// OwnFiltered says whether nobody comes to this node's own port, though others were asked to try
// it.
func (d *Detector) OwnFiltered(now mono.Time) bool {
	return d.mine.vain >= d.ownTries() && now.Sub(d.mine.asked) >= portAgain
}

// tryAsked tries the port of a watched member that asks for it.
func (d *Detector) tryAsked(now mono.Time, from detect.Peer) {
	for i := range d.watched {
		w := &d.watched[i]
		again := w.port.tried == 0 || now.Sub(w.port.tried) >= portAgain
		if w.peer.ID == from.ID && w.peer.Instance == from.Instance && again && !d.cfg.NoKernel {
			d.tryPort(now, w)
		}
	}
}
