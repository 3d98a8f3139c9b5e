package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// sparedFor is how long a member is not held deaf by an accuser whose jury heard from it: the way
// between the two is broken, and it will be for a while.
const sparedFor = 30 * time.Second

// spared is a member that a jury acquitted.
type spared struct {
	id    member.ID
	until mono.Time
}

// sparing are the members that do not answer this node and that others hear, the oldest first.
type sparing []spared

func (s sparing) has(now mono.Time, id member.ID) bool {
	return slices.ContainsFunc(s, func(x spared) bool { return x.id == id && x.until > now })
}

// add notes that a jury acquitted a member; over the bound the oldest makes way.
func (s *sparing) add(now mono.Time, id member.ID) {
	*s = slices.DeleteFunc(*s, func(x spared) bool { return x.id == id || x.until <= now })
	if len(*s) >= maxSpared {
		*s = slices.Delete(*s, 0, 1)
	}
	*s = append(*s, spared{id, now.Add(sparedFor)})
}

// drop forgets a member.
func (s *sparing) drop(id member.ID) {
	*s = slices.DeleteFunc(*s, func(x spared) bool { return x.id == id })
}
