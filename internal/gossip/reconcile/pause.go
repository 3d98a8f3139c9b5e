package reconcile

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// A difference that was told and yet did not go away is left alone for longer and longer: something
// is wrong with one of the two sides that repair cannot help. A difference is known by the XOR of
// the two fingerprints, which is the same with all peers of one view. An exchange without an answer
// was lost, and is tried again. Only the latest few differences are remembered; the others are held
// back by the node's own interval.

const (
	maxPauses  = 8
	firstPause = time.Second // it doubles up to maxPause
	maxPause   = 30 * time.Second
)

// pause is one difference over which an exchange was started.
type pause struct {
	x        uint64
	peer     member.ID
	answered bool // by the peer, which told what differs
	until    mono.Time
	pause    time.Duration
}

func (r *Repair) isPaused(now mono.Time, x uint64) bool {
	for i := range r.pauses {
		if p := &r.pauses[i]; p.x == x && now < p.until {
			return true
		}
	}
	return false
}

// pauseOver notes the start of an exchange with a peer over a difference, in its slot or in the one
// that ends first.
func (r *Repair) pauseOver(now mono.Time, x uint64, peer member.ID) {
	slot := &r.pauses[0]
	for i := range r.pauses {
		p := &r.pauses[i]
		if p.x == x {
			slot = p
			break
		}
		if p.until < slot.until {
			slot = p
		}
	}
	d := firstPause
	if slot.x == x && slot.answered {
		d = min(2*slot.pause, maxPause)
	}
	*slot = pause{x: x, peer: peer, until: now.Add(d), pause: d}
}

// answered notes that a peer told what differs.
func (r *Repair) answered(peer member.ID) {
	for i := range r.pauses {
		if r.pauses[i].peer == peer {
			r.pauses[i].answered = true
		}
	}
}
