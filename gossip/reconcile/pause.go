package reconcile

import (
	"time"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/mono"
)

// Peers who answered and with whom yet nothing got better are left alone for longer and longer: something is wrong with
// one of the two that repair cannot help. (An exchange without an answer was lost, and is tried again.) Only the latest
// few are remembered; the others are held back by the node's own interval.

const (
	pausedPeers = 8
	firstPause  = 2 * time.Second
)

// pause is one peer with whom an exchange was started.
type pause struct {
	peer     member.ID
	x        uint64 // the XOR of the two fingerprints then: still the same, nothing got better
	until    mono.Time
	pause    time.Duration
	answered bool
}

func (r *Repair) isPaused(now mono.Time, peer member.ID, x uint64) bool {
	for i := range r.paused {
		p := &r.paused[i]
		if p.peer == peer && p.x == x && now < p.until {
			return true
		}
	}
	return false
}

// pausePeer notes the start of an exchange. The slot is the peer's own, or that of the one that ends first.
func (r *Repair) pausePeer(now mono.Time, peer member.ID, x uint64) {
	slot := &r.paused[0]
	for i := range r.paused {
		p := &r.paused[i]
		if p.peer == peer {
			slot = p
			break
		}
		if p.until < slot.until {
			slot = p
		}
	}
	d := firstPause
	if slot.peer == peer && slot.x == x && slot.answered {
		d = min(2*slot.pause, r.cfg.MaxPause)
	}
	*slot = pause{peer: peer, x: x, until: now.Add(d), pause: d}
}

// answered notes that a peer sent something of anti-entropy.
func (r *Repair) answered(peer member.ID) {
	for i := range r.paused {
		if r.paused[i].peer == peer {
			r.paused[i].answered = true
		}
	}
}

func (r *Repair) unpausePeer(peer member.ID) {
	for i := range r.paused {
		if r.paused[i].peer == peer {
			r.paused[i] = pause{}
		}
	}
}
