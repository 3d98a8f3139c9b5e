package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Whether this node's own TCP port can be tried by others. A host that drops such connections does
// not notice, and those that watch it try the port seldom. So a node to whose port nobody came for
// a while asks one of those that ping it to try, and then others, each in its next Ack. Where
// nobody comes then either, its port is closed or filtered from outside, and those that it asked
// know the same.

const (
	ownQuiet = 8 * time.Second        // without a connection, after which somebody is asked to try
	ownAgain = 500 * time.Millisecond // between two that are asked
)

// ownPort is what a node knows of its own port.
type ownPort struct {
	*env
	// the last connection; at first some time before the start: newcomers are tried at once
	taken mono.Time
	asked mono.Time // when somebody was last asked to try
	last  member.ID // the member that this was
	vain  int       // how many were asked since the last connection
}

// came takes in that somebody came to the port.
func (o *ownPort) came(now mono.Time) { o.taken, o.asked, o.vain = now, 0, 0 }

// asks says whether a member that pings this node, one of so many, is to try the port, and counts
// on it.
func (o *ownPort) asks(now mono.Time, id member.ID, pingers int) bool {
	switch {
	case o.cfg.NoKernel || now.Sub(o.taken) < ownQuiet || o.vain >= o.tries():
		return false
	case o.vain > 0 && (now.Sub(o.asked) < ownAgain || id == o.last && pingers > 1):
		return false
	}
	o.asked, o.last, o.vain = now, id, o.vain+1
	return true
}

// tries is how many have to be asked in vain: of an ack and a connection either may be lost.
func (o *ownPort) tries() int { return o.path.attempts(&o.cfg) }

// filtered says whether nobody comes, though others were asked to try.
func (o *ownPort) filtered(now mono.Time) bool {
	return o.vain >= o.tries() && now.Sub(o.asked) >= portAgain
}

func (o *ownPort) shift(gap time.Duration) {
	o.taken, o.asked = o.taken.Add(gap), o.asked.Add(gap)
}
