package called

import "github.com/starling-gossip/starling/internal/gossip/mono"

// Unasked says whether nobody asked this node anything for so long that it may be held failed, and
// not hear of that.
func (r *Called) Unasked(now mono.Time) bool {
	return r.round > 0 && r.env.Table().Live() > 1 && now.Sub(r.start) >= callableFor &&
		now.Sub(r.asked) >= askedFor
}

// Hold has this node say no later incarnation than one before it is asked something: to others that
// would be the word that it lives, which it gives only if it is reached.
func (r *Called) Hold(incarnation uint32) {
	if !r.untold {
		r.untold, r.said = true, incarnation
	}
}

// Untold says whether an incarnation is held back.
func (r *Called) Untold() bool { return r.untold }

// Said returns the incarnation that this node says, of the one that it is at.
func (r *Called) Said(incarnation uint32) uint32 {
	if r.untold {
		return r.said
	}
	return incarnation
}
