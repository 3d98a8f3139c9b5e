package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// unheardFor is how long ago the last datagram of others is at most, while nobody answers, for a
// node to know that it hears and is not heard: they hold it failed, and call it now and then.
const unheardFor = 30 * time.Second

// isolation is whether this node is alone: most of the members that it watches have long not
// answered, and of the jurors that it asked about them nobody answers. Then it hears nobody, or
// nobody hears it; it fails nobody and says so. That ends with an answer alone, or once no more
// than two are left, of which neither can tell: that alarms end, or that others are watched, is no
// sign of anything.
type isolation struct {
	*env
	on      bool
	unheard bool      // isolated, and others are heard
	since   mono.Time // when it began
	answer  mono.Time // the last answer that came from a live member; 0: none
	heard   mono.Time // the last datagram that came from one; 0: none
}

// check is told how many of so many watched members are cut off from here.
func (i *isolation) check(now mono.Time, cut, watched int) {
	on := watched > 1 && 2*cut > watched ||
		i.on && i.answer <= i.since && i.host.Table().Live() > 2
	if on && !i.on {
		i.since = now
	}
	unheard := on && i.heard.Sub(i.answer) >= i.cfg.Grace && now.Sub(i.heard) < unheardFor
	if on != i.on || unheard != i.unheard {
		i.on, i.unheard = on, unheard
		i.host.Isolated(now, on, unheard)
	}
}
